//! What is wrong with the file, in words that say what to do.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::StoreError;

/// An operation on the file that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the SQLite file `{path}`: {reason}")]
pub(super) struct Fault {
    path: String,
    reason: Reason,
}

/// Why an operation failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Reason {
    #[error("there is no space left on its disk ({0})")]
    Full(String),
    #[error("it is read-only for this program, which has to write to it and to its folder ({0})")]
    ReadOnly(String),
    #[error("its disk does not do what it is asked for ({0})")]
    Disk(String),
    #[error(
        "it is damaged, or not of this program ({0}): stop all that use it, move it away and \
        restore a backup, as docs/OPERATIONS.md says"
    )]
    Damaged(String),
    #[error("it cannot be opened ({0}): is it a file, in a folder that this program may write to?")]
    Unopened(String),
    #[error("its folder cannot be made: {0}")]
    NoFolder(String),
    #[error("its schema is version {found}, this program knows version {known}: start a newer one")]
    Newer { found: u32, known: u32 },
    #[error(
        "its schema is version {found} and has to be upgraded to version {known}, but another \
        process has it open: stop all that use it, then start this one again"
    )]
    InUse { found: u32, known: u32 },
    #[error("{0}")]
    Other(String),
}

impl Reason {
    /// Whether no write will succeed, as far as is known, until something is repaired.
    pub(super) fn stops_writes(&self) -> bool {
        matches!(
            self,
            Self::Full(_) | Self::ReadOnly(_) | Self::Disk(_) | Self::Damaged(_)
        )
    }
}

impl From<rusqlite::Error> for Reason {
    fn from(error: rusqlite::Error) -> Self {
        let words = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(words),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(words),
            Some(ErrorCode::SystemIoFailure) => Self::Disk(words),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(words),
            Some(ErrorCode::CannotOpen) => Self::Unopened(words),
            _ => Self::Other(words),
        }
    }
}

impl Fault {
    pub(super) fn new(path: &Path, reason: impl Into<Reason>) -> Self {
        Self {
            path: path.display().to_string(),
            reason: reason.into(),
        }
    }

    pub(super) fn other(path: &Path, reason: impl ToString) -> Self {
        Self::new(path, Reason::Other(reason.to_string()))
    }

    /// A disk with `free` bytes left.
    pub(super) fn full(path: &Path, free: u64) -> Self {
        Self::new(path, Reason::Full(format!("{free} bytes are left")))
    }

    pub(super) fn reason(&self) -> &Reason {
        &self.reason
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::Away(fault.into())
    }
}
