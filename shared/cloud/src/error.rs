//! Errors of AWS calls, sorted by what they mean for a job.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
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
    /// The region, the encryption key, the clock or another setting is wrong, for every request.
    #[error("misconfigured: {0}")]
    Misconfigured(String),
    /// We ask too much.
    #[error("throttled: {0}")]
    Throttled(String),
    /// No answer, or a server's error. Unclear whether it was done; worth another try.
    #[error("away: {0}")]
    Away(String),
    /// Another write to the same object at the same time (409).
    #[error("conflict: {0}")]
    Conflict(String),
    /// The condition of a write does not hold (412).
    #[error("precondition failed: {0}")]
    PreconditionFailed(String),
    /// A refusal that no table foresees: this request's fault, or every request's.
    #[error("refused: {cause}")]
    Refused {
        /// HTTP status and error code: the same for the same refusal of another request.
        code: String,
        /// The whole chain of causes.
        cause: String,
    },
}

impl CloudError {
    /// Whether the same call may succeed in a moment.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Away(_) | Self::Conflict(_))
    }

    /// A request that could not be built or signed.
    pub(crate) fn not_sent(cause: String) -> Self {
        Self::Refused {
            code: "not sent".to_owned(),
            cause,
        }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for CloudError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let mut text = words(&error);
        if has_cause::<CredentialsError>(&error) {
            return Self::Credentials(text);
        }
        let Some(answer) = error.raw_response() else {
            return match error {
                SdkError::ConstructionFailure(_) => Self::not_sent(text),
                _ => Self::Away(text),
            };
        };
        if let Some(region) = region_of(answer) {
            text.push_str(&format!(" (it is in region `{region}`)"));
        }
        let status = answer.status().as_u16();
        let code = error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code)
            .unwrap_or_default();
        classify(code, status, text)
    }
}

/// The most of an answer's body that is shown where it has neither code nor message, in bytes.
const MAX_BODY_BYTES: usize = 300;

/// What a service answered: status, code, message, request id. Where there is no answer, the causes.
fn words<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let (Some(service), Some(answer)) = (error.as_service_error(), error.raw_response()) else {
        return chain(error);
    };
    let mut words = answer.status().as_u16().to_string();
    if let Some(code) = service.code() {
        words.push_str(&format!(" {code}"));
    }
    if let Some(message) = service.message() {
        words.push_str(&format!(": {message}"));
    }
    if service.code().is_none() && service.message().is_none() {
        let body = answer.body().bytes().unwrap_or_default();
        let start = String::from_utf8_lossy(&body[..body.len().min(MAX_BODY_BYTES)]);
        words.push_str(&format!(" without a code: {start:?}"));
    }
    if let Some(id) = service.meta().extra("aws_request_id") {
        words.push_str(&format!(" (request {id})"));
    }
    words
}

/// An error and its causes, each once.
fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !words.ends_with(&more) {
            words.push_str(&format!(": {more}"));
        }
        next = cause.source();
    }
    words
}

/// Sorts a service's error code, as the services' API references list them, else by HTTP status.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>,
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>,
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html>
fn classify(code: &str, status: u16, cause: String) -> CloudError {
    // SQS qualifies its codes: `AWS.SimpleQueueService.NonExistentQueue`.
    let short = code.rsplit(['.', '#']).next().unwrap_or(code);
    let sorted = match short {
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidToken"
        | "TokenRefreshRequired"
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
        | "KmsThrottled"
        | "OverLimit"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "ServiceQuotaExceededException" => CloudError::Throttled,
        "PermanentRedirect"
        | "IllegalLocationConstraintException"
        | "AuthorizationHeaderMalformed"
        | "RequestTimeTooSkewed"
        | "InvalidBucketName"
        | "InvalidAddress"
        | "InvalidSecurity"
        | "InvalidEncryptionAlgorithmError"
        | "KmsDisabled"
        | "KmsInvalidKeyUsage"
        | "KmsInvalidState"
        | "KmsNotFound"
        | "KmsOptInRequired" => CloudError::Misconfigured,
        // S3 passes the errors of the key on: `KMS.DisabledException`.
        _ if code.starts_with("KMS.") => CloudError::Misconfigured,
        "OperationAborted" | "ConditionalRequestConflict" => CloudError::Conflict,
        "PreconditionFailed" => CloudError::PreconditionFailed,
        "RequestTimeout"
        | "TemporaryRedirect"
        | "BadDigest"
        | "IncompleteBody"
        | "InternalError"
        | "ServiceUnavailable"
        | "ModelTimeoutException"
        | "ModelNotReadyException"
        | "ModelErrorException" => CloudError::Away,
        _ => match status {
            301 | 308 => CloudError::Misconfigured,
            401 => CloudError::Credentials,
            403 => CloudError::Denied,
            409 => CloudError::Conflict,
            412 => CloudError::PreconditionFailed,
            429 => CloudError::Throttled,
            // A body that cannot be read comes with a 2xx.
            200..=299 | 307 | 408 | 500..=599 => CloudError::Away,
            _ => {
                let code = format!("{status} {code}");
                return CloudError::Refused { code, cause };
            }
        },
    };
    sorted(cause)
}

/// The region of the bucket, where S3 was called in another one.
fn region_of(answer: &HttpResponse) -> Option<String> {
    if let Some(region) = answer.headers().get("x-amz-bucket-region") {
        return Some(region.to_owned());
    }
    let body = std::str::from_utf8(answer.body().bytes()?).ok()?;
    let (_, rest) = body.split_once("<Region>")?;
    let (region, _) = rest.split_once("</Region>")?;
    Some(region.to_owned())
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
        match classify(code, status, String::new()) {
            CloudError::Credentials(_) => "credentials",
            CloudError::Denied(_) => "denied",
            CloudError::Missing(_) => "missing",
            CloudError::Misconfigured(_) => "misconfigured",
            CloudError::Throttled(_) => "throttled",
            CloudError::Away(_) => "away",
            CloudError::Conflict(_) => "conflict",
            CloudError::PreconditionFailed(_) => "precondition failed",
            CloudError::Refused { .. } => "refused",
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
        for (code, status) in [
            ("PermanentRedirect", 301),
            ("", 301),
            ("IllegalLocationConstraintException", 400),
            ("AuthorizationHeaderMalformed", 400),
            ("KMS.DisabledException", 400),
            ("KMS.KMSInvalidStateException", 400),
            ("KmsDisabled", 400),
        ] {
            assert_eq!(kind(code, status), "misconfigured", "{code} {status}");
        }
        assert_eq!(kind("KMS.ThrottlingException", 400), "throttled");
        assert_eq!(kind("OverLimit", 403), "throttled");
        assert_eq!(kind("OperationAborted", 409), "conflict");
        assert_eq!(kind("", 412), "precondition failed");
        assert_eq!(kind("ValidationException", 400), "refused");
        assert_eq!(kind("", 418), "refused");
    }
}
