//! Options that are addresses to listen on.

use std::net::SocketAddr;

use super::environment::{Environment, Setting};

/// Reads the value of `setting`, if it is set, as `IP:PORT`. Anything else is a fault.
pub fn socket_address(environment: &mut Environment, setting: &Setting) -> Option<SocketAddr> {
    let text = environment.text(setting)?;
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            environment.fault(setting, &format!("must be IP:PORT, not `{text}`"));
            None
        }
    }
}
