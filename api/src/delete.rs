//! Deletes an assignment with its picture.

use std::sync::Arc;

use atelier_cloud::clean_up;
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::audit::Action;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;
use axum::extract::State;
use http::StatusCode;

use crate::app::App;
use crate::audit_log::note;
use crate::before_answer::{CLEAN_UP_AFTER, TRIES, before_the_answer, busy};
use crate::correlation::CorrelationId;
use crate::identity::caller::Caller;
use crate::input::IdInPath;
use crate::problem::{Problem, Refused};

/// Deletes an assignment and its picture. Its id cannot be used again.
#[utoipa::path(
    delete,
    path = "/assignments/{id}",
    tag = "assignments",
    operation_id = "delete_assignment",
    params(("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$")),
    responses(
        (status = 204, description = "It is gone, or was gone before."),
        Refused<403>, Refused<404>, Refused<409>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    caller: Caller,
    correlation_id: CorrelationId,
) -> Result<StatusCode, Problem> {
    delete_one(&app, &id, &caller, &correlation_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leaves a tombstone of the assignment with this id, if it is not one already, and gives the erasing
/// of its pictures a few seconds.
///
/// # Errors
/// 404 where it does not exist for `caller`; 409 where others keep changing it.
pub(crate) async fn delete_one(
    app: &App,
    id: &str,
    caller: &Caller,
    correlation_id: &CorrelationId,
) -> Result<(), Problem> {
    if is_deleted(app, id, caller).await? {
        return Ok(());
    }
    let noted = note(app, caller, Action::AssignmentDeleted, id, correlation_id).await?;
    let deleted = leave_tombstone(app, id, caller).await;
    let Some(tombstone) = noted.outcome(app, deleted).await? else {
        return Ok(());
    };
    tracing::info!(assignment = id, "assignment deleted");
    let work = async {
        app.store().shares().erase(id).await?;
        let (pictures, cdn) = (&app.services.pictures, &app.services.cdn);
        let erased = clean_up::erase(pictures, cdn, &tombstone).await?;
        app.store().apply(id, &erased).await?;
        Ok(())
    };
    before_the_answer(id, work).await;
    Ok(())
}

/// Whether it is deleted already, as far as `caller` may see it. A tombstone has no teacher, so a
/// teacher may not see it.
async fn is_deleted(app: &App, id: &str, caller: &Caller) -> Result<bool, Problem> {
    let document = app.store().get(id).await?;
    let document = document
        .filter(|document| caller.may_see(document))
        .ok_or_else(Problem::unknown_assignment)?;
    Ok(document.s3_upload_status == Status::Deleted)
}

/// The tombstone; `None` if somebody else has deleted the assignment meanwhile.
async fn leave_tombstone(
    app: &App,
    id: &str,
    caller: &Caller,
) -> Result<Option<Assignment>, Problem> {
    for _ in 0..TRIES {
        let now = Timestamp::now();
        let delete = transition::delete(now, now + CLEAN_UP_AFTER);
        if let Some(tombstone) = app.store().apply(id, &delete).await? {
            return Ok(Some(tombstone));
        }
        if is_deleted(app, id, caller).await? {
            return Ok(None);
        }
    }
    Err(busy())
}
