//! What an error of the server says about the write that it answers.
//!
//! Most of them leave it open. A write-concern error (64, 91, 100 and others) says that the primary
//! has carried the write out, but not that a majority has it, so that a failover may roll it back. A
//! primary that steps down (189, 11600, 11602, 91), a time limit (50) or a lost connection may have
//! struck before or after the write. Even "not writable primary" (10107) does not settle it, since it
//! may be the answer to the driver's own retry of a write whose first answer was lost. So what is
//! left open is decided by reading what a majority has.

use mongodb::error::{Error, ErrorKind, WriteFailure};

use super::TIMEOUT;
use crate::StoreError;

/// `DuplicateKey`.
const DUPLICATE_KEY: i32 = 11000;

/// The server refuses this write for what is in the document, and will again: `BadValue`,
/// `TypeMismatch`, `PathNotViable`, `DocumentValidationFailure`, `BSONObjectTooLarge` and its kin.
const OF_THE_DOCUMENT: [i32; 6] = [2, 14, 28, 121, 10334, 17419];

/// Why a write was not acknowledged.
#[derive(Debug)]
pub(super) enum WriteFault {
    /// The id is taken.
    Duplicate(Error),
    /// This document cannot be written so. No retry helps.
    Refused(Error),
    /// No server was found to send it to.
    NotSent(Error),
    /// It may have been carried out, or may be rolled back.
    Unclear(Box<dyn std::error::Error + Send + Sync>),
}

/// No answer in time.
#[derive(Debug, thiserror::Error)]
#[error("MongoDB did not answer in {} s", TIMEOUT.as_secs())]
pub(super) struct Late;

/// `documents` of a majority say nothing of a write.
#[derive(Debug, thiserror::Error)]
#[error("a majority does not have the write: {0}")]
struct Undecided(Box<dyn std::error::Error + Send + Sync>);

impl WriteFault {
    /// The fault that `error` is.
    pub(super) fn of(error: Error) -> Self {
        match (error.kind.as_ref(), code(&error)) {
            (_, Some(DUPLICATE_KEY)) => Self::Duplicate(error),
            (_, Some(code)) if OF_THE_DOCUMENT.contains(&code) => Self::Refused(error),
            (ErrorKind::InvalidArgument { .. }, _) => Self::Refused(error),
            (ErrorKind::ServerSelection { .. }, _) => Self::NotSent(error),
            _ => Self::Unclear(words(&error)),
        }
    }

    /// What it means where nothing more can be found out.
    pub(super) fn give_up(self, id: &str) -> StoreError {
        match self {
            Self::Refused(error) => StoreError::Unreadable {
                id: id.to_owned(),
                source: words(&error),
            },
            Self::NotSent(error) => away(error),
            Self::Duplicate(error) => StoreError::Away(Undecided(words(&error)).into()),
            Self::Unclear(error) => StoreError::Away(Undecided(error).into()),
        }
    }
}

/// The code of an error that speaks of the write itself, not of its write concern.
fn code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

pub(super) fn away(error: Error) -> StoreError {
    StoreError::Away(words(&error))
}

/// What is wrong, without the answer's bytes.
fn words(error: &Error) -> Box<dyn std::error::Error + Send + Sync> {
    error.kind.to_string().into()
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    fn command(code: i32) -> WriteFault {
        let error = doc! { "code": code, "codeName": "", "errmsg": "" };
        let error = mongodb::bson::deserialize_from_document(error).expect("a command's error");
        WriteFault::of(ErrorKind::Command(error).into())
    }

    #[test]
    fn only_a_taken_id_and_a_fault_of_the_document_settle_a_write() {
        assert!(matches!(command(11000), WriteFault::Duplicate(_)));
        assert!(matches!(command(121), WriteFault::Refused(_)));
        for code in [10107, 11602, 11600, 189, 91, 50, 64, 13435] {
            assert!(matches!(command(code), WriteFault::Unclear(_)), "{code}");
        }
    }

    #[test]
    fn a_write_concern_error_is_unclear_whatever_its_code_means_elsewhere() {
        for code in [64, 91, 100, 11602, 11000, 121] {
            let error = doc! { "code": code, "codeName": "", "errmsg": "waiting" };
            let error = mongodb::bson::deserialize_from_document(error).expect("an error");
            let failure = WriteFailure::WriteConcernError(error);
            let fault = WriteFault::of(ErrorKind::Write(failure).into());
            assert!(matches!(fault, WriteFault::Unclear(_)), "{code}");
        }
    }
}
