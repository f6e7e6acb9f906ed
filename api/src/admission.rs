//! Bounds the requests that are worked on at a time. What is beyond is refused at once, so that
//! what is accepted stays fast and memory stays bounded.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};

use crate::app::App;
use crate::problem::Problem;

/// Lets a request in, or answers 503. A request that waits for a status to change is not counted:
/// the number of those has its own limit.
pub(crate) async fn admit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if may_wait(&request) {
        return next.run(request).await;
    }
    match app.in_flight.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The service is overloaded. Please try again in a moment.",
        )
        .retry_after(1)
        .into_response(),
    }
}

/// Whether it is one of the two calls that can wait, and asks to.
fn may_wait(request: &Request) -> bool {
    let id = request.uri().path().strip_prefix("/assignments");
    let can_wait = id.is_some_and(|id| id.is_empty() || !id[1..].contains('/'));
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = query.split('&');
    request.method() == Method::GET && can_wait && pairs.any(|pair| pair.starts_with("wait="))
}
