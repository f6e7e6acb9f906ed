//! The page: HTML, styles and scripts out of the binary.

use std::sync::Arc;

use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use rust_embed::Embed;
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::problem::Problem;
use crate::read::{is_known, not_modified};
use crate::view::weak_etag;

#[derive(Embed)]
#[folder = "page"]
struct Files;

/// The page that creates assignments.
pub(crate) async fn create(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    file(&app, "create.html", &headers)
}

/// The page that lists them.
pub(crate) async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    file(&app, "show.html", &headers)
}

/// The page that answers the questions of one.
pub(crate) async fn complete(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    file(&app, "complete.html", &headers)
}

/// To the page whose address this is but for the slash at its end. Routed only below a page's own
/// name, so that no `//host/` leads elsewhere.
pub(crate) async fn without_slash(OriginalUri(uri): OriginalUri) -> Redirect {
    let path = uri.path().trim_end_matches('/');
    let query = uri.query().map(|query| format!("?{query}"));
    Redirect::permanent(&format!("{path}{}", query.unwrap_or_default()))
}

/// Whether a browser asks for something to show: it names HTML, which programs do not.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("text/html"))
}

/// Browsers request it by themselves.
pub(crate) async fn favicon(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    file(&app, "assets/favicon.svg", &headers)
}

/// The files that the pages load.
pub(crate) async fn asset(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Response {
    match path {
        Ok(Path(path)) => file(&app, &format!("assets/{path}"), &headers),
        Err(_) => unknown(),
    }
}

fn unknown() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "There is no such page.").into_response()
}

/// The file at `path`. Browsers ask each time whether it is still the same, so that a new release
/// never mixes with an old one.
pub(crate) fn file(app: &App, path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = Files::get(path) else {
        return unknown();
    };
    let mut hash = file.metadata.sha256_hash();
    let mut data = file.data;
    if path.ends_with(".html") && app.gate.page().is_some() {
        data = waiting_for_session(&data).into();
        hash = Sha256::digest(&data).into();
    }
    let etag = weak_etag(&hash);
    let mut answer = HeaderMap::new();
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        answer.insert(ETAG, value);
    }
    // A browser puts the headers of a 304 in the place of those it kept, the policy too.
    if path.ends_with(".html") {
        let policy = policy(app.config.cdn.base_url.as_deref());
        if let Ok(value) = HeaderValue::from_str(&policy) {
            answer.insert(CONTENT_SECURITY_POLICY, value);
        }
    }
    if is_known(headers, &etag) {
        return not_modified(answer);
    }
    answer.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(path)));
    (answer, data.into_owned()).into_response()
}

/// A view that shows nothing that depends on who is signed in until its script knows that, since what
/// is shown already would move.
fn waiting_for_session(html: &[u8]) -> Vec<u8> {
    let html = String::from_utf8_lossy(html);
    html.replacen("<body>", "<body data-session=\"unknown\">", 1)
        .into_bytes()
}

/// The text of the file at `path`, which is to be filled in.
pub(crate) fn template(path: &str) -> String {
    let file = Files::get(path).map(|file| file.data.into_owned());
    String::from_utf8(file.unwrap_or_default()).unwrap_or_default()
}

/// A page that was made for this answer alone. It shows nothing of the CDN's.
pub(crate) fn made(status: StatusCode, html: String) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(".html")));
    if let Ok(value) = HeaderValue::from_str(&policy(None)) {
        headers.insert(CONTENT_SECURITY_POLICY, value);
    }
    (status, headers, html).into_response()
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

/// Only our own files, and pictures from the CDN.
fn policy(cdn: Option<&str>) -> String {
    let cdn = cdn.map(origin_of).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self' {cdn} data:; font-src 'self'; manifest-src 'self'; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// Scheme and host of an address.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url[..end]
}
