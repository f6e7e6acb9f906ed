//! Sends a job and notes that it was sent. Whatever fails here is mended by the sweep.

use std::sync::Arc;
use std::time::Duration;

use atelier_shared::assignment::Assignment;
use atelier_shared::job::Job;
use atelier_shared::queue::{Context, QueueError};
use atelier_shared::store::StoreError;
use atelier_shared::telemetry::trace_parent;
use atelier_shared::timestamp::Timestamp;
use atelier_shared::transition;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{Instrument as _, Span};

use crate::app::App;

/// How long an answer waits for the send; it goes on behind the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a job counts as not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The queue did not take it, or it is unclear whether it did.
    #[error("the job was not sent: {0}")]
    Queue(#[from] QueueError),
    /// It was sent, but that is not noted.
    #[error("the send was not noted: {0}")]
    Store(#[from] StoreError),
}

impl App {
    /// Sends the job of a pending `assignment` and notes it. Returns the document after the note;
    /// `None` if a worker was faster than the note.
    pub async fn send(&self, assignment: &Assignment) -> Result<Option<Assignment>, SendError> {
        self.enqueue(assignment).await?;
        Ok(self.note(assignment).await?)
    }

    /// As [`App::send`], for an answer: never fails, waits for the queue alone, and not for long.
    /// The note follows behind the answer; without it the sweep sends once more.
    pub async fn send_for_answer(self: &Arc<Self>, assignment: &Assignment) {
        let (app, assignment) = (self.clone(), assignment.clone());
        let (sent, is_sent) = oneshot::channel();
        let work = async move {
            let outcome = app.enqueue(&assignment).await;
            // Nobody listens if the answer could not wait so long.
            let _ = sent.send(());
            let outcome = match outcome {
                Ok(()) => app
                    .note(&assignment)
                    .await
                    .map(drop)
                    .map_err(SendError::from),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = outcome {
                let assignment = assignment.assignment_id;
                tracing::warn!(assignment, %error, "left to the sweep");
            }
        };
        self.background.spawn(work.in_current_span());
        let _ = timeout(PATIENCE, is_sent).await;
    }

    async fn enqueue(&self, assignment: &Assignment) -> Result<(), QueueError> {
        let job = Job {
            assignment_id: assignment.assignment_id.clone(),
            round: assignment.round,
        };
        let context = Context {
            correlation_id: assignment.correlation_id.clone(),
            trace_parent: trace_parent(&Span::current()),
        };
        let teacher = assignment.teacher_id.as_deref();
        self.services
            .queues
            .jobs
            .send(&job, teacher, &context)
            .await
    }

    async fn note(&self, assignment: &Assignment) -> Result<Option<Assignment>, StoreError> {
        let now = Timestamp::now();
        let trusted = now + self.config.job.trust_in_queue();
        let wake_at = assignment
            .give_up_at
            .map_or(trusted, |give_up_at| trusted.min(give_up_at));
        let note = transition::note_sent(assignment.round, now, wake_at);
        self.store().apply(&assignment.assignment_id, &note).await
    }
}
