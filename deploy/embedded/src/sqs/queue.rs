//! One queue as a state machine over time: no clock, no lock, no wire.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::clock::Millis;
use super::error::Error;
use super::message::{Content, Receives};
use super::ready::{MessageNo, Ready, Ticket};

#[cfg(test)]
mod tests;

/// The longest time that a message can be hidden after a receive (an SQS limit), in milliseconds.
const MAX_HIDDEN: Millis = 43_200_000;
/// The most messages of a queue that can be in flight at once (an SQS limit).
pub(super) const MAX_IN_FLIGHT: usize = 120_000;

/// Names one delivery of one message; a later delivery of the same message makes it stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    /// The message.
    pub message: MessageNo,
    /// Drawn at each delivery.
    pub nonce: u64,
}

/// A message on its way out of the queue or between queues.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    /// The message itself.
    pub content: Arc<Content>,
    /// Absent until it is received for the first time.
    pub receives: Option<Receives>,
}

/// One message that was received.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The message itself.
    pub content: Arc<Content>,
    /// How often it was received.
    pub receives: Receives,
    /// For the delete, or a change of the visibility.
    pub receipt: Receipt,
}

/// The parameters of a receive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receive {
    /// At most this number of messages.
    pub max: usize,
    /// How long they stay hidden; zero leaves them visible.
    pub visibility: Millis,
    /// A message that was received this often becomes a dead letter instead.
    pub max_receives: Option<u32>,
    /// Every message that is delivered for the first time is delivered twice (an ordered fault).
    pub duplicate: bool,
}

/// The number of messages in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Can be received now.
    pub visible: usize,
    /// Received and hidden.
    pub in_flight: usize,
    /// Sent with a delay that is not over.
    pub delayed: usize,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Ready(Ticket),
    Delayed { until: Millis },
    InFlight { until: Millis },
}

#[derive(Debug)]
struct Held {
    parcel: Parcel,
    place: Place,
    /// The nonce of the last delivery, and when that was.
    last: Option<(u64, Millis)>,
}

/// The messages of one queue. Each operation costs the logarithm of their number, and first does
/// what time has done since the last one, so that every answer is right for its `now`.
#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: HashMap<MessageNo, Held>,
    next: MessageNo,
    ready: Ready,
    /// When the messages that are hidden or delayed can be received.
    due: BTreeSet<(Millis, MessageNo)>,
    /// When each message was sent, for the retention.
    sent: BTreeSet<(Millis, MessageNo)>,
    in_flight: usize,
    delayed: usize,
}

impl Queue {
    /// Lets time pass: what is due gets visible, what is older than `retention` goes.
    pub(super) fn advance(&mut self, now: Millis, retention: Millis) {
        while let Some(&(until, message)) = self.due.first()
            && until <= now
        {
            self.place(message, None);
        }
        while let Some(&(sent_at, message)) = self.sent.first()
            && sent_at + retention <= now
        {
            self.remove(message);
        }
    }

    /// The number of messages in each state.
    pub(super) fn depth(&self) -> Depth {
        Depth {
            visible: self.messages.len() - self.in_flight - self.delayed,
            in_flight: self.in_flight,
            delayed: self.delayed,
        }
    }

