//! Pages of other sites may not change anything here in the name of whoever looks at them.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Method, StatusCode};

use crate::problem::Problem;

/// Refuses changes that a browser says come from another site. Programs send no such headers.
pub(crate) async fn refuse_other_sites(request: Request, next: Next) -> Response {
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if reads || is_same_site(request.headers()) {
        return next.run(request).await;
    }
    Problem::new(
        StatusCode::FORBIDDEN,
        "A page of another site may not do this.",
    )
    .into_response()
}

/// What the browser says itself counts first; an older one sends the origin only.
fn is_same_site(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match headers.get(ORIGIN) {
        None => true,
        Some(_) => text(ORIGIN)
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, authority)| Some(authority) == text(HOST)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn same_site(headers: &[(&'static str, &'static str)]) -> bool {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        is_same_site(&pairs.collect())
    }

    #[test]
    fn only_pages_of_our_own_and_programs_may_change_things() {
        assert!(same_site(&[]));
        assert!(same_site(&[("sec-fetch-site", "same-origin")]));
        assert!(same_site(&[("origin", "http://a:1"), ("host", "a:1")]));
        assert!(!same_site(&[("sec-fetch-site", "cross-site")]));
        assert!(!same_site(&[("sec-fetch-site", "same-site")]));
        assert!(!same_site(&[("origin", "http://b:1"), ("host", "a:1")]));
        assert!(!same_site(&[("origin", "null"), ("host", "a:1")]));
    }
}
