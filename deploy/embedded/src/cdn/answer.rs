//! What every answer of the CDN is made with.

use axum::body::Body;
use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};

use crate::faults::{Fault, Kind};

/// How an ordered fault is answered.
pub(super) fn struck(request: &Parts) -> Option<StatusCode> {
    match request.extensions.get::<Fault>()?.kind {
        Kind::Denied => Some(StatusCode::FORBIDDEN),
        Kind::Missing => Some(StatusCode::NOT_FOUND),
        Kind::Throttle => Some(StatusCode::SERVICE_UNAVAILABLE),
        _ => None,
    }
}

pub(super) fn insert(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
