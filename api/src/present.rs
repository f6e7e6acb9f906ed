//! Looks up the assignment that a request is about.

use atelier_domain::assignment::{Assignment, Status};
use atelier_store::Store;

use crate::identity::caller::Caller;
use crate::problem::Problem;

/// The assignment with this id, as far as `caller` may see it.
///
/// # Errors
/// 404 where it is unknown, deleted, or not the caller's to see.
pub(crate) async fn present(
    store: &dyn Store,
    id: &str,
    caller: &Caller,
) -> Result<Assignment, Problem> {
    store
        .get(id)
        .await?
        .filter(|document| document.s3_upload_status != Status::Deleted)
        .filter(|document| caller.may_see(document))
        .ok_or_else(Problem::unknown_assignment)
}
