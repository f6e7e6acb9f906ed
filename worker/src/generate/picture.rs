//! A picture as a model returns it, and why there may be none.

/// Width and height of the pictures asked for, in pixels.
pub(super) const SIDE: u32 = 1024;

/// A picture as the model returned it.
#[derive(Debug)]
pub struct Original {
    /// The file.
    pub bytes: Vec<u8>,
    /// The id of the model that made it.
    pub model: String,
    /// What it cost, in US dollars, above 0.
    pub cost_usd: f64,
}

/// Why there is no picture. The text says which model answered what.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A filter declined the prompt or the picture.
    #[error("declined by the model: {0}")]
    Declined(String),
    /// The guardrail blocks the prompt, or masks a part of it: no model was called.
    #[error("declined by the guardrail: {0}")]
    Intervened(String),
    /// The guardrail cannot be applied to any prompt.
    #[error("{0}")]
    NoGuardrail(String),
    /// No model that can be called takes a prompt of this length.
    #[error("the prompt is too long: {0}")]
    PromptTooLong(String),
    /// No model has room for the call now.
    #[error("{0}")]
    Throttled(String),
    /// No model that could be called fits what is left of the day's budget.
    #[error("no money is left for {0}")]
    UsedUp(String),
    /// Every model refuses us, whatever the prompt.
    #[error("no model of the list can be called: {0}")]
    NoLiveModel(String),
    /// Refused for an unknown reason: the prompt's fault, until other jobs meet the same refusal.
    #[error("refused for an unknown reason: {0}")]
    Refused(String),
    /// We have no valid credentials.
    #[error("{0}")]
    Credentials(String),
    /// No answer, or a server's error; another call may succeed.
    #[error("{0}")]
    Away(String),
    /// An answer that cannot be read; another call may succeed.
    #[error("the model's answer cannot be used: {0}")]
    Garbage(String),
}

/// A call to one model that brought no picture.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) why: NoPicture,
    /// Whether the model may bill it all the same.
    pub(super) may_be_billed: bool,
}

/// Why one call to one model brought no picture.
#[derive(Debug)]
pub(super) enum NoPicture {
    /// The filter or a guardrail does not allow the prompt.
    Declined(String),
    /// The prompt is longer than this model takes.
    TooLong(String),
    /// This model has no capacity for the call now.
    Overloaded(String),
    /// This model takes no call of ours: retired, not enabled, or only through a profile.
    Model(String),
    /// A refusal that no rule explains: the prompt's fault, or the model's.
    Unexplained(String),
    /// We have no valid credentials.
    Credentials(String),
    /// No answer, or a server's error. A model that times out counts here, not as overloaded: the
    /// prompt may be the reason, so each such call uses an attempt up.
    Away(String),
    /// An answer that cannot be read.
    Garbage(String),
}
