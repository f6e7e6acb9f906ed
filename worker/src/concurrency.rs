//! How many jobs a worker works on: its slots, fewer while the model throttles (additive increase,
//! multiplicative decrease), one probe at a time during an outage, none that is new while an operator
//! has paused the fleet.

use std::sync::{Arc, Mutex, MutexGuard};

use atelier_domain::heartbeat::Outage;
use atelier_domain::pause::Pause;
use atelier_domain::timestamp::Timestamp;
use atelier_runtime::telemetry::metrics;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, sleep_until};

use crate::aimd::Aimd;
use crate::breaker::{Breaker, ProbeWaits, Service, Verdict};
use crate::error::{Fault, JobError};

/// The slots of one worker.
#[derive(Debug)]
pub(crate) struct Concurrency {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    /// Slots at the models' present pace.
    limit: Aimd,
    in_use: u32,
    /// Jobs among those in use that wait with a picture which the bucket does not take.
    waiting: u32,
    /// Whether a probe of the bucket is under way.
    probing: bool,
    /// Whether a job is isolated, or waits for the others to end.
    isolated: bool,
    /// An operator's pause of the fleet; it may have ended.
    fleet_pause: Option<Pause>,
}

impl State {
    /// The operator's pause, if it has not ended.
    fn fleet_pause(&self) -> Option<&Pause> {
        let now = Timestamp::now();
        self.fleet_pause.as_ref().filter(|pause| pause.holds(now))
    }
}

/// Capacity for jobs that may be taken now.
#[derive(Debug)]
pub(crate) enum Capacity {
    /// Up to this many.
    Slots(u32),
    /// One, to find out whether the outage of store or model is over.
    Probe,
    /// None: the bucket has to be probed.
    BucketProbe(Probe),
}

/// The right to probe the bucket; others wait until it is dropped.
#[derive(Debug)]
pub(crate) struct Probe(Arc<Concurrency>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.change(|state| state.probing = false);
    }
}

/// Held by a job that waits with a picture which the bucket does not take: it probes by its upload.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Concurrency>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.change(|state| state.waiting -= 1);
    }
}

/// A slot in use; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Concurrency>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.change(|state| state.in_use -= 1);
    }
}

/// Held by an isolated job; others are received again when it is dropped.
#[derive(Debug)]
pub(crate) struct Isolation(Arc<Concurrency>);

impl Drop for Isolation {
    fn drop(&mut self) {
        self.0.change(|state| state.isolated = false);
    }
}

impl Concurrency {
    /// With `slots` slots, all free.
    pub(crate) fn new(slots: u32) -> Arc<Self> {
        Self::with_waits(slots, ProbeWaits::default())
    }