    /// When the next message gets visible by itself.
    pub(super) fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|&(until, _)| until)
    }

    /// Takes a message in; it can be received from `visible_at` on.
    pub(super) fn put(&mut self, parcel: Parcel, visible_at: Millis, now: Millis) {
        let message = self.next;
        self.next += 1;
        self.sent.insert((parcel.content.sent_at, message));
        let place = if visible_at > now {
            self.due.insert((visible_at, message));
            self.delayed += 1;
            Place::Delayed { until: visible_at }
        } else {
            Place::Ready(self.ready.push(&parcel.content.group, message))
        };
        let held = Held {
            parcel,
            place,
            last: None,
        };
        self.messages.insert(message, held);
    }

    /// Delivers what is visible; second are the dead letters, which are removed from the queue.
    pub(super) fn receive(&mut self, ask: Receive, now: Millis) -> (Vec<Delivery>, Vec<Parcel>) {
        let max = ask.max.min(MAX_IN_FLIGHT.saturating_sub(self.in_flight));
        let (mut taken, mut dead) = (Vec::new(), Vec::new());
        // First all are taken, then each is placed: with a visibility of zero a message would
        // otherwise come twice in one answer.
        while taken.len() < max
            && let Some(message) = self.ready.pop()
        {
            let Some(held) = self.messages.get(&message) else {
                continue;
            };
            let received = held.parcel.receives.map_or(0, |receives| receives.count);
            if ask.max_receives.is_some_and(|most| received >= most) {
                dead.extend(self.remove(message));
            } else {
                taken.push(message);
            }
        }
        let deliveries = taken
            .into_iter()
            .filter_map(|message| self.deliver(message, ask, now))
            .collect();
        (deliveries, dead)
    }

    fn deliver(&mut self, message: MessageNo, ask: Receive, now: Millis) -> Option<Delivery> {
        let held = self.messages.get_mut(&message)?;
        let first = held.parcel.receives.is_none();
        let receives = match held.parcel.receives {
            None => Receives {
                count: 1,
                first_at: now,
            },
            Some(before) => Receives {
                count: before.count + 1,
                ..before
            },
        };
        let nonce = fastrand::u64(..);
        held.parcel.receives = Some(receives);
        held.last = Some((nonce, now));
        let delivery = Delivery {
            content: Arc::clone(&held.parcel.content),
            receives,
            receipt: Receipt { message, nonce },
        };
        if ask.duplicate && first {
            // An independent copy, as if one of SQS's servers had missed the receive.
            let copy = held.parcel.clone();
            self.put(copy, now, now);
        }
        self.place(message, (ask.visibility > 0).then(|| now + ask.visibility));
        Some(delivery)
    }

    /// Deletes the message of this delivery. Returns whether it did: a stale receipt deletes nothing.
    pub(super) fn delete(&mut self, receipt: Receipt) -> bool {
        let current = self
            .messages
            .get(&receipt.message)
            .is_some_and(|held| held.last.is_some_and(|(nonce, _)| nonce == receipt.nonce));
        current && self.remove(receipt.message).is_some()
    }

    /// Hides the message of this delivery for `visibility` from now on; zero shows it at once.
    ///
    /// # Errors
    /// The message is gone, was received again, is visible again, or would be hidden for more than
    /// twelve hours.
    pub(super) fn change_visibility(
        &mut self,
        receipt: Receipt,
        visibility: Millis,
        now: Millis,
    ) -> Result<(), Error> {
        let held = self.messages.get(&receipt.message).ok_or_else(|| {
            Error::invalid(
                "ReceiptHandle",
                receipt.message,
                "Message does not exist or is not available for visibility timeout change.",
            )
        })?;
        let (Place::InFlight { .. }, Some((nonce, received_at))) = (held.place, held.last) else {
            return Err(Error::MessageNotInflight);
        };
        if nonce != receipt.nonce {
            return Err(Error::MessageNotInflight);
        }
        let until = now + visibility;
        if until > received_at + MAX_HIDDEN {
            return Err(Error::invalid(
                "VisibilityTimeout",
                visibility / 1000,
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
            ));
        }
        self.place(receipt.message, (visibility > 0).then_some(until));
        Ok(())
    }

    /// Deletes every message: visible, delayed and in flight.
    pub(super) fn purge(&mut self) {
        *self = Self {
            next: self.next,
            ..Self::default()
        };
    }

    /// Moves a message to where it is until `hidden_until`; without it, it is visible.
    fn place(&mut self, message: MessageNo, hidden_until: Option<Millis>) {
        self.unplace(message);
        let Some(held) = self.messages.get_mut(&message) else {
            return;
        };
        held.place = match hidden_until {
            Some(until) => {
                self.due.insert((until, message));
                self.in_flight += 1;
                Place::InFlight { until }
            }
            None => Place::Ready(self.ready.push(&held.parcel.content.group, message)),
        };
    }

    fn unplace(&mut self, message: MessageNo) {
        let Some(held) = self.messages.get(&message) else {
            return;
        };
        match held.place {
            Place::Ready(ticket) => self.ready.remove(&held.parcel.content.group, ticket),
            Place::Delayed { until } => {
                self.due.remove(&(until, message));
                self.delayed -= 1;
            }
            Place::InFlight { until } => {
                self.due.remove(&(until, message));
                self.in_flight -= 1;
            }
        }
    }

    fn remove(&mut self, message: MessageNo) -> Option<Parcel> {
        self.unplace(message);
        let held = self.messages.remove(&message)?;
        self.sent.remove(&(held.parcel.content.sent_at, message));
        Some(held.parcel)
    }
}

impl Parcel {
    /// A message that was never received.
    pub(super) fn new(content: Content) -> Self {
        Self {
            content: Arc::new(content),
            receives: None,
        }
    }

    /// The same message, its id and age included, as a dead letter of the queue with this ARN.
    pub(super) fn as_dead_letter_of(&self, arn: String) -> Self {
        let content = Content {
            dead_letter_of: Some(arn),
            ..(*self.content).clone()
        };
        Self {
            content: Arc::new(content),
            receives: self.receives,
        }
    }
}
