//! The fleet's telemetry (`GET /fleet.json`) while the load runs, where an address gives it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::users::World;

/// What the API says of the fleet.
#[derive(Clone, Debug, Deserialize)]
struct Telemetry {
    queue: Queue,
    #[serde(default)]
    workers: Vec<Heartbeat>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Queue {
    visible: f64,
    #[serde(default)]
    in_flight: f64,
}

#[derive(Clone, Debug, Deserialize)]
struct Heartbeat {
    worker: String,
    #[serde(default)]
    started_at: f64,
    #[serde(default)]
    slots: f64,
    #[serde(default)]
    slots_in_use: f64,
    #[serde(default)]
    resident_bytes: f64,
}

/// The fleet at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FleetSample {
    /// Seconds from the start of the run.
    pub at: f64,
    /// Jobs waiting.
    pub visible: f64,
    /// Jobs received and not deleted.
    pub in_flight: f64,
    /// Workers that say they live.
    pub workers: usize,
    /// Slots of all workers.
    pub slots: f64,
    /// Slots that work.
    pub slots_in_use: f64,
    /// Resident memory of each worker in bytes, where it is known.
    pub resident_bytes: BTreeMap<String, f64>,
}

/// A worker that came while the load ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkerAdded {
    /// Seconds from the start of the run, by the worker's own word.
    pub at: f64,
    /// Its name.
    pub worker: String,
}

/// The fleet over a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FleetHistory {
    /// By time.
    pub samples: Vec<FleetSample>,
    /// By time.
    pub workers_added: Vec<WorkerAdded>,
}

/// How memory grew.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MemoryTrend {
    /// The steepest worker's slope after its warm-up, in bytes an hour.
    pub slope_bytes_per_hour: f64,
    /// Its mean, in bytes.
    pub mean_bytes: f64,
    /// Whether it leaks; absent where the run is too short to tell.
    pub leak: Option<bool>,
}

/// Whether the fleet grew when it had to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Growth {
    /// The backlog never asked for it, or nobody said.
    NotNeeded,
    /// Seconds from the first need to the worker that came.
    After(f64),
    /// It was needed for this number of seconds and nothing came.
    Never(f64),
}

/// Seconds of samples below which a slope says nothing about a leak.
const LEAK_NEEDS_SECONDS: f64 = 600.0;
/// The first share of the run, in which caches and pools fill.
const WARM_UP: f64 = 0.2;
/// What may grow without being called a leak, in bytes: allocators keep a few pages.
const LEAK_BYTES: f64 = 20e6;

impl FleetHistory {
    /// How memory grew; none where no worker tells its memory.
    pub(crate) fn memory(&self) -> Option<MemoryTrend> {
        let last = self.samples.last()?.at;
        let settled = self
            .samples
            .iter()
            .filter(|sample| sample.at >= last * WARM_UP);
        let mut points: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in settled {
            for (worker, bytes) in &sample.resident_bytes {
                points.entry(worker).or_default().push((sample.at, *bytes));
            }
        }
        let trends = points.values().filter_map(|points| {
            let slope = slope(points)?;
            let mean = points.iter().map(|(_, bytes)| bytes).sum::<f64>() / points.len() as f64;
            let seconds = points.last()?.0 - points.first()?.0;
            let grown = slope * seconds;
            // What fills a cache rests once it is full; a leak goes on.
            let later = self::slope(&points[points.len() / 2..]);
            let goes_on = later.is_some_and(|later| later > slope / 2.0);
            let leak = (seconds >= LEAK_NEEDS_SECONDS)
                .then_some(grown > LEAK_BYTES && grown > 0.1 * mean && goes_on);
            Some(MemoryTrend {
                slope_bytes_per_hour: slope * 3600.0,
                mean_bytes: mean,
                leak,
            })
        });
        trends.max_by(|one, other| {
            one.slope_bytes_per_hour
                .total_cmp(&other.slope_bytes_per_hour)
        })
    }

    /// Whether a worker came when more than `backlog_per_worker` jobs waited for each.
    pub(crate) fn growth(&self, backlog_per_worker: f64) -> Growth {
        let needed = |sample: &&FleetSample| {
            sample.visible > backlog_per_worker * sample.workers.max(1) as f64
        };
        let Some(first) = self.samples.iter().find(needed).map(|sample| sample.at) else {
            return Growth::NotNeeded;
        };
        if let Some(added) = self.workers_added.iter().find(|added| added.at >= first) {
            return Growth::After(added.at - first);
        }
        let after = self.samples.iter().filter(|sample| sample.at >= first);
        let last = after
            .take_while(needed)
            .last()
            .map_or(first, |sample| sample.at);
        Growth::Never(last - first)
    }
}

/// Least squares; none below two points in time.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let joint: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    (spread > 0.0).then(|| joint / spread)
}

