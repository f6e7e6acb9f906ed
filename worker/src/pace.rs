//! How many jobs a worker takes: its slots, fewer while the model throttles, one at a time while
//! a fault lasts that would fail every job.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use atelier_runtime::telemetry::metrics;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Throttles within this time are one event: they answer calls that were made at the same pace.
const ONE_EVENT: Duration = Duration::from_secs(1);

/// The first wait of a pause, and the longest.
const PAUSE: PauseWaits = PauseWaits {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
};

/// So many jobs in a row without an answer from a service are not the jobs' fault.
const AWAY_IN_A_ROW: u32 = 5;

/// The slots of one worker.
#[derive(Debug)]
pub struct Pace {
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
    /// Slots at the model's present pace: additive increase, multiplicative decrease.
    limit: f64,
    in_use: u32,
    last_cut: Option<Instant>,
    away_in_a_row: u32,
    pause: Option<Pause>,
    /// Whether a job works alone, or waits until it does.
    alone: bool,
}

#[derive(Debug)]
struct Pause {
    wait: Duration,
    probe_at: Instant,
}

/// Room for jobs that may be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// So many.
    For(u32),
    /// One, to see whether the fault is over.
    Probe,
}

/// A slot in use; free again when dropped.
#[derive(Debug)]
pub struct Slot(Arc<Pace>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.change(|state| state.in_use -= 1);
    }
}

/// Held by a job that works alone; others are taken again when it is dropped.
#[derive(Debug)]
pub struct Alone(Arc<Pace>);

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.change(|state| state.alone = false);
    }
}