    fn with_waits(slots: u32, waits: ProbeWaits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                breaker: Breaker::new(waits),
                limit: Aimd::new(slots),
                in_use: 0,
                waiting: 0,
                probing: false,
                isolated: false,
                fleet_pause: None,
            }),
            changed: Notify::new(),
        })
    }

    /// Waits until a job may be received, or the bucket has to be probed.
    pub(crate) async fn capacity(self: &Arc<Self>) -> Capacity {
        loop {
            let changed = self.changed.notified();
            let look_at = {
                let mut state = self.state();
                if let Some(pause) = state.fleet_pause() {
                    let left = |until: Timestamp| until.since(Timestamp::now());
                    pause.until.map(|until| Instant::now() + left(until))
                } else if state.isolated {
                    None
                } else if let Some(at) = state.breaker.probe_at(Service::Bucket) {
                    let free = state.waiting == 0 && !state.probing;
                    if free && at <= Instant::now() {
                        state.probing = true;
                        return Capacity::BucketProbe(Probe(Arc::clone(self)));
                    }
                    free.then_some(at)
                } else if let Some(at) = state.breaker.job_probe_at() {
                    let free = state.in_use == state.waiting;
                    if free && at <= Instant::now() {
                        return Capacity::Probe;
                    }
                    free.then_some(at)
                } else {
                    match state.limit.limit().saturating_sub(state.in_use) {
                        0 => None,
                        free => return Capacity::Slots(free),
                    }
                }
            };
            wait_for(changed, look_at).await;
        }
    }

    /// What is known of an operator's pause of the fleet. While it holds no job is received; those in
    /// use are finished.
    pub(crate) fn pause_fleet(&self, pause: Option<Pause>) {
        let before = self.is_fleet_paused();
        self.change(|state| state.fleet_pause = pause);
        match (before, self.is_fleet_paused()) {
            (false, true) => tracing::info!("the fleet is paused by an operator: no new jobs"),
            (true, false) => tracing::info!("the fleet's pause is over: receiving jobs again"),
            _ => {}
        }
    }

    /// Whether an operator has paused the fleet.
    pub(crate) fn is_fleet_paused(&self) -> bool {
        self.state().fleet_pause().is_some()
    }

    /// The caller waits with a picture which the bucket does not take.
    pub(crate) fn wait_with_picture(self: &Arc<Self>) -> Waiting {
        self.change(|state| state.waiting += 1);
        Waiting(Arc::clone(self))
    }

    /// Waits until an upload may be tried: at once without an outage of the bucket, else one at a
    /// time, as its probe.
    pub(crate) async fn upload_turn(self: &Arc<Self>) -> Option<Probe> {
        loop {
            let changed = self.changed.notified();
            let probe_at = {
                let mut state = self.state();
                let at = state.breaker.probe_at(Service::Bucket)?;
                if !state.probing && at <= Instant::now() {
                    state.probing = true;
                    return Some(Probe(Arc::clone(self)));
                }
                (!state.probing).then_some(at)
            };
            wait_for(changed, probe_at).await;
        }
    }

    /// Takes a slot; only after [`Concurrency::capacity`] returned.
    pub(crate) fn take(self: &Arc<Self>) -> Slot {
        self.change(|state| state.in_use += 1);
        Slot(Arc::clone(self))
    }

    /// Stops receiving, and waits until the caller's job is the only one. `None` if another job is
    /// isolated, or waits to be.
    pub(crate) async fn isolate(self: &Arc<Self>) -> Option<Isolation> {
        let taken = self.change(|state| std::mem::replace(&mut state.isolated, true));
        if taken {
            return None;
        }
        let isolation = Isolation(Arc::clone(self));
        loop {
            let changed = self.changed.notified();
            if self.in_use() <= 1 {
                return Some(isolation);
            }
            changed.await;
        }
    }

    /// Whether a job is isolated, or waits for the others to end.
    pub(crate) fn is_isolated(&self) -> bool {
        self.state().isolated
    }

    /// No model had room for a call: the limit halves.
    pub(crate) fn throttled(&self) {
        self.change(|state| state.limit.decrease(state.in_use));
    }

    /// The model made a picture: the limit grows by one for each round of them.
    pub(crate) fn model_answered(&self) {
        self.change(|state| state.limit.increase());
    }

    /// Notes what an error says of the services. `job` is the id of the assignment that met it.
    pub(crate) fn failed(&self, job: &str, error: &JobError) -> Verdict {
        self.change(|state| match error {
            JobError::Outage { service, cause, .. } => state.breaker.outage(*service, cause),
            JobError::StoreAway(cause) => state.breaker.outage(Service::Store, cause),
            JobError::Retryable { fault, cause, .. } => match fault {
                Fault::Job => Verdict::Job,
                Fault::NoAnswer(service) => state.breaker.no_answer(*service, cause),
                Fault::Refusal { service, code } => {
                    state.breaker.refusal(*service, code, job, cause)
                }
            },
            _ => Verdict::Job,
        })
    }

    /// A probe of `service` failed: the next one waits longer.
    pub(crate) fn probe_failed(&self, service: Service, cause: &str) {
        self.change(|state| state.breaker.outage(service, cause));
    }

    /// `service` did for one job, or for a probe, what it does for all.
    pub(crate) fn answered(&self, service: Service) {
        self.change(|state| state.breaker.answered(service));
    }

    /// Whether an outage has paused the worker.
    pub(crate) fn is_paused(&self) -> bool {
        self.state().breaker.is_open()
    }

    /// Whether an outage of `service` has paused the worker.
    pub(crate) fn is_paused_by(&self, service: Service) -> bool {
        self.state().breaker.probe_at(service).is_some()
    }

    /// The outages that have paused the worker.
    pub(crate) fn outages(&self) -> Vec<Outage> {
        self.state().breaker.outages()
    }

    /// Jobs that it takes by its present limit.
    pub(crate) fn limit(&self) -> u32 {
        self.state().limit.limit()
    }

    /// Slots in use.
    pub(crate) fn in_use(&self) -> u32 {
        self.state().in_use
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }

    fn change<T>(&self, by: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = by(&mut state);
        let metrics = metrics::get();
        metrics.slots_in_use.record(state.in_use.into(), &[]);
        metrics.slots.record(state.limit.limit().into(), &[]);
        metrics.paused.record(state.breaker.is_open().into(), &[]);
        let fleet_paused = state.fleet_pause().is_some();
        metrics.fleet_paused.record(fleet_paused.into(), &[]);
        drop(state);
        self.changed.notify_waiters();
        result
    }
}

