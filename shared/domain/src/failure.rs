//! Every failure that an assignment can end in: its code, its message for people, and whether it
//! alerts an operator.

use std::fmt;

use crate::assignment::{Assignment, FailureNote};
use crate::budget::USED_UP;

/// Why an assignment has no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No credentials, or no live model.
    Configuration,
    /// The bucket denied access, or an upload failed for an unknown reason.
    UploadFailed,
    /// The bucket is missing, or did not answer any of the attempts.
    StorageUnavailable,
    /// The model's filter refused the prompt or the picture.
    Declined,
    /// No model takes a prompt of this length.
    PromptTooLong,
    /// Still pending at `give_up_at`.
    TooBusy,
    /// Still pending at `give_up_at`, since the day's budget was used up.
    BudgetUsedUp,
    /// The queue moved the job to the dead-letter queue.
    DeadLetter,
    /// Anything else, after all attempts.
    Unforeseen,
}

impl Failure {
    /// All of them, for documentation and tests.
    pub const ALL: [Self; 9] = [
        Self::Configuration,
        Self::UploadFailed,
        Self::StorageUnavailable,
        Self::Declined,
        Self::PromptTooLong,
        Self::TooBusy,
        Self::BudgetUsedUp,
        Self::DeadLetter,
        Self::Unforeseen,
    ];

    /// That of a document that is still pending at `give_up_at`.
    pub const fn of_giving_up(document: &Assignment) -> Self {
        match document.waits_for_budget {
            true => Self::BudgetUsedUp,
            false => Self::TooBusy,
        }
    }

    /// The code in the document, in metrics and in logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::UploadFailed => "upload_failed",
            Self::StorageUnavailable => "storage_unavailable",
            Self::Declined => "declined",
            Self::PromptTooLong => "prompt_too_long",
            Self::TooBusy => "too_busy",
            Self::BudgetUsedUp => "budget_used_up",
            Self::DeadLetter => "dead_letter",
            Self::Unforeseen => "unforeseen",
        }
    }

    /// The message for a teacher, without the correlation id.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration error",
            Self::UploadFailed => "Upload failed",
            Self::StorageUnavailable => "Storage unavailable",
            Self::Declined => {
                "This prompt was declined by the picture service. Please change the wording."
            }
            Self::PromptTooLong => {
                "This prompt is too long for the picture service. Please shorten it."
            }
            Self::TooBusy => "The picture service is too busy. Please try again later.",
            Self::BudgetUsedUp => USED_UP,
            Self::DeadLetter | Self::Unforeseen => "Something went wrong",
        }
    }

    /// Whether an operator has to act.
    pub const fn alerts(self) -> bool {
        match self {
            Self::Declined | Self::PromptTooLong | Self::TooBusy | Self::BudgetUsedUp => false,
            Self::Configuration
            | Self::UploadFailed
            | Self::StorageUnavailable
            | Self::DeadLetter
            | Self::Unforeseen => true,
        }
    }

    /// The failure as the document holds it; the message ends with the correlation id.
    pub fn note(self, correlation_id: &str) -> FailureNote {
        let words = self.words();
        let stop = if words.ends_with('.') { "" } else { "." };
        FailureNote {
            code: self.code().to_owned(),
            message: format!("{words}{stop} Reference: {correlation_id}"),
            correlation_id: correlation_id.to_owned(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
