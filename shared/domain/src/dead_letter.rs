//! Why a message becomes a dead letter that stays for an operator.

use serde::Serialize;
use utoipa::ToSchema;

/// Why no worker can do anything with a message. One of an assignment that can be read does not stay:
/// the keeper fails the assignment and deletes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeadLetterCause)]
pub enum Cause {
    /// It is no job: another program sent it, or another version.
    UnreadableMessage,
    /// There is no assignment with its id.
    UnknownAssignment,
    /// Its assignment cannot be read: another program wrote the document.
    UnreadableAssignment,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::UnreadableMessage,
        Self::UnknownAssignment,
        Self::UnreadableAssignment,
    ];

    /// Its name in the HTTP interface and in logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnreadableMessage => "unreadable_message",
            Self::UnknownAssignment => "unknown_assignment",
            Self::UnreadableAssignment => "unreadable_assignment",
        }
    }
}
