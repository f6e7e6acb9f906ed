//! Errors of AWS calls, sorted by what they mean for a job.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What went wrong with a call to AWS, by what it means. The text is the whole chain of causes.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CloudError {
    /// There are no credentials, or they are not (or no longer) known.
    #[error("no valid credentials: {0}")]
    Credentials(String),
    /// The credentials are known, but lack a permission.
    #[error("permission denied: {0}")]
    Denied(String),
    /// The bucket, the queue or the model does not exist.
    #[error("missing: {0}")]
    Missing(String),
    /// We ask too much.
    #[error("throttled: {0}")]
    Throttled(String),
    /// No answer, or a server's error. Unclear whether it was done; worth another try.
    #[error("away: {0}")]
    Away(String),
    /// Anything else that the service refused.
    #[error("refused: {0}")]
    Refused(String),
}

impl CloudError {
    /// Whether the same call may succeed in a moment.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Away(_))
    }
}

impl<E> From<SdkError<E, HttpResponse>> for CloudError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let text = DisplayErrorContext(&error).to_string();
        if has_cause::<CredentialsError>(&error) {
            return Self::Credentials(text);
        }
        let Some(answer) = error.raw_response() else {
            return match error {
                SdkError::ConstructionFailure(_) => Self::Refused(text),
                _ => Self::Away(text),
            };
        };
        let status = answer.status().as_u16();
        let code = error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code)
            .unwrap_or_default();
        classify(code, status)(text)
    }
}

/// Sorts a service's error code, as the services' API references list them, else by HTTP status.
fn classify(code: &str, status: u16) -> fn(String) -> CloudError {
    // SQS qualifies its codes: `AWS.SimpleQueueService.NonExistentQueue`.
    let code = code.rsplit(['.', '#']).next().unwrap_or(code);
    match code {
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidToken"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "UnrecognizedClientException"
        | "IncompleteSignature"
        | "InvalidSignatureException"
        | "MissingSecurityHeader" => CloudError::Credentials,
        "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "KmsAccessDenied" => {
            CloudError::Denied
        }
        "NoSuchBucket" | "NonExistentQueue" | "QueueDoesNotExist" | "ResourceNotFoundException" => {
            CloudError::Missing
        }
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "ServiceQuotaExceededException" => CloudError::Throttled,
        "RequestTimeout"
        | "InternalError"
        | "ServiceUnavailable"
        | "ModelTimeoutException"
        | "ModelNotReadyException"
        | "ModelErrorException"
        | "RequestTimeTooSkewed" => CloudError::Away,
        _ => match status {
            401 => CloudError::Credentials,
            403 => CloudError::Denied,
            429 => CloudError::Throttled,
            // A body that cannot be read comes with a 2xx.
            200..=299 | 408 | 500..=599 => CloudError::Away,
            _ => CloudError::Refused,
        },
    }
}

fn has_cause<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<T>() {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: &str, status: u16) -> &'static str {
        match classify(code, status)(String::new()) {
            CloudError::Credentials(_) => "credentials",
            CloudError::Denied(_) => "denied",
            CloudError::Missing(_) => "missing",
            CloudError::Throttled(_) => "throttled",
            CloudError::Away(_) => "away",
            CloudError::Refused(_) => "refused",
        }
    }

    #[test]
    fn codes_are_sorted_by_what_they_mean_for_a_job() {
        assert_eq!(kind("InvalidAccessKeyId", 403), "credentials");
        assert_eq!(kind("AccessDenied", 403), "denied");
        assert_eq!(
            kind("AWS.SimpleQueueService.NonExistentQueue", 400),
            "missing"
        );
        assert_eq!(kind("NoSuchBucket", 404), "missing");
        assert_eq!(kind("ThrottlingException", 429), "throttled");
        assert_eq!(kind("SlowDown", 503), "throttled");
        assert_eq!(kind("InternalError", 500), "away");
        assert_eq!(kind("", 502), "away");
        assert_eq!(kind("ValidationException", 400), "refused");
    }
}
