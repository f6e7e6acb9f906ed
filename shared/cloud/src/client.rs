//! The SDK's clients, all built from one configuration.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
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
    /// Finds the credentials' chain; makes no call yet.
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
