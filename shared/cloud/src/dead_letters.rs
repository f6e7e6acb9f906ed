//! The dead letters that stay for an operator: list, redrive, drop.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

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

/// The dead letters that this process has seen.
#[derive(Debug)]
pub struct DeadLetters {
    queues: Queues,
    seen: Mutex<HashMap<String, (Message, Instant)>>,
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

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Message, Instant)>> {
        self.seen.lock().expect("no panic while held")
    }

    /// Remembers a dead letter that stays for an operator. Returns whether it is new.
    pub fn keep(&self, message: Message) -> bool {
        let mut seen = self.lock();
        seen.retain(|_, (_, at)| at.elapsed() < SEEN_FOR);
        seen.insert(message.id.clone(), (message, Instant::now()))
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
    pub fn list(&self) -> Vec<Message> {
        let mut all: Vec<_> = self
            .lock()
            .values()
            .filter(|(_, at)| at.elapsed() < SEEN_FOR)
            .map(|(message, _)| message.clone())
            .collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
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
