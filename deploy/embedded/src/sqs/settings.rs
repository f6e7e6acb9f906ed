//! What can be set about a queue, with the names and limits of SQS.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::clock::Millis;
use super::error::Error;
use super::message::MAX_MESSAGE_BYTES;

/// The attributes of a queue that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Seconds that a received message is hidden, 0 to 43200.
    pub visibility_timeout: u32,
    /// Seconds that a message is kept, 60 to 1209600.
    pub retention: u32,
    /// Seconds until a message that was sent can be received, 0 to 900.
    pub delay: u32,
    /// Bytes of the longest message, 1024 to 1048576.
    pub max_message_size: u32,
    /// Seconds that a receive waits for a message, 0 to 20.
    pub receive_wait: u32,
    /// Where messages go that are received too often.
    pub redrive: Option<RedrivePolicy>,
    /// Attributes that are stored and returned, and change nothing here.
    texts: BTreeMap<String, String>,
}

/// Where messages go that were received `max_receives` times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedrivePolicy {
    /// ARN of the queue for dead letters.
    pub dead_letter_arn: String,
    /// Receives after which a message becomes a dead letter, 1 to 1000.
    pub max_receives: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            visibility_timeout: 30,
            retention: 345_600,
            delay: 0,
            max_message_size: u32::try_from(MAX_MESSAGE_BYTES).unwrap_or(u32::MAX),
            receive_wait: 0,
            redrive: None,
            texts: BTreeMap::from([("SqsManagedSseEnabled".to_owned(), "true".to_owned())]),
        }
    }
}

/// Attributes that are stored as they are sent.
const TEXTS: [&str; 5] = [
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
];
/// Attributes that only FIFO queues have.
const FIFO: [&str; 4] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoQueue",
    "FifoThroughputLimit",
];
/// Attributes that can be read but not set.
const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

impl Settings {
    /// These settings with those of `changes` (attribute names and texts) in their place.
    ///
    /// # Errors
    /// The first name that does not exist, or value that is out of its range.
    pub(super) fn with(mut self, changes: &BTreeMap<String, String>) -> Result<Self, Error> {
        for (name, value) in changes {
            self.set(name, value)?;
        }
        Ok(self)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "VisibilityTimeout" => self.visibility_timeout = number(name, value, 0, 43_200)?,
            "MessageRetentionPeriod" => self.retention = number(name, value, 60, 1_209_600)?,
            "DelaySeconds" => self.delay = number(name, value, 0, 900)?,
            "MaximumMessageSize" => {
                self.max_message_size = number(name, value, 1024, 1_048_576)?;
            }
            "ReceiveMessageWaitTimeSeconds" => self.receive_wait = number(name, value, 0, 20)?,
            "RedrivePolicy" if value.is_empty() => self.redrive = None,
            "RedrivePolicy" => self.redrive = Some(RedrivePolicy::read(value)?),
            _ if TEXTS.contains(&name) && value.is_empty() => {
                self.texts.remove(name);
            }
            _ if TEXTS.contains(&name) => {
                self.texts.insert(name.to_owned(), value.to_owned());
            }
            _ if FIFO.contains(&name) => {
                return Err(Error::UnsupportedOperation(format!(
                    "{name}: the embedded SQS has standard queues only."
                )));
            }
            _ => return Err(Error::InvalidAttributeName(name.to_owned())),
        }
        Ok(())
    }

    /// The value of an attribute as SQS returns it; `None` if it is not set.
    ///
    /// # Errors
    /// [`Error::InvalidAttributeName`] for a name that no queue has.
    pub(super) fn get(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(match name {
            "VisibilityTimeout" => Some(self.visibility_timeout.to_string()),
            "MessageRetentionPeriod" => Some(self.retention.to_string()),
            "DelaySeconds" => Some(self.delay.to_string()),
            "MaximumMessageSize" => Some(self.max_message_size.to_string()),
            "ReceiveMessageWaitTimeSeconds" => Some(self.receive_wait.to_string()),
            "RedrivePolicy" => self.redrive.as_ref().map(RedrivePolicy::to_json),
            _ if TEXTS.contains(&name) => self.texts.get(name).cloned(),
            _ if FIFO.contains(&name) || READ_ONLY.contains(&name) => None,
            _ => return Err(Error::InvalidAttributeName(name.to_owned())),
        })
    }

    /// The names of all attributes that can be set.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        [
            "VisibilityTimeout",
            "MessageRetentionPeriod",
            "DelaySeconds",
            "MaximumMessageSize",
            "ReceiveMessageWaitTimeSeconds",
            "RedrivePolicy",
        ]
        .into_iter()
        .chain(TEXTS)
    }

    /// How long a message is kept.
    pub(super) fn retention_millis(&self) -> Millis {
        Millis::from(self.retention) * 1000
    }
}

fn number(name: &str, value: &str, least: u32, most: u32) -> Result<u32, Error> {
    value
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| Error::InvalidAttributeValue {
            name: name.to_owned(),
            reason: format!("{value:?} must be an integer from {least} to {most}."),
        })
}

/// The policy on the wire: numbers may be text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPolicy {
    dead_letter_target_arn: String,
    max_receive_count: NumberOrText,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u32),
    Text(String),
}

impl RedrivePolicy {
    fn read(text: &str) -> Result<Self, Error> {
        let fail = |reason: String| Error::InvalidAttributeValue {
            name: "RedrivePolicy".to_owned(),
            reason,
        };
        let raw: RawPolicy = serde_json::from_str(text).map_err(|error| fail(error.to_string()))?;
        let max_receives = match raw.max_receive_count {
            NumberOrText::Number(number) => Some(number),
            NumberOrText::Text(text) => text.parse().ok(),
        };
        let max_receives = max_receives
            .filter(|number| (1..=1000).contains(number))
            .ok_or_else(|| fail("maxReceiveCount must be an integer from 1 to 1000.".to_owned()))?;
        Ok(Self {
            dead_letter_arn: raw.dead_letter_target_arn,
            max_receives,
        })
    }

    fn to_json(&self) -> String {
        json!({
            "deadLetterTargetArn": self.dead_letter_arn,
            "maxReceiveCount": self.max_receives,
        })
        .to_string()
    }
}
