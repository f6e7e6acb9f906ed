//! The cloud on one machine, over its real wire protocols.

pub mod cdn;
pub mod cloud;
pub mod control;
pub mod counters;
pub mod faults;
pub mod identity_provider;
pub mod listener;
pub mod model;
pub mod s3;
pub mod signature;
pub mod sqs;
