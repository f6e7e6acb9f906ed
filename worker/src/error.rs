//! Everything that ends an attempt without a picture, sorted by whether and how a retry can help.

use atelier_cloud::error::CloudError;
use atelier_domain::failure::Failure;
use atelier_store::StoreError;

/// Why an attempt ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// No retry can help: the assignment fails.
    #[error("{failure}: {cause}")]
    Permanent { failure: Failure, cause: String },
    /// A retry may help: the attempt counts, and after the last one the assignment fails.
    #[error("{cause}")]
    Retryable {
        failure: Failure,
        cause: String,
        /// A service gave no answer or a server's error. If that happens to many jobs in a row, it
        /// is not the jobs' fault.
        away: bool,
    },
    /// The model throttles us: a later retry helps, and the attempt does not count.
    #[error("throttled: {0}")]
    Throttled(String),
    /// It would fail every job until an operator fixes it: the worker pauses.
    #[error("{failure}: {cause}")]
    Outage { failure: Failure, cause: String },
    /// The store is away, so the outcome cannot be written: the job is retried after its claim has
    /// expired.
    #[error("{0}")]
    StoreAway(String),
    /// The claim is no longer ours, or the assignment is final or deleted: nothing may be written.
    #[error("the claim is lost: {0}")]
    ClaimLost(&'static str),
    /// Another job is isolated in this worker: a job beside it would lose an attempt if it kills the
    /// worker.
    #[error("another job is isolated in this worker")]
    Isolated,
    /// The worker drains and has no more time.
    #[error("the worker stops")]
    Stopping,
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away(_) => Self::StoreAway(chain(&error)),
            StoreError::Unreadable { .. } => Self::Permanent {
                failure: Failure::Unforeseen,
                cause: chain(&error),
            },
        }
    }
}

impl JobError {
    /// What a failed call to the bucket means for an upload.
    pub(crate) fn of_upload(error: CloudError) -> Self {
        let cause = error.to_string();
        match error {
            CloudError::Credentials(_) => Self::Outage {
                failure: Failure::Configuration,
                cause,
            },
            CloudError::Denied(_) => Self::Outage {
                failure: Failure::UploadFailed,
                cause,
            },
            CloudError::Missing(_) => Self::Outage {
                failure: Failure::StorageUnavailable,
                cause,
            },
            CloudError::Throttled(_) | CloudError::Away(_) => Self::Retryable {
                failure: Failure::StorageUnavailable,
                cause,
                away: true,
            },
            CloudError::Refused(_) => Self::Retryable {
                failure: Failure::UploadFailed,
                cause,
                away: false,
            },
        }
    }
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Many errors repeat their source in their own words.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
