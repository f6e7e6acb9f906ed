//! Which file a reader gets: what CloudFront's function of the viewer's request does
//! (`terraform/viewer-request.js`). Of all that readers send in `Accept` two things remain, so that
//! the cache has one entry a kind.

use std::borrow::Cow;

use http::header::ACCEPT;
use http::request::Parts;

/// The key that is looked up for `key` of the address: the AVIF's where the address says that there is
/// one and the reader names it.
pub(super) fn chosen<'a>(request: &Parts, key: &'a str) -> Cow<'a, str> {
    let query = request.uri.query().unwrap_or_default();
    let has_avif = query.split('&').any(|pair| pair == "avif=1");
    match key.strip_suffix(".webp") {
        Some(name) if has_avif && accepts_avif(request) => Cow::Owned(format!("{name}.avif")),
        _ => Cow::Borrowed(key),
    }
}

fn accepts_avif(request: &Parts) -> bool {
    let values = request.headers.get_all(ACCEPT).into_iter();
    let named = values.filter_map(|it| it.to_str().ok());
    named.flat_map(|it| it.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_avif = parts
            .next()
            .is_some_and(|it| it.eq_ignore_ascii_case("image/avif"));
        let refused =
            |part: &str| part.strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0);
        is_avif && !parts.any(refused)
    })
}
