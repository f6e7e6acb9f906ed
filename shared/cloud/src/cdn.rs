//! Invalidates deleted pictures at the CDN: CloudFront's CreateInvalidation.
//!
//! One signed request of a REST API; the SDK's crate for it is larger than all of this project.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

use crate::client::Aws;
use crate::config::{CdnConfig, CloudConfig};
use crate::error::CloudError;

/// CloudFront's API is served, and signed for, in one region.
const REGION: &str = "us-east-1";
const ENDPOINT: &str = "https://cloudfront.amazonaws.com";
const API_VERSION: &str = "2020-05-31";

/// The CDN's API.
#[derive(Clone, Debug)]
pub struct Cdn {
    aws: Aws,
    http: reqwest::Client,
    endpoint: String,
    distribution_id: Option<String>,
}

impl Cdn {
    /// The CDN as configured; makes no call yet.
    pub fn new(aws: &Aws, cloud: &CloudConfig, config: &CdnConfig) -> Self {
        Self {
            aws: aws.clone(),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(10))
                .build()
                .expect("the TLS provider was installed first in main"),
            endpoint: cloud
                .cdn_endpoint
                .clone()
                .unwrap_or_else(|| ENDPOINT.to_owned()),
            distribution_id: config.distribution_id.clone(),
        }
    }

    /// Invalidates the objects under `keys`. Two calls with the same `reference` make one
    /// invalidation (CloudFront's `CallerReference`). Does nothing without a distribution.
    ///
    /// # Errors
    /// Where CloudFront refuses or does not answer.
    pub async fn invalidate(&self, keys: &[String], reference: &str) -> Result<(), CloudError> {
        let Some(distribution) = &self.distribution_id else {
            return Ok(());
        };
        let url = format!(
            "{}/{API_VERSION}/distribution/{distribution}/invalidation",
            self.endpoint
        );
        let body = invalidation(keys, reference);
        let mut call = self
            .http
            .post(&url)
            .header("content-type", "application/xml");
        for (name, value) in self.signature(&url, body.as_bytes()).await? {
            call = call.header(name, value);
        }
        let answer = call
            .body(body)
            .send()
            .await
            .map_err(|error| CloudError::Away(format!("{error:?}")))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let text = format!(
            "CreateInvalidation: {status} {}",
            answer.text().await.unwrap_or_default()
        );
        Err(match status.as_u16() {
            401 | 403 => CloudError::Denied(text),
            404 => CloudError::Missing(text),
            429 => CloudError::Throttled(text),
            // As many as CloudFront works on at a time are under way.
            400 if text.contains("TooManyInvalidationsInProgress") => CloudError::Throttled(text),
            500..=599 => CloudError::Away(text),
            code => CloudError::Refused {
                code: code.to_string(),
                cause: text,
            },
        })
    }

    async fn signature(&self, url: &str, body: &[u8]) -> Result<Vec<(String, String)>, CloudError> {
        let credentials = |what: String| CloudError::Credentials(what);
        let identity = self
            .aws
            .credentials()
            .ok_or_else(|| credentials("no provider of credentials".to_owned()))?
            .provide_credentials()
            .await
            .map_err(|error| credentials(format!("{error:?}")))?
            .into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("cloudfront")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| CloudError::not_sent(error.to_string()))?
            .into();
        let headers = [("content-type", "application/xml")];
        let request =
            SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body))
                .map_err(|error| CloudError::not_sent(error.to_string()))?;
        let (instructions, _) = sign(request, &parameters)
            .map_err(|error| CloudError::not_sent(error.to_string()))?
            .into_parts();
        Ok(instructions
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}

/// Keys hold only characters that mean nothing in XML.
fn invalidation(keys: &[String], reference: &str) -> String {
    let items: String = keys
        .iter()
        .map(|key| format!("<Path>/{key}</Path>"))
        .collect();
    format!(
        "<InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/{API_VERSION}/\">\
         <Paths><Quantity>{}</Quantity><Items>{items}</Items></Paths>\
         <CallerReference>{reference}</CallerReference></InvalidationBatch>",
        keys.len()
    )
}
