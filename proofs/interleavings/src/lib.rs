//! A model of all processes around one assignment, explored exhaustively: two workers, an API, a
//! keeper, a user who retries and deletes, and a queue that duplicates, delays and loses. Whatever
//! changes the document is a production transition of `atelier_domain`, guard and edits; only the
//! processes' steps between their calls are written down here.
//!
//! Time is abstract: a lease that was taken is live until the model lets it expire, and a document is
//! due when the model says so. The faults of a run are bounded ([`Faults`]), so that it is finite.

mod document;
mod eventually;
mod keeper;
mod model;
mod people;
mod rules;
mod state;
mod worker;

pub use eventually::stuck;
pub use model::{Action, Interleavings};
pub use rules::{Change, Rules, Write};
pub use state::{Faults, State, Violation};
