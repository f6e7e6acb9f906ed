//! Whom the rate limits charge.

use std::net::IpAddr;

use super::caller::{Caller, Proof};

/// Who is charged: the caller, where callers are told apart, else the address. The addresses of one
/// IPv6 network (/64) are one subject, since one machine has them all.
pub(crate) fn of_caller(caller: &Caller, address: IpAddr) -> String {
    if caller.proof != Proof::Open {
        return format!("sub {}", caller.subject);
    }
    of_address(address)
}

/// Who is charged where nobody asks who calls: the address.
pub(crate) fn of_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
