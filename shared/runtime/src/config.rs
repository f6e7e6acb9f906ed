//! The configuration: one struct a concern, every option documented where it is declared.
//!
//! An option has the same name everywhere: that of its environment variable. [`environment`]
//! reads them. Options of one crate alone are declared in that crate.

mod budget;
pub mod environment;
mod http;
mod job;
mod models;
mod socket;
mod url;

pub use budget::BudgetConfig;
pub use environment::{ConfigFaults, EXIT_CODE, Environment, Setting, describe};
pub use http::HttpConfig;
pub use job::{DrainConfig, JobConfig, SweepConfig};
pub use models::ModelsConfig;
pub use socket::socket_address;
pub use url::{http_url, is_http_url, is_loopback_url};
