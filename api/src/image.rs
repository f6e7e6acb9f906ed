//! An assignment's picture: a redirect to the CDN, the bytes, or a placeholder. However it stands, that
//! is no error; an address that means nothing is.

use std::sync::Arc;
use std::time::Instant;

use atelier_cloud::client::ATTEMPT_TIMEOUT;
use atelier_cloud::error::CloudError;
use atelier_cloud::pictures::{self, Found};
use atelier_domain::assignment::{Assignment, Status, is_valid_id};
use atelier_domain::failure::Failure;
use atelier_runtime::telemetry::events::Alert;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::app::App;
use crate::correlation::CorrelationId;
use crate::identity::caller::Caller;
use crate::input::number::{Flag, Number};
use crate::input::{AmongParameters, input};
use crate::placeholder::{Reason, placeholder};
use crate::problem::{Problem, Refused};
use crate::rendition::{Chosen, Loaded, MAX_WIDTH, load};

input! {
    /// Which file of a picture, and from where.
    ImageQuery() {
        /// The least width in pixels: the smallest stored picture that is as wide is shown, else the
        /// picture itself.
        width: Number<1, MAX_WIDTH>,
        /// Whether the bytes come from this address even where there is a CDN.
        stream: Flag,
    }
}

/// Shows the picture of an assignment, or a placeholder that says why there is none. Who accepts
/// `image/avif` gets that where it is stored.
#[utoipa::path(
    get,
    path = "/assignments/{id}/image",
    tag = "assignments",
    operation_id = "get_assignment_image",
    params(
        ("id" = String, Path, description = "Its id"),
        ImageQuery,
    ),
    responses(
        (status = 200, description = "The picture, where no CDN is configured or `stream` is true; or a placeholder, which `x-atelier-placeholder` gives the reason of.",
            content((Vec<u8> = "image/webp"), (Vec<u8> = "image/avif"), (Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/gif"), (Vec<u8> = "application/octet-stream"), (String = "image/svg+xml")),
            headers(("x-atelier-placeholder" = Option<String>, description = "Why there is no picture"))),
        (status = 302, description = "The picture is at the CDN.", headers(("Location" = String, description = "Where it is"))),
        (status = 304, description = "It is as the ETag says."),
        Refused<400>,
    )
)]
pub(crate) async fn image(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
    caller: Caller,
    correlation_id: CorrelationId,
    query: Result<AmongParameters<ImageQuery>, Problem>,
    headers: HeaderMap,
) -> Response {
    let query = match query {
        Ok(AmongParameters(query)) => query,
        Err(problem) => return problem.into_response(),
    };
    let id = match id {
        Ok(Path(id)) if is_valid_id(&id) => id,
        _ => return placeholder(Reason::Unknown),
    };
    let document = match app.store().get(&id).await {
        Ok(Some(document)) if caller.may_see(&document) => document,
        Ok(_) => return placeholder(Reason::Unknown),
        Err(error) => {
            tracing::warn!(assignment = id, %error, "no picture to show");
            return placeholder(Reason::StoreAway);
        }
    };
    match document.s3_upload_status {
        Status::Pending => placeholder(Reason::Pending),
        Status::Failed => placeholder(Reason::Failed),
        Status::NoImage => placeholder(Reason::NoImage),
        Status::Deleted => placeholder(Reason::Deleted),
        Status::Success => {
            let chosen = Chosen::of(&document, query.width.map(|it| it.0));
            let has_avif = chosen.avif_key.is_some();
            let url = app.config.cdn.picture_url(&chosen.key, has_avif);
            match url.filter(|_| !query.stream.is_some_and(|it| it.0)) {
                Some(url) => redirect(&url),
                None => stored(&app, &document, chosen, &headers, &correlation_id).await,
            }
        }
    }
}

fn redirect(url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(url) => {
            let no_cache = HeaderValue::from_static("no-cache");
            (
                StatusCode::FOUND,
                [(LOCATION, url), (CACHE_CONTROL, no_cache)],
            )
                .into_response()
        }
        Err(error) => Problem::internal(error).into_response(),
    }
}

async fn stored(
    app: &App,
    document: &Assignment,
    chosen: Chosen,
    headers: &HeaderMap,
    correlation_id: &CorrelationId,
) -> Response {
    let start = Instant::now();
    let id = &document.assignment_id;
    match load(&app.services.pictures, chosen, document, headers).await {
        Ok(Some(loaded)) => answer(loaded, document),
        Ok(None) => {
            tracing::warn!(assignment = id, "the picture is missing");
            placeholder(Reason::Missing)
        }
        Err(error) => {
            let reason = match &error {
                CloudError::Denied(_) | CloudError::Credentials(_) => Reason::Denied,
                CloudError::Missing(_) => Reason::Missing,
                _ if start.elapsed() >= ATTEMPT_TIMEOUT => Reason::Timeout,
                _ => Reason::Away,
            };
            if matches!(reason, Reason::Denied | Reason::Missing) {
                Alert {
                    failure: Failure::Configuration,
                    assignment_id: id,
                    correlation_id: &correlation_id.0,
                    cause: &error.to_string(),
                }
                .emit();
            } else {
                tracing::error!(assignment = id, %error, "the picture cannot be read");
            }
            placeholder(reason)
        }
    }
}

fn answer(loaded: Loaded, document: &Assignment) -> Response {
    match loaded {
        Loaded::Known(found) => {
            (StatusCode::NOT_MODIFIED, cached(&found, document)).into_response()
        }
        Loaded::Bytes(bytes, found) => {
            let mut headers = cached(&found, document);
            headers.insert(CONTENT_TYPE, content_type(&found.content_type));
            (headers, Body::from(bytes)).into_response()
        }
    }
}

/// How readers keep it: not for long where a smaller file of it is about to come.
fn cached(found: &Found, document: &Assignment) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let kept = match document.renditions_due {
        true => "max-age=60",
        false => pictures::CACHE_CONTROL,
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    if let Ok(etag) = HeaderValue::from_str(&found.etag) {
        headers.insert(ETAG, etag);
    }
    headers
}

/// Nothing that a browser would run is served from our own address.
pub(crate) fn content_type(stored: &str) -> HeaderValue {
    HeaderValue::from_static(match stored {
        "image/webp" => "image/webp",
        "image/avif" => "image/avif",
        "image/png" => "image/png",
        "image/jpeg" => "image/jpeg",
        "image/gif" => "image/gif",
        _ => "application/octet-stream",
    })
}
