//! Atelier's API: stores assignments, queues their jobs, and sweeps up what got lost on the way.

mod app;
mod change;
mod config;
mod correlation;
mod create;
mod cursor;
mod erase;
mod fleet;
mod health;
mod image;
mod input;
mod limit;
mod origin;
mod pace;
mod page;
mod placeholder;
mod problem;
mod read;
mod routes;
mod run;
mod send;
mod server;
mod sweep;
mod turns;
mod view;
mod wait;

pub use app::Services;
pub use config::ApiConfig;
pub use placeholder::Reason;
pub use routes::openapi;
pub use run::{run, service};
