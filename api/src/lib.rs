//! Atelier's HTTP API and its page: stores assignments, sends their jobs, shows what became of
//! them. What has no request behind it is the keeper's.

mod admission;
mod app;
mod body;
mod change;
pub mod config;
mod connections;
mod correlation;
mod create;
mod cursor;
mod fleet;
mod health;
mod image;
mod input;
mod limit;
mod locks;
mod origin;
mod page;
mod placeholder;
mod present;
mod problem;
mod read;
mod routes;
mod send;
mod serve;
mod server;
mod view;
mod wait;

pub use app::{App, Findings, Services};
pub use config::ApiConfig;
pub use placeholder::Reason;
pub use routes::{openapi, router};
pub use serve::serve;
