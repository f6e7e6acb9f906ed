//! What the proxy is told to do with which commands.

use std::time::Duration;

/// Commands that a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `insert`.
    Insert,
    /// `findAndModify`.
    FindAndModify,
    /// Any command that changes documents.
    Write,
    /// `find`, `count` and `getMore`.
    Read,
    /// Any of these.
    Any,
}

impl Kind {
    pub(crate) fn has(self, command: &str) -> bool {
        let writes = ["insert", "update", "delete", "findAndModify"].contains(&command);
        let reads = ["find", "count", "getMore"].contains(&command);
        match self {
            Self::Insert => command == "insert",
            Self::FindAndModify => command == "findAndModify",
            Self::Write => writes,
            Self::Read => reads,
            Self::Any => writes || reads,
        }
    }
}

/// What happens to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not carried out, and answered with this code.
    Refused(i32),
    /// It is carried out, and answered with this code.
    Interrupted(i32),
    /// It is carried out, and stays; the answer has a write-concern error with this code.
    Unconfirmed(i32),
    /// It is carried out; the answer has a write-concern error with this code. Then another server
    /// becomes the primary, which has never seen it: before the next write, or the next read of what
    /// a majority has, it is undone. Other reads see it until then.
    RolledBack(i32),
    /// It is carried out, and the connection is closed in place of an answer.
    ReplyLost,
    /// It is carried out, and answered this much later.
    ReplySlow(Duration),
    /// The connection is closed before it is carried out.
    Closed,
}

impl Fault {
    /// Every fault of a server or a network that a program has to bear, by a name.
    pub const ALL: [(&'static str, Self); 14] = [
        ("not writable primary", Self::Refused(10107)),
        ("interrupted before", Self::Refused(11602)),
        ("time limit before", Self::Refused(50)),
        ("interrupted after", Self::Interrupted(11602)),
        ("stepped down after", Self::Interrupted(189)),
        ("shut down after", Self::Interrupted(91)),
        ("time limit after", Self::Interrupted(50)),
        ("own duplicate", Self::Interrupted(11000)),
        ("write concern, kept", Self::Unconfirmed(64)),
        ("shut down while replicating", Self::Unconfirmed(91)),
        ("rolled back", Self::RolledBack(64)),
        ("reply lost", Self::ReplyLost),
        ("reply slow", Self::ReplySlow(Duration::from_millis(300))),
        ("closed", Self::Closed),
    ];
}

/// A fault for the next commands of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Which commands.
    pub kind: Kind,
    /// How many of them.
    pub times: u32,
    /// What happens to each.
    pub fault: Fault,
}
