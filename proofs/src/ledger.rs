//! What the services did for one case, noted where the calls pass.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// Counts of one case, all of its processes together.
#[derive(Debug, Default)]
pub struct Ledger {
    model_calls: AtomicU64,
    billed: AtomicU64,
    wasted: AtomicU64,
    stored: AtomicBool,
    /// The first answer of the model is replaced by an internal error.
    pub first_answer_fails: AtomicBool,
    /// A model call takes until its worker has renewed its claim so often.
    pub renewals_a_call: AtomicU64,
}

impl Ledger {
    /// A call to the model is made; it was on its way when the picture was stored or not.
    pub fn model_called(&self, stored_before: bool) {
        self.model_calls.fetch_add(1, SeqCst);
        if stored_before {
            self.wasted.fetch_add(1, SeqCst);
        }
    }

    /// The model answered a call with success: it bills that.
    pub fn model_billed(&self) {
        self.billed.fetch_add(1, SeqCst);
    }

    /// The picture is stored.
    pub fn stored(&self) {
        self.stored.store(true, SeqCst);
    }

    /// Whether the picture is stored.
    pub fn is_stored(&self) -> bool {
        self.stored.load(SeqCst)
    }

    /// Calls to the model.
    pub fn model_calls(&self) -> u64 {
        self.model_calls.load(SeqCst)
    }

    /// Calls that the model billed.
    pub fn billed(&self) -> u64 {
        self.billed.load(SeqCst)
    }

    /// Calls to the model for a picture that was stored already.
    pub fn wasted(&self) -> u64 {
        self.wasted.load(SeqCst)
    }
}
