//! The CDN's cache, and its requests to the origin.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_smithy_http_client::tls;
use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use moka::ops::compute::{CompResult, Op};

use super::freshness::ttl;
use crate::signature::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

/// How long an error of the origin is cached: the least that CloudFront's `error_caching_min_ttl`
/// should be for pictures that are about to appear.
pub const ERROR_TTL: Duration = Duration::from_secs(5);

/// The cache's size in bytes: 256 MiB.
const CAPACITY_BYTES: u64 = 256 << 20;
/// Bytes that an entry counts beside its body, so that cached errors are bounded too.
const ENTRY_BYTES: usize = 512;
/// CloudFront's defaults for the origin's connection and answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The bucket behind the CDN.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The address of S3, with scheme and port.
    pub s3_endpoint: String,
    /// The bucket's name.
    pub bucket: String,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// The cache.
    Hit,
    /// The cache, after the origin answered 304.
    RefreshHit,
    /// The origin.
    Miss,
    /// The origin has no object to show.
    Error,
}

/// An object as viewers get it.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// Type, ETag, date and Cache-Control of the object.
    pub headers: HeaderMap,
    /// Its bytes.
    pub body: Bytes,
}

/// The cache entry of one key.
#[derive(Debug)]
pub(super) struct Entry {
    /// The object; `None` where the origin had none to show.
    pub content: Option<Content>,
    /// How the entry was filled.
    served: Served,
    /// When the origin was last requested for it.
    fetched_at: Instant,
    fresh_for: Duration,
}

/// The clock: [`Instant::now`], but for tests.
pub(super) type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// An invalidation that still applies to answers under way from the origin.
struct Invalidation {
    pattern: Pattern,
    at: Instant,
}

/// The keys of an invalidation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// One key.
    Key(String),
    /// All keys with this prefix.
    Prefix(String),
}

impl Pattern {
    fn matches(&self, key: &str) -> bool {
        match self {
            Self::Key(exact) => exact == key,
            Self::Prefix(prefix) => key.starts_with(prefix),
        }
    }
}

/// The cache before the origin.
pub(super) struct Cache {
    s3: Client,
    bucket: String,
    entries: moka::future::Cache<String, Arc<Entry>>,
    invalidations: Arc<Mutex<Vec<Invalidation>>>,
    now: Clock,
}

