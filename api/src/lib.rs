//! Atelier's HTTP API and its page: stores assignments, sends their jobs, shows what became of
//! them. What has no request behind it is the keeper's.

mod admission;
mod app;
mod audit_log;
mod auth;
mod body;
mod budget;
mod budgets;
mod change;
pub mod config;
mod connections;
mod correlation;
mod create;
mod cursor;
mod fleet;
mod health;
pub mod identity;
mod image;
mod input;
mod limit;
mod locks;
mod notice;
mod origin;
mod page;
mod placeholder;
mod present;
mod problem;
mod read;
mod rendition;
mod routes;
mod send;
mod serve;
mod server;
mod share;
mod shared;
mod view;
mod wait;

pub use app::{App, Findings, Services};
pub use config::ApiConfig;
pub use placeholder::Reason;
pub use routes::{openapi, router};
pub use serve::serve;