async fn wait_for(changed: Notified<'_>, at: Option<Instant>) {
    let reached = async {
        match at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = changed => {}
        () = reached => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use atelier_domain::failure::Failure;

    use super::*;

    const SHORT: ProbeWaits = ProbeWaits {
        first: Duration::from_millis(10),
        longest: Duration::from_millis(60),
    };

    fn slots_of(capacity: Capacity) -> u32 {
        match capacity {
            Capacity::Slots(free) => free,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn throttling_halves_once_for_each_event_and_answers_open_up_again() {
        let concurrency = Concurrency::new(8);
        let slots: Vec<_> = (0..8).map(|_| concurrency.take()).collect();
        for _ in 0..5 {
            concurrency.throttled();
        }
        drop(slots);
        assert_eq!(slots_of(concurrency.capacity().await), 4);
        for _ in 0..100 {
            concurrency.model_answered();
        }
        assert_eq!(slots_of(concurrency.capacity().await), 8);
    }

    #[tokio::test]
    async fn a_paused_worker_probes_with_one_job_at_growing_intervals() {
        let concurrency = Concurrency::with_waits(8, SHORT);
        let outage = || {
            let error = JobError::Outage {
                service: Service::Model,
                failure: Failure::Configuration,
                cause: String::new(),
            };
            concurrency.failed("a", &error)
        };
        assert_eq!(outage(), Verdict::Outage { opened: true });
        assert_eq!(outage(), Verdict::Outage { opened: false });
        for expected in [10, 20, 40, 60, 60] {
            let start = Instant::now();
            assert!(matches!(concurrency.capacity().await, Capacity::Probe));
            assert!(
                start.elapsed() >= Duration::from_millis(expected).mul_f64(0.7),
                "{expected}"
            );
            let slot = concurrency.take();
            outage();
            drop(slot);
        }
        assert!(matches!(concurrency.capacity().await, Capacity::Probe));
        concurrency.answered(Service::Model);
        assert_eq!(slots_of(concurrency.capacity().await), 8);
    }

    #[tokio::test]
    async fn a_bucket_is_probed_by_one_kept_picture_at_a_time_or_else_by_the_worker() {
        let concurrency = Concurrency::with_waits(8, SHORT);
        let outage = || concurrency.probe_failed(Service::Bucket, "AccessDenied");
        assert!(concurrency.upload_turn().await.is_none(), "no outage");
        outage();
        let (_slot, waiting) = (concurrency.take(), concurrency.wait_with_picture());
        let receiving = tokio::spawn({
            let concurrency = Arc::clone(&concurrency);
            async move { concurrency.capacity().await }
        });
        let probe = concurrency.upload_turn().await.expect("an outage");
        let other = tokio::spawn({
            let concurrency = Arc::clone(&concurrency);
            async move { concurrency.upload_turn().await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!receiving.is_finished() && !other.is_finished());
        outage();
        drop(probe);
        assert!(other.await.unwrap(), "the next probe is the other's");
        assert!(!receiving.is_finished(), "no job is received");
        drop(waiting);
        let capacity = receiving.await.unwrap();
        assert!(matches!(capacity, Capacity::BucketProbe(_)));
        concurrency.answered(Service::Bucket);
        drop(capacity);
        assert_eq!(slots_of(concurrency.capacity().await), 7);
    }

    #[tokio::test]
    async fn an_isolated_job_waits_for_the_others_and_keeps_more_out() {
        let concurrency = Concurrency::new(8);
        let (mine, other) = (concurrency.take(), concurrency.take());
        let waiting = tokio::spawn({
            let concurrency = Arc::clone(&concurrency);
            async move { concurrency.isolate().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "another job still works");
        assert!(concurrency.is_isolated(), "but none comes any more");
        assert!(
            concurrency.isolate().await.is_none(),
            "only one can be isolated"
        );
        drop(other);
        let isolation = waiting.await.unwrap().expect("it is the only one");
        let room = tokio::spawn({
            let concurrency = Arc::clone(&concurrency);
            async move { concurrency.capacity().await }
        });
        tokio::task::yield_now().await;
        assert!(!room.is_finished());
        drop((isolation, mine));
        assert_eq!(slots_of(room.await.unwrap()), 8);
    }

    #[tokio::test]
    async fn a_slot_is_free_again_when_its_job_ends() {
        let concurrency = Concurrency::new(1);
        let slot = concurrency.take();
        let waiting = tokio::spawn({
            let concurrency = Arc::clone(&concurrency);
            async move { concurrency.capacity().await }
        });
        tokio::task::yield_now().await;
        drop(slot);
        assert_eq!(slots_of(waiting.await.unwrap()), 1);
    }

    fn pause(until: Option<Timestamp>) -> Pause {
        Pause {
            by: "nobody".to_owned(),
            since: Timestamp::now(),
            until,
            reason: None,
        }
    }

    #[tokio::test]
    async fn no_job_is_received_while_an_operator_has_paused_the_fleet() {
        let concurrency = Concurrency::with_waits(8, SHORT);
        concurrency.pause_fleet(Some(pause(None)));
        concurrency.probe_failed(Service::Bucket, "AccessDenied");
        let receiving = tokio::spawn({
            let concurrency = Arc::clone(&concurrency);
            async move { concurrency.capacity().await }
        });
        tokio::task::yield_now().await;
        assert!(!receiving.is_finished(), "not even to probe");
        assert!(concurrency.is_fleet_paused() && concurrency.is_paused());
        concurrency.answered(Service::Bucket);
        concurrency.pause_fleet(None);
        assert_eq!(slots_of(receiving.await.unwrap()), 8);
    }

    #[tokio::test]
    async fn a_pause_ends_by_itself_without_anybody_saying_so() {
        let concurrency = Concurrency::new(8);
        let soon = Timestamp::now() + Duration::from_millis(30);
        concurrency.pause_fleet(Some(pause(Some(soon))));
        assert!(concurrency.is_fleet_paused());
        assert_eq!(slots_of(concurrency.capacity().await), 8);
        assert!(Timestamp::now() >= soon && !concurrency.is_fleet_paused());
    }
}
