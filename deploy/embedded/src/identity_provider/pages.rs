//! The few pages that people see here.

use axum::response::{Html, IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::account::ACCOUNTS;

/// Its pages have no scripts. They may not say `form-action`: browsers apply it to where the answer
/// leads as well, and that is the client.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The page that asks who one is. `query` is the client's request, to come back with the answer.
pub(super) fn sign_in(query: &str) -> Response {
    let action = escape(&format!("/authorize?{query}"));
    let mut choices = String::new();
    for account in ACCOUNTS {
        choices.push_str(&format!(
            "<li><button name=\"account\" value=\"{}\">{}</button><p>{}</p></li>\n",
            escape(account.id),
            escape(account.name),
            escape(account.can),
        ));
    }
    let body = format!(
        "<h1>Who are you?</h1>\n\
         <p>This sign-in is for trying Atelier out on one machine: it asks for no password. Choose \
         an account.</p>\n\
         <form method=\"post\" action=\"{action}\"><ul>\n{choices}</ul></form>"
    );
    page(StatusCode::OK, "Sign in", &body)
}

/// The page after a sign-out that leads nowhere.
pub(super) fn signed_out() -> Response {
    page(
        StatusCode::OK,
        "Signed out",
        "<h1>You are signed out</h1>\n<p>You can close this page.</p>",
    )
}

/// The page for a request that cannot be answered to the client that sent it.
pub(super) fn refused(words: &str) -> Response {
    let body = format!("<h1>This cannot be done</h1>\n<p>{}</p>", escape(words));
    page(StatusCode::BAD_REQUEST, "This cannot be done", &body)
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} · Identity provider for trials</title>\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n\
         <body><main>\n{body}\n</main></body>\n</html>\n"
    );
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (status, headers, Html(html)).into_response()
}

pub(super) async fn style() -> Response {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8")];
    (headers, include_str!("style.css")).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
