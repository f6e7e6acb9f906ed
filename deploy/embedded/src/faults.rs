//! Faults to order: what `PUT /faults` adds, and what every listener asks before it answers.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

/// The service a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// The queue.
    Sqs,
    /// The bucket.
    S3,
    /// The text-to-image model.
    Bedrock,
    /// The caching proxy before the bucket.
    Cdn,
}

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
    /// Share of the requests that it strikes, 0 to 1.
    #[serde(default = "all")]
    pub share: f64,
    /// For [`Kind::Slow`]: how much later the answer comes, 1 to 600,000 milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delay_ms: u64,
    /// Ends by itself after this many seconds; without it, it lasts until all faults are ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<f64>,
}

fn is_zero(delay_ms: &u64) -> bool {
    *delay_ms == 0
}

fn all() -> f64 {
    1.0
}

/// The fault that strikes one request. Listeners put it into the request's extensions where only
/// the service itself knows what the fault looks like on its protocol.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// How much later the answer comes; zero but for [`Kind::Slow`].
    pub delay: Duration,
    rule: u64,
}

#[derive(Clone, Debug)]
struct Rule {
    id: u64,
    order: Order,
    ends: Option<Instant>,
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
    /// Whether the service knows the kind, and every number is within its limits.
    ///
    /// # Errors
    /// The field that is not, and its limits.
    pub fn check(&self) -> Result<(), BadOrder> {
        let Self { service, kind, .. } = *self;
        if !service.kinds().contains(&kind) {
            return Err(BadOrder::UnknownKind { service, kind });
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
                Err(BadOrder::Seconds(seconds))
            }
            _ => Ok(()),
        }
    }
}

impl Rule {
    fn lasts(&self) -> bool {
        self.ends.is_none_or(|ends| Instant::now() < ends)
    }
}

/// All faults in force; clones share them.
#[derive(Clone, Debug)]
pub struct Faults(Arc<watch::Sender<Vec<Rule>>>);

impl Default for Faults {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }
}

impl Faults {
    /// Adds a fault to those in force; one that comes from outside is checked first.
    pub fn add(&self, order: Order) {
        let ends = order
            .for_seconds
            .map(|seconds| Instant::now() + Duration::from_secs_f64(seconds));
        self.0.send_modify(|rules| {
            rules.retain(Rule::lasts);
            rules.push(Rule {
                id: fastrand::u64(..),
                order,
                ends,
            });
        });
    }

    /// The faults in force, each as the order that would add it again for the rest of its time.
    pub fn list(&self) -> Vec<Order> {
        let now = Instant::now();
        let rules = self.0.borrow();
        let lasting = rules.iter().filter(|rule| rule.lasts());
        lasting
            .map(|rule| Order {
                for_seconds: rule
                    .ends
                    .map(|ends| ends.saturating_duration_since(now).as_secs_f64()),
                ..rule.order.clone()
            })
            .collect()
    }

    /// Ends all faults; requests that hang are let go.
    pub fn clear(&self) {
        self.0.send_modify(Vec::clear);
    }

    /// Draws whether a request to `service` is struck: the first fault in force whose share says so.
    pub fn draw(&self, service: Service) -> Option<Fault> {
        self.0
            .borrow()
            .iter()
            .filter(|rule| rule.order.service == service && rule.lasts())
            .find(|rule| fastrand::f64() < rule.order.share)
            .map(|rule| Fault {
                kind: rule.order.kind,
                delay: Duration::from_millis(rule.order.delay_ms),
                rule: rule.id,
            })
    }

    /// Returns when `fault` is over.
    pub async fn over(&self, fault: Fault) {
        let mut rules = self.0.subscribe();
        loop {
            let ends = {
                let now = rules.borrow_and_update();
                let Some(rule) = now.iter().find(|rule| rule.id == fault.rule) else {
                    return;
                };
                if !rule.lasts() {
                    return;
                }
                rule.ends
            };
            tokio::select! {
                changed = rules.changed() => if changed.is_err() { return },
                () = sleep_until(ends) => return,
            }
        }
    }
}

async fn sleep_until(ends: Option<Instant>) {
    match ends {
        Some(ends) => tokio::time::sleep_until(ends).await,
        None => std::future::pending().await,
    }
}
