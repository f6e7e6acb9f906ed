//! Takes jobs, makes pictures. Start reading at [`work`]: a job's way from top to bottom.

mod aimd;
mod attempt;
mod breaker;
pub mod budget;
mod concurrency;
pub mod config;
mod error;
mod fleet_pause;
pub mod generate;
pub mod health;
mod heartbeat;
mod lane;
mod lease;
pub mod optimize;
mod panic;
mod polls;
mod renditions;
mod reuse;
mod run;
mod settle;
mod upload;
pub mod work;
mod worker;

pub use config::Config;
pub use run::run;
pub use worker::{Services, Worker};
