//! What users ask for, and the API's calls for it, as `api/src/create.rs`, `retry.rs` and
//! `delete.rs` go them.

use atelier_domain::assignment::Status;
use atelier_domain::transition;

use crate::document::{Document, Prompt, later, now};
use crate::rules::{Rules, Write};
use crate::state::{Api, State};

impl Rules {
    /// The API's next step for the post or the retry that it answers.
    pub(crate) fn answer(&self, state: &mut State) {
        state.api = match state.api.clone() {
            Api::Idle if state.document.is_none() => {
                state.document = Some(Document::posted());
                Api::Send { round: 1 }
            }
            Api::Idle => Api::Idle,
            Api::FoundLost(seen) => match self.begin_round(state, &seen) {
                true => Api::Send {
                    round: seen.round + 1,
                },
                false => Api::Idle,
            },
            Api::Send { round } => {
                state.send(round);
                Api::NoteSent { round }
            }
            Api::NoteSent { round } => {
                let sent = transition::note_sent(round, now(), later());
                self.apply(state, Write::NoteSent, sent);
                Api::Idle
            }
        };
    }

    /// A retry with another prompt. Of a document that shows a picture the API looks first whether it
    /// is there.
    pub(crate) fn retry(&self, state: &mut State) {
        let Some(document) = state.document.clone() else {
            return;
        };
        if document.status == Status::Success {
            if state.object.is_none() {
                state.api = Api::FoundLost(document);
            }
        } else if self.begin_round(state, &document) {
            state.api = Api::Send {
                round: document.round + 1,
            };
        }
    }

    fn begin_round(&self, state: &mut State, seen: &Document) -> bool {
        let prompt = Some(Prompt::Second.text());
        let retry = transition::retry(&seen.assignment(), prompt, "c", now(), later(), later());
        self.apply(state, Write::Retry, retry)
    }

    /// A delete. The first erasing is the keeper's here, too.
    pub(crate) fn delete(&self, state: &mut State) {
        self.apply(state, Write::Delete, transition::delete(now(), later()));
    }
}
