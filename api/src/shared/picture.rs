//! The picture behind a link. It comes from here and not from the CDN, since its address there names
//! the assignment; and without what others wrote into the file, since that may be the prompt.

use std::sync::Arc;

use atelier_cloud::pictures::Found;
use atelier_domain::assignment::Status;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::TokenInPath;
use super::metadata::without_metadata;
use crate::app::App;
use crate::image::content_type;
use crate::input::number::Number;
use crate::input::{AmongParameters, input};
use crate::placeholder::{Reason, placeholder};
use crate::problem::{Problem, Refused};
use crate::rendition::{Chosen, Loaded, MAX_WIDTH, load};

input! {
    /// Which file of a picture.
    SharedImageQuery() {
        /// The least width in pixels: the smallest stored picture that is as wide is shown, else the
        /// picture itself.
        width: Number<1, MAX_WIDTH>,
    }
}

/// Shows the picture of a shared assignment, or a placeholder that says why there is none. Who accepts
/// `image/avif` gets that where it is stored.
#[utoipa::path(
    get,
    path = "/shared/{token}/image",
    tag = "students",
    operation_id = "get_shared_image",
    params(
        ("token" = String, Path, description = "The link's token", pattern = "^[A-Za-z0-9_-]{32}$"),
        SharedImageQuery,
    ),
    responses(
        (status = 200, description = "The picture, or a placeholder, which `x-atelier-placeholder` gives the reason of.",
            content((Vec<u8> = "image/webp"), (Vec<u8> = "image/avif"), (Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/gif"), (String = "image/svg+xml")),
            headers(("x-atelier-placeholder" = Option<String>, description = "Why there is no picture"))),
        (status = 304, description = "It is as the ETag says."),
        Refused<400>, Refused<404>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn shared_image(
    State(app): State<Arc<App>>,
    token: TokenInPath,
    AmongParameters(query): AmongParameters<SharedImageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (_, document) = token.open(&app).await?;
    let reason = match document.s3_upload_status {
        Status::Pending => Reason::Pending,
        Status::Failed => Reason::Failed,
        Status::NoImage => Reason::NoImage,
        Status::Deleted => Reason::Deleted,
        Status::Success => match load(
            &app.services.pictures,
            Chosen::of(&document, query.width.map(|it| it.0)),
            &document,
            &headers,
        )
        .await
        {
            Ok(loaded) => match loaded.and_then(answer) {
                Some(answer) => return Ok(answer),
                None => Reason::Missing,
            },
            Err(error) => {
                let assignment = &document.assignment_id;
                tracing::error!(assignment, %error, "the picture cannot be read");
                Reason::Away
            }
        },
    };
    Ok(placeholder(reason))
}

/// `None` where it cannot be shown.
fn answer(loaded: Loaded) -> Option<Response> {
    Some(match loaded {
        Loaded::Known(found) => (StatusCode::NOT_MODIFIED, known_by(&found)).into_response(),
        Loaded::Bytes(bytes, found) => {
            let bytes = shown(bytes, &found)?;
            let mut headers = known_by(&found);
            headers.insert(CONTENT_TYPE, content_type(&found.content_type));
            (headers, Body::from(bytes)).into_response()
        }
    })
}

/// What we encoded ourselves says only which model made it. What came from elsewhere is stripped; it
/// is not shown where that cannot be done.
fn shown(bytes: Bytes, found: &Found) -> Option<Bytes> {
    let ours = found.label.as_ref().is_some_and(|label| label.optimized);
    if ours || found.made_from.is_some() {
        return Some(bytes);
    }
    without_metadata(&bytes, &found.content_type).map(Bytes::from)
}

/// Browsers may keep it, and ask each time whether the link still lives.
fn known_by(found: &Found) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    if let Ok(etag) = HeaderValue::from_str(&found.etag) {
        headers.insert(ETAG, etag);
    }
    headers
}
