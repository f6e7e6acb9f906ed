//! The correlation id: every answer bears one, and so do all log lines of its request.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::HeaderValue;
use http::request::Parts;
use tracing::Instrument as _;

use atelier_runtime::telemetry::continue_trace;
use atelier_runtime::telemetry::http_server::{Exchange, span_name};

use crate::problem::Problem;

/// The header that carries it, both ways.
pub(crate) const HEADER: &str = "x-correlation-id";

/// The longest that we take from a caller, in characters.
const MAX_CHARACTERS: usize = 64;

/// Names one request, and the assignment's round that it starts.
#[derive(Clone, Debug)]
pub(crate) struct CorrelationId(pub String);

impl CorrelationId {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// The caller's, if it sent a good one: 1 to 64 of `[A-Za-z0-9._-]`.
    fn of(request: &Request) -> Option<Self> {
        let text = request.headers().get(HEADER)?.to_str().ok()?;
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let good = (1..=MAX_CHARACTERS).contains(&text.len()) && text.bytes().all(known);
        good.then(|| Self(text.to_owned()))
    }
}

impl<S: Sync> FromRequestParts<S> for CorrelationId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem::internal("the request has no correlation id"))
    }
}

/// Gives the request its id and its span, turns problems (and panics) into their documents, and
/// puts the id on the answer.
pub(crate) async fn correlate(mut request: Request, next: Next) -> Response {
    let id = CorrelationId::of(&request).unwrap_or_else(CorrelationId::random);
    request.extensions_mut().insert(id.clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        method = %request.method(),
        path = route.unwrap_or("-"),
        correlation_id = id.0,
        otel.name = span_name(request.method(), route),
        otel.kind = "server",
    );
    let parent = request.headers().get("traceparent");
    continue_trace(&span, parent.and_then(|value| value.to_str().ok()));
    let mut exchange = Exchange::begin(&span, &request, route);
    let response = answer(request, next, &id).instrument(span.clone()).await;
    exchange.answered(&span, response.status());
    response
}

async fn answer(request: Request, next: Next, id: &CorrelationId) -> Response {
    let is_head = request.method() == http::Method::HEAD;
    let mut response = AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Problem::internal(words_of(&panic)).into_response());
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        log(&problem);
        let kept = std::mem::take(response.headers_mut());
        response = problem.render(&id.0);
        for (name, value) in &kept {
            response.headers_mut().entry(name).or_insert(value.clone());
        }
        if is_head {
            *response.body_mut() = axum::body::Body::empty();
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

fn words_of(panic: &Box<dyn Any + Send>) -> String {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panic: {}", words.unwrap_or("without words"))
}

/// Logs why a request is not done.
pub(crate) fn log(problem: &Problem) {
    let status = problem.status().as_u16();
    let cause = problem.cause().unwrap_or("-");
    match status {
        500 => tracing::error!(status, cause, "request failed"),
        501.. => tracing::warn!(status, cause, "request failed"),
        _ => tracing::debug!(status, "request refused"),
    }
}
