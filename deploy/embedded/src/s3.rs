//! The embedded S3: the protocol and the signatures are the `s3s` crate's, the storage is in this module.
//!
//! Multipart uploads are not implemented, and a body is held in memory, so that an object has at
//! most [`MAX_OBJECT_BYTES`]. A conditional write never answers 409 (`ConditionalRequestConflict`):
//! the check and the write are one step here, so a delete comes before or after both.

mod bucket;
mod buckets;
mod checksum;
mod conditions;
mod errors;
mod listing;
mod names;
mod operations;
mod paging;
mod tags;
mod upload;
mod version;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::error_handling::HandleErrorLayer;
use http::StatusCode;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use tower::ServiceBuilder;

use crate::counters::Counters;
use crate::faults::{Fault, Kind, Service};
use crate::signature::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use buckets::Buckets;

pub use upload::MAX_OBJECT_BYTES;

/// The embedded S3 over the folder `data`, which holds a folder a bucket. The bucket `bucket` is
/// created if it is missing. Every bucket is versioned.
///
/// # Errors
/// The folder cannot be read or written, or `bucket` is not a name for a bucket.
pub fn router(data: &Path, bucket: &str, counters: Counters) -> anyhow::Result<Router> {
    anyhow::ensure!(
        s3s::path::check_bucket_name(bucket),
        "{bucket:?} is not a name for a bucket: 3 to 63 of a-z, 0-9, '.' and '-'"
    );
    let buckets = Buckets::open(data)
        .and_then(|buckets| {
            buckets.create(bucket)?;
            Ok(buckets)
        })
        .with_context(|| format!("cannot open the buckets in {}", data.display()))?;
    let mut builder = S3ServiceBuilder::new(operations::Operations(Arc::new(buckets)));
    builder.set_auth(Credentials);
    builder.set_access(Gate(counters));
    let service = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async |error: s3s::HttpError| {
            tracing::error!(?error, "the embedded S3 failed");
            StatusCode::INTERNAL_SERVER_ERROR
        }))
        .service(builder.build());
    Ok(Router::new().fallback_service(service))
}

/// The only pair of access keys.
struct Credentials;

#[async_trait::async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS_KEY_ID {
            return Ok(SECRET_ACCESS_KEY.into());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records."
        ))
    }
}

/// Before every operation: refuses the unsigned, strikes with an ordered fault, counts.
struct Gate(Counters);

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        if request.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        match request
            .extensions_mut()
            .get::<Fault>()
            .map(|fault| fault.kind)
        {
            Some(Kind::Throttle) => {
                return Err(s3_error!(SlowDown, "Please reduce your request rate."));
            }
            Some(Kind::Denied) => return Err(s3_error!(AccessDenied, "Access Denied")),
            Some(Kind::Missing) => {
                return Err(s3_error!(
                    NoSuchBucket,
                    "The specified bucket does not exist"
                ));
            }
            _ => {}
        }
        self.0.add(Service::S3, counter(request.s3_op().name()));
        Ok(())
    }
}

/// The name under which an operation is counted.
fn counter(operation: &str) -> &'static str {
    match operation {
        "CopyObject" => "copy_object",
        "CreateBucket" => "create_bucket",
        "DeleteObject" => "delete_object",
        "DeleteObjectTagging" => "delete_object_tagging",
        "DeleteObjects" => "delete_objects",
        "GetBucketEncryption" => "get_bucket_encryption",
        "GetBucketLocation" => "get_bucket_location",
        "GetBucketVersioning" => "get_bucket_versioning",
        "GetObject" => "get_object",
        "GetObjectTagging" => "get_object_tagging",
        "HeadBucket" => "head_bucket",
        "HeadObject" => "head_object",
        "ListBuckets" => "list_buckets",
        "ListObjectVersions" => "list_object_versions",
        "ListObjects" => "list_objects",
        "ListObjectsV2" => "list_objects_v2",
        "PutObject" => "put_object",
        "PutObjectTagging" => "put_object_tagging",
        _ => "not_implemented",
    }
}
