//! The dead letters that wait for an operator: list, redrive, drop.

use std::sync::Arc;

use atelier_cloud::dead_letters::DeadLetterError;
use atelier_cloud::queue::Message;
use atelier_domain::audit::Action;
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
use crate::problem::{Problem, Refused};

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
}

/// Lists the dead letters that wait for an operator.
#[utoipa::path(get, path = "/fleet/dead-letters", tag = "fleet", operation_id = "list_dead_letters", responses(
    (status = 200, description = "The dead letters.", body = DeadLetters), Refused<500>,
))]
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<DeadLetters> {
    let letter = |message: Message| DeadLetter {
        message_id: message.id,
        body: message.body,
        received: message.receives,
        sent_at: message.sent_at.map(|at| at.seconds()),
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
