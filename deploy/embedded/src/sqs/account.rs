//! All queues of the account, behind one lock: moves between queues are atomic, and every
//! operation is far shorter than the request around it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::clock::{Clock, Millis};
use super::error::Error;
use super::queue::{Delivery, Depth, MAX_IN_FLIGHT, Queue, Receive};
use super::settings::Settings;

/// The account that owns every queue.
pub(super) const ACCOUNT_ID: &str = "000000000000";
/// The prefix of every queue's ARN; the name follows.
const ARN_PREFIX: &str = "arn:aws:sqs:us-east-1:000000000000:";

/// A queue with all that belongs to it.
#[derive(Debug)]
pub(super) struct Hosted {
    /// Drawn at the creation: a receipt handle of another queue, or of a deleted one, is refused.
    pub tag: u64,
    /// What can be set.
    pub settings: Settings,
    /// Tags of the queue; they change nothing.
    pub labels: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: Millis,
    /// When its settings changed last.
    pub modified_at: Millis,
    queue: Queue,
    wake: Arc<Notify>,
}

impl Hosted {
    /// Changes the queue, and wakes receivers for what got visible or gets visible earlier now.
    pub(super) fn change<R>(&mut self, now: Millis, change: impl FnOnce(&mut Queue) -> R) -> R {
        let (visible, due) = (self.queue.depth().visible, self.queue.next_due());
        self.queue.advance(now, self.settings.retention_millis());
        let result = change(&mut self.queue);
        let earlier = match (self.queue.next_due(), due) {
            (Some(after), Some(before)) => after < before,
            (after, None) => after.is_some(),
            (None, Some(_)) => false,
        };
        match self.queue.depth().visible.saturating_sub(visible) {
            // Each receiver computes its own timer, so all must be notified of an earlier one.
            _ if earlier => self.wake.notify_waiters(),
            0 => {}
            more @ 1..=10 => (0..more).for_each(|_| self.wake.notify_one()),
            _ => self.wake.notify_waiters(),
        }
        result
    }

    /// The number of messages in each state.
    pub(super) fn depth(&mut self, now: Millis) -> Depth {
        self.change(now, |queue| queue.depth())
    }
}

/// What one poll of the queue returns.
#[derive(Debug)]
pub(super) struct Received {
    /// The queue's tag, for the receipt handles.
    pub tag: u64,
    /// The messages.
    pub deliveries: Vec<Delivery>,
    /// When the next poll is due, if no notification comes before.
    pub next_due: Option<Millis>,
}

/// The queues by name.
#[derive(Debug, Default)]
pub(super) struct Queues(BTreeMap<String, Hosted>);

/// The account: its queues and its clock.
#[derive(Debug)]
pub(super) struct Account {
    /// The time of every operation.
    pub clock: Clock,
    queues: Mutex<Queues>,
}

impl Account {
    /// An account without queues.
    pub(super) fn new() -> Self {
        Self {
            clock: Clock::start(),
            queues: Mutex::default(),
        }
    }

    /// The queues, for one operation.
    pub(super) fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    /// The queue of this name.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`].
    pub(super) fn get(&mut self, name: &str) -> Result<&mut Hosted, Error> {
        self.0.get_mut(name).ok_or(Error::QueueDoesNotExist)
    }

