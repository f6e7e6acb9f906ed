//! The dead letters that wait for an operator: list, redrive (one, or all of a cause), drop.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::dead_letters::{self, DeadLetterError};
use atelier_domain::audit::Action;
use atelier_domain::dead_letter::Cause;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::audit_log::note;
use crate::correlation::CorrelationId;
use crate::identity::caller::Caller;
use crate::input::listing::DeadLetterCause;
use crate::input::number::Whole;
use crate::input::{OptionalJsonBody, input};
use crate::problem::{Problem, Refused};

/// How long a batch may take: the answer has to come in time.
const BATCH_WITHIN: Duration = Duration::from_secs(20);

input! {
    /// Which dead letters are sent again.
    RedriveWish() {
        /// Only those of this cause; without it all of them.
        cause: DeadLetterCause,
        /// How many are meant: the `count` of the answer without it. Nothing is sent where there are
        /// more or fewer by now.
        confirm_count: Whole<1, 1_000_000>,
    }
}

/// What several dead letters are, or what became of them.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = RedriveBatch)]
pub(crate) struct BatchView {
    /// How many are meant.
    count: usize,
    /// Whether that was confirmed; if not, nothing was done.
    confirmed: bool,
    /// How many are in the queue of the jobs again.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<usize>,
    /// Those that are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<Vec<NotRedriven>>,
}

/// A dead letter that was not sent again.
#[derive(Debug, Serialize, ToSchema)]
struct NotRedriven {
    /// The queue's name for it.
    message_id: String,
    /// Why.
    problem: String,
}

/// The dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetters {
    /// As far as this process saw them.
    messages: Vec<DeadLetter>,
}

/// A message that no worker could read, or that nobody's assignment belongs to.
#[derive(Debug, Serialize, ToSchema)]
struct DeadLetter {
    /// The queue's name for it.
    message_id: String,
    /// What it says.
    body: String,
    /// How often it was received.
    received: u32,
    /// When it was sent, in seconds since 1970-01-01T00:00:00Z.
    sent_at: Option<f64>,
    /// Why no worker could do anything with it.
    cause: Cause,
    /// That in words, with what could not be read.
    words: String,
}

/// Lists the dead letters that wait for an operator.
#[utoipa::path(get, path = "/fleet/dead-letters", tag = "fleet", operation_id = "list_dead_letters", responses(
    (status = 200, description = "The dead letters.", body = DeadLetters), Refused<500>,
))]
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<DeadLetters> {
    let letter = |it: dead_letters::DeadLetter| DeadLetter {
        message_id: it.message.id,
        body: it.message.body,
        received: it.message.receives,
        sent_at: it.message.sent_at.map(|at| at.seconds()),
        cause: it.cause,
        words: it.words,
    };
    Json(DeadLetters {
        messages: app
            .findings
            .dead_letters
            .list()
            .into_iter()
            .map(letter)
            .collect(),
    })
}

/// Sends a dead letter to the jobs again.
#[utoipa::path(post, path = "/fleet/dead-letters/{message_id}/redrive", tag = "fleet", operation_id = "redrive_dead_letter",
    params(("message_id" = String, Path, description = "The queue's name for it")),
    responses(
        (status = 204, description = "It is in the queue of the jobs."),
        Refused<403>, Refused<404>, Refused<409>, Refused<500>, Refused<503>,
    ))]
pub(crate) async fn redrive(
    State(app): State<Arc<App>>,
    message_id: Result<Path<String>, PathRejection>,
    caller: Caller,
    correlation_id: CorrelationId,
) -> Result<StatusCode, Problem> {
    let id = known_id(&app, message_id)?;
    let noted = note(
        &app,
        &caller,
        Action::DeadLetterRedriven,
        &id,
        &correlation_id,
    )
    .await?;
    let done = app.findings.dead_letters.redrive(&id).await;
    noted.outcome(&app, done).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends all dead letters that were seen, or those of one cause, to the jobs again. Without
/// `confirm_count` it only counts them.
#[utoipa::path(post, path = "/fleet/dead-letters:redrive", tag = "fleet", operation_id = "redrive_dead_letters",
    request_body = Option<RedriveWish>,
    responses(
        (status = 200, description = "How many there are, or what became of them.", body = BatchView),
        Refused<400>, Refused<403>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<500>, Refused<503>,
    ))]
