//! What the API and the workers both speak, one concept a file. Knows neither of them.

pub mod assignment;
pub mod aws;
pub mod cdn;
pub mod config;
pub mod failure;
pub mod fleet;
pub mod job;
pub mod pictures;
pub mod process;
pub mod queue;
pub mod store;
pub mod telemetry;
pub mod timestamp;
pub mod transition;
