//! What happened in the last 15 minutes, a sample every 5 s.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use atelier_shared::assignment::{Assignment, Status};
use atelier_shared::fleet::Heartbeat;
use atelier_shared::queue::{Depth, QueueError};
use atelier_shared::store::StoreError;
use atelier_shared::timestamp::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Failures, SILENCE};
use crate::app::App;
use crate::sweep::Forgotten;

/// Seconds that a sample stands for.
const SPAN: u64 = 5;

/// How far back the samples go.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// What finished so lately may not be visible in the store yet: clocks differ and writes take time.
const LAG: Duration = Duration::from_secs(2);

/// Finished documents that are read in one query.
const CHUNK: u32 = 2_000;

/// The longest that taking a sample may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happened in 5 s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Sample {
    /// When they began.
    pub at: u64,
    /// Jobs waiting; `null` where that was not measured.
    pub visible: Option<u64>,
    /// Jobs being worked on; `null` where that was not measured.
    pub in_flight: Option<u64>,
    /// Assignments that became `success`.
    pub done: u64,
    /// Assignments that became `failed`, by code.
    pub failed: Failures,
    /// Times that the model throttled a worker.
    pub throttles: u64,
    /// Mean time of the model's answer.
    pub generate_seconds: Option<f64>,
    /// Mean time of optimizing.
    pub optimize_seconds: Option<f64>,
    /// Mean time of the upload.
    pub upload_seconds: Option<f64>,
    /// Mean time in the queue.
    pub queue_wait_seconds: Option<f64>,
    /// What the models' answers cost.
    pub cost_usd: f64,
}

/// All that was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Totals {
    /// Assignments that became `success`.
    pub done: u64,
    /// Assignments that became `failed`, by code.
    pub failed: Failures,
    /// What the models' answers cost.
    pub cost_usd: f64,
    /// Calls to a model.
    pub model_calls: u64,
}

