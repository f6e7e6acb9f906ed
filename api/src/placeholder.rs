//! What a reader gets where no picture can be shown.

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// The header that says why there is no picture.
pub(crate) const HEADER: &str = "x-atelier-placeholder";

/// Why there is no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is being made.
    Pending,
    /// It could not be made.
    Failed,
    /// None was asked for.
    NoImage,
    /// There is no such assignment.
    Unknown,
    /// The assignment is gone.
    Deleted,
    /// It should be in the bucket, but is not.
    Missing,
    /// The bucket refuses us.
    Denied,
    /// The bucket did not answer in time.
    Timeout,
    /// The bucket cannot be reached.
    Away,
    /// The documents cannot be reached.
    StoreAway,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Failed,
        Self::NoImage,
        Self::Unknown,
        Self::Deleted,
        Self::Missing,
        Self::Denied,
        Self::Timeout,
        Self::Away,
        Self::StoreAway,
    ];

    /// The word in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::NoImage => "no_image",
            Self::Unknown => "unknown",
            Self::Deleted => "deleted",
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Timeout => "timeout",
            Self::Away => "away",
            Self::StoreAway => "store_away",
        }
    }

    /// The words in the picture.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Pending => "This picture is being made.",
            Self::Failed => "This picture could not be made.",
            Self::NoImage => "There is no picture here.",
            Self::Unknown => "There is no such picture.",
            Self::Deleted => "This picture is gone.",
            Self::Missing | Self::Denied | Self::Timeout | Self::Away | Self::StoreAway => {
                "This picture cannot be shown right now."
            }
        }
    }
}

/// A small picture that says so in words. It is nearly square like the pictures, and of a shape that
/// none of them has: a page that lets the browser choose among renditions can tell it by that alone.
pub(crate) fn placeholder(reason: Reason) -> Response {
    let words = reason.words();
    let svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="420" height="400" viewBox="0 0 420 400" role="img" aria-label="{words}"><rect width="420" height="400" fill="#e8e6df"/><path d="M120 250l60-80 45 55 30-35 45 60z" fill="#c9c5b8"/><circle cx="265" cy="150" r="18" fill="#c9c5b8"/><text x="210" y="310" text-anchor="middle" font-family="system-ui,sans-serif" font-size="18" fill="#4a4a4a">{words}</text></svg>"##
    );
    let mut response = Response::new(Body::from(svg));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HEADER, HeaderValue::from_static(reason.as_str()));
    response
}
