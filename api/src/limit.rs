//! How many assignments one subject may create a minute; counted in the store, so that all API
//! processes share the count.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use atelier_domain::timestamp::Timestamp;
use atelier_store::Store;
use http::StatusCode;

use crate::problem::Problem;

const WINDOW_SECONDS: i64 = 60;

/// Who is charged: the peer's address. A header that names another is not trusted. The addresses
/// of one IPv6 network (/64) are one subject, since one machine has them all.
pub(crate) fn subject(peer: SocketAddr) -> String {
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The limit of one minute.
#[derive(Debug)]
pub(crate) struct RateLimit {
    store: Arc<dyn Store>,
    per_minute: u32,
}

impl RateLimit {
    /// `per_minute` assignments for each subject; 0 = no limit.
    pub(crate) fn new(store: Arc<dyn Store>, per_minute: u32) -> Self {
        Self { store, per_minute }
    }

    /// Charges `subject` for one assignment.
    ///
    /// # Errors
    /// 429 above the limit, with the seconds until the next minute begins.
    pub(crate) async fn charge(&self, subject: &str) -> Result<(), Problem> {
        let limit = self.per_minute;
        if limit == 0 {
            return Ok(());
        }
        let now = Timestamp::now().seconds() as i64;
        let window = now - now.rem_euclid(WINDOW_SECONDS);
        if self.store.charge(subject, window).await? <= limit {
            return Ok(());
        }
        let left = window + WINDOW_SECONDS - now;
        Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("You may create {limit} assignments a minute. Please try again in {left} s."),
        )
        .retry_after(left.unsigned_abs()))
    }
}
