//! The dead letters that stay for an operator: list, redrive, drop.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use atelier_domain::dead_letter::Cause;

use crate::error::CloudError;
use crate::queue::{MAX_RECEIVE, Message, QueueError, Queues};

/// Other processes read the same queue: a dead letter that was not seen here for this long may be
/// gone.
const SEEN_FOR: Duration = Duration::from_secs(15 * 60);

/// Visibility timeout while an operator's command is carried out.
const VISIBILITY: Duration = Duration::from_secs(30);

/// How long one receive waits for the dead letter, which the keeper may hold at the moment.
const WAIT: Duration = Duration::from_secs(5);

/// The most dead letters that one search receives.
pub const MAX_SEARCHED: usize = 1000;

/// A dead letter that stays for an operator.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The message.
    pub message: Message,
    /// Why it stays.
    pub cause: Cause,
    /// The cause in words, with what could not be read.
    pub words: String,
}

/// The dead letters that this process has seen.
#[derive(Debug)]
pub struct DeadLetters {
    queues: Queues,
    seen: Mutex<HashMap<String, (DeadLetter, Instant)>>,
}

/// What became of several dead letters.
#[derive(Debug, Default)]
pub struct Redriven {
    /// How many are in the queue of the jobs.
    pub done: usize,
    /// Those that are not, by id, with the reason.
    pub failed: Vec<(String, DeadLetterError)>,
}

/// Why a dead letter was neither redriven nor dropped.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// No dead letter of this id was seen lately.
    #[error("there is no such dead letter")]
    Unknown,
    /// Somebody else has received it; it is visible again soon.
    #[error("the dead letter is received by somebody else")]
    InFlight,
    /// The queue's fault.
    #[error(transparent)]
    Cloud(CloudError),
}

impl From<QueueError> for DeadLetterError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::StaleReceipt(_) => Self::InFlight,
            QueueError::Cloud(error) => Self::Cloud(error),
        }
    }
}

impl DeadLetters {
    /// Those of `queues`; none is seen yet.
    pub fn new(queues: Queues) -> Self {
        Self {
            queues,
            seen: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (DeadLetter, Instant)>> {
        self.seen.lock().expect("no panic while held")
    }

    /// Remembers a dead letter that stays for an operator. Returns whether it is new.
    pub fn keep(&self, letter: DeadLetter) -> bool {
        let mut seen = self.lock();
        seen.retain(|_, (_, at)| at.elapsed() < SEEN_FOR);
        seen.insert(letter.message.id.clone(), (letter, Instant::now()))
            .is_none()
    }

    /// Removes a dead letter that was dealt with.
    pub fn remove(&self, message_id: &str) {
        self.lock().remove(message_id);
    }

    /// Whether a dead letter of this id was seen.
    pub fn has(&self, message_id: &str) -> bool {
        self.lock().contains_key(message_id)
    }

    /// Those that were seen lately, by id.
    pub fn list(&self) -> Vec<DeadLetter> {
        let mut all: Vec<_> = self
            .lock()
            .values()
            .filter(|(_, at)| at.elapsed() < SEEN_FOR)
            .map(|(letter, _)| letter.clone())
            .collect();
        all.sort_by(|one, other| one.message.id.cmp(&other.message.id));
        all
    }

    /// Sends a dead letter to the jobs again.
    ///
    /// # Errors
    /// Where it is unknown, in flight, or the queue does not answer.
    pub async fn redrive(&self, message_id: &str) -> Result<(), DeadLetterError> {
        let message = self.receive(message_id).await?;
        self.queues.redrive(&message).await?;
        self.remove(&message.id);
        tracing::info!(message = message.id, "dead letter redriven");
        Ok(())
    }

    /// Sends the dead letters with these ids to the jobs again, until `within` is over.
    ///
    /// # Errors
    /// Where the queue of the dead letters does not answer. What was sent by then stays sent.
    pub async fn redrive_all(
        &self,
        mut ids: HashSet<String>,
        within: Duration,
    ) -> Result<Redriven, DeadLetterError> {
        let started = Instant::now();
        let (mut redriven, mut others) = (Redriven::default(), Vec::new());
        while !ids.is_empty() && others.len() < MAX_SEARCHED && started.elapsed() < within {
            let queue = &self.queues.dead_letters;
            let received = queue.receive(MAX_RECEIVE, WAIT, VISIBILITY).await?;
            if received.is_empty() {
                break;
            }
            for message in received {
                if !ids.remove(&message.id) {
                    others.push(message);
                    continue;
                }
                match self.queues.redrive(&message).await {
                    Ok(()) => {
                        self.remove(&message.id);
                        redriven.done += 1;
                    }
                    Err(error) => redriven.failed.push((message.id, error.into())),
                }
            }
        }
        self.queues.dead_letters.show(&others).await;
        let missed = ids.into_iter().map(|id| (id, DeadLetterError::InFlight));
        redriven.failed.extend(missed);
        tracing::info!(
            done = redriven.done,
            failed = redriven.failed.len(),
            "dead letters redriven"
        );
        Ok(redriven)
    }

    /// Deletes a dead letter for good.
    ///
    /// # Errors
    /// Where it is unknown, in flight, or the queue does not answer.
    pub async fn delete(&self, message_id: &str) -> Result<(), DeadLetterError> {
        let message = self.receive(message_id).await?;
        let queue = &self.queues.dead_letters;
        queue.delete(&message.receipt).await?;
        self.remove(&message.id);
        tracing::info!(message = message.id, "dead letter dropped");
        Ok(())
    }

    /// Receives one dead letter; those that come with it are returned to the queue.
    async fn receive(&self, message_id: &str) -> Result<Message, DeadLetterError> {
        if !self.has(message_id) {
            return Err(DeadLetterError::Unknown);
        }
        let (mut wanted, mut others) = (None, Vec::new());
        while wanted.is_none() && others.len() < MAX_SEARCHED {
            let queue = &self.queues.dead_letters;
            let received = queue.receive(MAX_RECEIVE, WAIT, VISIBILITY).await?;
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
        self.queues.dead_letters.show(&others).await;
        wanted.ok_or(DeadLetterError::InFlight)
    }
}
