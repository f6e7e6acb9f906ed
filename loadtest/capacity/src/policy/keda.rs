//! KEDA's queue scaler and a CPU trigger through a HorizontalPodAutoscaler, as the manifests for
//! Kubernetes have them.

use std::collections::VecDeque;

use super::reading::{Capacity, Reading};
use crate::numbers::Numbers;

/// Seconds between two looks of the autoscaler (`--horizontal-pod-autoscaler-sync-period`).
pub(super) const HPA_SYNC_SECONDS: f64 = 15.0;
/// A ratio so near to 1 changes nothing (`--horizontal-pod-autoscaler-tolerance`).
const HPA_TOLERANCE: f64 = 0.1;
/// Pods that it removes in a step (`behavior.scaleDown.policies`).
const STEP_IN: u32 = 1;

/// KEDA's `aws-sqs-queue` and `cpu` triggers; outward by Kubernetes' default policies, inward by
/// one pod at a time, to the most that was requested for in the stabilization window.
#[derive(Clone, Debug)]
pub(crate) struct Keda {
    queue_length: f64,
    cpu_percent: f64,
    scale_on_in_flight: bool,
    polling_seconds: f64,
    /// `stabilizationWindowSeconds`, and KEDA's `cooldownPeriod` before one becomes none.
    scale_in_after: f64,
    /// `periodSeconds` of the step inward.
    step_in_seconds: f64,
    requested: VecDeque<(f64, u32)>,
    last_step_in: f64,
    last_polled: f64,
    last_active: f64,
}

impl Keda {
    /// With the same targets and the same patience as the AWS policy.
    pub(crate) fn new(numbers: &Numbers) -> Self {
        Self {
            queue_length: numbers.worker.backlog_per_worker,
            cpu_percent: numbers.worker.cpu_percent,
            scale_on_in_flight: numbers.kubernetes.scale_on_in_flight,
            polling_seconds: numbers.kubernetes.polling_seconds,
            scale_in_after: numbers.scale_in_after_seconds(),
            step_in_seconds: numbers.worker.scale_in_cooldown_seconds,
            requested: VecDeque::new(),
            last_step_in: f64::NEG_INFINITY,
            last_polled: f64::NEG_INFINITY,
            last_active: 0.0,
        }
    }

    /// The number of workers that it asks for at `now`.
    pub(super) fn decide(&mut self, now: f64, reading: &Reading, capacity: Capacity) -> u32 {
        let length = if self.scale_on_in_flight {
            reading.visible + reading.in_flight
        } else {
            reading.visible
        };
        if length > 0.0 {
            self.last_active = now;
        }
        if capacity.desired == 0 {
            return self.activate(now, length);
        }
        if capacity.min == 0 && now - self.last_active >= self.scale_in_after {
            self.requested.clear();
            return 0;
        }
        let current = capacity.desired;
        let cpu = f64::from(reading.running) * reading.cpu_percent;
        let request = request(length, self.queue_length, current).max(request(
            cpu,
            self.cpu_percent,
            current,
        ));
        // The default policies: at most twice as many or four more, whichever is more.
        let request = request
            .clamp(capacity.min.max(1), capacity.max)
            .min((current * 2).max(current + 4));
        let stabilized = self.stabilize(now, request);
        if request >= current {
            request
        } else {
            self.step_in(now, current, stabilized)
        }
    }

    /// From none to one, which KEDA does itself.
    fn activate(&mut self, now: f64, length: f64) -> u32 {
        if now - self.last_polled < self.polling_seconds {
            return 0;
        }
        self.last_polled = now;
        u32::from(length > 0.0)
    }

    /// The most that was requested for in the window.
    fn stabilize(&mut self, now: f64, request: u32) -> u32 {
        self.requested.push_back((now, request));
        let old = |(at, _): &(f64, u32)| now - at > self.scale_in_after;
        while self.requested.front().is_some_and(old) {
            self.requested.pop_front();
        }
        self.requested
            .iter()
            .fold(request, |most, (_, request)| most.max(*request))
    }

    fn step_in(&mut self, now: f64, current: u32, request: u32) -> u32 {
        if request >= current || now - self.last_step_in < self.step_in_seconds {
            return current;
        }
        self.last_step_in = now;
        request.max(current - STEP_IN)
    }
}

/// What the autoscaler makes of a metric's total over all workers and its target for one.
fn request(total: f64, target: f64, current: u32) -> u32 {
    let ratio = total / (target * f64::from(current));
    if (ratio - 1.0).abs() <= HPA_TOLERANCE {
        current
    } else {
        (total / target).ceil() as u32
    }
}