impl Cache {
    /// An empty cache before `origin`.
    pub(super) fn new(origin: Origin, now: Clock) -> Self {
        let entries = moka::future::Cache::builder()
            .max_capacity(CAPACITY_BYTES)
            .weigher(|key: &String, entry: &Arc<Entry>| {
                let body = entry.content.as_ref().map_or(0, |kept| kept.body.len());
                u32::try_from(ENTRY_BYTES + key.len() + body).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            s3: s3_client(&origin.s3_endpoint),
            bucket: origin.bucket,
            entries,
            invalidations: Arc::default(),
            now,
        }
    }

    /// The object of `key`. Concurrent requests for one key make one request to the origin.
    pub(super) async fn get(&self, key: &str) -> (Arc<Entry>, Served) {
        if let Some(entry) = self.entries.get(key).await
            && self.is_fresh(key, &entry)
        {
            let served = served_again(&entry);
            return (entry, served);
        }
        let entry = self.entries.entry(key.to_owned());
        let computed = entry.and_compute_with(async |before| {
            let before = before.map(moka::Entry::into_value);
            match before {
                Some(entry) if self.is_fresh(key, &entry) => Op::Nop,
                before => Op::Put(Arc::new(self.fetch(key, before.as_deref()).await)),
            }
        });
        match computed.await {
            CompResult::Inserted(entry) | CompResult::ReplacedWith(entry) => {
                let entry = entry.into_value();
                let served = entry.served;
                (entry, served)
            }
            CompResult::Unchanged(entry) | CompResult::Removed(entry) => {
                let entry = entry.into_value();
                let served = served_again(&entry);
                (entry, served)
            }
            CompResult::StillNone(_) => unreachable!("an absent entry is always filled"),
        }
    }

    /// Invalidates what matches: cached entries, and answers under way from the origin.
    pub(super) fn invalidate(&self, patterns: &[Pattern]) -> impl Future<Output = ()> + use<> {
        let at = (self.now)();
        let patterns = patterns.to_vec();
        let (entries, invalidations) = (self.entries.clone(), self.invalidations.clone());
        lock(&invalidations).extend(patterns.iter().map(|pattern| Invalidation {
            pattern: pattern.clone(),
            at,
        }));
        async move {
            remove(&entries, &patterns, at).await;
            tokio::spawn(async move {
                // By then every answer that was under way has arrived or timed out.
                tokio::time::sleep(2 * ANSWER_TIMEOUT).await;
                remove(&entries, &patterns, at).await;
                lock(&invalidations).retain(|one| one.at > at);
            });
        }
    }

    /// The time since the origin was last requested for `entry`.
    pub(super) fn age(&self, entry: &Entry) -> Duration {
        (self.now)().saturating_duration_since(entry.fetched_at)
    }

    fn is_fresh(&self, key: &str, entry: &Entry) -> bool {
        self.age(entry) < entry.fresh_for
            && !lock(&self.invalidations)
                .iter()
                .any(|one| one.at >= entry.fetched_at && one.pattern.matches(key))
    }

    /// Requests `key` from the origin, on condition that it differs from `before`.
    async fn fetch(&self, key: &str, before: Option<&Entry>) -> Entry {
        let fetched_at = (self.now)();
        let known = before.and_then(|entry| entry.content.clone());
        let error = Entry {
            content: None,
            served: Served::Error,
            fetched_at,
            fresh_for: ERROR_TTL,
        };
        if key.is_empty() {
            return error;
        }
        let etag = known
            .as_ref()
            .and_then(|known| known.headers.get(header::ETAG)?.to_str().ok());
        let request = self
            .s3
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .set_if_none_match(etag.map(str::to_owned));
        let status = match request.send().await {
            Ok(object) => match received(object).await {
                Some(content) => return kept(content, Served::Miss, fetched_at),
                None => None,
            },
            Err(error) => error.raw_response().map(|raw| raw.status().as_u16()),
        };
        match (status, known) {
            (Some(304), Some(known)) => kept(known, Served::RefreshHit, fetched_at),
            // Serve stale while the origin is unavailable.
            (None | Some(500..), Some(known)) => Entry {
                content: Some(known),
                served: Served::Hit,
                fresh_for: ERROR_TTL,
                fetched_at,
            },
            _ => error,
        }
    }
}

/// How a cached entry is served.
fn served_again(entry: &Entry) -> Served {
    match entry.content {
        Some(_) => Served::Hit,
        None => Served::Error,
    }
}

fn kept(content: Content, served: Served, fetched_at: Instant) -> Entry {
    let cache_control = content.headers.get(header::CACHE_CONTROL);
    let fresh_for = ttl(cache_control.and_then(|value| value.to_str().ok()));
    Entry {
        content: Some(content),
        served,
        fetched_at,
        fresh_for,
    }
}

/// The whole object; `None` if its body broke off.
async fn received(object: GetObjectOutput) -> Option<Content> {
    let modified = object
        .last_modified()
        .and_then(|time: &DateTime| time.fmt(Format::HttpDate).ok());
    let mut headers = HeaderMap::new();
    let mut keep = |name: HeaderName, value: Option<&str>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    };
    keep(header::ACCEPT_RANGES, Some("bytes"));
    keep(header::CACHE_CONTROL, object.cache_control());
    keep(header::CONTENT_DISPOSITION, object.content_disposition());
    keep(header::CONTENT_ENCODING, object.content_encoding());
    keep(header::CONTENT_LANGUAGE, object.content_language());
    keep(header::CONTENT_TYPE, object.content_type());
    keep(header::ETAG, object.e_tag());
    keep(header::LAST_MODIFIED, modified.as_deref());
    let body = object.body.collect().await.ok()?.into_bytes();
    Some(Content { headers, body })
}

async fn remove(
    entries: &moka::future::Cache<String, Arc<Entry>>,
    patterns: &[Pattern],
    before: Instant,
) {
    for (key, entry) in entries.iter() {
        if entry.fetched_at <= before && patterns.iter().any(|pattern| pattern.matches(&key)) {
            entries.invalidate(key.as_str()).await;
        }
    }
}

fn lock(invalidations: &Mutex<Vec<Invalidation>>) -> std::sync::MutexGuard<'_, Vec<Invalidation>> {
    invalidations.lock().unwrap_or_else(PoisonError::into_inner)
}

fn s3_client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(ANSWER_TIMEOUT)
        .operation_timeout(ANSWER_TIMEOUT)
        .build();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new(
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            None,
            None,
            "embedded",
        ))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .http_client(http)
        .build();
    Client::from_conf(config)
}
