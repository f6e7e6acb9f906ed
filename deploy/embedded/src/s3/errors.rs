//! A bucket's refusals as the errors of S3.

use http::{HeaderMap, HeaderValue};
use s3s::{S3Error, s3_error};

use super::bucket::Refusal;

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchKey(marker) => {
                let mut error = s3_error!(NoSuchKey, "The specified key does not exist.");
                if let Some(marker) = marker {
                    error.set_headers(marker_headers(&marker));
                }
                error
            }
            Refusal::NoSuchVersion => {
                s3_error!(NoSuchVersion, "The specified version does not exist.")
            }
            Refusal::IsDeleteMarker(marker) => {
                let mut error = s3_error!(
                    MethodNotAllowed,
                    "The specified method is not allowed against a delete marker."
                );
                error.set_headers(marker_headers(&marker));
                error
            }
            Refusal::PreconditionFailed => precondition_failed(),
            Refusal::Disk(error) => {
                tracing::error!(
                    alert = true,
                    code = "disk",
                    cause = %error,
                    "the disk of the embedded S3 failed, or is full"
                );
                s3_error!(error, InternalError)
            }
        }
    }
}

pub(super) fn precondition_failed() -> S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    )
}

pub(super) fn bad_digest(header: &str) -> S3Error {
    s3_error!(
        BadDigest,
        "The {header} you specified did not match what we received."
    )
}

pub(super) fn marker_headers(version: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml"),
    );
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(id) = HeaderValue::from_str(version) {
        headers.insert("x-amz-version-id", id);
    }
    headers
}
