//! The sweep, as `keeper/src/sweep.rs` goes it.

use std::time::Duration;

use atelier_domain::assignment::Status;
use atelier_domain::failure::Failure;
use atelier_domain::transition;

use crate::document::{later, now};
use crate::rules::{Rules, Write};
use crate::state::{Keeper, State};

/// For how long other sweeps leave a document alone.
const HOLD: Duration = Duration::from_secs(60);

impl Rules {
    /// The keeper's next step.
    pub(crate) fn keep(&self, state: &mut State) {
        state.keeper = match state.keeper.clone() {
            Keeper::Idle => {
                let Some(document) = state.document.clone() else {
                    return;
                };
                let take = transition::take_due(&document.assignment(), now(), HOLD);
                let taken = take.is_some_and(|take| self.apply(state, Write::TakeDue, take));
                match &state.document {
                    Some(document) if taken => Keeper::Took(document.clone()),
                    _ => Keeper::Idle,
                }
            }
            Keeper::Took(document) => match document.status {
                Status::Deleted => {
                    state.put_object(None);
                    Keeper::NoteErased(document)
                }
                Status::Pending if document.claim == Some(true) => Keeper::Idle,
                Status::Pending if document.gave_up == Some(true) => {
                    let note = Failure::TooBusy.note("c");
                    let fail = transition::fail_unclaimed(document.round, &note, now());
                    self.apply(state, Write::GiveUp, fail);
                    Keeper::Idle
                }
                Status::Pending => {
                    state.send(document.round);
                    Keeper::NoteSent {
                        round: document.round,
                    }
                }
                Status::Success | Status::Failed | Status::NoImage => Keeper::Idle,
            },
            Keeper::NoteSent { round } => {
                let sent = transition::note_sent(round, now(), later());
                self.apply(state, Write::NoteSent, sent);
                Keeper::Idle
            }
            Keeper::NoteErased(document) => {
                let again = (document.erasures == 0).then(later);
                let erased = transition::erased(&document.assignment(), again);
                self.apply(state, Write::NoteErased, erased);
                Keeper::Idle
            }
        };
    }
}
