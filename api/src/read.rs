//! Reads one assignment.

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::assignment::Status;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::app::App;
use crate::identity::caller::Caller;
use crate::input::number::Number;
use crate::input::{IdInPath, Parameters, input};
use crate::present::present;
use crate::problem::{Problem, Refused};
use crate::view::View;
use crate::wait::MAX_WAIT_SECONDS;

input! {
    /// How to read one assignment.
    ReadQuery() {
        /// Holds the answer for this many seconds while it is pending.
        wait: Number<0, MAX_WAIT_SECONDS>,
    }
}

/// Whether `If-None-Match` of `headers` names `etag`, by weak comparison.
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

/// The 304 of an answer that would have been compressed for those who accept it: it varies as that
/// does (RFC 9110, section 15.4.5).
pub(crate) fn not_modified(mut headers: HeaderMap) -> Response {
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

/// Reads an assignment.
#[utoipa::path(
    get,
    path = "/assignments/{id}",
    tag = "assignments",
    operation_id = "get_assignment",
    params(
        ("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$"),
        ReadQuery,
        ("If-None-Match" = Option<String>, Header, description = "An ETag that is known"),
    ),
    responses(
        (status = 200, description = "The assignment.", body = View, headers(
            ("ETag" = String, description = "Names this state of it"),
            ("Retry-After" = Option<u32>, description = "While pending: seconds until another look is worth it"),
        )),
        (status = 304, description = "It is as the ETag says.", headers(
            ("ETag" = String, description = "Names this state of it"),
            ("Retry-After" = Option<u32>, description = "While pending: seconds until another look is worth it"),
        )),
        Refused<400>, Refused<404>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn read_one(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    caller: Caller,
    Parameters(query): Parameters<ReadQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wait = query.wait.map_or(0, |wait| wait.0);
    let mut document = present(app.store(), &id, &caller).await?;
    if wait > 0 && document.s3_upload_status == Status::Pending {
        app.waiters
            .wait_for(vec![id.clone()], Duration::from_secs(wait.into()))
            .await;
        document = present(app.store(), &id, &caller).await?;
    }
    let view = app.views.of(&document).await;
    let etag = view.etag();
    let mut answer = HeaderMap::new();
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        answer.insert(ETAG, value);
    }
    if document.s3_upload_status == Status::Pending {
        let seconds = view.expected_wait_seconds.unwrap_or(2.0).clamp(1.0, 30.0);
        answer.insert(RETRY_AFTER, (seconds as u64).into());
    }
    Ok(if is_known(&headers, &etag) {
        not_modified(answer)
    } else {
        (answer, Json(view)).into_response()
    })
}