    /// All queues in the order of their names.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut Hosted)> {
        self.0.iter_mut()
    }

    /// Creates a queue; one that exists with the same attributes is left as it is.
    ///
    /// # Errors
    /// A bad name or attribute, or one that differs from the existing queue's.
    pub(super) fn create(
        &mut self,
        name: &str,
        attributes: &BTreeMap<String, String>,
        labels: BTreeMap<String, String>,
        now: Millis,
    ) -> Result<(), Error> {
        if !valid_queue_name(name) {
            return Err(Error::invalid(
                "QueueName",
                name,
                "Can only include alphanumeric characters, hyphens, or underscores. \
                 1 to 80 in length.",
            ));
        }
        let settings = Settings::default().with(attributes)?;
        self.check_redrive(&settings)?;
        if let Some(existing) = self.0.get(name) {
            for attribute in attributes.keys() {
                if settings.get(attribute)? != existing.settings.get(attribute)? {
                    return Err(Error::QueueNameExists(attribute.clone()));
                }
            }
            return Ok(());
        }
        let hosted = Hosted {
            tag: fastrand::u64(..),
            settings,
            labels,
            created_at: now,
            modified_at: now,
            queue: Queue::default(),
            wake: Arc::default(),
        };
        self.0.insert(name.to_owned(), hosted);
        Ok(())
    }

    /// Sets attributes of a queue; all or none.
    ///
    /// # Errors
    /// The queue does not exist, or an attribute is bad.
    pub(super) fn set(
        &mut self,
        name: &str,
        attributes: &BTreeMap<String, String>,
        now: Millis,
    ) -> Result<(), Error> {
        let settings = self.get(name)?.settings.clone().with(attributes)?;
        self.check_redrive(&settings)?;
        let hosted = self.get(name)?;
        hosted.settings = settings;
        hosted.modified_at = now;
        Ok(())
    }

    fn check_redrive(&self, settings: &Settings) -> Result<(), Error> {
        match &settings.redrive {
            Some(policy) if !self.has(&policy.dead_letter_arn) => {
                Err(Error::InvalidAttributeValue {
                    name: "RedrivePolicy".to_owned(),
                    reason: "Dead letter target does not exist.".to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Deletes a queue with its messages; receivers that wait on it are notified.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`].
    pub(super) fn delete(&mut self, name: &str) -> Result<(), Error> {
        let hosted = self.0.remove(name).ok_or(Error::QueueDoesNotExist)?;
        hosted.wake.notify_waiters();
        Ok(())
    }

    /// Polls once; messages that were received too often go to the queue for dead letters.
    ///
    /// # Errors
    /// The queue does not exist, or has too many messages in flight.
    pub(super) fn receive(
        &mut self,
        name: &str,
        max: usize,
        visibility: Option<Millis>,
        duplicate: bool,
        now: Millis,
    ) -> Result<Received, Error> {
        let hosted = self.get(name)?;
        let redrive = hosted.settings.redrive.clone();
        // While the queue for the dead letters is missing, messages stay where they are.
        let redrive = redrive.filter(|policy| self.has(&policy.dead_letter_arn));
        let hosted = self.get(name)?;
        if hosted.depth(now).in_flight >= MAX_IN_FLIGHT {
            return Err(Error::OverLimit);
        }
        let ask = Receive {
            max,
            visibility: visibility
                .unwrap_or_else(|| Millis::from(hosted.settings.visibility_timeout) * 1000),
            max_receives: redrive.as_ref().map(|policy| policy.max_receives),
            duplicate,
        };
        let (deliveries, dead) = hosted.change(now, |queue| queue.receive(ask, now));
        let received = Received {
            tag: hosted.tag,
            deliveries,
            next_due: hosted.queue.next_due(),
        };
        if let Some(policy) = redrive
            && let Some(target) = name_of(&policy.dead_letter_arn)
            && let Some(target) = self.0.get_mut(target)
        {
            target.change(now, |queue| {
                for parcel in dead {
                    queue.put(parcel.as_dead_letter_of(arn(name)), now, now);
                }
            });
        }
        Ok(received)
    }

    /// Notified when a queue may have new messages. Registered before a poll, it misses nothing that
    /// comes after that poll.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`].
    pub(super) fn wake(&mut self, name: &str) -> Result<Arc<Notify>, Error> {
        Ok(Arc::clone(&self.get(name)?.wake))
    }

    /// Whether a queue has this ARN.
    pub(super) fn has(&self, arn: &str) -> bool {
        name_of(arn).is_some_and(|name| self.0.contains_key(name))
    }

    /// The names of the queues whose dead letters go to this ARN.
    pub(super) fn sources_of(&self, dead_letter_arn: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(_, hosted)| {
                let redrive = hosted.settings.redrive.as_ref();
                redrive.is_some_and(|policy| policy.dead_letter_arn == dead_letter_arn)
            })
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// The ARN of a queue.
pub fn arn(name: &str) -> String {
    format!("{ARN_PREFIX}{name}")
}

/// The name of the queue with this ARN.
pub(super) fn name_of(arn: &str) -> Option<&str> {
    arn.strip_prefix(ARN_PREFIX)
}

fn valid_queue_name(name: &str) -> bool {
    (1..=80).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
