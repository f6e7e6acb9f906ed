//! The audit log: who did what to what, and when.
//!
//! Entries are only ever appended. So an entry has no text that people wrote, and no person's name:
//! a person stands in it under a pseudonym, the SHA-256 of its id. The store keeps the name beside
//! the log for as long as it may be known.

use std::collections::BTreeMap;

use hex_simd::AsciiCase;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::timestamp::Timestamp;

/// What stands before a pseudonym.
const PERSON: &str = "person:";

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Anybody: the API runs without sign-in.
    Nobody,
    /// A user of the command line, by the name that the system has for it.
    Cli(String),
    /// A program, by the name of its API key.
    Key(String),
    /// A person, by the teacher's id where it has one, else by the identity provider's subject.
    Person(String),
}

impl Actor {
    /// As an entry has it: `nobody`, `cli:NAME`, `key:NAME` or `person:` and a pseudonym.
    pub fn recorded(&self) -> String {
        match self {
            Self::Nobody => "nobody".to_owned(),
            Self::Cli(name) => format!("cli:{name}"),
            Self::Key(name) => format!("key:{name}"),
            Self::Person(id) => format!("{PERSON}{}", pseudonym(id)),
        }
    }

    /// The person's id, if it is one.
    pub fn person(&self) -> Option<&str> {
        match self {
            Self::Person(id) => Some(id),
            Self::Nobody | Self::Cli(_) | Self::Key(_) => None,
        }
    }

    /// What entries have for an actor that a reader asks for: in the form of [`Self::recorded`], or a
    /// person's id.
    pub fn asked_for(text: &str) -> String {
        let is_recorded = text == "nobody"
            || ["cli:", "key:", PERSON]
                .iter()
                .any(|it| text.starts_with(it));
        match is_recorded {
            true => text.to_owned(),
            false => Self::Person(text.to_owned()).recorded(),
        }
    }
}

/// The SHA-256 of a person's id, in 64 hexadecimal digits.
pub fn pseudonym(id: &str) -> String {
    hex_simd::encode_to_string(Sha256::digest(id), AsciiCase::Lower)
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditAction)]
pub enum Action {
    /// Another round of an assignment.
    #[serde(rename = "assignment.retried")]
    AssignmentRetried,
    /// An assignment was deleted.
    #[serde(rename = "assignment.deleted")]
    AssignmentDeleted,
    /// A dead letter was sent to the jobs again.
    #[serde(rename = "dead_letter.redriven")]
    DeadLetterRedriven,
    /// A dead letter was dropped.
    #[serde(rename = "dead_letter.dropped")]
    DeadLetterDropped,
    /// The fleet takes no more jobs.
    #[serde(rename = "fleet.paused")]
    FleetPaused,
    /// The fleet takes jobs again.
    #[serde(rename = "fleet.resumed")]
    FleetResumed,
    /// An API key was made.
    #[serde(rename = "key.issued")]
    KeyIssued,
    /// An API key was revoked.
    #[serde(rename = "key.revoked")]
    KeyRevoked,
    /// A link for students was made.
    #[serde(rename = "share.issued")]
    ShareIssued,
    /// A link for students was revoked.
    #[serde(rename = "share.revoked")]
    ShareRevoked,
    /// What students answered through a link was erased.
    #[serde(rename = "results.erased")]
    ResultsErased,
    /// What is kept of a teacher was exported.
    #[serde(rename = "teacher.exported")]
    TeacherExported,
    /// What is kept of a teacher was erased.
    #[serde(rename = "teacher.erased")]
    TeacherErased,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::AssignmentRetried,
        Self::AssignmentDeleted,
        Self::DeadLetterRedriven,
        Self::DeadLetterDropped,
        Self::FleetPaused,
        Self::FleetResumed,
        Self::KeyIssued,
        Self::KeyRevoked,
        Self::ShareIssued,
        Self::ShareRevoked,
        Self::ResultsErased,
        Self::TeacherExported,
        Self::TeacherErased,
    ];

    /// As an entry has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AssignmentRetried => "assignment.retried",
            Self::AssignmentDeleted => "assignment.deleted",
            Self::DeadLetterRedriven => "dead_letter.redriven",
            Self::DeadLetterDropped => "dead_letter.dropped",
            Self::FleetPaused => "fleet.paused",
            Self::FleetResumed => "fleet.resumed",
            Self::KeyIssued => "key.issued",
            Self::KeyRevoked => "key.revoked",
            Self::ShareIssued => "share.issued",
            Self::ShareRevoked => "share.revoked",
            Self::ResultsErased => "results.erased",
            Self::TeacherExported => "teacher.exported",
            Self::TeacherErased => "teacher.erased",
        }
    }

    /// The action with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// How far an action came. One that is begun and has no other entry was done, unless its process
/// ended at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditOutcome)]
pub enum Outcome {
    /// It is allowed, and begins now.
    Begun,
    /// It is done: of actions that take long.
    Done,
    /// It was not done, or not all of it, or nobody knows.
    Failed,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its own, random.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// Who acts, as in [`Actor::recorded`].
    pub actor: String,
    /// What is done.
    pub action: Action,
    /// To what: the id of an assignment (also for its links and results) or a dead letter, the name of
    /// a key, or a teacher's pseudonym. Empty where the action says it all.
    #[serde(default)]
    pub what: String,
    /// How far it came.
    pub outcome: Outcome,
    /// How much of what: `assignments` 12.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
    /// The id in the logs of all processes, where there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub correlation_id: String,
    /// The person's id, if the actor is one and the name is still known. It is no part of the entry.
    #[serde(skip)]
    pub person: Option<String>,
}

impl Entry {
    /// An action that begins now.
    pub fn begun(actor: &Actor, action: Action, what: impl Into<String>) -> Self {
        Self {
            id: format!("{:032x}", fastrand::u128(..)),
            at: Timestamp::now(),
            actor: actor.recorded(),
            action,
            what: what.into(),
            outcome: Outcome::Begun,
            counts: BTreeMap::new(),
            correlation_id: String::new(),
            person: actor.person().map(str::to_owned),
        }
    }

    /// Under this correlation id.
    #[must_use]
    pub fn under(mut self, correlation_id: &str) -> Self {
        self.correlation_id = correlation_id.to_owned();
        self
    }

    /// The entry that says how this action ended.
    #[must_use]
    pub fn ended(&self, outcome: Outcome, counts: BTreeMap<String, u64>) -> Self {
        Self {
            id: format!("{:032x}", fastrand::u128(..)),
            at: Timestamp::now(),
            outcome,
            counts,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_read_by_the_name_that_it_is_written_by() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(action));
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
    }

    #[test]
    fn an_entry_has_no_name_of_a_person() {
        let actor = Actor::Person("frau.mueller@school.example".to_owned());
        let entry = Entry::begun(&actor, Action::AssignmentDeleted, "a-1").under("c");
        let text = serde_json::to_string(&entry).unwrap();
        assert!(!text.contains("mueller"), "{text}");
        assert_eq!(entry.actor, Actor::asked_for("frau.mueller@school.example"));
        assert_eq!(entry.actor, Actor::asked_for(&entry.actor));
    }
}
