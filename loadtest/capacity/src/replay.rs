//! What a replay finds: the outcomes of every policy through every day, and the criteria.

use atelier_report::criterion::{Comparison, Criterion};
use serde::Serialize;

use crate::arrivals::Curve;
use crate::conditions::Conditions;
use crate::numbers::Numbers;
use crate::outcome::Outcome;
use crate::policy::{Keda, Metric, Policy};
use crate::{queueing, simulation};

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Replay {
    pub(crate) criteria: Vec<Criterion>,
    pub(crate) numbers: Numbers,
    pub(crate) max_workers: u32,
    pub(crate) needed: Vec<Needed>,
    pub(crate) outcomes: Vec<Outcome>,
}

/// Workers that a day's peak takes at least for the acceptable wait, by formula.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Needed {
    pub(crate) arrivals: String,
    pub(crate) peak_per_minute: f64,
    pub(crate) workers_by_mmc: u32,
    pub(crate) workers_by_mdc: u32,
}

impl Replay {
    /// Replays `days` through every policy.
    pub(crate) fn of(days: &[Curve], numbers: Numbers, conditions: &Conditions) -> Self {
        let mut outcomes = Vec::new();
        for day in days {
            for (name, policy) in policies(&numbers) {
                eprintln!("{} through {name}", day.name);
                outcomes.push(simulation::replay(name, policy, day, &numbers, conditions));
            }
        }
        Self {
            criteria: criteria(&outcomes, &numbers),
            max_workers: numbers.max_workers(),
            needed: days.iter().map(|day| needed(day, &numbers)).collect(),
            numbers,
            outcomes,
        }
    }
}

/// What Terraform builds, under this name in every report.
const BUILT_ON_AWS: &str = "AWS: backlog and CPU";
/// What Terraform builds where the workers are EC2 instances.
const BUILT_ON_EC2: &str = "EC2: backlog each 10 s";
/// What the Kubernetes manifests build.
const BUILT_ON_KUBERNETES: &str = "KEDA";

/// The policies that are compared; criteria are checked on those that are built.
pub(crate) fn policies(numbers: &Numbers) -> Vec<(&'static str, Policy)> {
    let tracking = |metrics: &[Metric]| Policy::target_tracking(numbers, metrics);
    vec![
        (BUILT_ON_AWS, built_on_aws(numbers)),
        (BUILT_ON_EC2, Policy::high_resolution(numbers)),
        (BUILT_ON_KUBERNETES, Policy::Keda(Keda::new(numbers))),
        (
            "AWS: in flight too",
            tracking(&[Metric::JobsPerWorker, Metric::Cpu]),
        ),
        ("AWS: CPU alone", tracking(&[Metric::Cpu])),
        ("always the most", Policy::Fixed(numbers.max_workers())),
    ]
}

pub(crate) fn built_on_aws(numbers: &Numbers) -> Policy {
    Policy::target_tracking(numbers, &[Metric::BacklogPerWorker, Metric::Cpu])
}

/// Properties 27 and 29 of what is built.
fn criteria(outcomes: &[Outcome], numbers: &Numbers) -> Vec<Criterion> {
    let limit_of = |outcome: &Outcome| match outcome.policy.as_str() {
        BUILT_ON_AWS | BUILT_ON_KUBERNETES => Some(numbers.scale_out_limit_seconds),
        BUILT_ON_EC2 => Some(numbers.high_resolution.scale_out_limit_seconds),
        _ => None,
    };
    let built = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome, limit_of(outcome)?)));
    built
        .flat_map(|(outcome, limit)| {
            let on = format!("{}, {}", outcome.policy, outcome.arrivals);
            let scaled = &outcome.time_to_scale;
            let mut time = Criterion::check(
                format!("time_to_scale_seconds: {on}"),
                Comparison::AtMost,
                limit,
                scaled.serving_max,
            );
            if scaled.never > 0 {
                time.holds = Some(false);
                time = time.noted(format!("needed {} times without an answer", scaled.never));
            } else if scaled.episodes == 0 {
                time = time.noted("more capacity was never needed");
            }
            let success = outcome.worst_success_through_event;
            let success = Criterion::check(
                format!("success_through_scale_events: {on}"),
                Comparison::Above,
                0.95,
                success,
            );
            [time, success]
        })
        .collect()
}

fn needed(day: &Curve, numbers: &Numbers) -> Needed {
    let worker = &numbers.worker;
    let (arrivals, service) = (day.peak() / 60.0, worker.seconds_per_picture);
    let least = |wait: fn(u32, f64, f64) -> f64| {
        queueing::least_workers(worker.slots, worker.acceptable_wait_seconds, |slots| {
            wait(slots, arrivals, service)
        })
    };
    Needed {
        arrivals: day.name.clone(),
        peak_per_minute: day.peak(),
        workers_by_mmc: least(queueing::mmc_wait),
        workers_by_mdc: least(queueing::mdc_wait),
    }
}
