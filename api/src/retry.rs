//! Another round for an assignment without a picture.

use std::sync::Arc;

use atelier_cloud::pictures;
use atelier_domain::assignment::{Assignment, MAX_PROMPT_CHARACTERS, Status};
use atelier_domain::audit::Action;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use http::header::LOCATION;

use crate::app::App;
use crate::audit_log::note;
use crate::correlation::CorrelationId;
use crate::identity::caller::Caller;
use crate::identity::client_address::ClientAddress;
use crate::identity::subject;
use crate::input::text::Shown;
use crate::input::{IdInPath, OptionalJsonBody, input};
use crate::present::present;
use crate::problem::{Problem, Refused};
use crate::view::View;

input! {
    /// Another round.
    Retry() {
        /// Other words, 1 to 1024 characters after trimming; without them the prompt stays.
        prompt: Shown<MAX_PROMPT_CHARACTERS>,
    }
}

/// Tries again to make the picture of an assignment: of one that failed, or of one whose picture is
/// lost or expired.
#[utoipa::path(
    post,
    path = "/assignments/{id}/retry",
    tag = "assignments",
    operation_id = "retry_assignment",
    params(("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$")),
    request_body(content = Option<Retry>, example = json!({
        "prompt": "A castle by the sea in the morning",
    })),
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
    let document = present(app.store(), &id, &caller).await?;
    check(&app, &document).await?;
    let by = By {
        charged: subject::of_caller(&caller, address),
        caller,
        correlation_id,
    };
    let prompt = input.prompt.map(|prompt| prompt.0);
    let document = next_round(&app, &by, &document, prompt.as_deref()).await?;
    let view = app.views.of(&document).await;
    let location = (LOCATION, format!("/assignments/{id}"));
    Ok((StatusCode::ACCEPTED, [location], Json(view)))
}

/// Who wants a round.
#[derive(Debug)]
pub(crate) struct By {
    pub(crate) caller: Caller,
    /// What its rate limit counts by.
    pub(crate) charged: String,
    pub(crate) correlation_id: CorrelationId,
}

/// Whether `document` may get another round.
///
/// # Errors
/// 409 where it has a picture, is at work or is to have none; 503 where the bucket does not say
/// whether it has one.
pub(crate) async fn check(app: &App, document: &Assignment) -> Result<(), Problem> {
    match document.s3_upload_status {
        Status::Failed => Ok(()),
        Status::Success if has_picture(app, document).await? => Err(Problem::new(
            StatusCode::CONFLICT,
            "The picture is there. Only an assignment that is `failed`, or whose picture is lost, can be retried.",
        )),
        Status::Success => Ok(()),
        status => Err(not_failed(status)),
    }
}

/// Whether its picture lies under our key, or under the name that another program gave it.
async fn has_picture(app: &App, document: &Assignment) -> Result<bool, Problem> {
    let ours = pictures::key(&document.assignment_id);
    let named = document.s3_image_key.as_ref().filter(|it| **it != ours);
    for key in [&ours].into_iter().chain(named) {
        let found = app.services.pictures.find(key, document.into()).await;
        let found = found.map_err(|error| {
            Problem::away(
                "The pictures cannot be reached right now. Please try again in a moment.",
                error,
            )
        })?;
        if found.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn not_failed(status: Status) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        format!(
            "Only an assignment that is `failed`, or whose picture is lost, can be retried; this one is `{status}`."
        ),
    )
}

/// Begins the next round of what [`check`] admits, and sends its job.
///
/// # Errors
/// 429 where the budget is used up, or above the rate limit; 409 where others have changed it
/// meanwhile.
pub(crate) async fn next_round(
    app: &App,
    by: &By,
    seen: &Assignment,
    prompt: Option<&str>,
) -> Result<Assignment, Problem> {
    let id = &seen.assignment_id;
    let teacher = seen.teacher_id.as_deref();
    app.budgets.refuse_if_used_up(teacher).await?;
    app.limit.charge(&by.charged).await?;
    let (caller, correlation_id) = (&by.caller, &by.correlation_id);
    let noted = note(app, caller, Action::AssignmentRetried, id, correlation_id).await?;
    let done = begin(app, seen, prompt, correlation_id).await;
    let document = noted.outcome(app, done).await?;
    tracing::info!(assignment = id, round = document.round, "another round");
    app.sender.send(&document).await;
    Ok(document)
}

async fn begin(
    app: &App,
    seen: &Assignment,
    prompt: Option<&str>,
    correlation_id: &CorrelationId,
) -> Result<Assignment, Problem> {
    let id = &seen.assignment_id;
    if seen.s3_upload_status == Status::Success {
        forget_at_cdn(app, seen).await?;
    }
    let now = Timestamp::now();
    let retry = transition::retry(
        seen,
        prompt,
        &correlation_id.0,
        now,
        now + app.config.job.sweep.resend,
        now + app.config.job.give_up,
    );
    match app.store().apply(id, &retry).await? {
        Some(document) => Ok(document),
        None => Err(match app.store().get(id).await? {
            Some(now) if now.s3_upload_status != Status::Deleted => {
                not_failed(now.s3_upload_status)
            }
            _ => Problem::unknown_assignment(),
        }),
    }
}

/// The CDN may still have a picture that the bucket has lost, and would show it in place of the new
/// one, which gets the same address.
async fn forget_at_cdn(app: &App, seen: &Assignment) -> Result<(), Problem> {
    let id = &seen.assignment_id;
    let reference = format!("{id}-round-{}", seen.round);
    let keys = pictures::keys(seen);
    let invalidated = app.services.cdn.invalidate(&keys, &reference).await;
    invalidated.map_err(|error| {
        Problem::away(
            "The CDN cannot be told that the picture changes. Please try again in a moment.",
            error,
        )
    })
}
