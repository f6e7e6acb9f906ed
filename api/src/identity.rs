//! Who calls, and what the caller may do.
//!
//! `settings` says which identity provider is trusted, `provider` knows its keys, `bearer` checks
//! its tokens, `claims` turns what they say into a `Caller`. `calls` declares beside each route who
//! may call it, and `gate` lets those in.

pub(crate) mod access;
mod api_keys;
mod bearer;
pub mod caller;
pub(crate) mod calls;
pub mod claims;
pub(crate) mod client_address;
pub(crate) mod gate;
mod id_token;
mod keys;
pub(crate) mod provider;
pub(crate) mod return_address;
pub mod sealed;
pub mod secret;
pub mod session;
pub mod settings;
pub(crate) mod sign_in;
mod signatures;
pub(crate) mod subject;
