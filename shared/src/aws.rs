//! The SDK's clients, and its errors sorted by what they mean for a job.

use std::error::Error;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::config::CloudConfig;

/// How long connecting may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one try of a call to queue or bucket may take; a long poll has its wait on top.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// What all clients of one process share: connections, credentials, region.
///
/// The SDK's own retries are off: every try is counted and logged by whoever makes it.
#[derive(Clone, Debug)]
pub struct Aws {
    sdk: SdkConfig,
    config: CloudConfig,
}

impl Aws {
    /// Finds the credentials' chain; asks nobody yet.
    pub async fn connect(config: &CloudConfig) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .region(Region::new(config.region.clone()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            );
        if let Some(keys) = &config.credentials {
            loader = loader.credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                &keys.access_key_id,
                &keys.secret_access_key,
                None,
                None,
                "handed over",
            )));
        }
        Self {
            sdk: loader.load().await,
            config: config.clone(),
        }
    }

    /// A client of SQS.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        let mut config = aws_sdk_sqs::config::Builder::from(&self.sdk);
        config.set_endpoint_url(self.config.sqs_endpoint.clone());
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    /// A client of S3.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let mut config = aws_sdk_s3::config::Builder::from(&self.sdk)
            .force_path_style(self.config.s3_endpoint.is_some());
        config.set_endpoint_url(self.config.s3_endpoint.clone());
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// What a client of Bedrock's runtime is built from: the models' region, and `timeout` for one
    /// call, since a picture takes longer than any other answer.
    pub fn model_sdk(&self, timeout: Duration) -> (SdkConfig, Option<String>) {
        let sdk = self
            .sdk
            .to_builder()
            .region(Region::new(self.config.model_region.clone()))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(timeout)
                    .build(),
            )
            .build();
        (sdk, self.config.model_endpoint.clone())
    }

    /// The credentials, for requests that no SDK client makes.
    pub fn credentials(&self) -> Option<SharedCredentialsProvider> {
        self.sdk.credentials_provider()
    }
}

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
