//! Options that are http(s) addresses.

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
