//! The embedded S3 as the AWS SDK sees it, over a real listener.

mod access;
mod conditional;
mod durability;
mod listing;
mod objects;
mod versions;

use std::path::Path;
use std::time::Duration;

use atelier_embedded::counters::Counters;
use atelier_embedded::faults::{Faults, Service};
use atelier_embedded::{listener, s3};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

const BUCKET: &str = "pictures";

/// An embedded S3 that ends with its value.
struct S3 {
    client: Client,
    endpoint: String,
    counters: Counters,
    faults: Faults,
    _stop: DropGuard,
}

impl S3 {
    async fn start(data: &Path) -> Self {
        let (counters, faults, stop) = (
            Counters::default(),
            Faults::default(),
            CancellationToken::new(),
        );
        let router = s3::router(data, BUCKET, counters.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(listener::serve(
            listener,
            Service::S3,
            faults.clone(),
            router,
            stop.clone(),
        ));
        Self {
            client: client(&endpoint, "test", "test"),
            endpoint,
            counters,
            faults,
            _stop: stop.drop_guard(),
        }
    }

    async fn fresh() -> (Self, TempDir) {
        let data = tempfile::tempdir().unwrap();
        (Self::start(data.path()).await, data)
    }

    async fn put(&self, key: &str, body: &[u8]) -> String {
        let put = self.client.put_object().bucket(BUCKET).key(key);
        let done = put.body(ByteStream::from(body.to_vec())).send().await;
        done.unwrap().version_id.unwrap()
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>, String> {
        let got = self.client.get_object().bucket(BUCKET).key(key);
        match got.send().await {
            Ok(object) => Ok(object.body.collect().await.unwrap().to_vec()),
            Err(error) => Err(code(&error.into_service_error())),
        }
    }
}

fn client(endpoint: &str, id: &str, secret: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
            aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(id, secret, None, None, "test"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            aws_sdk_s3::config::timeout::TimeoutConfig::builder()
                .operation_timeout(Duration::from_secs(60))
                .build(),
        )
        .http_client(http)
        .build();
    Client::from_conf(config)
}

/// The code of an error, as S3 names it.
fn code(error: &impl ProvideErrorMetadata) -> String {
    error.code().unwrap_or("none").to_owned()
}

/// The error's code of an operation that must fail.
macro_rules! refused {
    ($operation:expr) => {
        $crate::code(
            &$operation
                .send()
                .await
                .err()
                .expect("must be refused")
                .into_service_error(),
        )
    };
}
pub(crate) use refused;
