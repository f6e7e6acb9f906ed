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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The service that it strikes.
    pub service: Service,
    /// What goes wrong.
    pub kind: Kind,
    /// Share of the requests that it strikes, 0 to 1.
    #[serde(default = "all")]
    pub share: f64,
    /// For [`Kind::Slow`]: how much later the answer comes, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// Ends by itself after this many seconds; without it, it lasts until all faults are ended.
    #[serde(default)]
    pub for_seconds: Option<f64>,
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
    /// Adds a fault to those in force.
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