/// How much lay in the queues lately.
#[derive(Clone, Copy, Debug, Default)]
pub struct Depths {
    /// Jobs waiting.
    pub visible: u64,
    /// Jobs being worked on.
    pub in_flight: u64,
    /// Jobs that may not be received yet.
    pub delayed: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
    }

    fn get(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

#[derive(Debug, Default)]
struct Bucket {
    sample: Sample,
    generate: Mean,
    optimize: Mean,
    upload: Mean,
    queue_wait: Mean,
}

impl Bucket {
    fn to_sample(&self, at: u64) -> Sample {
        Sample {
            at,
            generate_seconds: self.generate.get(),
            optimize_seconds: self.optimize.get(),
            upload_seconds: self.upload.get(),
            queue_wait_seconds: self.queue_wait.get(),
            ..self.sample.clone()
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    buckets: BTreeMap<u64, Bucket>,
    totals: Totals,
    depths: Depths,
    throttles: HashMap<String, u64>,
}

/// The samples of this process.
#[derive(Debug, Default)]
pub struct Samples {
    seen: Mutex<Seen>,
}

fn bucket_of(at: Timestamp) -> u64 {
    at.seconds() as u64 / SPAN * SPAN
}

impl Samples {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody panics while holding it")
    }

    /// All of them, the oldest first.
    pub fn all(&self) -> Vec<Sample> {
        let seen = self.lock();
        let samples = seen.buckets.iter();
        samples.map(|(at, bucket)| bucket.to_sample(*at)).collect()
    }

    /// All that was seen.
    pub fn totals(&self) -> Totals {
        self.lock().totals.clone()
    }

    /// How much lay in the queues lately.
    pub fn depths(&self) -> Depths {
        self.lock().depths
    }

    /// Assignments that became `success` in the last minute of which all is known.
    pub fn done_per_minute(&self, now: Timestamp) -> u64 {
        let to = bucket_of(now - LAG);
        let from = to.saturating_sub(60);
        let seen = self.lock();
        let buckets = seen.buckets.range(from..to);
        buckets.map(|(_, bucket)| bucket.sample.done).sum()
    }

    fn finished(&self, document: &Assignment) {
        let Some(at) = document.finished_at else {
            return;
        };
        let seen = &mut *self.lock();
        let bucket = seen.buckets.entry(bucket_of(at)).or_default();
        let totals = &mut seen.totals;
        if document.s3_upload_status == Status::Success {
            bucket.sample.done += 1;
            totals.done += 1;
        }
        if let Some(failure) = &document.failure {
            for failed in [&mut bucket.sample.failed, &mut totals.failed] {
                *failed.entry(failure.code.clone()).or_default() += 1;
            }
        }
        bucket.sample.cost_usd += document.cost_usd;
        totals.cost_usd += document.cost_usd;
        totals.model_calls += u64::from(document.model_calls);
        let stages = &document.stage_seconds;
        bucket.generate.add(stages.generate);
        bucket.optimize.add(stages.optimize);
        bucket.upload.add(stages.upload);
        bucket.queue_wait.add(stages.queue_wait);
    }

    fn queues(&self, now: Timestamp, depths: Depths) {
        let mut seen = self.lock();
        seen.depths = depths;
        let bucket = seen.buckets.entry(bucket_of(now)).or_default();
        bucket.sample.visible = Some(depths.visible);
        bucket.sample.in_flight = Some(depths.in_flight);
    }

    /// Workers count from their start; what is new since their last word counts here.
    fn workers(&self, now: Timestamp, heartbeats: &[Heartbeat]) {
        let seen = &mut *self.lock();
        let mut new = 0;
        let mut known = HashMap::new();
        for heartbeat in heartbeats {
            let before = seen.throttles.get(&heartbeat.worker);
            let before = before.copied().unwrap_or(heartbeat.throttles);
            new += heartbeat.throttles.saturating_sub(before);
            known.insert(heartbeat.worker.clone(), heartbeat.throttles);
        }
        seen.throttles = known;
        let bucket = seen.buckets.entry(bucket_of(now)).or_default();
        bucket.sample.throttles += new;
    }

    fn forget_before(&self, oldest: Timestamp) {
        let mut seen = self.lock();
        seen.buckets = seen.buckets.split_off(&bucket_of(oldest));
    }
}

/// Why a sample has holes.
#[derive(Debug, thiserror::Error)]
enum SampleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Takes samples until the process stops; the first reads what happened before it started.
pub async fn run(app: Arc<App>) {
    let mut read_to = Timestamp::now() - WINDOW;
    let mut forgotten = Forgotten::default();
    loop {
        let sample = async {
            let read = read_finished(&app, &mut read_to).await;
            let watched = watch_queues(&app, &mut forgotten).await;
            read.and(watched)
        };
        match tokio::time::timeout(PATIENCE, sample).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the sample of the fleet has holes"),
            Err(_) => tracing::warn!("the sample of the fleet took too long"),
        }
        app.samples.forget_before(Timestamp::now() - WINDOW);
        tokio::select! {
            () = app.draining.cancelled() => return,
            () = tokio::time::sleep(app.config.sample) => {}
        }
    }
}

async fn read_finished(app: &App, read_to: &mut Timestamp) -> Result<(), SampleError> {
    let now = Timestamp::now();
    let to = now - LAG;
    loop {
        let finished = app.store().finished_between(*read_to, to, CHUNK).await?;
        finished.iter().for_each(|it| app.samples.finished(it));
        let last = finished.last().and_then(|it| it.finished_at);
        match last {
            Some(last) if finished.len() >= CHUNK as usize => *read_to = last,
            _ => break,
        }
    }
    *read_to = to;
    let heartbeats = app.store().heartbeats(now - SILENCE).await?;
    app.samples.workers(now, &heartbeats);
    Ok(())
}

async fn watch_queues(app: &App, forgotten: &mut Forgotten) -> Result<(), SampleError> {
    let queues = &app.services.queues;
    let jobs: Depth = queues.jobs.depth().await?;
    let dead_letters = queues.dead_letters.depth().await?;
    let depths = Depths {
        visible: jobs.visible,
        in_flight: jobs.in_flight,
        delayed: jobs.delayed,
        dead_letters: dead_letters.total(),
    };
    app.samples.queues(Timestamp::now(), depths);
    forgotten.sample(app, &jobs).await?;
    Ok(())
}
