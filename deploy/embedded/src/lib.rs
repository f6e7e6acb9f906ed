//! The cloud on one machine, over its real wire protocols.

pub mod faults;
pub mod listener;