impl Pace {
    /// With `slots` slots, all free.
    pub fn new(slots: u32) -> Arc<Self> {
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
                away_in_a_row: 0,
                pause: None,
                alone: false,
            }),
            changed: Notify::new(),
        })
    }

    /// Waits until there is room.
    pub async fn room(&self) -> Room {
        loop {
            let changed = self.changed.notified();
            let probe_at = {
                let state = self.state();
                match &state.pause {
                    _ if state.alone => None,
                    Some(pause) if state.in_use == 0 && pause.probe_at <= Instant::now() => {
                        return Room::Probe;
                    }
                    Some(pause) if state.in_use == 0 => Some(pause.probe_at),
                    Some(_) => None,
                    None => match (state.limit as u32).saturating_sub(state.in_use) {
                        0 => None,
                        free => return Room::For(free),
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

    /// Takes a slot; only after [`Pace::room`] said that there is one.
    pub fn take(self: &Arc<Self>) -> Slot {
        self.change(|state| state.in_use += 1);
        Slot(Arc::clone(self))
    }

    /// Takes no more jobs, and waits until the caller's is the only one. `None` if another job is
    /// alone already, or waits for it.
    pub async fn alone(self: &Arc<Self>) -> Option<Alone> {
        let taken = self.change(|state| std::mem::replace(&mut state.alone, true));
        if taken {
            return None;
        }
        let alone = Alone(Arc::clone(self));
        loop {
            let changed = self.changed.notified();
            if self.in_use() <= 1 {
                return Some(alone);
            }
            changed.await;
        }
    }

    /// Whether a job works alone, or waits until it does.
    pub fn is_alone(&self) -> bool {
        self.state().alone
    }

    /// The model throttled a call: half as many from now on.
    pub fn throttled(&self) {
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

    /// The model made a picture: one more for each round of them.
    pub fn answered(&self) {
        self.change(|state| {
            state.limit = (state.limit + 1.0 / state.limit).min(state.slots.into())
        });
    }

    /// A job met a fault that would fail every job. `true` if the worker was not paused yet: this
    /// job is one of the few that fail of it.
    pub fn outage(&self) -> bool {
        self.change(|state| {
            let first = state.pause.is_none();
            state.pause_longer();
            first
        })
    }

    /// A job's try ended because a service gave no answer.
    pub fn away(&self) {
        self.change(|state| {
            state.away_in_a_row += 1;
            if state.pause.is_some() || state.away_in_a_row >= AWAY_IN_A_ROW {
                state.pause_longer();
            }
        });
    }

    /// A job got through all services, whatever became of it: a pause is over.
    pub fn worked(&self) {
        self.change(|state| {
            state.away_in_a_row = 0;
            if state.pause.take().is_some() {
                tracing::info!("the fault is over: taking jobs again");
            }
        });
    }

    /// Whether the worker waits for a fault to end.
    pub fn is_paused(&self) -> bool {
        self.state().pause.is_some()
    }

    /// Slots in use.
    pub fn in_use(&self) -> u32 {
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
    /// Starts a pause, or makes it longer. Jobs that were taken before it began and meet the same
    /// fault do not make it longer.
    fn pause_longer(&mut self) {
        let now = Instant::now();
        let wait = match &self.pause {
            None => self.waits.first,
            Some(pause) if now < pause.probe_at => return,
            Some(pause) => (pause.wait * 2).min(self.waits.longest),
        };
        let jittered = wait.mul_f64(0.75 + 0.25 * fastrand::f64());
        tracing::warn!(
            next_probe_ms = jittered.as_millis() as u64,
            "paused: a fault would fail every job; probing with one at a time"
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
        let pace = Pace::new(8);
        let slots: Vec<_> = (0..8).map(|_| pace.take()).collect();
        for _ in 0..5 {
            pace.throttled();
        }
        drop(slots);
        assert_eq!(pace.room().await, Room::For(4));
        for _ in 0..100 {
            pace.answered();
        }
        assert_eq!(pace.room().await, Room::For(8));
    }

    #[tokio::test]
    async fn a_paused_worker_probes_with_one_job_at_growing_intervals() {
        let waits = PauseWaits {
            first: Duration::from_millis(10),
            longest: Duration::from_millis(60),
        };
        let pace = Pace::with_waits(8, waits);
        assert!(
            pace.outage(),
            "the first job that meets the fault fails of it"
        );
        assert!(!pace.outage(), "the next is given back");
        for expected in [10, 20, 40, 60, 60] {
            let start = Instant::now();
            assert_eq!(pace.room().await, Room::Probe);
            assert!(
                start.elapsed() >= Duration::from_millis(expected).mul_f64(0.7),
                "{expected}"
            );
            let slot = pace.take();
            assert!(!pace.outage());
            drop(slot);
        }
        assert_eq!(pace.room().await, Room::Probe);
        pace.worked();
        assert_eq!(pace.room().await, Room::For(8));
    }

    #[test]
    fn one_job_without_an_answer_is_no_outage_but_five_in_a_row_are() {
        let pace = Pace::new(8);
        for _ in 0..4 {
            pace.away();
        }
        pace.worked();
        for _ in 0..4 {
            pace.away();
        }
        assert!(!pace.is_paused());
        pace.away();
        assert!(pace.is_paused());
    }

    #[tokio::test]
    async fn a_job_that_works_alone_waits_for_the_others_and_keeps_more_out() {
        let pace = Pace::new(8);
        let (mine, other) = (pace.take(), pace.take());
        let waiting = tokio::spawn({
            let pace = Arc::clone(&pace);
            async move { pace.alone().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "another job still works");
        assert!(pace.is_alone(), "but none comes any more");
        assert!(pace.alone().await.is_none(), "only one can be alone");
        drop(other);
        let alone = waiting.await.unwrap().expect("it is the only one");
        let room = tokio::spawn({
            let pace = Arc::clone(&pace);
            async move { pace.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!room.is_finished());
        drop((alone, mine));
        assert_eq!(room.await.unwrap(), Room::For(8));
    }

    #[tokio::test]
    async fn a_slot_is_free_again_when_its_job_ends() {
        let pace = Pace::new(1);
        let slot = pace.take();
        let waiting = tokio::spawn({
            let pace = Arc::clone(&pace);
            async move { pace.room().await }
        });
        tokio::task::yield_now().await;
        drop(slot);
        assert_eq!(waiting.await.unwrap(), Room::For(1));
    }
}
