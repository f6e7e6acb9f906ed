//! The services of the embedded cloud, and the operations by which a fault can be narrowed down.

use http::request::Parts;
use serde::{Deserialize, Serialize};

/// The service that a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// The queue.
    Sqs,
    /// The bucket.
    S3,
    /// The text-to-image model.
    Bedrock,
    /// The caching proxy before the bucket, and CloudFront's API.
    Cdn,
}

const SQS: [&str; 18] = [
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "CreateQueue",
    "DeleteMessage",
    "DeleteMessageBatch",
    "DeleteQueue",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "ListQueueTags",
    "ListQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
    "SendMessageBatch",
    "SetQueueAttributes",
    "TagQueue",
    "UntagQueue",
];

/// What a path of S3 names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Account,
    Bucket,
    Object,
}

/// S3's operations by method, level and the query parameter that selects them (none: empty). The
/// first that fits is meant.
const S3: [(&str, Level, &str, &str); 17] = [
    ("GET", Level::Account, "", "ListBuckets"),
    ("PUT", Level::Bucket, "", "CreateBucket"),
    ("HEAD", Level::Bucket, "", "HeadBucket"),
    ("GET", Level::Bucket, "encryption", "GetBucketEncryption"),
    ("GET", Level::Bucket, "location", "GetBucketLocation"),
    ("GET", Level::Bucket, "versioning", "GetBucketVersioning"),
    ("GET", Level::Bucket, "versions", "ListObjectVersions"),
    ("GET", Level::Bucket, "list-type", "ListObjectsV2"),
    ("GET", Level::Bucket, "", "ListObjects"),
    ("POST", Level::Bucket, "delete", "DeleteObjects"),
    ("PUT", Level::Object, "tagging", "PutObjectTagging"),
    ("PUT", Level::Object, "", "PutObject"),
    ("HEAD", Level::Object, "", "HeadObject"),
    ("GET", Level::Object, "tagging", "GetObjectTagging"),
    ("GET", Level::Object, "", "GetObject"),
    ("DELETE", Level::Object, "tagging", "DeleteObjectTagging"),
    ("DELETE", Level::Object, "", "DeleteObject"),
];

/// A put with this header is a copy.
const COPY_SOURCE: &str = "x-amz-copy-source";

impl Service {
    /// The operations that a fault of this service can be narrowed down to, as AWS names them. A
    /// viewer's request to the CDN is named by its method.
    pub fn operations(self) -> Vec<&'static str> {
        match self {
            Self::Sqs => SQS.to_vec(),
            Self::S3 => {
                let mut names: Vec<_> = S3.iter().map(|(.., name)| *name).collect();
                names.push("CopyObject");
                names
            }
            Self::Bedrock => vec!["ApplyGuardrail", "InvokeModel"],
            Self::Cdn => vec!["CreateInvalidation", "GET", "HEAD", "OPTIONS"],
        }
    }

    /// The operation that `request` calls; `None` where it is none of
    /// [`operations`](Self::operations).
    pub(crate) fn operation_of(self, request: &Parts) -> Option<&'static str> {
        let path = request.uri.path();
        let name = match self {
            Self::Sqs => {
                let target = request.headers.get("x-amz-target")?.to_str().ok()?;
                target.strip_prefix("AmazonSQS.")?
            }
            Self::S3 => s3_operation(request)?,
            Self::Bedrock if path.starts_with("/model/") && path.ends_with("/invoke") => {
                "InvokeModel"
            }
            Self::Bedrock if path.starts_with("/guardrail/") && path.ends_with("/apply") => {
                "ApplyGuardrail"
            }
            Self::Bedrock => return None,
            Self::Cdn if path.ends_with("/invalidation") && request.method == "POST" => {
                "CreateInvalidation"
            }
            Self::Cdn => request.method.as_str(),
        };
        self.operations().into_iter().find(|known| *known == name)
    }
}

fn s3_operation(request: &Parts) -> Option<&'static str> {
    let path = request.uri.path().trim_start_matches('/');
    let level = match path.split_once('/') {
        Some((_, key)) if !key.is_empty() => Level::Object,
        _ if path.is_empty() => Level::Account,
        _ => Level::Bucket,
    };
    let query = request.uri.query().unwrap_or_default();
    let has = |name: &str| {
        let mut names = query.split('&').map(|pair| pair.split('=').next());
        name.is_empty() || names.any(|known| known == Some(name))
    };
    let (.., name) = S3.iter().find(|(method, at, parameter, _)| {
        request.method == *method && *at == level && has(parameter)
    })?;
    if *name == "PutObject" && request.headers.contains_key(COPY_SOURCE) {
        return Some("CopyObject");
    }
    Some(name)
}
