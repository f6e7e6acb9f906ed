//! Fails an assignment that no worker holds.

use atelier_domain::assignment::Assignment;
use atelier_domain::failure::Failure;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;
use atelier_runtime::telemetry::events::JobFailed;
use atelier_store::{Store, StoreError};

/// Fails `document` if it is still pending in the same round and no worker holds it at `now`.
pub(crate) async fn fail_unclaimed(
    store: &dyn Store,
    document: &Assignment,
    failure: Failure,
    cause: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let note = failure.note(&document.correlation_id);
    let fail = transition::fail_unclaimed(document.round, &note, now);
    let failed = store.apply(&document.assignment_id, &fail).await?;
    if failed.is_some() {
        JobFailed {
            failure,
            assignment_id: &document.assignment_id,
            correlation_id: &document.correlation_id,
            cause,
        }
        .emit();
    }
    Ok(())
}
