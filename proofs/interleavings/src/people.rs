//! What users ask for, and the API's calls for it, as `api/src/create.rs` and `change.rs` go them.

use atelier_domain::transition;

use crate::document::{Document, Prompt, later, now};
use crate::rules::{Rules, Write};
use crate::state::{Api, State};

impl Rules {
    /// The API's next step for the post or the retry that it answers.
    pub(crate) fn answer(&self, state: &mut State) {
        state.api = match state.api {
            Api::Idle if state.document.is_none() => {
                state.document = Some(Document::posted());
                Api::Send { round: 1 }
            }
            Api::Idle => Api::Idle,
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

    /// A retry with another prompt.
    pub(crate) fn retry(&self, state: &mut State) {
        let Some(document) = &state.document else {
            return;
        };
        let prompt = Some(Prompt::Second.text());
        let retry = transition::retry(&document.assignment(), prompt, "c", now(), later(), later());
        let round = document.round + 1;
        if self.apply(state, Write::Retry, retry) {
            state.api = Api::Send { round };
        }
    }

    /// A delete. The first erasing is the keeper's here, too.
    pub(crate) fn delete(&self, state: &mut State) {
        self.apply(state, Write::Delete, transition::delete(now(), later()));
    }
}
