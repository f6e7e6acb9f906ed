//! Tries again what the store did not carry out.

use std::time::Duration;

use atelier_store::StoreError;
use tokio::time::sleep;

use super::outcome::Obstacle;

/// Waits between tries: a failover takes some 10 s.
const WAITS: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];

/// The answer of a call that may be made more than once.
///
/// # Errors
/// The store is away through all tries, or the document cannot be read.
pub(crate) async fn with_patience<T, F>(call: impl Fn() -> F) -> Result<T, Obstacle>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut waits = WAITS.iter();
    loop {
        match (call().await, waits.next()) {
            (Err(StoreError::Away(_)), Some(wait)) => sleep(*wait).await,
            (answer, _) => return answer.map_err(Obstacle::from),
        }
    }
}
