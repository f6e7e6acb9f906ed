//! The embedded CDN: a caching proxy before the bucket, as CloudFront with origin access control
//! is, and CloudFront's CreateInvalidation on the same address.
//!
//! The path names an object: query strings and cookies are ignored, but for `avif=1`, with which
//! readers that accept it get the AVIF beside a WebP. Where the origin refuses or
//! has no object, the answer is a placeholder, status 200, that is cached for seconds only. The
//! object's user metadata is not passed on. With a trusted key group only signed addresses are
//! served.

mod answer;
mod cache;
mod format;
mod freshness;
mod invalidation;
pub(crate) mod key_pair;
mod signed;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::post;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use s3s::dto::Range;

use crate::counters::Counters;
use crate::faults::Service;
use answer::{insert, struck};
use cache::{Cache, Clock, Content, Served};

pub use cache::{ERROR_TTL, Origin};
pub use signed::TrustedKey;

const PLACEHOLDER: &str = include_str!("cdn/placeholder.svg");

/// What CloudFront's managed policies SecurityHeadersPolicy and SimpleCORS add to every answer.
const ADDED_HEADERS: [(HeaderName, &str); 6] = [
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    (header::X_XSS_PROTECTION, "1; mode=block"),
    (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
];

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

struct Cdn {
    cache: Arc<Cache>,
    counters: Counters,
    /// The trusted key group; empty where everybody may see every picture.
    keys: Vec<TrustedKey>,
}

/// The embedded CDN before the bucket of `origin`.
pub fn router(origin: Origin, counters: Counters) -> Router {
    router_with_clock(origin, counters, Instant::now)
}

/// As [`router`], for those who have an address that one of `keys` signed.
pub fn private_router(origin: Origin, counters: Counters, keys: Vec<TrustedKey>) -> Router {
    build(origin, counters, keys, Box::new(Instant::now))
}

/// As [`router`], with `now` as its clock.
pub fn router_with_clock(
    origin: Origin,
    counters: Counters,
    now: impl Fn() -> Instant + Send + Sync + 'static,
) -> Router {
    build(origin, counters, Vec::new(), Box::new(now))
}

fn build(origin: Origin, counters: Counters, keys: Vec<TrustedKey>, now: Clock) -> Router {
    let cache = Arc::new(Cache::new(origin, now));
    let create = post(invalidation::create).with_state(Arc::clone(&cache));
    let cdn = Arc::new(Cdn {
        cache,
        counters,
        keys,
    });
    Router::new()
        .route(invalidation::ROUTE, create)
        .fallback(serve)
        .with_state(cdn)
}

async fn serve(State(cdn): State<Arc<Cdn>>, request: Request) -> Response<Body> {
    let (request, _) = request.into_parts();
    let mut response = match (struck(&request), &request.method) {
        (Some(status), _) => error(status),
        (None, &Method::GET | &Method::HEAD) => cdn.picture(&request).await,
        (None, &Method::OPTIONS) => preflight(),
        // What CloudFront answers to a method that the distribution does not allow.
        (None, _) => error(StatusCode::FORBIDDEN),
    };
    for (name, value) in ADDED_HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Cdn {
    async fn picture(&self, request: &Parts) -> Response<Body> {
        if !self.keys.is_empty()
            && let Err(refusal) = signed::check(&self.keys, request)
        {
            self.counters.add(Service::Cdn, "refused");
            let mut response = refusal.response();
            insert(&mut response, X_CACHE, x_cache(Served::Error));
            return response;
        }
        let Ok(path) = percent_decode_str(request.uri.path()).decode_utf8() else {
            return error(StatusCode::BAD_REQUEST);
        };
        let key = format::chosen(request, path.trim_start_matches('/'));
        let (entry, served) = self.cache.get(&key).await;
        self.counters.add(Service::Cdn, counter(served));
        let Some(content) = &entry.content else {
            return placeholder();
        };
        let mut response = answer(&request.headers, content);
        let headers = response.headers_mut();
        headers.insert(X_CACHE, HeaderValue::from_static(x_cache(served)));
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        if served != Served::Miss {
            headers.insert(header::AGE, self.cache.age(&entry).as_secs().into());
        }
        response
    }
}

fn counter(served: Served) -> &'static str {
    match served {
        Served::Hit | Served::RefreshHit => "hits",
        Served::Miss => "misses",
        Served::Error => "errors",
    }
}

fn x_cache(served: Served) -> &'static str {
    match served {
        Served::Hit => "Hit from cloudfront",
        Served::RefreshHit => "RefreshHit from cloudfront",
        Served::Miss => "Miss from cloudfront",
        Served::Error => "Error from cloudfront",
    }
}

/// The object (200), the requested range of it (206), or 304 if the viewer has it already.
fn answer(asked: &HeaderMap, content: &Content) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = content.headers.clone();
    if is_known(asked, &content.headers) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
        return response;
    }
    let length = content.body.len();
    let range = asked
        .get(header::RANGE)
        .and_then(|range| Range::parse(range.to_str().ok()?).ok());
    let body = match range.map(|range| range.check(length as u64)) {
        None => content.body.clone(),
        Some(Ok(part)) => {
            let text = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            insert(&mut response, header::CONTENT_RANGE, &text);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            // The body is in memory as a whole, so its length fits.
            content.body.slice(part.start as usize..part.end as usize)
        }
        Some(Err(_)) => {
            insert(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes */{length}"),
            );
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return response;
        }
    };
    *response.body_mut() = Body::from(body);
    response
}

/// Whether the viewer's copy is this one. Viewers send the date back as they got it.
fn is_known(asked: &HeaderMap, content: &HeaderMap) -> bool {
    let Some(condition) = asked.get(header::IF_NONE_MATCH) else {
        let known = asked.get(header::IF_MODIFIED_SINCE);
        return known.is_some() && known == content.get(header::LAST_MODIFIED);
    };
    let (Ok(condition), Some(Ok(etag))) = (
        condition.to_str(),
        content.get(header::ETAG).map(HeaderValue::to_str),
    ) else {
        return false;
    };
    condition
        .split(',')
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == etag || known == "*")
}

fn placeholder() -> Response<Body> {
    let mut response = Response::new(Body::from(PLACEHOLDER));
    insert(&mut response, header::CONTENT_TYPE, "image/svg+xml");
    insert(&mut response, header::CACHE_CONTROL, "no-store");
    insert(&mut response, X_CACHE, x_cache(Served::Error));
    response
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let allowed = "GET, HEAD, OPTIONS";
    insert(&mut response, header::ALLOW, allowed);
    insert(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, allowed);
    insert(&mut response, header::ACCESS_CONTROL_ALLOW_HEADERS, "*");
    response
}

fn error(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from(status.to_string()));
    *response.status_mut() = status;
    insert(&mut response, X_CACHE, x_cache(Served::Error));
    response
}
