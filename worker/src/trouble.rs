//! Everything that ends a try without a picture, sorted by what is to be done about it.

use atelier_cloud::error::CloudError;
use atelier_domain::failure::Failure;
use atelier_store::StoreError;

/// Why a try ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Trying again cannot mend it: the assignment fails.
    #[error("{failure}: {cause}")]
    Permanent { failure: Failure, cause: String },
    /// Another try may go better: it counts, and when all are used up the assignment fails.
    #[error("{cause}")]
    Retryable {
        failure: Failure,
        cause: String,
        /// A service gave no answer or a server's error: if that happens to many jobs in a row, it
        /// is not their fault.
        away: bool,
    },
    /// The model throttles us: later, and it does not count.
    #[error("throttled: {0}")]
    Throttled(String),
    /// It would fail every job until somebody mends it: the worker pauses.
    #[error("{failure}: {cause}")]
    Outage { failure: Failure, cause: String },
    /// The store is away, so nothing can be said of the job: it comes again when its claim has run
    /// out.
    #[error("{0}")]
    StoreAway(String),
    /// The claim is not ours any more, or the assignment is final or gone: say nothing.
    #[error("the claim is lost: {0}")]
    ClaimLost(&'static str),
    /// A job that its workers died of works alone here: what dies with it would burn an attempt.
    #[error("another job works alone in this worker")]
    Unwelcome,
    /// The worker was told to stop and has no more time.
    #[error("the worker stops")]
    Stopping,
}

impl From<StoreError> for Trouble {
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

impl Trouble {
    /// What a failed call to the bucket means, on the way to an upload.
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