pub(crate) async fn redrive_all(
    State(app): State<Arc<App>>,
    caller: Caller,
    correlation_id: CorrelationId,
    OptionalJsonBody(wish): OptionalJsonBody<RedriveWish>,
) -> Result<Json<BatchView>, Problem> {
    let cause = wish.cause.map(|cause| cause.0);
    let dead_letters = &app.findings.dead_letters;
    let letters = dead_letters.list().into_iter();
    let meant = letters.filter(|it| cause.is_none_or(|cause| it.cause == cause));
    let ids: HashSet<String> = meant.map(|it| it.message.id).collect();
    let count = ids.len();
    let Some(confirmed) = wish.confirm_count else {
        return Ok(Json(BatchView {
            count,
            ..BatchView::default()
        }));
    };
    if confirmed.0 as usize != count {
        let words = format!(
            "There are {count} by now, not {}: nothing was sent.",
            confirmed.0
        );
        return Err(Problem::new(StatusCode::CONFLICT, words));
    }
    let (action, what) = (Action::DeadLetterRedriven, cause.map_or("all", Cause::code));
    let noted = note(&app, &caller, action, what, &correlation_id).await?;
    let redriven = match dead_letters.redrive_all(ids, BATCH_WITHIN).await {
        Ok(redriven) => redriven,
        Err(error) => {
            noted.failed(&app).await;
            return Err(error.into());
        }
    };
    let counts = [
        ("dead_letters", redriven.done),
        ("failed", redriven.failed.len()),
    ];
    let counts = counts.map(|(name, count)| (name.to_owned(), count as u64));
    noted.done(&app, BTreeMap::from(counts)).await;
    let failed = redriven
        .failed
        .into_iter()
        .map(|(message_id, error)| NotRedriven {
            message_id,
            problem: Problem::from(error).detail().to_owned(),
        });
    Ok(Json(BatchView {
        count,
        confirmed: true,
        done: Some(redriven.done),
        failed: Some(failed.collect()),
    }))
}

/// Drops a dead letter for good.
#[utoipa::path(delete, path = "/fleet/dead-letters/{message_id}", tag = "fleet", operation_id = "drop_dead_letter",
    params(("message_id" = String, Path, description = "The queue's name for it")),
    responses(
        (status = 204, description = "It is gone."),
        Refused<403>, Refused<404>, Refused<409>, Refused<500>, Refused<503>,
    ))]
pub(crate) async fn drop_dead_letter(
    State(app): State<Arc<App>>,
    message_id: Result<Path<String>, PathRejection>,
    caller: Caller,
    correlation_id: CorrelationId,
) -> Result<StatusCode, Problem> {
    let id = known_id(&app, message_id)?;
    let noted = note(
        &app,
        &caller,
        Action::DeadLetterDropped,
        &id,
        &correlation_id,
    )
    .await?;
    let done = app.findings.dead_letters.delete(&id).await;
    noted.outcome(&app, done).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The id of a dead letter that was seen: what is unknown leaves no entry in the audit log.
fn known_id(app: &App, message_id: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    match message_id {
        Ok(Path(id)) if app.findings.dead_letters.has(&id) => Ok(id),
        _ => Err(DeadLetterError::Unknown.into()),
    }
}

impl From<DeadLetterError> for Problem {
    fn from(error: DeadLetterError) -> Self {
        match error {
            DeadLetterError::Unknown => {
                Self::new(StatusCode::NOT_FOUND, "There is no such dead letter.")
            }
            DeadLetterError::InFlight => Self::new(
                StatusCode::CONFLICT,
                "Somebody else looks at this dead letter now. Please try again in a minute.",
            ),
            DeadLetterError::Cloud(error) => Self::away("The queue does not answer.", error),
        }
    }
}
