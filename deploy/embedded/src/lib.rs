//! The cloud on one machine, over its real wire protocols.

pub mod counters;
pub mod faults;
pub mod listener;
pub mod signature;
pub mod sqs;
