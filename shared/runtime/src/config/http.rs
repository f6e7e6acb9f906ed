//! How the API and the health of the workers are reached.

use std::net::{Ipv4Addr, SocketAddr};

use super::environment::{Environment, Setting};

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
    help: "`off` lets everybody in, also from other machines. Without it the API listens on loopback addresses only, since it does not know its callers.",
};

impl HttpConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[LISTEN_ADDR];
    /// Its options for an API.
    pub const API_SETTINGS: &[Setting] = &[LISTEN_ADDR, AUTH];

    /// Reads a worker's options. Its health tells nothing that needs hiding.
    pub fn read_worker(environment: &mut Environment) -> Self {
        Self {
            listen: listen(environment),
        }
    }

    /// Reads an API's options: without authentication an address that is not loopback is refused
    /// unless `AUTH=off` says so.
    pub fn read_api(environment: &mut Environment) -> Self {
        let listen = listen(environment).unwrap_or((Ipv4Addr::LOCALHOST, 8080).into());
        match environment.text(&AUTH).as_deref() {
            Some("off") => {}
            Some(word) => {
                environment.fault(&AUTH, &format!("must be `off` or not set, not `{word}`"))
            }
            None if listen.ip().is_loopback() => {}
            None => environment.fault(
                &LISTEN_ADDR,
                &format!(
                    "must be a loopback address, not `{listen}`, unless AUTH=off lets everybody in"
                ),
            ),
        }
        Self {
            listen: Some(listen),
        }
    }
}

fn listen(environment: &mut Environment) -> Option<SocketAddr> {
    let text = environment.text(&LISTEN_ADDR)?;
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            environment.fault(&LISTEN_ADDR, &format!("must be IP:PORT, not `{text}`"));
            None
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
        assert!(faults(&[]).is_empty());
    }
}
