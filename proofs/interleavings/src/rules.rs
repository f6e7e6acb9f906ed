//! The writes, by name, and rules that are broken on purpose.

use atelier_domain::assignment::Status;
use atelier_domain::transition::Transition;

use crate::state::{State, Violation};

/// A write on the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Of an assignment that nobody holds.
    Claim,
    /// Of an expired claim.
    TakeOver,
    /// Of the lease.
    Renew,
    /// Of a call to the model.
    CountCall,
    /// The end of a job with a picture.
    Succeed,
    /// The end of a job without one.
    Fail,
    /// The lease is given back.
    Release,
    /// The job was sent.
    NoteSent,
    /// The sweep takes a due document.
    TakeDue,
    /// The sweep fails what is pending at `give_up_at`.
    GiveUp,
    /// The objects of a tombstone were erased.
    NoteErased,
    /// By the user.
    Retry,
    /// By the user.
    Delete,
}

/// Changes a transition: breaks a rule.
pub type Change = fn(&mut Transition);

/// The production rules, or these but for one write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    broken: Option<(Write, Change)>,
}

impl Rules {
    /// The production rules, with `change` made to each transition of `write`.
    pub fn broken(write: Write, change: Change) -> Self {
        Self {
            broken: Some((write, change)),
        }
    }

    fn of(&self, write: Write, mut transition: Transition) -> Transition {
        if let Some((broken, change)) = self.broken
            && broken == write
        {
            change(&mut transition);
        }
        transition
    }

    /// Carries out a write by the rules. Whether it was done.
    pub(crate) fn apply(&self, state: &mut State, write: Write, transition: Transition) -> bool {
        self.apply_counting(state, write, transition).is_some()
    }

    /// As [`Self::apply`]; the number of calls that it counted, or `None` where it was not done.
    pub(crate) fn apply_counting(
        &self,
        state: &mut State,
        write: Write,
        transition: Transition,
    ) -> Option<u32> {
        let before = state.document.clone()?;
        let changed = before.apply(&self.of(write, transition))?;
        let by_user = matches!(write, Write::Retry | Write::Delete);
        let was_final = before.status != Status::Pending;
        if was_final && changed.document.status != before.status && !by_user {
            state.violation.get_or_insert(Violation::FinalStatusChanged);
        }
        let counted = changed.counted_calls;
        state.put_document(changed);
        Some(counted)
    }
}
