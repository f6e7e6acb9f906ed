//! The AWS services that the API, the keeper and the workers use: queue, pictures, CDN.

pub mod cdn;
pub mod clean_up;
pub mod client;
pub mod config;
pub mod dead_letters;
pub mod error;
pub mod pictures;
pub mod queue;
pub mod signed_url;
