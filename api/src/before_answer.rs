//! Changes of a document whose work on bucket and CDN is begun before the answer, and ended by the
//! keeper where it has to be.

use std::time::Duration;

use http::StatusCode;
use tokio::time::timeout;

use crate::problem::Problem;

/// How long an answer waits for bucket and CDN.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// When the keeper does what was not done before the answer.
pub(crate) const CLEAN_UP_AFTER: Duration = Duration::from_secs(30);

/// How often a compare-and-set is tried on a document that others change meanwhile.
pub(crate) const TRIES: u32 = 5;

/// Gives `work` on bucket and CDN a few seconds. What fails or takes longer is left to the keeper.
pub(crate) async fn before_the_answer<T>(
    id: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> Option<T> {
    match timeout(CLEAN_UP_TIMEOUT, work).await {
        Ok(Ok(done)) => return Some(done),
        Ok(Err(error)) => tracing::warn!(assignment = id, %error, "left to the keeper"),
        Err(_) => tracing::warn!(assignment = id, "no answer in time; left to the keeper"),
    }
    None
}

/// Others change the document whenever we do.
pub(crate) fn busy() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "The assignment is being changed by others. Please try again.",
    )
}
