//! The scaling policies, as their makers document them.

mod keda;
mod reading;

use super::numbers::Numbers;

use self::keda::HPA_SYNC_SECONDS;
pub(crate) use self::keda::Keda;
pub(crate) use self::reading::{Capacity, Reading};

/// A scaling policy.
#[derive(Clone, Debug)]
pub(crate) enum Policy {
    /// AWS target tracking; of several trackers the one that asks for most wins.
    TargetTracking(TargetTracking),
    /// KEDA's triggers through a HorizontalPodAutoscaler.
    Keda(Keda),
    /// Always the same number.
    Fixed(u32),
}

impl Policy {
    /// Target tracking of these metrics.
    pub(crate) fn target_tracking(numbers: &Numbers, metrics: &[Metric]) -> Self {
        Self::TargetTracking(TargetTracking::new(numbers, metrics))
    }

    /// Target tracking of the backlog by the metric of high resolution.
    pub(crate) fn high_resolution(numbers: &Numbers) -> Self {
        let metrics = [Metric::BacklogPerWorker];
        Self::TargetTracking(TargetTracking::new(numbers, &metrics).in_high_resolution(numbers))
    }

    /// Seconds between two readings.
    pub(crate) fn period(&self, numbers: &Numbers) -> f64 {
        match self {
            Self::TargetTracking(policy) => policy.period,
            Self::Fixed(_) => numbers.metric_period_seconds,
            Self::Keda(_) => HPA_SYNC_SECONDS,
        }
    }

    /// Seconds until a reading can be acted upon: CloudWatch is late, KEDA asks the queue itself.
    pub(crate) fn delay(&self, metric_delay: f64) -> f64 {
        match self {
            Self::TargetTracking(policy) => policy.delay.unwrap_or(metric_delay),
            Self::Keda(_) | Self::Fixed(_) => 0.0,
        }
    }

    /// The number of workers that the policy asks for at `now`.
    pub(crate) fn decide(&mut self, now: f64, reading: &Reading, capacity: Capacity) -> u32 {
        let desired = match self {
            Self::TargetTracking(policy) => policy.decide(now, reading, capacity),
            Self::Keda(policy) => policy.decide(now, reading, capacity),
            Self::Fixed(workers) => *workers,
        };
        desired.clamp(capacity.min, capacity.max)
    }
}

/// What a target tracking policy follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// `visible / IF(running > 0, running, 1)`.
    BacklogPerWorker,
    /// The same with the jobs that workers hold: `(visible + in_flight) / IF(…)`.
    JobsPerWorker,
    /// The group's average CPU.
    Cpu,
}

/// Amazon EC2 Auto Scaling, "Target tracking scaling policies": an alarm above the target and one
/// below it, in proportion to the metric; out when any policy asks for it, in only when all do,
/// and not while instances warm up. Where the fleet may be empty, a step policy wakes it.
#[derive(Clone, Debug)]
pub(crate) struct TargetTracking {
    trackers: Vec<Tracker>,
    /// Seconds between two datapoints.
    period: f64,
    /// Seconds until CloudWatch shows one, where it is not that of all metrics.
    delay: Option<f64>,
    wake: Option<Wake>,
    scale_in_cooldown: f64,
    last_activity: f64,
}

#[derive(Clone, Debug)]
struct Tracker {
    metric: Metric,
    target: f64,
    out_after: u32,
    in_after: u32,
    above: u32,
    below: u32,
}

/// The alarm for scale-in lies so far below the target that capacity does not swing (the share
/// that the alarms made by the service show).
const SCALE_IN_SHARE: f64 = 0.9;
/// "Scales in more gradually", says AWS without a number: here this share of the workers at a
/// time, but at least one.
const SCALE_IN_STEP: f64 = 0.1;

impl TargetTracking {
    fn new(numbers: &Numbers, metrics: &[Metric]) -> Self {
        let tracker = |metric: &Metric| Tracker {
            metric: *metric,
            target: match metric {
                Metric::BacklogPerWorker | Metric::JobsPerWorker => {
                    numbers.worker.backlog_per_worker
                }
                Metric::Cpu => numbers.worker.cpu_percent,
            },
            out_after: numbers.scale_out_alarm_periods,
            in_after: numbers.scale_in_alarm_periods,
            above: 0,
            below: 0,
        };
        Self {
            trackers: metrics.iter().map(tracker).collect(),
            period: numbers.metric_period_seconds,
            delay: None,
            wake: (numbers.worker.min == 0).then(|| Wake::new(numbers)),
            scale_in_cooldown: numbers.worker.scale_in_cooldown_seconds,
            last_activity: f64::NEG_INFINITY,
        }
    }

