//! The pictures in the bucket (S3): key, metadata, put-if-absent, read, tag, erase.

mod operation;
mod renditions;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument as _;

use atelier_domain::label::Label;
use atelier_runtime::telemetry::span_failed;

use crate::client::Aws;
use crate::config::BucketConfig;
use crate::error::CloudError;

use operation::{S3Operation, permissions};

pub use operation::PictureRef;
pub use renditions::{Rendition, avif_key, keys, variant_avif_key, variant_key};

/// Everything we store is below this.
pub const PREFIX: &str = "generated_images/";

/// Probes are below it.
const PROBE_PREFIX: &str = "generated_images/.probe-";

/// The longest that one operation may take, all its tries included (the portal's property 26).
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// How long readers and the CDN keep a picture: a year.
pub const CACHE_CONTROL: &str = "max-age=31536000";

/// Where the picture of an assignment lies. The ending never changes; the Content-Type says what
/// the bytes are.
pub fn key(assignment_id: &str) -> String {
    format!("{PREFIX}{assignment_id}.webp")
}

/// What lies under a key.
#[derive(Clone, Debug)]
pub struct Found {
    /// Names these bytes; what `If-Match` wants.
    pub etag: String,
    /// What the bytes are.
    pub content_type: String,
    /// How many there are.
    pub size: u64,
    /// The file that they were made from, of a [`Rendition`].
    pub made_from: Option<String>,
    /// What is written on it, if a worker of ours wrote it.
    pub label: Option<Label>,
}

/// What was fetched of an object of any size.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// All of it.
    Whole(Bytes, Box<Found>),
    /// Nothing: it has this many bytes, which is more than was asked for.
    TooLarge(u64),
    /// Nothing lies there.
    Absent,
}

/// When a put may happen.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Only if nothing is there.
    IfAbsent,
    /// Only if these bytes are there.
    IfMatch(String),
}

/// A version of an object, or a delete marker in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its key.
    pub key: String,
    /// Its id; none in a bucket that keeps no versions.
    pub id: Option<String>,
    /// Whether it is what readers get.
    pub is_latest: bool,
    /// Whether it is a delete marker.
    pub is_marker: bool,
}

/// A page of what the bucket holds.
#[derive(Clone, Debug)]
pub struct Page {
    /// What is on it.
    pub versions: Vec<Version>,
    next: Option<(String, Option<String>)>,
}

impl Page {
    /// Whether no page follows.
    pub const fn is_last(&self) -> bool {
        self.next.is_none()
    }
}

/// Whether `key` is that of a [`Pictures::probe`]. No assignment's id has a dot.
pub fn is_probe(key: &str) -> bool {
    key.starts_with(PROBE_PREFIX)
}

/// The assignment that a key below [`PREFIX`] belongs to, if it is one of ours.
pub fn assignment_of(key: &str) -> Option<&str> {
    let name = key.strip_prefix(PREFIX)?;
    let id = name
        .strip_suffix(".webp")
        .or_else(|| name.strip_suffix(".avif"))?;
    // Variants lie in a folder of its own.
    Some(id.split_once('/').map_or(id, |(id, _)| id))
}

/// How long an operation is tried.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// The waits between tries, in order; one try more than waits.
    pub waits: Vec<Duration>,
    /// The longest that all tries may take together.
    pub timeout: Duration,
}

impl RetryPolicy {
    /// An upload's: once and three retries (the portal's table of errors).
    pub fn of_upload() -> Self {
        Self {
            waits: [1, 2, 4].map(Duration::from_secs).into(),
            timeout: OPERATION_TIMEOUT,
        }
    }

    /// A download's: once more.
    pub fn of_download() -> Self {
        Self {
            waits: vec![Duration::from_millis(250)],
            timeout: OPERATION_TIMEOUT,
        }
    }

    /// Of what is tried again by who asked for it.
    const ONCE: Self = Self {
        waits: Vec::new(),
        timeout: OPERATION_TIMEOUT,
    };
}

/// The bucket of the pictures.
#[derive(Clone, Debug)]
pub struct Pictures {
    client: aws_sdk_s3::Client,
    bucket: String,
    upload: RetryPolicy,
    download: RetryPolicy,
}

impl Pictures {
    /// The bucket as configured; makes no call yet.
    pub fn new(aws: &Aws, config: &BucketConfig) -> Self {
        Self {
            client: aws.s3(),
            bucket: config.name.clone(),
            upload: RetryPolicy::of_upload(),
            download: RetryPolicy::of_download(),
        }
    }

    /// How long an upload is tried.
    pub fn upload_policy(&self) -> &RetryPolicy {
        &self.upload
    }

    /// With another policy for uploads and downloads.
    #[must_use]
    pub fn with_retries(mut self, upload: RetryPolicy, download: RetryPolicy) -> Self {
        (self.upload, self.download) = (upload, download);
        self
    }

