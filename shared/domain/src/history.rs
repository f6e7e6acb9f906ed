//! What the fleet did in the last 15 minutes, in samples of 5 s.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::assignment::{Assignment, Status};
use crate::budget::{Day, MicroUsd};
use crate::heartbeat::Heartbeat;
use crate::spending::{Spending, Spent};
use crate::timestamp::Timestamp;

/// Length of a sample in seconds.
const SPAN: u64 = 5;

/// How far back the samples go: 15 minutes.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);

/// A document that finished less than this ago, 2 s, may not be visible in the store yet: clocks
/// differ and writes take time.
pub const LAG: Duration = Duration::from_secs(2);

/// A worker that was silent for this long, an hour, does not come back.
const FORGET: Duration = Duration::from_secs(3600);

/// Pictures that must be finished before their mean duration is used.
pub const MIN_MEASURED: u32 = 20;

/// How often each failure happened, by its code.
type Failures = BTreeMap<String, u64>;

/// What happened in 5 s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Sample {
    /// When it began, in seconds since 1970-01-01T00:00:00Z.
    pub at: u64,
    /// Jobs waiting; `null` where that was not measured.
    pub visible: Option<u64>,
    /// Jobs being worked on; `null` where that was not measured.
    pub in_flight: Option<u64>,
    /// Assignments that became `success`.
    pub done: u64,
    /// Assignments that became `failed`, by code.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub failed: Failures,
    /// Times that the model throttled a worker.
    pub throttles: u64,
    /// Mean time of the model's answer, in seconds.
    pub generate_seconds: Option<f64>,
    /// Mean time of optimizing, in seconds.
    pub optimize_seconds: Option<f64>,
    /// Mean time of the upload, in seconds.
    pub upload_seconds: Option<f64>,
    /// Mean time in the queue, in seconds.
    pub queue_wait_seconds: Option<f64>,
    /// What the pictures cost, in US dollars by list price.
    pub cost_usd: f64,
    /// Calls to models, by the workers' count.
    pub calls: u64,
    /// What the models billed for calls, or may have, with a picture or without, in US dollars by
    /// list price.
    pub spent_usd: f64,
}

/// Sums since this process began to watch, and up to 15 minutes before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Totals {
    /// Assignments that became `success`.
    pub done: u64,
    /// Assignments that became `failed`, by code.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub failed: Failures,
    /// What the pictures cost, in US dollars by list price.
    pub cost_usd: f64,
    /// Calls to a model for what finished.
    pub model_calls: u64,
    /// Calls to models since this process began to watch, by the workers' count.
    pub calls: u64,
    /// What the models billed for those calls, or may have, with a picture or without, in US dollars
    /// by list price.
    pub spent_usd: f64,
}

/// How many messages the queues held when they were last measured.
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
    job: Mean,
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
struct Record {
    buckets: BTreeMap<u64, Bucket>,
    totals: Totals,
    depths: Depths,
    /// When the first heartbeats were recorded.
    watching_since: Option<Timestamp>,
    /// What each worker counted, and when it was last heard.
    counts: HashMap<String, (Counts, Timestamp)>,
    spending: Spending,
}

/// What a worker has counted since its start.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    throttles: u64,
    calls: u64,
    spent: MicroUsd,
}

impl Counts {
    fn of(heartbeat: &Heartbeat) -> Self {
        Self {
            throttles: heartbeat.throttles,
            calls: heartbeat.model_calls,
            spent: heartbeat.spent(),
        }
    }
}

/// The samples that this process recorded.
#[derive(Debug, Default)]
pub struct History {
    record: Mutex<Record>,
}

