//! The dead letters that stay for an operator: look, send again, drop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use atelier_shared::queue::{MAX_RECEIVE, Message, Queue, QueueError};
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
const HOLD: Duration = Duration::from_secs(30);

/// How long one receive looks for the letter, which may be just being judged.
const LOOK: Duration = Duration::from_secs(5);

/// So many letters are looked at in one go.
pub const MOST_LETTERS: usize = 1000;

/// Letters that this process saw, by the queue's name for them.
#[derive(Debug, Default)]
pub struct Letters {
    seen: Mutex<HashMap<String, (Message, Instant)>>,
}

impl Letters {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Message, Instant)>> {
        self.seen.lock().expect("nobody panics while holding it")
    }

    /// Remembers a letter that stays. Returns whether it is new.
    pub fn keep(&self, message: Message) -> bool {
        let mut seen = self.lock();
        seen.retain(|_, (_, at)| at.elapsed() < MEMORY);
        seen.insert(message.id.clone(), (message, Instant::now()))
            .is_none()
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

    fn knows(&self, message_id: &str) -> bool {
        self.lock().contains_key(message_id)
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
#[utoipa::path(get, path = "/fleet/dead-letters", tag = "fleet", operation_id = "list_dead_letters", responses(
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
    let letter = take(&app, message_id).await?;
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
    let letter = take(&app, message_id).await?;
    let deleted = app.services.queues.dead_letters.delete(&letter.receipt);
    deleted.await.map_err(no_letter)?;
    app.letters.forget(&letter.id);
    tracing::info!(message = letter.id, "dead letter dropped");
    Ok(StatusCode::NO_CONTENT)
}

/// Receives the letter, and gives back what comes with it.
async fn take(
    app: &App,
    message_id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Message, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "There is no such dead letter.");
    let Path(message_id) = message_id.map_err(|_| unknown())?;
    if !app.letters.knows(&message_id) {
        return Err(unknown());
    }
    let letters = &app.services.queues.dead_letters;
    let (mut wanted, mut others) = (None, Vec::new());
    while wanted.is_none() && others.len() < MOST_LETTERS {
        let received = letters.receive(MAX_RECEIVE, LOOK, HOLD);
        let received = received.await.map_err(no_letter)?;
        if received.is_empty() {
            break;
        }
        for message in received {
            if message.id == message_id {
                wanted = Some(message);
            } else {
                others.push(message);
            }
        }
    }
    give_back(letters, &others).await;
    wanted.ok_or_else(in_other_hands)
}

/// Makes letters visible to all at once.
pub async fn give_back(letters: &Queue, messages: &[Message]) {
    for message in messages {
        if let Err(error) = letters.hide(&message.receipt, Duration::ZERO).await {
            tracing::debug!(message = message.id, %error, "it shows again later");
        }
    }
}

fn in_other_hands() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "Somebody else looks at this letter now. Please try again in a minute.",
    )
}

fn no_letter(error: QueueError) -> Problem {
    match error {
        QueueError::StaleReceipt(_) => in_other_hands(),
        QueueError::Cloud(error) => Problem::away("The queue does not answer.", error),
    }
}
