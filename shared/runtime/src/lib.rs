//! What every process needs: configuration, telemetry, start and stop.

pub mod config;
pub mod liveness;
pub mod process;
pub mod telemetry;
