//! Pages of other sites may not change anything here in the name of whoever looks at them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode};

use crate::app::App;
use crate::identity::sealed::pairs;
use crate::identity::session;
use crate::problem::Problem;

/// Refuses changes from a page of another site, and from a page whose name was made to resolve to
/// this host (DNS rebinding). Programs, which send no headers of a browser, are not concerned, unless
/// they bring the session of a page.
pub(crate) async fn refuse_other_sites(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let headers = request.headers();
    let detail = if reads {
        None
    } else if !is_from_page(headers) {
        brings_session(headers)
            .then(|| "With the session of a page only that page may do this.".to_owned())
    } else if !is_same_site(headers) {
        Some("A page of another site may not do this.".to_owned())
    } else {
        foreign_host(headers, &app.config.site.hosts)
    };
    match detail {
        None => next.run(request).await,
        Some(detail) => Problem::new(StatusCode::FORBIDDEN, detail).into_response(),
    }
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a session is all that says who calls. Browsers send it with a word on whose page it was.
fn brings_session(headers: &HeaderMap) -> bool {
    !headers.contains_key(AUTHORIZATION) && pairs(headers).any(|(name, _)| name == session::COOKIE)
}

/// Whether a browser says that a page sends this.
fn is_from_page(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key(ORIGIN)
}

/// `Sec-Fetch-Site` counts first; an older browser sends the origin only.
fn is_same_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    text(headers, ORIGIN)
        .and_then(|origin| origin.split_once("://"))
        .is_some_and(|(_, authority)| Some(authority) == text(headers, HOST))
}

/// Why the name that the page was loaded from is not one of ours. A page that was loaded by an IP
/// address has no name that could resolve to another host.
fn foreign_host(headers: &HeaderMap, known: &[String]) -> Option<String> {
    let host = text(headers, HOST).and_then(|host| host.parse::<Authority>().ok());
    let name = host.as_ref().map_or("", Authority::host);
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let ours = address.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || known.iter().any(|known| known.eq_ignore_ascii_case(name));
    (!ours).then(|| {
        format!("`{name}` is not a name of this service; PUBLIC_URL or ALLOWED_HOSTS may list it.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        pairs.collect()
    }

    fn same_site(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = map(headers);
        !is_from_page(&headers) || is_same_site(&headers)
    }

    #[test]
    fn a_name_that_is_not_ours_may_have_been_rebound() {
        let known = ["atelier.example.org".to_owned()];
        let refused = |host| foreign_host(&map(&[("host", host)]), &known).is_some();
        for ours in [
            "localhost:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "192.168.1.9",
            "Atelier.Example.org",
        ] {
            assert!(!refused(ours), "{ours}");
        }
        for foreign in [
            "evil.example.org:8080",
            "localhost.evil.example.org",
            "atelier.example.org.evil",
            "127.0.0.1.evil.example.org",
            "",
        ] {
            assert!(refused(foreign), "{foreign}");
        }
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
