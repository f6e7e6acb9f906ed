//! Checks what API and workers need of store, queues, bucket and clock, and says in the operator's
//! words what is missing. `atelier doctor` makes all checks; a process that starts makes those that
//! only read ([`start`]).

pub mod clock;
pub mod finding;
pub mod options;
pub mod services;
pub mod start;
pub mod store;

pub use finding::{Finding, Report};
pub use options::Options;
