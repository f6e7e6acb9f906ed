//! What becomes of a document, and what is in the way.

use atelier_cloud::error::CloudError;
use atelier_store::StoreError;
use atelier_worker::optimize::Unusable;

/// What became of a document.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It shows the imported picture now; in a dry run it would.
    Imported(Imported),
    /// It had a picture of ours before.
    Already,
    /// It is as it was.
    Skipped(Reason),
}

/// A picture that was brought over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Imported {
    pub(crate) how: How,
    /// Bytes of the old picture.
    pub(crate) before: u64,
    /// Bytes of the new one.
    pub(crate) after: u64,
}

/// How the new picture came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Optimized and stored.
    Optimized,
    /// Stored as it was: it cannot be decoded, or optimizing made it no smaller.
    Copied,
    /// An import that was interrupted had stored it.
    Found,
}

/// Why a document was skipped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    /// Its id cannot be part of a key.
    #[error("its id is not 1 to 64 of A-Z, a-z, 0-9, `_` and `-`")]
    BadId,
    /// The document cannot be read.
    #[error("the document cannot be read: {0}")]
    Unreadable(String),
    /// The list names an assignment that is not in the store.
    #[error("there is no such assignment")]
    NoAssignment,
    /// A tombstone.
    #[error("the assignment is deleted")]
    Deleted,
    /// The fleet makes a picture for it.
    #[error("a picture is being made for it")]
    Pending,
    /// The name of the old picture cannot be one.
    #[error("`{0}` cannot be the name of a picture here")]
    BadName(String),
    /// Nothing has that name.
    #[error("there is no old picture of that name")]
    NoPicture,
    /// The old picture has too many bytes.
    #[error("the old picture has {size} bytes, and --max-mib takes {limit}")]
    TooLarge {
        /// Its bytes.
        size: u64,
        /// How many are taken.
        limit: u64,
    },
    /// The old picture is none.
    #[error("the old picture is no image: {0}")]
    NoImage(String),
    /// Something that no import has put there.
    #[error("something else lies under its new key")]
    KeyTaken,
    /// Somebody changed it while its picture was imported.
    #[error("the assignment was changed meanwhile")]
    Changed,
    /// The file of the old picture cannot be read.
    #[error("the file cannot be read: {0}")]
    File(std::io::Error),
    /// The bucket did not do it, all tries included.
    #[error("{0}")]
    Bucket(CloudError),
    /// A panic, of a decoder for instance.
    #[error("a defect of this program: {0}")]
    Defect(String),
}

impl Reason {
    /// For programs.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::BadId => "bad_id",
            Self::Unreadable(_) => "unreadable",
            Self::NoAssignment => "no_assignment",
            Self::Deleted => "deleted",
            Self::Pending => "pending",
            Self::BadName(_) => "bad_name",
            Self::NoPicture => "no_picture",
            Self::TooLarge { .. } => "too_large",
            Self::NoImage(_) => "no_image",
            Self::KeyTaken => "key_taken",
            Self::Changed => "changed",
            Self::File(_) => "file",
            Self::Bucket(_) => "bucket",
            Self::Defect(_) => "defect",
        }
    }
}

/// What keeps a document from being imported.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// It is this document's own.
    Skip(Reason),
    /// Every other document would meet it, too.
    End(End),
}

/// Why a run ended before its end.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum End {
    /// A permission lacks, or bucket or credentials are wrong.
    #[error("{bucket}: {error}")]
    Refused {
        /// Which bucket.
        bucket: String,
        /// What it said.
        error: CloudError,
    },
    /// The store did not answer through all tries.
    #[error("{0}")]
    Store(String),
    /// The list cannot be read any more.
    #[error("the list cannot be read: {0}")]
    List(String),
    /// One picture after another failed in the bucket.
    #[error("{pictures} pictures in a row failed, the last one so: {last}")]
    InARow {
        /// How many.
        pictures: u32,
        /// The last one's reason.
        last: String,
    },
    /// A signal.
    #[error("told to stop")]
    Stopped,
}

impl Obstacle {
    /// Sorts what the bucket says by whether every picture would meet it.
    pub(crate) fn of_bucket(bucket: &str, error: CloudError) -> Self {
        match error {
            CloudError::Credentials(_)
            | CloudError::Denied(_)
            | CloudError::Missing(_)
            | CloudError::Misconfigured(_) => Self::End(End::Refused {
                bucket: format!("bucket `{bucket}`"),
                error,
            }),
            error => Self::Skip(Reason::Bucket(error)),
        }
    }
}

impl From<Reason> for Obstacle {
    fn from(reason: Reason) -> Self {
        Self::Skip(reason)
    }
}

impl From<StoreError> for Obstacle {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreadable { source, .. } => {
                Self::Skip(Reason::Unreadable(source.to_string()))
            }
            error @ StoreError::Away(_) => Self::End(End::Store(error.to_string())),
        }
    }
}

impl From<Unusable> for Obstacle {
    fn from(error: Unusable) -> Self {
        Self::Skip(match error {
            Unusable::NoImage(cause) => Reason::NoImage(cause.to_string()),
            error @ Unusable::Panicked(_) => Reason::Defect(error.to_string()),
        })
    }
}