fn bucket_of(at: Timestamp) -> u64 {
    at.seconds() as u64 / SPAN * SPAN
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("no panic while held")
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> Vec<Sample> {
        let record = self.lock();
        let samples = record.buckets.iter();
        samples.map(|(at, bucket)| bucket.to_sample(*at)).collect()
    }

    /// The sums.
    pub fn totals(&self) -> Totals {
        self.lock().totals.clone()
    }

    /// The queues' depths as last measured.
    pub fn depths(&self) -> Depths {
        self.lock().depths
    }

    /// Assignments that became `success` in the last full minute before `now`.
    pub fn done_per_minute(&self, now: Timestamp) -> u64 {
        let to = bucket_of(now - LAG);
        let from = to.saturating_sub(60);
        let record = self.lock();
        let buckets = record.buckets.range(from..to);
        buckets.map(|(_, bucket)| bucket.sample.done).sum()
    }

    /// Mean time that a worker spent on a picture in the last 15 minutes, in seconds; `None` before
    /// [`MIN_MEASURED`] of them.
    pub fn mean_job_seconds(&self) -> Option<f64> {
        let jobs = self.jobs();
        (jobs.count >= MIN_MEASURED).then_some(jobs.get()).flatten()
    }

    /// As [`Self::mean_job_seconds`], from however few; `None` where there is none.
    pub fn making_seconds(&self) -> Option<f64> {
        self.jobs().get()
    }

    fn jobs(&self) -> Mean {
        let mut jobs = Mean::default();
        for bucket in self.lock().buckets.values() {
            jobs.sum += bucket.job.sum;
            jobs.count += bucket.job.count;
        }
        jobs
    }

    /// The `count` teachers whose pictures cost most today, and since when that is added up; the sums
    /// of a process go back to at most 15 minutes before its start.
    pub fn most_spent(&self, now: Timestamp, count: usize) -> (Vec<Spent>, Option<Timestamp>) {
        let record = self.lock();
        let spending = &record.spending;
        (spending.most(Day::of(now), count), spending.since())
    }

    /// Adds a finished document.
    pub fn record_finished(&self, document: &Assignment) {
        let Some(at) = document.finished_at else {
            return;
        };
        let record = &mut *self.lock();
        record.spending.record(document, at);
        let bucket = record.buckets.entry(bucket_of(at)).or_default();
        let totals = &mut record.totals;
        if document.s3_upload_status == Status::Success {
            bucket.sample.done += 1;
            totals.done += 1;
            bucket.job.add(document.stage_seconds.work());
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

    /// Adds a measurement of the queues.
    pub fn record_depths(&self, now: Timestamp, depths: Depths) {
        let mut record = self.lock();
        record.depths = depths;
        let bucket = record.buckets.entry(bucket_of(now)).or_default();
        bucket.sample.visible = Some(depths.visible);
        bucket.sample.in_flight = Some(depths.in_flight);
    }

    /// Adds what the workers counted: the increase since the last heartbeat, as workers count from
    /// their start.
    pub fn record_heartbeats(&self, now: Timestamp, heartbeats: &[Heartbeat]) {
        let record = &mut *self.lock();
        let since = *record.watching_since.get_or_insert(now);
        let (mut throttles, mut calls, mut spent) = (0, 0, MicroUsd::ZERO);
        for heartbeat in heartbeats {
            let counts = Counts::of(heartbeat);
            let before = match record.counts.get(&heartbeat.worker) {
                Some((before, _)) => *before,
                None if heartbeat.started_at > since => Counts::default(),
                None => counts,
            };
            throttles += counts.throttles.saturating_sub(before.throttles);
            calls += counts.calls.saturating_sub(before.calls);
            spent = spent.plus(counts.spent.minus(before.spent));
            let heard = (counts, now);
            record.counts.insert(heartbeat.worker.clone(), heard);
        }
        // One that was silent for a while goes on counting where it was.
        record.counts.retain(|_, (_, at)| now.since(*at) < FORGET);
        let sample = &mut record.buckets.entry(bucket_of(now)).or_default().sample;
        sample.throttles += throttles;
        sample.calls += calls;
        sample.spent_usd += spent.usd();
        record.totals.calls += calls;
        record.totals.spent_usd += spent.usd();
    }

    /// Drops samples that began before `oldest`.
    pub fn drop_before(&self, oldest: Timestamp) {
        let mut record = self.lock();
        record.buckets = record.buckets.split_off(&bucket_of(oldest));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_and_money_are_what_workers_counted_since_the_watch_began() {
        let at = Timestamp::from_seconds;
        let heartbeat = |worker: &str, started_at: f64, calls: u64| -> Heartbeat {
            let model = json!({
                "model": "m", "limit": 8, "in_flight": 1, "breaker": "closed",
                "spent": calls * 40_000,
            });
            serde_json::from_value(json!({
                "worker": worker, "started_at": started_at, "at": 1_000.0, "slots": 8,
                "slots_in_use": 1, "paused": false, "throttles": calls, "model_calls": calls,
                "jobs_finished": 0, "resident_bytes": 1, "models": [model],
            }))
            .unwrap()
        };
        let history = History::default();
        history.record_heartbeats(at(1_000.0), &[heartbeat("old", 1.0, 100)]);
        assert_eq!(history.totals().calls, 0, "before the watch began");
        let both = [heartbeat("old", 1.0, 103), heartbeat("new", 1_002.0, 2)];
        history.record_heartbeats(at(1_005.0), &both);
        history.record_heartbeats(at(1_006.0), &[]);
        history.record_heartbeats(at(1_100.0), &both);
        let totals = history.totals();
        assert_eq!(totals.calls, 5);
        assert!((totals.spent_usd - 0.20).abs() < 1e-9);
        let throttles: u64 = history.samples().iter().map(|it| it.throttles).sum();
        assert_eq!(throttles, 5);
    }
}
