//! Takes jobs, makes pictures. Start reading at [`work`]: a job's way from top to bottom.

mod avif;
pub mod config;
pub mod generate;
pub mod health;
mod heartbeat;
mod lease;
mod optimize;
pub mod pace;
mod reuse;
pub mod run;
mod settle;
mod trouble;
mod upload;
pub mod work;

pub use config::Config;
pub use run::{Services, Worker, run};
