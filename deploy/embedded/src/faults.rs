//! Faults to order: what `PUT /faults` adds, and what every listener draws before it serves a
//! request.

mod answer;
mod order;
mod service;

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tokio::sync::watch;
use tokio::time::Instant;

pub use answer::{Answer, BadAnswer};
pub use order::{BadOrder, Kind, Order};
pub use service::Service;

/// The fault that strikes one request. Listeners put it into the request's extensions where only
/// the service itself knows what the fault looks like on its protocol.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// How much later the answer comes; zero but for [`Kind::Slow`].
    pub delay: Duration,
    /// What is answered; none but for [`Kind::Answer`].
    pub(crate) answer: Option<Answer>,
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

    fn strikes(&self) -> bool {
        self.lasts() && self.order.count != Some(0)
    }

    fn strike(&mut self) -> Fault {
        self.order.count = self.order.count.map(|left| left - 1);
        Fault {
            kind: self.order.kind,
            delay: Duration::from_millis(self.order.delay_ms),
            answer: self.order.answer.clone(),
            rule: self.id,
        }
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
    /// Adds a fault to those in force; one that comes from outside is checked first. A fault whose
    /// count is used up stays for the requests that hang by it.
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

    /// The faults that go on striking, each as the order that would add it again for the rest of
    /// its time and of its count.
    pub fn list(&self) -> Vec<Order> {
        let now = Instant::now();
        let rules = self.0.borrow();
        let striking = rules.iter().filter(|rule| rule.strikes());
        striking
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

    /// Draws whether a request to `service` is struck: by the first fault in force whose share
    /// takes it.
    pub(crate) fn draw(&self, service: Service, request: &Parts) -> Option<Fault> {
        let mut drawn = None;
        // Nobody who waits for the end of a fault needs to know that it struck.
        self.0.send_if_modified(|rules| {
            let struck =
                rules.iter_mut().find(|rule| {
                    rule.strikes()
                        && rule.order.service == service
                        && rule.order.operation.as_deref().is_none_or(|operation| {
                            service.operation_of(request) == Some(operation)
                        })
                        && fastrand::f64() < rule.order.share
                });
            drawn = struck.map(Rule::strike);
            false
        });
        drawn
    }

    /// Returns when `fault` is over: its time is, or all faults were ended.
    pub(crate) async fn over(&self, fault: &Fault) {
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
