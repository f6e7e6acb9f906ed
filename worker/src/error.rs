//! Everything that ends an attempt without a picture, sorted by whether and how a retry can help.

use atelier_cloud::error::CloudError;
use atelier_domain::failure::Failure;
use atelier_store::StoreError;

use crate::breaker::Service;
use crate::panic::Panic;

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
        fault: Fault,
    },
    /// The model throttles us: a later retry helps, and the attempt does not count.
    #[error("throttled: {0}")]
    Throttled(String),
    /// No model fits what is left of the day's budget: tomorrow one does, and the attempt does not
    /// count.
    #[error("the day's budget is used up: {0}")]
    UsedUp(String),
    /// It would fail every job until an operator fixes it: the worker pauses.
    #[error("{failure}: {cause}")]
    Outage {
        service: Service,
        failure: Failure,
        cause: String,
    },
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
    /// The bucket takes no pictures at present, so none is bought.
    #[error("no model is called during an outage of the bucket")]
    Paused,
    /// The attempt panicked: a retry may help, and the attempt counts.
    #[error("a panic: {0}")]
    Panicked(String),
    /// The worker drains and has no more time.
    #[error("the worker stops")]
    Stopping,
}

/// What a retryable error says of the services.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nothing: it is about this job alone.
    Job,
    /// The service gave no answer, or a server's error.
    NoAnswer(Service),
    /// The service refused for a reason that no table foresees, or its answer cannot be used.
    Refusal { service: Service, code: String },
}

impl Fault {
    /// An answer of the models that may be due to the job's prompt: until other jobs meet the same.
    pub(crate) fn of_model(code: &str) -> Self {
        Self::Refusal {
            service: Service::Model,
            code: code.to_owned(),
        }
    }
}

impl From<Panic> for JobError {
    fn from(panic: Panic) -> Self {
        Self::Panicked(panic.to_string())
    }
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
    /// As it is where another attempt is not made.
    pub(crate) fn permanent(self) -> Self {
        match self {
            Self::Retryable { failure, cause, .. } | Self::Outage { failure, cause, .. } => {
                Self::Permanent { failure, cause }
            }
            other => other,
        }
    }

    /// What a failed call to the bucket means for an upload.
    pub(crate) fn of_upload(error: CloudError) -> Self {
        let cause = error.to_string();
        let outage = |failure| Self::Outage {
            service: Service::Bucket,
            failure,
            cause: cause.clone(),
        };
        let retryable = |failure, fault| Self::Retryable {
            failure,
            cause: cause.clone(),
            fault,
        };
        let refusal = |code| Fault::Refusal {
            service: Service::Bucket,
            code,
        };
        match error {
            CloudError::Credentials(_) => outage(Failure::Configuration),
            CloudError::Denied(_) | CloudError::Misconfigured(_) => outage(Failure::UploadFailed),
            CloudError::Missing(_) => outage(Failure::StorageUnavailable),
            CloudError::Throttled(_) | CloudError::Away(_) => {
                let fault = Fault::NoAnswer(Service::Bucket);
                retryable(Failure::StorageUnavailable, fault)
            }
            CloudError::Conflict(_) | CloudError::PreconditionFailed(_) => {
                let fault = refusal("conflict".to_owned());
                retryable(Failure::StorageUnavailable, fault)
            }
            CloudError::Refused { code, .. } => retryable(Failure::UploadFailed, refusal(code)),
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
