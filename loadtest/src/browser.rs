//! A browser's session: what it holds it does not ask for again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};

use crate::client::{Answer, CallError, Client};

/// Where a resource came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The session's own cache.
    Cache,
    /// The network, which said that the cached one still holds.
    Revalidated,
    /// The network.
    Network,
}

/// How a CDN answered (`x-cache`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CdnAnswer {
    /// From its own cache.
    Hit,
    /// From the bucket.
    Miss,
}

/// A resource as the session got it.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// Where a redirect leads.
    pub location: Option<Url>,
    /// Its media type.
    pub content_type: String,
    /// Why it is a placeholder, if it is one.
    pub placeholder: Option<String>,
    /// What the CDN said, where there is one.
    pub cdn: Option<CdnAnswer>,
    /// Size of the body in bytes.
    pub bytes: usize,
}

struct Kept {
    resource: Resource,
    etag: Option<HeaderValue>,
    fresh_until: Instant,
}

/// One session of one person.
#[derive(Default)]
pub(crate) struct Browser {
    cache: HashMap<Url, Kept>,
}

impl Browser {
    /// Gets a resource: from the cache while it is fresh, else from the network.
    ///
    /// # Errors
    /// Whatever the network says that is neither good nor a redirect nor "not modified".
    pub(crate) async fn get(
        &mut self,
        client: &Client,
        url: Url,
    ) -> Result<(Resource, Source, Duration), CallError> {
        let kept = self.cache.get(&url);
        if let Some(kept) = kept.filter(|kept| Instant::now() < kept.fresh_until) {
            return Ok((kept.resource.clone(), Source::Cache, Duration::ZERO));
        }
        let mut headers = HeaderMap::new();
        if let Some(etag) = kept.and_then(|kept| kept.etag.clone()) {
            headers.insert(IF_NONE_MATCH, etag);
        }
        let answer = client.get(url.clone(), headers).await?;
        let took = answer.took;
        let policy = CachePolicy::of(&answer);
        if answer.status.as_u16() == 304 {
            let kept = self.cache.get_mut(&url).ok_or(CallError::Answer)?;
            kept.fresh_until = Instant::now() + policy.fresh;
            return Ok((kept.resource.clone(), Source::Revalidated, took));
        }
        if !answer.status.is_success() && !answer.status.is_redirection() {
            return Err(CallError::Status(answer.status.as_u16()));
        }
        let resource = resource(&url, &answer);
        if policy.keep {
            let kept = Kept {
                resource: resource.clone(),
                etag: answer.headers.get(ETAG).cloned(),
                fresh_until: Instant::now() + policy.fresh,
            };
            self.cache.insert(url, kept);
        }
        Ok((resource, Source::Network, took))
    }
}

fn resource(url: &Url, answer: &Answer) -> Resource {
    Resource {
        location: answer.header("location").and_then(|to| url.join(to).ok()),
        content_type: answer.header("content-type").unwrap_or_default().to_owned(),
        placeholder: answer.header("x-atelier-placeholder").map(str::to_owned),
        cdn: answer.header("x-cache").map(cdn_answer),
        bytes: answer.body.len(),
    }
}

/// CloudFront's words: `Hit from cloudfront`, `RefreshHit from cloudfront`, `Miss from cloudfront`.
fn cdn_answer(x_cache: &str) -> CdnAnswer {
    if x_cache.to_ascii_lowercase().contains("hit") {
        CdnAnswer::Hit
    } else {
        CdnAnswer::Miss
    }
}

/// What `Cache-Control` allows a private cache (RFC 9111).
struct CachePolicy {
    keep: bool,
    fresh: Duration,
}

impl CachePolicy {
    fn of(answer: &Answer) -> Self {
        let text = answer
            .header("cache-control")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let directives = || text.split(',').map(str::trim);
        let age = directives().find_map(|each| each.strip_prefix("max-age=")?.parse().ok());
        let stale = directives().any(|each| each == "no-cache");
        Self {
            keep: !directives().any(|each| each == "no-store"),
            fresh: Duration::from_secs(if stale { 0 } else { age.unwrap_or(0) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    fn policy(cache_control: &'static str) -> (bool, u64) {
        let mut headers = HeaderMap::new();
        headers.insert("cache-control", HeaderValue::from_static(cache_control));
        let answer = Answer {
            status: StatusCode::OK,
            headers,
            body: Vec::new(),
            took: Duration::ZERO,
        };
        let policy = CachePolicy::of(&answer);
        (policy.keep, policy.fresh.as_secs())
    }

    #[test]
    fn caches_as_cache_control_says() {
        assert_eq!(policy("max-age=31536000"), (true, 31_536_000));
        assert_eq!(policy("private, max-age=60"), (true, 60));
        assert_eq!(policy("no-cache, max-age=60"), (true, 0));
        assert!(!policy("no-store").0);
        assert_eq!(policy(""), (true, 0));
    }

    #[test]
    fn reads_what_the_cdn_says() {
        assert_eq!(cdn_answer("Hit from cloudfront"), CdnAnswer::Hit);
        assert_eq!(cdn_answer("RefreshHit from cloudfront"), CdnAnswer::Hit);
        assert_eq!(cdn_answer("Miss from cloudfront"), CdnAnswer::Miss);
        assert_eq!(cdn_answer("Error from cloudfront"), CdnAnswer::Miss);
    }
}
