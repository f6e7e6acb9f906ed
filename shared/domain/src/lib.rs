//! The assignment and its rules: plain data and pure functions. No I/O and no async, so that
//! every rule can be tested by itself.

pub mod answer;
pub mod api_key;
pub mod assignment;
pub mod audit;
pub mod budget;
pub mod dead_letter;
pub mod failure;
pub mod fairness;
pub mod foreign;
pub mod heartbeat;
pub mod history;
pub mod job;
pub mod label;
pub mod model;
pub mod pause;
pub mod questions;
pub mod rendition;
pub mod role;
pub mod search;
pub mod share;
pub mod spending;
pub mod throughput;
pub mod timestamp;
pub mod transition;