    /// With the datapoints of high resolution: out after as many of them, in after as much time. What is
    /// built takes workers away by SQS's own metric, after the same time.
    fn in_high_resolution(mut self, numbers: &Numbers) -> Self {
        let high = &numbers.high_resolution;
        let finer = numbers.metric_period_seconds / high.metric_period_seconds;
        for tracker in &mut self.trackers {
            tracker.in_after = (f64::from(tracker.in_after) * finer).round() as u32;
        }
        self.period = high.metric_period_seconds;
        self.delay = Some(high.metric_delay_seconds);
        self
    }

    fn decide(&mut self, now: f64, reading: &Reading, capacity: Capacity) -> u32 {
        let requests: Vec<Request> = self
            .trackers
            .iter_mut()
            .map(|tracker| tracker.request(reading))
            .collect();
        let wake = self.wake.as_mut();
        let woken = wake.and_then(|wake| wake.request(now, reading, capacity));
        let out = requests
            .iter()
            .filter_map(|request| request.out)
            .chain(woken)
            .max();
        let desired = match out {
            Some(workers) => workers.max(capacity.desired),
            None => self.scale_in(now, &requests, capacity),
        };
        if desired.clamp(capacity.min, capacity.max) != capacity.desired {
            self.last_activity = now;
        }
        desired
    }

    fn scale_in(&self, now: f64, requests: &[Request], capacity: Capacity) -> u32 {
        if capacity.warming || now - self.last_activity < self.scale_in_cooldown {
            return capacity.desired;
        }
        let each: Option<Vec<u32>> = requests.iter().map(|request| request.r#in).collect();
        let most = each.and_then(|each| each.into_iter().max());
        let step = (f64::from(capacity.desired) * SCALE_IN_STEP).ceil() as u32;
        let least = capacity.desired.saturating_sub(step);
        most.map_or(capacity.desired, |workers| {
            workers.clamp(least, capacity.desired)
        })
    }
}

/// Step scaling from none, as Terraform builds it beside the trackers: jobs wait and no worker is
/// in service, so one is added, and no other while that one warms up.
#[derive(Clone, Debug)]
struct Wake {
    warmup: f64,
    last: f64,
}

impl Wake {
    fn new(numbers: &Numbers) -> Self {
        Self {
            // Terraform's `wake_seconds`.
            warmup: numbers.worker.boot_seconds + 2.0 * numbers.metric_period_seconds,
            last: f64::NEG_INFINITY,
        }
    }

    fn request(&mut self, now: f64, reading: &Reading, capacity: Capacity) -> Option<u32> {
        let unattended = reading.visible > 0.0 && reading.running == 0;
        if !unattended || now - self.last < self.warmup {
            return None;
        }
        self.last = now;
        Some(capacity.desired + 1)
    }
}

/// What one tracker asks for, if its alarm is on.
#[derive(Clone, Copy, Debug, Default)]
struct Request {
    out: Option<u32>,
    r#in: Option<u32>,
}

impl Tracker {
    fn request(&mut self, reading: &Reading) -> Request {
        let running = f64::from(reading.running.max(1));
        let value = match self.metric {
            Metric::BacklogPerWorker => reading.visible / running,
            Metric::JobsPerWorker => (reading.visible + reading.in_flight) / running,
            Metric::Cpu => reading.cpu_percent,
        };
        self.above = if value > self.target {
            self.above + 1
        } else {
            0
        };
        self.below = if value < self.target * SCALE_IN_SHARE {
            self.below + 1
        } else {
            0
        };
        let proportional = (running * value / self.target).ceil() as u32;
        Request {
            out: (self.above >= self.out_after).then_some(proportional),
            r#in: (self.below >= self.in_after).then_some(proportional),
        }
    }
}

#[cfg(test)]
mod tests;
