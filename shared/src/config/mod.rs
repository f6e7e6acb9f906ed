//! The configuration: one struct a concern, every option documented where it is declared.
//!
//! The same names hold everywhere; they are the environment's. [`environment`] reads them.

mod cloud;
pub mod environment;
mod http;
mod work;

pub use cloud::{
    BucketConfig, CdnConfig, CloudConfig, QueueConfig, StaticCredentials, StoreConfig,
};
pub(crate) use cloud::{NO_HTTP_URL, is_http_url};
pub use environment::{ConfigFaults, EXIT_CODE, Environment, Setting, describe};
pub use http::{HttpConfig, LimitConfig};
pub use work::{DrainConfig, JobConfig, OptimizeConfig, Reuse, SweepConfig, WorkerConfig};