    /// What lies under `key`, if anything. A bucket that does not exist looks the same as one
    /// that is empty: HEAD answers both without a body.
    ///
    /// # Errors
    /// Where the bucket does not answer, or refuses.
    pub async fn find(
        &self,
        key: &str,
        picture: PictureRef<'_>,
    ) -> Result<Option<Found>, CloudError> {
        let find = || self.find_once(key);
        self.tried("head", picture, &self.upload, &mut 0, find)
            .await
    }

    async fn find_once(&self, key: &str) -> Result<Option<Found>, CloudError> {
        let head = self.client.head_object().bucket(&self.bucket).key(key);
        match head.send().await {
            Ok(head) => Ok(Some(Found {
                etag: head.e_tag.unwrap_or_default(),
                content_type: head.content_type.unwrap_or_default(),
                size: size(head.content_length),
                made_from: made_from(head.metadata.as_ref()),
                label: head.metadata.as_ref().and_then(Label::from_metadata),
            })),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_not_found()) => Ok(None),
            Err(error) => Err(self.explain(key, error.into()).await),
        }
    }

    /// Why a HEAD was refused: its answer has no body, that of a GET of the same object has. An
    /// expired token is a bare 400, an unknown key id a bare 403.
    async fn explain(&self, key: &str, error: CloudError) -> CloudError {
        match &error {
            CloudError::Denied(_) => {}
            CloudError::Refused { code, .. } if code == "400 " => {}
            _ => return error,
        }
        let get = self.client.get_object().bucket(&self.bucket).key(key);
        let Err(refused) = get.range("bytes=0-0").send().await else {
            return error;
        };
        let has_code = refused.as_service_error().and_then(|e| e.code()).is_some();
        match (status(&refused), error) {
            (Some(400..=403), _) if has_code => refused.into(),
            (Some(400..=403), CloudError::Denied(cause) | CloudError::Refused { cause, .. }) => {
                CloudError::Credentials(cause)
            }
            (_, error) => error,
        }
    }

    /// Stores `bytes` under the key of the label's assignment if `condition` holds. Returns the
    /// version, none in a bucket that keeps no versions. `tries` counts the puts, also those of a
    /// call that fails in the end.
    ///
    /// # Errors
    /// [`CloudError::PreconditionFailed`] where the condition does not hold; others where the
    /// bucket does not answer, or refuses.
    pub async fn put(
        &self,
        bytes: Bytes,
        content_type: &str,
        label: &Label,
        permanent: bool,
        condition: &Condition,
        tries: &mut u32,
    ) -> Result<Option<String>, CloudError> {
        let picture = PictureRef {
            assignment_id: &label.assignment_id,
            teacher_id: label.teacher_id.as_deref(),
        };
        self.tried("upload", picture, &self.upload, tries, || async {
            let put = self
                .object(&key(&label.assignment_id), &bytes, content_type, permanent)
                .set_metadata(Some(label.to_metadata()));
            let answer = match condition {
                Condition::IfAbsent => put.if_none_match("*"),
                Condition::IfMatch(etag) => put.if_match(etag),
            }
            .send()
            .await;
            match answer {
                Ok(stored) => Ok(stored.version_id),
                // What should be replaced is gone.
                Err(error)
                    if matches!(condition, Condition::IfMatch(_)) && is_no_such_key(&error) =>
                {
                    let cause = "the object is gone".to_owned();
                    Err(CloudError::PreconditionFailed(cause))
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Looks for an object that is not there: finds out without a write whether the bucket is there
    /// and lets us read.
    ///
    /// # Errors
    /// Where the bucket does not answer, or refuses.
    pub async fn look(&self) -> Result<(), CloudError> {
        let key = format!("{PROBE_PREFIX}{:016x}", fastrand::u64(..));
        // Not HEAD: a refusal of that has no body, and does not say why.
        let get = self.client.get_object().bucket(&self.bucket).key(key);
        match get.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Finds out whether the bucket takes uploads, at no cost worth naming: looks up, puts and
    /// deletes a small object, once each, in the way of an upload.
    ///
    /// # Errors
    /// What an upload would fail with.
    pub async fn probe(&self) -> Result<(), CloudError> {
        let name = format!("{:016x}", fastrand::u64(..));
        let key = format!("{PROBE_PREFIX}{name}");
        let picture = PictureRef {
            assignment_id: &name,
            teacher_id: None,
        };
        let version = self
            .tried("probe", picture, &RetryPolicy::ONCE, &mut 0, || async {
                self.find_once(&key).await?;
                let put = self.object(&key, &Bytes::from_static(b"probe"), "text/plain", false);
                Ok(put.if_none_match("*").send().await?.version_id)
            })
            .await?;
        // What stays is small, and the lifecycle deletes it.
        if let Err(error) = self.delete(&key, version.as_deref()).await {
            tracing::debug!(%error, key, "a probe was not deleted");
        }
        Ok(())
    }

    fn object(
        &self,
        key: &str,
        bytes: &Bytes,
        content_type: &str,
        permanent: bool,
    ) -> PutObjectFluentBuilder {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .body(ByteStream::from(bytes.clone()))
            .content_type(content_type)
            .cache_control(CACHE_CONTROL)
            .server_side_encryption(ServerSideEncryption::Aes256)
            .tagging(format!("{RETENTION}={}", retention(permanent)))
    }

    /// The bytes under `key`, if anything lies there.
    pub async fn read(
        &self,
        key: &str,
        picture: PictureRef<'_>,
    ) -> Result<Option<(Bytes, Found)>, CloudError> {
        Ok(match self.fetch(key, picture, u64::MAX).await? {
            Fetched::Whole(bytes, found) => Some((bytes, *found)),
            Fetched::TooLarge(_) | Fetched::Absent => None,
        })
    }

    /// The bytes under `key`, if they are at most `limit`.
    ///
    /// # Errors
    /// Where the bucket does not answer, or refuses.
    pub async fn fetch(
        &self,
        key: &str,
        picture: PictureRef<'_>,
        limit: u64,
    ) -> Result<Fetched, CloudError> {
        self.tried("download", picture, &self.download, &mut 0, || async {
            let answer = self
                .client
                .get_object()
                .bucket(&self.bucket)
                .key(key)
                .send()
                .await;
            match answer {
                Ok(object) => {
                    let size = size(object.content_length);
                    if size > limit {
                        return Ok(Fetched::TooLarge(size));
                    }
                    let found = Found {
                        etag: object.e_tag.unwrap_or_default(),
                        content_type: object.content_type.unwrap_or_default(),
                        size,
                        made_from: made_from(object.metadata.as_ref()),
                        label: object.metadata.as_ref().and_then(Label::from_metadata),
                    };
                    let body = object.body.collect().await;
                    let body = body.map_err(|error| CloudError::Away(format!("{error:?}")))?;
                    Ok(Fetched::Whole(body.into_bytes(), found.into()))
                }
                Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => {
                    Ok(Fetched::Absent)
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Erases one version of an assignment's picture.
    pub async fn erase_version(
        &self,
        picture: PictureRef<'_>,
        version: &str,
    ) -> Result<(), CloudError> {
        self.tried("delete", picture, &RetryPolicy::ONCE, &mut 0, || async {
            self.delete(&key(picture.assignment_id), Some(version))
                .await
        })
        .await
    }

    /// Erases every version, delete markers included, of all that lies under an assignment's keys: its
    /// picture, the AVIF beside it, and what is below its folder. Returns how many there were.
    pub async fn erase(&self, picture: PictureRef<'_>) -> Result<u64, CloudError> {
        let id = picture.assignment_id;
        self.tried("delete", picture, &RetryPolicy::ONCE, &mut 0, || async {
            let mut erased = 0;
            // No id has a dot or a slash, so these are one assignment's alone.
            for prefix in [format!("{PREFIX}{id}."), format!("{PREFIX}{id}/")] {
                erased += self.erase_all(&prefix, |_| true).await?;
            }
            Ok(erased)
        })
        .await
    }

    /// Erases every version of the object under `key`, which another program put there. Returns how
    /// many there were.
    pub async fn erase_object(
        &self,
        key: &str,
        picture: PictureRef<'_>,
    ) -> Result<u64, CloudError> {
        self.tried("delete", picture, &RetryPolicy::ONCE, &mut 0, || {
            self.erase_all(key, |it| it == key)
        })
        .await
    }

    /// Erases all versions and delete markers of the `wanted` keys that begin with `prefix`.
    async fn erase_all(
        &self,
        prefix: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<u64, CloudError> {
        let mut erased = 0;
        let mut next = None;
        loop {
            let page = self.page_below(prefix, next).await?;
            for version in page.versions.iter().filter(|it| wanted(&it.key)) {
                self.delete(&version.key, version.id.as_deref()).await?;
                erased += 1;
            }
            // They come in the order of their keys, the wanted ones first.
            let is_over = page.versions.last().is_some_and(|it| !wanted(&it.key));
            next = page.next.filter(|_| !is_over);
            if next.is_none() {
                return Ok(erased);
            }
        }
    }

    async fn delete(&self, key: &str, version: Option<&str>) -> Result<(), CloudError> {
        self.client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version.map(str::to_owned))
            .send()
            .await?;
        Ok(())
    }

    /// The ids of all versions and delete markers under `key`. They are few: an assignment's
    /// picture is written once a round.
    pub async fn versions(&self, key: &str) -> Result<Vec<String>, CloudError> {
        let answer = self
            .client
            .list_object_versions()
            .bucket(&self.bucket)
            .prefix(key)
            .send()
            .await?;
        let objects = answer.versions.unwrap_or_default().into_iter();
        let markers = answer.delete_markers.unwrap_or_default().into_iter();
        let ids = objects
            .map(|it| (it.key, it.version_id))
            .chain(markers.map(|it| (it.key, it.version_id)));
        Ok(ids
            .filter(|(of, _)| of.as_deref() == Some(key))
            .filter_map(|(_, version)| version)
            .collect())
    }

    /// A page of all versions and delete markers below [`PREFIX`], in the order of their keys, at
    /// most 1,000 (S3's limit); `after` is the page before.
    pub async fn page(&self, after: Option<&Page>) -> Result<Page, CloudError> {
        let next = after.and_then(|page| page.next.clone());
        self.page_below(PREFIX, next).await
    }

    async fn page_below(
        &self,
        prefix: &str,
        next: Option<(String, Option<String>)>,
    ) -> Result<Page, CloudError> {
        let (key, version) = next.unzip();
        let answer = self
            .client
            .list_object_versions()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_key_marker(key)
            .set_version_id_marker(version.flatten())
            .send()
            .await?;
        let objects = answer.versions.unwrap_or_default().into_iter();
        let markers = answer.delete_markers.unwrap_or_default().into_iter();
        let mut versions: Vec<_> = objects
            .map(|it| (it.key, it.version_id, it.is_latest, false))
            .chain(markers.map(|it| (it.key, it.version_id, it.is_latest, true)))
            .filter_map(|(key, id, latest, marker)| {
                Some(Version {
                    key: key?,
                    id,
                    is_latest: latest.unwrap_or_default(),
                    is_marker: marker,
                })
            })
            .collect();
        versions.sort_by(|a, b| a.key.cmp(&b.key));
        let more = answer.is_truncated.unwrap_or_default();
        let next = answer.next_key_marker.filter(|_| more);
        Ok(Page {
            versions,
            next: next.map(|key| (key, answer.next_version_id_marker)),
        })
    }

    /// Makes tries of `operation` until one succeeds, fails for good, or `policy` is over. Logs once, at the end.
    async fn tried<T, F>(
        &self,
        operation: &'static str,
        picture: PictureRef<'_>,
        policy: &RetryPolicy,
        tries: &mut u32,
        attempt: impl Fn() -> F,
    ) -> Result<T, CloudError>
    where
        F: Future<Output = Result<T, CloudError>>,
    {
        let start = Instant::now();
        let end = start + policy.timeout;
        let before = *tries;
        let mut waits = policy.waits.iter();
        let span = tracing::info_span!(
            "s3",
            otel.name = format!("s3 {operation}"),
            otel.kind = "client"
        );
        let outcome = loop {
            *tries += 1;
            let tried = attempt().instrument(span.clone());
            let outcome = match timeout_at(end, tried).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    break Err(CloudError::Away(format!(
                        "no answer in {OPERATION_TIMEOUT:?}"
                    )));
                }
            };
            match (outcome, waits.next()) {
                (Err(error), Some(wait)) if error.is_passing() && Instant::now() + *wait < end => {
                    // Writers that are in each other's way must not meet again.
                    let conflict = matches!(error, CloudError::Conflict(_));
                    let jitter = if conflict { fastrand::f64() } else { 1.0 };
                    sleep(wait.mul_f64(0.5 + 0.5 * jitter)).await;
                }
                (outcome, _) => break outcome,
            }
        };
        let outcome = outcome.map_err(|error| match error {
            CloudError::Denied(cause) => CloudError::Denied(format!(
                "{} on bucket `{}` is lacking: {cause}",
                permissions(operation),
                self.bucket
            )),
            error => error,
        });
        if let Err(error) = &outcome {
            span_failed(&span, error);
        }
        S3Operation {
            operation,
            picture,
            error: outcome.as_ref().err(),
            duration: start.elapsed(),
            attempts: *tries - before,
        }
        .emit();
        outcome
    }
}

/// The metadata field that names the file that a rendition was made from.
const MADE_FROM: &str = "made-from";

/// The tag that the lifecycle's filter looks for; a filter cannot say "not tagged".
const RETENTION: &str = "retention";

const fn retention(permanent: bool) -> &'static str {
    if permanent { "permanent" } else { "standard" }
}

fn size(content_length: Option<i64>) -> u64 {
    content_length
        .and_then(|bytes| bytes.try_into().ok())
        .unwrap_or_default()
}

fn made_from(metadata: Option<&HashMap<String, String>>) -> Option<String> {
    metadata?.get(MADE_FROM).cloned()
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}

fn is_no_such_key<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.as_service_error().and_then(|error| error.code()) == Some("NoSuchKey")
}
