//! Proves Atelier's promises on the real code.
//!
//! Crash points: simulated processes, each behind a [`gate::Gate`] that cuts it off from the world
//! at a chosen call ([`process`]), in a [`case`] of its own. Storms: real processes that are killed
//! while everything around them fails ([`storm`]).

pub mod case;
pub mod gate;
pub mod ledger;
pub mod process;
pub mod proxy;
pub mod store;
pub mod storm;
pub mod world;
