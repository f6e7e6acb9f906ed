//! The dead letters that stay for an operator: look, send again, drop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use atelier_shared::queue::{Message, QueueError};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::problem::{Problem, Refused};

/// Other processes read the same queue: what was not seen here for so long may be gone.
const MEMORY: Duration = Duration::from_secs(15 * 60);

/// While an operator's wish is carried out, nobody else gets the letter.
const HOLD: Duration = Duration::from_secs(60);

/// Letters that this process saw, by the queue's name for them.
#[derive(Debug, Default)]
pub struct Letters {
    seen: Mutex<HashMap<String, (Message, Instant)>>,
}

impl Letters {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Message, Instant)>> {
        self.seen.lock().expect("nobody panics while holding it")
    }

    /// Remembers a letter that stays.
    pub fn keep(&self, message: Message) {
        let mut seen = self.lock();
        seen.retain(|_, (_, at)| at.elapsed() < MEMORY);
        seen.insert(message.id.clone(), (message, Instant::now()));
    }

    /// Forgets a letter that is done with.
    pub fn forget(&self, message_id: &str) {
        self.lock().remove(message_id);
    }

    fn all(&self) -> Vec<Message> {
        let mut all: Vec<_> = self
            .lock()
            .values()
            .filter(|(_, at)| at.elapsed() < MEMORY)
            .map(|(message, _)| message.clone())
            .collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    fn get(&self, message_id: &str) -> Option<Message> {
        Some(self.lock().get(message_id)?.0.clone())
    }
}

/// The dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetters {
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
#[utoipa::path(get, path = "/fleet/dead-letters", tag = "fleet", responses(
    (status = 200, description = "The dead letters.", body = DeadLetters), Refused<500>,
))]
pub async fn list(State(app): State<Arc<App>>) -> Json<DeadLetters> {
    let letter = |message: Message| DeadLetter {
        message_id: message.id,
        body: message.body,
        received: message.receives,
        sent_at: message.sent_at.map(|at| at.seconds()),
    };
    Json(DeadLetters {
        messages: app.letters.all().into_iter().map(letter).collect(),
    })
}

/// Sends a dead letter to the jobs again.
#[utoipa::path(post, path = "/fleet/dead-letters/{message_id}/redrive", tag = "fleet",
    params(("message_id" = String, Path, description = "The queue's name for it")),
    responses(
        (status = 204, description = "It is in the queue of the jobs."),
        Refused<403>, Refused<404>, Refused<409>, Refused<500>, Refused<503>,
    ))]
pub async fn redrive(
    State(app): State<Arc<App>>,
    message_id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<StatusCode, Problem> {
    let letter = hold(&app, message_id).await?;
    let revived = app.services.queues.revive(&letter).await;
    revived.map_err(no_letter)?;
    app.letters.forget(&letter.id);
    tracing::info!(message = letter.id, "dead letter sent again");
    Ok(StatusCode::NO_CONTENT)
}

/// Drops a dead letter for good.
#[utoipa::path(delete, path = "/fleet/dead-letters/{message_id}", tag = "fleet",
    params(("message_id" = String, Path, description = "The queue's name for it")),
    responses(
        (status = 204, description = "It is gone."),
        Refused<403>, Refused<404>, Refused<409>, Refused<500>, Refused<503>,
    ))]
pub async fn drop_letter(
    State(app): State<Arc<App>>,
    message_id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<StatusCode, Problem> {
    let letter = hold(&app, message_id).await?;
    let deleted = app.services.queues.dead_letters.delete(&letter.receipt);
    deleted.await.map_err(no_letter)?;
    app.letters.forget(&letter.id);
    tracing::info!(message = letter.id, "dead letter dropped");
    Ok(StatusCode::NO_CONTENT)
}

/// The letter, hidden from all others for a while.
async fn hold(
    app: &App,
    message_id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Message, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "There is no such dead letter.");
    let Path(message_id) = message_id.map_err(|_| unknown())?;
    let letter = app.letters.get(&message_id).ok_or_else(unknown)?;
    let held = app
        .services
        .queues
        .dead_letters
        .hide(&letter.receipt, HOLD)
        .await;
    held.map_err(no_letter)?;
    Ok(letter)
}

fn no_letter(error: QueueError) -> Problem {
    match error {
        QueueError::StaleReceipt(_) => Problem::new(
            StatusCode::CONFLICT,
            "Another process looks at this letter now. Please try again in two minutes.",
        ),
        QueueError::Cloud(error) => Problem::away("The queue does not answer.", error),
    }
}
