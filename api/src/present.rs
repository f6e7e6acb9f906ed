//! Looks up the assignment that a request is about.

use atelier_domain::assignment::{Assignment, Status};
use atelier_store::Store;

use crate::problem::Problem;

/// The assignment with this id.
///
/// # Errors
/// 404 where it is unknown or deleted.
pub(crate) async fn present(store: &dyn Store, id: &str) -> Result<Assignment, Problem> {
    store
        .get(id)
        .await?
        .filter(|document| document.s3_upload_status != Status::Deleted)
        .ok_or_else(Problem::unknown_assignment)
}
