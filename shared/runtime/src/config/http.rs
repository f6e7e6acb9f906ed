//! How the API and the health of the workers are reached.

use std::net::{Ipv4Addr, SocketAddr};

use super::environment::{Environment, Setting};
use super::socket_address;

/// Where a process listens.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// The address; `None` where it does not listen.
    pub listen: Option<SocketAddr>,
}

const LISTEN_ADDR: Setting = Setting {
    name: "LISTEN_ADDR",
    default: None,
    help: "Address and port to listen on. The API listens on 127.0.0.1:8080 where it is not set; a worker's health listens only where it is.",
};
const AUTH: Setting = Setting {
    name: "AUTH",
    default: None,
    help: "`off` lets everybody in, also from other machines. Without it and without AUTH_ISSUER the API listens on loopback addresses only, since it does not know its callers.",
};

impl HttpConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[LISTEN_ADDR];
    /// The identity provider of an API. Whether there is one decides where the API may listen.
    pub const AUTH_ISSUER: Setting = Setting {
        name: "AUTH_ISSUER",
        default: None,
        help: "Identity provider (OpenID Connect): its issuer, such as https://accounts.google.com. With it, callers sign in or send tokens; without it, everybody who reaches the API may do everything.",
    };
    /// Its options for an API.
    pub const API_SETTINGS: &[Setting] = &[LISTEN_ADDR, AUTH, Self::AUTH_ISSUER];

    /// Reads a worker's options. Its health tells nothing that needs hiding.
    pub fn read_worker(environment: &mut Environment) -> Self {
        Self {
            listen: socket_address(environment, &LISTEN_ADDR),
        }
    }

    /// Reads an API's options: without an identity provider an address that is not loopback is
    /// refused unless `AUTH=off` says so.
    pub fn read_api(environment: &mut Environment) -> Self {
        let listen =
            socket_address(environment, &LISTEN_ADDR).unwrap_or((Ipv4Addr::LOCALHOST, 8080).into());
        let knows_callers = environment.text(&Self::AUTH_ISSUER).is_some();
        match environment.text(&AUTH).as_deref() {
            Some("off") if knows_callers => {
                environment.fault(&AUTH, "must not be `off` where AUTH_ISSUER is set");
            }
            Some("off") => {}
            Some(word) => {
                environment.fault(&AUTH, &format!("must be `off` or not set, not `{word}`"))
            }
            None if knows_callers || listen.ip().is_loopback() => {}
            None => environment.fault(
                &LISTEN_ADDR,
                &format!(
                    "must be a loopback address, not `{listen}`, unless AUTH_ISSUER says who calls or AUTH=off lets everybody in"
                ),
            ),
        }
        Self {
            listen: Some(listen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut environment = Environment::of(pairs.iter().copied());
        HttpConfig::read_api(&mut environment);
        environment
            .finish(())
            .err()
            .map(|faults| faults.0)
            .unwrap_or_default()
    }

    #[test]
    fn a_listener_for_other_machines_is_refused_unless_auth_is_off() {
        assert!(faults(&[("LISTEN_ADDR", "0.0.0.0:8080")])[0].starts_with("LISTEN_ADDR"));
        assert!(faults(&[("LISTEN_ADDR", "0.0.0.0:8080"), ("AUTH", "off")]).is_empty());
        assert!(
            faults(&[("LISTEN_ADDR", "127.0.0.1:1"), ("AUTH", "maybe")])[0].starts_with("AUTH")
        );
        assert!(faults(&[("LISTEN_ADDR", "[::1]:8080")]).is_empty());
        let issuer = ("AUTH_ISSUER", "https://id.example.org");
        assert!(faults(&[("LISTEN_ADDR", "0.0.0.0:8080"), issuer]).is_empty());
        assert!(faults(&[issuer, ("AUTH", "off")])[0].starts_with("AUTH "));
        assert!(faults(&[]).is_empty());
    }
}
