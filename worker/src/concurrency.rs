//! How many jobs a worker works on: its slots, fewer while the model throttles (additive increase,
//! multiplicative decrease), one probe at a time during an outage (circuit breaker).

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use atelier_runtime::telemetry::metrics;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Throttles within this time are one event: they answer calls that were made at the same concurrency.
const ONE_EVENT: Duration = Duration::from_secs(1);

/// The first wait of a pause, and the longest.
const PAUSE: PauseWaits = PauseWaits {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
};

/// Jobs in a row that got no answer from a service: this many are not the jobs' fault.
const NO_ANSWERS_IN_A_ROW: u32 = 5;

/// The slots of one worker.
#[derive(Debug)]
pub(crate) struct Concurrency {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug)]
struct PauseWaits {
    first: Duration,
    longest: Duration,
}

#[derive(Debug)]
struct State {
    slots: u32,
    waits: PauseWaits,
    /// Slots at the model's present concurrency: additive increase, multiplicative decrease.
    limit: f64,
    in_use: u32,
    last_cut: Option<Instant>,
    no_answers_in_a_row: u32,
    pause: Option<Pause>,
    /// Whether a job is isolated, or waits for the others to end.
    isolated: bool,
}

#[derive(Debug)]
struct Pause {
    wait: Duration,
    probe_at: Instant,
}

/// Capacity for jobs that may be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capacity {
    /// Up to this many.
    Slots(u32),
    /// One, to find out whether the outage is over.
    Probe,
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
        Self::with_waits(slots, PAUSE)
    }

    fn with_waits(slots: u32, waits: PauseWaits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                slots,
                waits,
                limit: slots.into(),
                in_use: 0,
                last_cut: None,
                no_answers_in_a_row: 0,
                pause: None,
                isolated: false,
            }),
            changed: Notify::new(),
        })
    }

    /// Waits until a job may be received.
    pub(crate) async fn capacity(&self) -> Capacity {
        loop {
            let changed = self.changed.notified();
            let probe_at = {
                let state = self.state();
                match &state.pause {
                    _ if state.isolated => None,
                    Some(pause) if state.in_use == 0 && pause.probe_at <= Instant::now() => {
                        return Capacity::Probe;
                    }
                    Some(pause) if state.in_use == 0 => Some(pause.probe_at),
                    Some(_) => None,
                    None => match (state.limit as u32).saturating_sub(state.in_use) {
                        0 => None,
                        free => return Capacity::Slots(free),
                    },
                }
            };
            tokio::select! {
                () = changed => {}
                () = async { match probe_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                } } => {}
            }
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

    /// The model throttled a call: the limit halves.
    pub(crate) fn throttled(&self) {
        metrics::get().throttles.add(1, &[]);
        self.change(|state| {
            let now = Instant::now();
            let same_event = state.last_cut.is_some_and(|cut| now < cut + ONE_EVENT);
            if !same_event {
                state.limit = (state.limit.min(state.in_use.into()) / 2.0).max(1.0);
                state.last_cut = Some(now);
            }
        });
    }

    /// The model made a picture: the limit grows by one for each round of them.
    pub(crate) fn model_answered(&self) {
        self.change(|state| {
            state.limit = (state.limit + 1.0 / state.limit).min(state.slots.into())
        });
    }

    /// A job met a fault that would fail every job. `true` if the worker was not paused yet: then
    /// this job fails of it.
    pub(crate) fn outage(&self) -> bool {
        self.change(|state| {
            let first = state.pause.is_none();
            state.extend_pause();
            first
        })
    }

    /// An attempt ended because a service gave no answer.
    pub(crate) fn no_answer(&self) {
        self.change(|state| {
            state.no_answers_in_a_row += 1;
            if state.pause.is_some() || state.no_answers_in_a_row >= NO_ANSWERS_IN_A_ROW {
                state.extend_pause();
            }
        });
    }

    /// An attempt got answers from all services, whatever became of it: a pause is over.
    pub(crate) fn recovered(&self) {
        self.change(|state| {
            state.no_answers_in_a_row = 0;
            if state.pause.take().is_some() {
                tracing::info!("the outage is over: receiving jobs again");
            }
        });
    }

    /// Whether the worker is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.state().pause.is_some()
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
        metrics.slots.record(state.limit as u64, &[]);
        metrics.paused.record(state.pause.is_some().into(), &[]);
        drop(state);
        self.changed.notify_waiters();
        result
    }
}

impl State {
    /// Starts a pause, or extends it. Jobs that were received before it began and meet the same
    /// fault do not extend it.
    fn extend_pause(&mut self) {
        let now = Instant::now();
        let wait = match &self.pause {
            None => self.waits.first,
            Some(pause) if now < pause.probe_at => return,
            Some(pause) => (pause.wait * 2).min(self.waits.longest),
        };
        let jittered = wait.mul_f64(0.75 + 0.25 * fastrand::f64());
        tracing::warn!(
            next_probe_ms = jittered.as_millis() as u64,
            "paused: a fault would fail every job; probing with one job at a time"
        );
        self.pause = Some(Pause {
            wait,
            probe_at: now + jittered,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn throttling_halves_once_for_each_event_and_answers_open_up_again() {
        let concurrency = Concurrency::new(8);
        let slots: Vec<_> = (0..8).map(|_| concurrency.take()).collect();
        for _ in 0..5 {
            concurrency.throttled();
        }
        drop(slots);
        assert_eq!(concurrency.capacity().await, Capacity::Slots(4));
        for _ in 0..100 {
            concurrency.model_answered();
        }
        assert_eq!(concurrency.capacity().await, Capacity::Slots(8));
    }

    #[tokio::test]
    async fn a_paused_worker_probes_with_one_job_at_growing_intervals() {
        let waits = PauseWaits {
            first: Duration::from_millis(10),
            longest: Duration::from_millis(60),
        };
        let concurrency = Concurrency::with_waits(8, waits);
        assert!(
            concurrency.outage(),
            "the first job that meets the fault fails of it"
        );
        assert!(!concurrency.outage(), "the next is given back");
        for expected in [10, 20, 40, 60, 60] {
            let start = Instant::now();
            assert_eq!(concurrency.capacity().await, Capacity::Probe);
            assert!(
                start.elapsed() >= Duration::from_millis(expected).mul_f64(0.7),
                "{expected}"
            );
            let slot = concurrency.take();
            assert!(!concurrency.outage());
            drop(slot);
        }
        assert_eq!(concurrency.capacity().await, Capacity::Probe);
        concurrency.recovered();
        assert_eq!(concurrency.capacity().await, Capacity::Slots(8));
    }

    #[test]
    fn one_job_without_an_answer_is_no_outage_but_five_in_a_row_are() {
        let concurrency = Concurrency::new(8);
        for _ in 0..4 {
            concurrency.no_answer();
        }
        concurrency.recovered();
        for _ in 0..4 {
            concurrency.no_answer();
        }
        assert!(!concurrency.is_paused());
        concurrency.no_answer();
        assert!(concurrency.is_paused());
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
        assert_eq!(room.await.unwrap(), Capacity::Slots(8));
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
        assert_eq!(waiting.await.unwrap(), Capacity::Slots(1));
    }
}
