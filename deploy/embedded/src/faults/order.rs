//! The faults that can be ordered, and their limits.

use serde::{Deserialize, Serialize};

use super::answer::{Answer, BadAnswer};
use super::service::Service;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The connection is closed without an answer, and nothing is done.
    Refuse,
    /// An internal error (500), and nothing is done.
    Error,
    /// The service's own throttling answer.
    Throttle,
    /// The answer comes `delay_ms` later.
    Slow,
    /// No answer while the fault lasts; then the connection is closed. Nothing is done.
    Hang,
    /// The service's own "access denied".
    Denied,
    /// The bucket or the queue does not exist.
    Missing,
    /// The work is done, but the connection is closed before the answer.
    LostReply,
    /// The work is done, but the connection is closed in the middle of the answer's body; before
    /// the answer where it has none.
    Cut,
    /// The ordered [`Answer`], and nothing is done.
    Answer,
    /// The queue delivers a message twice.
    Duplicate,
    /// The model's answer is not what it should be: broken JSON, or bytes that are no picture.
    Garbage,
    /// The model's filter declines the prompt or the picture.
    Filtered,
    /// The model has reached its end of life.
    Retired,
}

/// A fault that was ordered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The service that it strikes.
    pub service: Service,
    /// What goes wrong.
    pub kind: Kind,
    /// The only operation that it strikes, one of [`Service::operations`]; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Share of the requests that it strikes, 0 to 1.
    #[serde(default = "all")]
    pub share: f64,
    /// For [`Kind::Slow`]: how much later the answer comes, 1 to 600,000 milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delay_ms: u64,
    /// Ends by itself after this many seconds; without it, it lasts until all faults are ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<f64>,
    /// Strikes this many requests, at least 1, and then no more; without it, any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// For [`Kind::Answer`]: what is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

fn is_zero(delay_ms: &u64) -> bool {
    *delay_ms == 0
}

fn all() -> f64 {
    1.0
}

impl Service {
    /// The kinds of faults that this service can play.
    pub fn kinds(self) -> Vec<Kind> {
        let mut kinds = vec![
            Kind::Refuse,
            Kind::Error,
            Kind::Throttle,
            Kind::Slow,
            Kind::Hang,
            Kind::Denied,
            Kind::Missing,
            Kind::LostReply,
            Kind::Cut,
            Kind::Answer,
        ];
        match self {
            Self::Sqs => kinds.push(Kind::Duplicate),
            Self::Bedrock => kinds.extend([Kind::Garbage, Kind::Filtered, Kind::Retired]),
            Self::S3 | Self::Cdn => {}
        }
        kinds
    }
}

/// Why a fault is not accepted.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum BadOrder {
    /// The service cannot play this kind.
    #[error("kind: {} does not know {}; it knows {}", name(.service), name(.kind), names(&.service.kinds()))]
    UnknownKind {
        /// The service of the order.
        service: Service,
        /// The kind of the order.
        kind: Kind,
    },
    /// The service has no such operation.
    #[error("operation: {} has no {operation:?}; it has {}", name(.service), .service.operations().join(", "))]
    UnknownOperation {
        /// The service of the order.
        service: Service,
        /// The operation of the order.
        operation: String,
    },
    /// The share is no share.
    #[error("share: must be from 0 to 1, but is {0}")]
    Share(f64),
    /// The delay is missing where it is needed, or too long.
    #[error("delay_ms: must be from 1 to {MAX_DELAY_MS} for slow, but is {0}")]
    Delay(u64),
    /// A delay for another kind than slow.
    #[error("delay_ms: is for the kind slow only")]
    DelayOfOtherKind,
    /// The fault would end before it began, or never.
    #[error("for_seconds: must be above 0 and at most {MAX_SECONDS}, but is {0}")]
    Seconds(f64),
    /// A fault that strikes nothing.
    #[error("count: must be at least 1")]
    Count,
    /// No answer where one is needed.
    #[error("answer: is missing, which the kind answer needs")]
    NoAnswer,
    /// An answer for another kind.
    #[error("answer: is for the kind answer only")]
    AnswerOfOtherKind,
    /// A field of the answer is beyond its limits.
    #[error(transparent)]
    Answer(#[from] BadAnswer),
}

/// A service or a kind as it is written in JSON.
fn name(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    text.trim_matches('"').to_owned()
}

fn names(kinds: &[Kind]) -> String {
    kinds.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The longest delay: ten minutes.
const MAX_DELAY_MS: u64 = 600_000;
/// The longest time of a fault that ends by itself: a year.
const MAX_SECONDS: f64 = 31_536_000.0;

impl Order {
    /// A fault that strikes every request to `service` until all faults are ended.
    pub fn new(service: Service, kind: Kind) -> Self {
        Self {
            service,
            kind,
            operation: None,
            share: 1.0,
            delay_ms: 0,
            for_seconds: None,
            count: None,
            answer: None,
        }
    }

    /// Whether the service knows kind and operation, and every number is within its limits.
    ///
    /// # Errors
    /// The field that is not, and its limits.
    pub fn check(&self) -> Result<(), BadOrder> {
        let Self { service, kind, .. } = *self;
        if !service.kinds().contains(&kind) {
            return Err(BadOrder::UnknownKind { service, kind });
        }
        if let Some(operation) = &self.operation
            && !service.operations().contains(&operation.as_str())
        {
            let operation = operation.clone();
            return Err(BadOrder::UnknownOperation { service, operation });
        }
        if !(0.0..=1.0).contains(&self.share) {
            return Err(BadOrder::Share(self.share));
        }
        match kind {
            Kind::Slow if !(1..=MAX_DELAY_MS).contains(&self.delay_ms) => {
                return Err(BadOrder::Delay(self.delay_ms));
            }
            Kind::Slow => {}
            _ if self.delay_ms != 0 => return Err(BadOrder::DelayOfOtherKind),
            _ => {}
        }
        match self.for_seconds {
            Some(seconds) if !(seconds > 0.0 && seconds <= MAX_SECONDS) => {
                return Err(BadOrder::Seconds(seconds));
            }
            _ => {}
        }
        if self.count == Some(0) {
            return Err(BadOrder::Count);
        }
        match (kind, &self.answer) {
            (Kind::Answer, Some(answer)) => Ok(answer.check()?),
            (Kind::Answer, None) => Err(BadOrder::NoAnswer),
            (_, Some(_)) => Err(BadOrder::AnswerOfOtherKind),
            (_, None) => Ok(()),
        }
    }
}
