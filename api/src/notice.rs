//! A page with a few words and a link: what a browser gets that has no page of ours open.

use axum::response::{Html, IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::{HeaderValue, StatusCode};

const PAGE: &str = include_str!("../page/notice.html");

/// It loads the stylesheet and the picture of our name, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Words for a person.
#[derive(Debug)]
pub(crate) struct Notice {
    status: StatusCode,
    title: &'static str,
    words: String,
    link: Option<(&'static str, &'static str)>,
}

impl Notice {
    /// Under this title.
    pub(crate) fn new(status: StatusCode, title: &'static str, words: impl Into<String>) -> Self {
        Self {
            status,
            title,
            words: words.into(),
            link: None,
        }
    }

    /// With a link to go on with.
    #[must_use]
    pub(crate) fn with_link(mut self, to: &'static str, words: &'static str) -> Self {
        self.link = Some((to, words));
        self
    }
}

impl IntoResponse for Notice {
    fn into_response(self) -> Response {
        let link = self.link.map_or_else(String::new, |(to, words)| {
            format!("<p><a class=\"primary\" href=\"{to}\">{words}</a></p>")
        });
        let html = PAGE
            .replace("{title}", self.title)
            .replace("{link}", &link)
            .replace("{words}", &escape(&self.words));
        let headers = [
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        ];
        (self.status, headers, Html(html)).into_response()
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