/// Watches the fleet until it is told to stop.
#[derive(Debug)]
pub(crate) struct Watch {
    history: Arc<Mutex<FleetHistory>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// Starts to ask, every few seconds of a run of `length`.
    pub(crate) fn start(world: Arc<World>, length: Duration) -> Self {
        let history = Arc::<Mutex<FleetHistory>>::default();
        let stop = CancellationToken::new();
        let every = (length / 120).clamp(Duration::from_millis(500), Duration::from_secs(10));
        let task = tokio::spawn(watch(world, Arc::clone(&history), every, stop.clone()));
        Self {
            history,
            stop,
            task,
        }
    }

    /// The newest word, if there is one.
    pub(crate) fn latest(&self) -> Option<FleetSample> {
        self.history
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .samples
            .last()
            .cloned()
    }

    /// Ends it.
    pub(crate) async fn stop(self) -> FleetHistory {
        self.stop.cancel();
        // It cannot panic, and if it did, what it saw until then is still there.
        let _ = self.task.await;
        self.history
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn watch(
    world: Arc<World>,
    history: Arc<Mutex<FleetHistory>>,
    every: Duration,
    stop: CancellationToken,
) {
    let begin = world.recorder.elapsed();
    let epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
        - begin.as_secs_f64();
    let mut known: Option<BTreeSet<String>> = None;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let answer = world
            .client
            .get(world.client.url("fleet.json"), HeaderMap::new())
            .await;
        let Ok(telemetry) = answer.and_then(|answer| answer.json::<Telemetry>()) else {
            continue;
        };
        let at = world.recorder.elapsed().as_secs_f64();
        let history = &mut *history.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = known.get_or_insert_with(|| names(&telemetry));
        for new in telemetry
            .workers
            .iter()
            .filter(|each| !seen.contains(&each.worker))
        {
            let at = if new.started_at > epoch {
                new.started_at - epoch
            } else {
                at
            };
            history.workers_added.push(WorkerAdded {
                at,
                worker: new.worker.clone(),
            });
        }
        seen.extend(names(&telemetry));
        history.samples.push(sample(at, telemetry));
    }
}

fn names(telemetry: &Telemetry) -> BTreeSet<String> {
    telemetry
        .workers
        .iter()
        .map(|each| each.worker.clone())
        .collect()
}

fn sample(at: f64, telemetry: Telemetry) -> FleetSample {
    let workers = telemetry.workers;
    FleetSample {
        at,
        visible: telemetry.queue.visible,
        in_flight: telemetry.queue.in_flight,
        workers: workers.len(),
        slots: workers.iter().map(|each| each.slots).sum(),
        slots_in_use: workers.iter().map(|each| each.slots_in_use).sum(),
        resident_bytes: workers
            .into_iter()
            .filter(|each| each.resident_bytes > 0.0)
            .map(|each| (each.worker, each.resident_bytes))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(samples: impl Iterator<Item = (f64, f64, f64)>) -> FleetHistory {
        let samples = samples.map(|(at, visible, bytes)| FleetSample {
            at,
            visible,
            in_flight: 8.0,
            workers: 1,
            slots: 8.0,
            slots_in_use: 8.0,
            resident_bytes: [("w".to_owned(), bytes)].into(),
        });
        FleetHistory {
            samples: samples.collect(),
            workers_added: Vec::new(),
        }
    }

    #[test]
    fn steady_growth_is_a_leak_and_noise_is_none() {
        let minutes = || (0..60).map(|minute| f64::from(minute) * 60.0);
        let leaking = history(minutes().map(|at| (at, 0.0, 100e6 + at * 20e3)));
        let trend = leaking.memory().unwrap();
        assert_eq!(trend.leak, Some(true));
        assert!((trend.slope_bytes_per_hour - 72e6).abs() < 1e3);
        let steady = history(minutes().map(|at| (at, 0.0, 100e6 + (at % 7.0) * 1e6)));
        assert_eq!(steady.memory().unwrap().leak, Some(false));
    }

    #[test]
    fn a_cache_that_fills_and_then_rests_is_no_leak() {
        let minutes = (0..60).map(|minute| f64::from(minute) * 60.0);
        let filling = history(minutes.map(|at| (at, 0.0, 400e6 + at.min(2000.0) * 40e3)));
        let trend = filling.memory().unwrap();
        assert!(trend.slope_bytes_per_hour > 40e6);
        assert_eq!(trend.leak, Some(false));
    }

    #[test]
    fn a_short_run_cannot_tell_a_leak() {
        let short =
            history((0..30).map(|second| (f64::from(second), 0.0, 100e6 * f64::from(second))));
        assert_eq!(short.memory().unwrap().leak, None);
    }

    #[test]
    fn growth_is_timed_from_the_first_need() {
        let samples = || {
            (0..600)
                .step_by(10)
                .map(|at| (f64::from(at), f64::from(at), 0.0))
        };
        assert_eq!(history(samples()).growth(1e9), Growth::NotNeeded);
        assert_eq!(history(samples()).growth(48.0), Growth::Never(540.0));
        let mut grown = history(samples());
        grown.workers_added.push(WorkerAdded {
            at: 170.0,
            worker: "new".to_owned(),
        });
        assert_eq!(grown.growth(48.0), Growth::After(120.0));
    }
}
