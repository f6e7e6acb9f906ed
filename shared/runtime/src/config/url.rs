//! Options that are http(s) addresses.

use std::net::IpAddr;

use super::environment::{Environment, Setting};

/// Reads the value of `setting`, if it is set, as an http(s) URL with a host. Anything else is a
/// fault.
pub fn http_url(environment: &mut Environment, setting: &Setting) -> Option<String> {
    let url = environment.text(setting)?;
    if !is_http_url(&url) {
        let fault = format!("must be an address such as https://host:port, not `{url}`");
        environment.fault(setting, &fault);
    }
    Some(url)
}

/// Whether `text` is a URL with the scheme http or https, and a host.
pub fn is_http_url(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.host().is_some_and(|host| !host.is_empty())
    })
}

/// Whether only this machine reaches the host of `url`: it is `localhost`, or an address of loopback.
pub fn is_loopback_url(url: &str) -> bool {
    let url = url.parse::<http::Uri>().ok();
    url.and_then(|url| {
        let host = url.host()?.trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>();
        Some(host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
    })
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_several_names() {
        for url in [
            "http://localhost:1",
            "http://127.0.0.1:80/x",
            "https://127.1.2.3",
            "http://[::1]:9",
        ] {
            assert!(is_loopback_url(url), "{url}");
        }
        for url in [
            "http://10.0.0.1",
            "https://localhost.example.org",
            "http://[::2]",
            "x",
        ] {
            assert!(!is_loopback_url(url), "{url}");
        }
    }
}
