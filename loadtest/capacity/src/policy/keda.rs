//! KEDA's queue scaler and a CPU trigger through a HorizontalPodAutoscaler, as the manifests for
//! Kubernetes have them.

use std::collections::VecDeque;

use super::reading::{Capacity, Reading};
use crate::numbers::Numbers;

/// The autoscaler looks every so many seconds (`--horizontal-pod-autoscaler-sync-period`).
pub(super) const HPA_SYNC_SECONDS: f64 = 15.0;
/// A ratio so near to 1 changes nothing (`--horizontal-pod-autoscaler-tolerance`).
const HPA_TOLERANCE: f64 = 0.1;
/// Inward it takes so many pods a step (`behavior.scaleDown.policies`).
const STEP_IN: u32 = 1;

/// KEDA's `aws-sqs-queue` and `cpu` triggers; outward by Kubernetes' default policies, inward by
/// one pod at a time, to the most that was wished for in the stabilization window.
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
    wished: VecDeque<(f64, u32)>,
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
            wished: VecDeque::new(),
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
            self.wished.clear();
            return 0;
        }
        let current = capacity.desired;
        let cpu = f64::from(reading.running) * reading.cpu_percent;
        let wish =
            wish(length, self.queue_length, current).max(wish(cpu, self.cpu_percent, current));
        // The default policies: at most twice as many or four more, whichever is more.
        let wish = wish
            .clamp(capacity.min.max(1), capacity.max)
            .min((current * 2).max(current + 4));
        let stabilized = self.stabilize(now, wish);
        if wish >= current {
            wish
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

    /// The most that was wished for in the window.
    fn stabilize(&mut self, now: f64, wish: u32) -> u32 {
        self.wished.push_back((now, wish));
        let old = |(at, _): &(f64, u32)| now - at > self.scale_in_after;
        while self.wished.front().is_some_and(old) {
            self.wished.pop_front();
        }
        self.wished
            .iter()
            .fold(wish, |most, (_, wish)| most.max(*wish))
    }

    fn step_in(&mut self, now: f64, current: u32, wish: u32) -> u32 {
        if wish >= current || now - self.last_step_in < self.step_in_seconds {
            return current;
        }
        self.last_step_in = now;
        wish.max(current - STEP_IN)
    }
}

/// What the autoscaler makes of a metric's total over all workers and its target for one.
fn wish(total: f64, target: f64, current: u32) -> u32 {
    let ratio = total / (target * f64::from(current));
    if (ratio - 1.0).abs() <= HPA_TOLERANCE {
        current
    } else {
        (total / target).ceil() as u32
    }
}
