//! Tries again what store or bucket did not carry out.

use std::time::Duration;

use atelier_cloud::error::CloudError;
use atelier_store::StoreError;
use tokio::time::sleep;

/// Waits between tries: a failover takes some 10 s.
const WAITS: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];

/// The answer of a call to the store that may be made more than once.
///
/// # Errors
/// The store is away through all tries, or the document cannot be read.
pub(crate) async fn with_patience<T, F>(call: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    tried(call, |error| matches!(error, StoreError::Away(_))).await
}

/// The answer of a call to bucket or CDN that may be made more than once.
///
/// # Errors
/// All tries failed, or the first failed for good.
pub(crate) async fn with_patience_of_cloud<T, F>(call: impl Fn() -> F) -> Result<T, CloudError>
where
    F: Future<Output = Result<T, CloudError>>,
{
    tried(call, CloudError::is_passing).await
}

async fn tried<T, E, F>(call: impl Fn() -> F, is_passing: impl Fn(&E) -> bool) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waits = WAITS.iter();
    loop {
        match (call().await, waits.next()) {
            (Err(error), Some(wait)) if is_passing(&error) => sleep(*wait).await,
            (answer, _) => return answer,
        }
    }
}
