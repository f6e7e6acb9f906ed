//! Changes an assignment: another round, retention, delete.

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::clean_up;
use atelier_domain::assignment::{Assignment, MAX_PROMPT_CHARACTERS, Status};
use atelier_domain::audit::Action;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use http::header::LOCATION;
use tokio::time::timeout;

use crate::app::App;
use crate::audit_log::note;
use crate::correlation::CorrelationId;
use crate::identity::caller::Caller;
use crate::identity::client_address::ClientAddress;
use crate::identity::subject;
use crate::input::field::Shown;
use crate::input::{IdInPath, JsonBody, OptionalJsonBody, input};
use crate::present::present;
use crate::problem::{Problem, Refused};
use crate::view::View;

/// How long an answer waits for bucket and CDN.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// When the keeper does what was not done before the answer.
const CLEAN_UP_AFTER: Duration = Duration::from_secs(30);

/// How often a compare-and-set is tried on a document that others change meanwhile.
const TRIES: u32 = 5;

input! {
    /// Another round.
    Retry() {
        /// Other words, 1 to 1024 characters after trimming; without them the prompt stays.
        prompt: Shown<MAX_PROMPT_CHARACTERS>,
    }
}

input! {
    /// What can be changed.
    Change("permanent") {
        /// Whether the picture is kept from the lifecycle.
        permanent: bool,
    }
}

/// Tries again to make the picture of a failed assignment.
#[utoipa::path(
    post,
    path = "/assignments/{id}/retry",
    tag = "assignments",
    params(("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$")),
    request_body = Option<Retry>,
    responses(
        (status = 202, description = "It is pending again.", body = View, headers(("Location" = String, description = "Where the assignment is"))),
        Refused<400>, Refused<403>, Refused<404>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<429>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn retry(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    caller: Caller,
    ClientAddress(address): ClientAddress,
    correlation_id: CorrelationId,
    OptionalJsonBody(input): OptionalJsonBody<Retry>,
) -> Result<(StatusCode, [(http::HeaderName, String); 1], Json<View>), Problem> {
    let prompt = input.prompt.map(|prompt| prompt.0);
    let document = present(app.store(), &id, &caller).await?;
    if document.s3_upload_status != Status::Failed {
        return Err(not_failed(document.s3_upload_status));
    }
    let teacher = document.teacher_id.as_deref();
    app.budgets.refuse_if_used_up(teacher).await?;
    app.limit
        .charge(&subject::of_caller(&caller, address))
        .await?;
    let noted = note(
        &app,
        &caller,
        Action::AssignmentRetried,
        &id,
        &correlation_id,
    )
    .await?;
    let now = Timestamp::now();
    let retry = transition::retry(
        &document,
        prompt.as_deref(),
        &correlation_id.0,
        now,
        now + app.config.job.sweep.resend,
        now + app.config.job.give_up,
    );
    let document = match app.store().apply(&id, &retry).await {
        Ok(Some(document)) => document,
        not_done => {
            noted.failed(&app).await;
            not_done?;
            return Err(not_failed(
                present(app.store(), &id, &caller).await?.s3_upload_status,
            ));
        }
    };
    tracing::info!(assignment = id, round = document.round, "another round");
    app.sender.send(&document).await;
    let view = app.views.of(&document).await;
    let location = (LOCATION, format!("/assignments/{id}"));
    Ok((StatusCode::ACCEPTED, [location], Json(view)))
}

fn not_failed(status: Status) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        format!("Only an assignment that is `failed` can be retried; this one is `{status}`."),
    )
}

/// Keeps the picture of an assignment for ever, or no longer.
#[utoipa::path(
    patch,
    path = "/assignments/{id}",
    tag = "assignments",
    params(("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$")),
    request_body = Change,
    responses(
        (status = 200, description = "The assignment after it.", body = View),
        Refused<400>, Refused<403>, Refused<404>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn patch(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    caller: Caller,
    JsonBody(checked): JsonBody<Change>,
) -> Result<Json<View>, Problem> {
    let permanent = checked.finish()?.permanent.unwrap_or_default();
    let (was_due, mut document) = set_permanent(&app, &id, &caller, permanent).await?;
    // Where the tag was due before, another process may be setting the old one at this moment: the
    // keeper sets the new one when that is over.
    if document.tag_due && !was_due {
        let work = async {
            let tagged = clean_up::tag(&app.services.pictures, &document).await?;
            Ok(app.store().apply(&id, &tagged).await?)
        };
        if let Some(tagged) = before_the_answer(&id, work).await.flatten() {
            document = tagged;
        }
    }
    Ok(Json(app.views.of(&document).await))
}

/// Its status may change between the read and the write. Returns whether its tag was due before,
/// and the document after it.
async fn set_permanent(
    app: &App,
    id: &str,
    caller: &Caller,
    permanent: bool,
) -> Result<(bool, Assignment), Problem> {
    for _ in 0..TRIES {
        let document = present(app.store(), id, caller).await?;
        let now = Timestamp::now();
        let change = transition::set_permanent(&document, permanent, now, now + CLEAN_UP_AFTER);
        if let Some(changed) = app.store().apply(id, &change).await? {
            return Ok((document.tag_due, changed));
        }
    }
    Err(busy())
}

/// Gives `work` on bucket and CDN a few seconds. What fails or takes longer is left to the keeper.
async fn before_the_answer<T>(
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

fn busy() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "The assignment is being changed by others. Please try again.",
    )
}

/// Deletes an assignment and its picture. Its id cannot be used again.
#[utoipa::path(
    delete,
    path = "/assignments/{id}",
    tag = "assignments",
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
    if is_deleted(&app, &id, &caller).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let noted = note(
        &app,
        &caller,
        Action::AssignmentDeleted,
        &id,
        &correlation_id,
    )
    .await?;
    let deleted = leave_tombstone(&app, &id, &caller).await;
    let Some(tombstone) = noted.outcome(&app, deleted).await? else {
        return Ok(StatusCode::NO_CONTENT);
    };
    tracing::info!(assignment = id, "assignment deleted");
    let work = async {
        app.store().shares().erase(&id).await?;
        let (pictures, cdn) = (&app.services.pictures, &app.services.cdn);
        let erased = clean_up::erase(pictures, cdn, &tombstone).await?;
        app.store().apply(&id, &erased).await?;
        Ok(())
    };
    before_the_answer(&id, work).await;
    Ok(StatusCode::NO_CONTENT)
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
