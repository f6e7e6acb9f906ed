//! Metrics and span attributes of a request that is served, by OpenTelemetry's semantic conventions
//! (<https://opentelemetry.io/docs/specs/semconv/http/>).
//!
//! Left out is `url.path`: the address of a link for students is a secret.

use std::sync::LazyLock;
use std::time::Instant;

use http::{Method, Request, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter, UpDownCounter};
use opentelemetry::trace::Status;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Time until a request is answered, in seconds; attributes `http.request.method`, `http.route`,
/// `http.response.status_code`, `url.scheme` and, where it failed, `error.type`.
pub const REQUEST_DURATION: &str = "http.server.request.duration";
/// Requests that are being answered; attributes `http.request.method` and `url.scheme`.
pub const ACTIVE_REQUESTS: &str = "http.server.active_requests";

/// The boundaries that the conventions advise, in seconds, and two for requests that wait.
const SECONDS: [f64; 16] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 30.0,
];

/// We speak plain HTTP; TLS ends before us.
const SCHEME: &str = "http";

/// The instruments of an HTTP server.
#[derive(Debug)]
pub(super) struct HttpServer {
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
}

impl HttpServer {
    /// Made by `meter`.
    pub(super) fn of(meter: &Meter) -> Self {
        Self {
            duration: meter
                .f64_histogram(REQUEST_DURATION)
                .with_unit("s")
                .with_description("Duration of HTTP server requests.")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            active: meter
                .i64_up_down_counter(ACTIVE_REQUESTS)
                .with_unit("{request}")
                .with_description("Number of active HTTP server requests.")
                .build(),
        }
    }

    fn get() -> &'static Self {
        static SERVER: LazyLock<HttpServer> =
            LazyLock::new(|| HttpServer::of(&opentelemetry::global::meter("atelier")));
        &SERVER
    }
}

/// A request that is being answered. It is active until this is dropped.
#[derive(Debug)]
pub struct Exchange<'a> {
    server: &'a HttpServer,
    start: Instant,
    method: &'static str,
    route: Option<String>,
    status: Option<StatusCode>,
}

impl Exchange<'static> {
    /// Begins now. `span` is that of the request; `route` is the pattern of its address, if one
    /// matched.
    pub fn begin<B>(span: &Span, request: &Request<B>, route: Option<&str>) -> Self {
        Self::begin_with(HttpServer::get(), span, request, route)
    }
}

impl<'a> Exchange<'a> {
    pub(super) fn begin_with<B>(
        server: &'a HttpServer,
        span: &Span,
        request: &Request<B>,
        route: Option<&str>,
    ) -> Self {
        let method = method(request.method());
        span.set_attribute("http.request.method", method);
        span.set_attribute("url.scheme", SCHEME);
        if let Some(route) = route {
            span.set_attribute("http.route", route.to_owned());
        }
        let exchange = Self {
            server,
            start: Instant::now(),
            method,
            route: route.map(str::to_owned),
            status: None,
        };
        server.active.add(1, &exchange.always());
        exchange
    }

    /// The answer is there.
    pub fn answered(&mut self, span: &Span, status: StatusCode) {
        self.status = Some(status);
        span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.set_attribute("error.type", status.as_str().to_owned());
            span.set_status(Status::error(""));
        }
    }

    fn always(&self) -> [KeyValue; 2] {
        [
            KeyValue::new("http.request.method", self.method),
            KeyValue::new("url.scheme", SCHEME),
        ]
    }

    /// What went wrong, if anything did: a status of ours, or a caller that went away.
    fn error(&self) -> Option<String> {
        match self.status {
            None => Some("cancelled".to_owned()),
            Some(status) if status.is_server_error() => Some(status.as_str().to_owned()),
            Some(_) => None,
        }
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        self.server.active.add(-1, &self.always());
        let mut attributes = Vec::from(self.always());
        if let Some(route) = &self.route {
            attributes.push(KeyValue::new("http.route", route.clone()));
        }
        if let Some(status) = self.status {
            let status = i64::from(status.as_u16());
            attributes.push(KeyValue::new("http.response.status_code", status));
        }
        if let Some(error) = self.error() {
            attributes.push(KeyValue::new("error.type", error));
        }
        let seconds = self.start.elapsed().as_secs_f64();
        self.server.duration.record(seconds, &attributes);
    }
}

/// The name of a span of a request: its method and route.
pub fn span_name(request_method: &Method, route: Option<&str>) -> String {
    // The conventions' word where the method is none of the known.
    let method = match method(request_method) {
        "_OTHER" => "HTTP",
        method => method,
    };
    match route {
        Some(route) => format!("{method} {route}"),
        None => method.to_owned(),
    }
}

/// A caller may send any word as a method: only the known become attributes.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "CONNECT" => "CONNECT",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "PATCH" => "PATCH",
        _ => "_OTHER",
    }
}
