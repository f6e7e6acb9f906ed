//! Proves Atelier's promises on the real code.
//!
//! Crash points: simulated processes, each behind a [`gate::Gate`] that cuts it off from the world
//! at a chosen call ([`process`]), in a [`case`] of its own. A [`fleet`] of real processes, with a
//! [`view`] of it from outside and [`people`] who post: storms, in which they are killed while
//! everything around them fails ([`storm`]), and the tests in `tests/processes`.
//! Failovers: writers while the primary of their store changes ([`failover`]).
//! Bad bytes: mutated inputs at every place that bytes come in by ([`bad_bytes`]).

pub mod bad_bytes;
pub mod case;
pub mod failover;
pub mod fleet;
pub mod gate;
pub mod ledger;
pub mod people;
pub mod process;
pub mod proxy;
pub mod silent;
pub mod store;
pub mod storm;
pub mod view;
pub mod world;
