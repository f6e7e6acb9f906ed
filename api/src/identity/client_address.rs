//! The address that a request comes from, behind the proxies that are trusted.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use http::HeaderMap;
use http::request::Parts;
use ipnet::IpNet;

use crate::app::App;
use crate::problem::Problem;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of the machine that no trusted proxy speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub IpAddr);

impl FromRequestParts<Arc<App>> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let ConnectInfo(peer) = peer.ok_or_else(|| Problem::internal("the request has no peer"))?;
        let trusted = &app.config.identity.trusted_proxies;
        Ok(Self(client(peer.ip(), &parts.headers, trusted)))
    }
}

/// The right-most address that is not trusted: each proxy adds the address of whom it hears, so what
/// stands left of that is what anybody may have written.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut nearest = peer.to_canonical();
    if !is_trusted(nearest) {
        return nearest;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let words = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for word in words.map(|word| str::from_utf8(word).unwrap_or_default()) {
        // What no address can be read from is nobody's: the proxy that added it answers for it.
        let Some(address) = address(word.trim()) else {
            break;
        };
        nearest = address.to_canonical();
        if !is_trusted(nearest) {
            break;
        }
    }
    nearest
}

/// Some proxies add the port.
fn address(word: &str) -> Option<IpAddr> {
    let bare = word.trim_start_matches('[').trim_end_matches(']');
    let with_port = || word.parse().ok().map(|it: SocketAddr| it.ip());
    bare.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn from(peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "2001:db8::/32"]
            .map(|network| network.parse().unwrap())
            .into();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(
                FORWARDED_FOR,
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_peer_that_is_not_trusted_speaks_for_itself_alone() {
        assert_eq!(from("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(from("::ffff:192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn the_right_most_address_that_is_not_trusted_counts() {
        assert_eq!(from("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            from("10.0.0.1", &["203.0.113.9, 198.51.100.7,10.2.2.2"]),
            "198.51.100.7"
        );
        assert_eq!(
            from("10.0.0.1", &["203.0.113.9", "198.51.100.7", "10.2.2.2"]),
            "198.51.100.7"
        );
        assert_eq!(from("2001:db8::1", &["[2001:4860::1]:443"]), "2001:4860::1");
        assert_eq!(from("10.0.0.1", &["198.51.100.7:5555"]), "198.51.100.7");
        assert_eq!(from("10.0.0.1", &["é, 198.51.100.7"]), "198.51.100.7");
    }

    #[test]
    fn where_nobody_else_is_named_the_last_proxy_counts() {
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(from("10.0.0.1", &["10.3.3.3"]), "10.3.3.3");
        assert_eq!(from("10.0.0.1", &["198.51.100.7, unknown"]), "10.0.0.1");
    }

    proptest! {
        /// Whatever a client writes itself, the proxy adds its address at the end.
        #[test]
        fn what_a_client_writes_changes_nothing(written in "[ -~]{0,80}") {
            let line = format!("{written}, 198.51.100.7");
            prop_assert_eq!(from("10.0.0.1", &[&line]), "198.51.100.7");
            prop_assert_eq!(from("10.0.0.1", &[&written, "198.51.100.7"]), "198.51.100.7");
        }
    }
}
