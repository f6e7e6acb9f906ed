//! The programs that may have people sign in here.

use subtle::ConstantTimeEq as _;
use url::{Host, Url};

/// A client, as one registers it at an identity provider.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// What it shows to fetch tokens; `None` for a public client.
    pub secret: Option<String>,
    /// Where people may be sent after they signed in.
    pub redirect_uris: Vec<String>,
    /// Where people may be sent after they signed out.
    pub post_logout_redirect_uris: Vec<String>,
}

impl Client {
    /// Whether it may have people sent to `uri` once they are signed in.
    pub(super) fn may_return_to(&self, uri: &str) -> bool {
        is_listed(&self.redirect_uris, uri)
    }

    /// Whether it may have people sent to `uri` once they are signed out.
    pub(super) fn may_leave_to(&self, uri: &str) -> bool {
        is_listed(&self.post_logout_redirect_uris, uri)
    }

    /// Whether `secret` is its own; a public client shows none.
    pub(super) fn is_shown_by(&self, secret: Option<&str>) -> bool {
        match (&self.secret, secret) {
            (None, None) => true,
            (Some(own), Some(shown)) => own.as_bytes().ct_eq(shown.as_bytes()).into(),
            _ => false,
        }
    }
}

/// Exactly one of `listed`; but on this machine with any port, since programs take one that is free
/// (RFC 8252, section 7.3).
fn is_listed(listed: &[String], uri: &str) -> bool {
    let plain = |uri: &str| {
        let mut url = Url::parse(uri).ok()?;
        let is_loopback = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        if is_loopback && url.scheme() == "http" {
            url.set_port(None).ok()?;
        }
        Some(url)
    };
    let wanted = plain(uri);
    wanted.is_some() && listed.iter().any(|known| plain(known) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_sent_to_registered_addresses_only() {
        let listed = [
            "http://127.0.0.1/auth/callback".to_owned(),
            "https://a.example/auth/callback".to_owned(),
        ];
        for good in [
            "http://127.0.0.1/auth/callback",
            "http://127.0.0.1:8080/auth/callback",
            "https://a.example/auth/callback",
        ] {
            assert!(is_listed(&listed, good), "{good}");
        }
        for bad in [
            "http://127.0.0.1:8080/auth/other",
            "http://localhost:8080/auth/callback",
            "https://a.example:8443/auth/callback",
            "https://a.example/auth/callback?next=b",
            "https://b.example/auth/callback",
            "/auth/callback",
            "",
        ] {
            assert!(!is_listed(&listed, bad), "{bad}");
        }
    }
}
