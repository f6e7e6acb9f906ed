//! The messages that can be received now, in fair order: round-robin over the groups, first in, first
//! out within a group.

use std::collections::{BTreeMap, HashMap};

/// The number of a message within its queue, in the order of arrival.
pub(super) type MessageNo = u64;

/// The group of a message; messages without one form a group together.
pub(super) type Group = Option<String>;

/// A message's place among the others of its group.
pub(super) type Ticket = u64;

#[derive(Debug, Default)]
struct Waiting {
    position: Ticket,
    messages: BTreeMap<Ticket, MessageNo>,
}

/// Every operation costs the logarithm of the number of messages, and nothing out of date stays.
#[derive(Debug, Default)]
pub(super) struct Ready {
    groups: HashMap<Group, Waiting>,
    /// The groups that have a message, in round-robin order.
    round: BTreeMap<Ticket, Group>,
    next: Ticket,
}

impl Ready {
    /// Puts a message last in its group.
    pub(super) fn push(&mut self, group: &Group, message: MessageNo) -> Ticket {
        let ticket = self.next;
        self.next += 1;
        if !self.groups.contains_key(group) {
            let waiting = Waiting {
                position: ticket,
                messages: BTreeMap::new(),
            };
            self.groups.insert(group.clone(), waiting);
            self.round.insert(ticket, group.clone());
        }
        if let Some(waiting) = self.groups.get_mut(group) {
            waiting.messages.insert(ticket, message);
        }
        ticket
    }

    /// Takes the first message of the next group, which then goes to the end of the round.
    pub(super) fn pop(&mut self) -> Option<MessageNo> {
        let (_, group) = self.round.pop_first()?;
        let waiting = self.groups.get_mut(&group)?;
        let (_, message) = waiting.messages.pop_first()?;
        if waiting.messages.is_empty() {
            self.groups.remove(&group);
        } else {
            waiting.position = self.next;
            self.round.insert(self.next, group);
            self.next += 1;
        }
        Some(message)
    }

    /// Takes one message out of the order.
    pub(super) fn remove(&mut self, group: &Group, ticket: Ticket) {
        let Some(waiting) = self.groups.get_mut(group) else {
            return;
        };
        waiting.messages.remove(&ticket);
        if waiting.messages.is_empty() {
            self.round.remove(&waiting.position);
            self.groups.remove(group);
        }
    }
}
