//! The fleet's scaling replayed: a day of arrivals through the policies, before it costs money.

mod arrivals;
mod conditions;
mod fleet;
mod numbers;
mod outcome;
mod policy;
mod queueing;
mod quota;
mod report;
mod simulation;
mod timetable;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::BadUsage;
use crate::criteria::{Comparison, Criterion, all_hold};
use crate::report::refuse_unwritable;
use crate::results::Results;

use self::arrivals::{Curve, MOST_PER_MINUTE};
use self::conditions::{Conditions, SPOT_PERCENT, Service};
use self::fleet::Market;
pub use self::numbers::Numbers;
use self::outcome::Outcome;
use self::policy::{Keda, Metric, Policy};

/// What is replayed.
#[derive(Clone, Debug, Args)]
pub struct ScalingArgs {
    /// The numbers, instead of those that Terraform reads (terraform/scaling.json).
    #[arg(long, value_name = "FILE.json")]
    scaling: Option<PathBuf>,
    /// Days to replay; by default all three.
    #[arg(long, value_enum, value_delimiter = ',')]
    arrivals: Vec<Arrivals>,
    /// A day of your own: CSV lines `seconds,per_minute`, or JSON [{"seconds", "per_minute"}].
    #[arg(long, value_name = "FILE")]
    arrivals_file: Option<PathBuf>,
    /// Take the time a picture takes from a measured run's JSON instead of scaling.json.
    #[arg(long, value_name = "RUN.json")]
    measured: Option<PathBuf>,
    /// Arrivals a minute at the school day's peak; by default four fifths of the model's quota.
    #[arg(long, value_name = "JOBS")]
    peak_per_minute: Option<f64>,
    /// Pictures a minute that the model's quota allows, instead of scaling.json's.
    #[arg(long, value_name = "PICTURES")]
    quota: Option<f64>,
    /// The least number of workers, instead of scaling.json's.
    #[arg(long, value_name = "WORKERS")]
    min: Option<u32>,
    /// Hours of arrivals, at most 168.
    #[arg(long, default_value_t = 24.0)]
    hours: f64,
    /// Seconds until CloudWatch shows a datapoint.
    #[arg(long, default_value_t = 60.0, value_name = "SECONDS")]
    metric_delay: f64,
    /// CPU-seconds that a picture takes of its worker.
    #[arg(long, default_value_t = 0.1, value_name = "SECONDS")]
    cpu_seconds: f64,
    /// Cores of a worker.
    #[arg(long, default_value_t = 2.0)]
    cores: f64,
    /// Share of the workers above the first that are spot, in percent.
    #[arg(long, default_value_t = SPOT_PERCENT, value_name = "PERCENT")]
    spot_percent: f64,
    /// How often a spot instance is lost, an hour.
    #[arg(long, default_value_t = 0.05, value_name = "LOSSES")]
    spot_losses_per_hour: f64,
    /// Share of the losses that come without a notice in which to drain, in percent.
    #[arg(long, default_value_t = 5.0, value_name = "PERCENT")]
    abrupt_percent: f64,
    /// Share of tries that fail and are tried again, in percent.
    #[arg(long, default_value_t = 1.0, value_name = "PERCENT")]
    try_failure_percent: f64,
    /// USD an hour of an instance on demand (c6i.large in us-west-2).
    #[arg(long, default_value_t = 0.085, value_name = "USD")]
    on_demand_usd: f64,
    /// USD an hour of a spot instance.
    #[arg(long, default_value_t = 0.034, value_name = "USD")]
    spot_usd: f64,
    /// Seed of chance; the same seed gives every policy the same day.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the report as one HTML file.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Write criteria and outcomes as JSON.
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
    /// Write the picture that compares the policies.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
}

/// A day of arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Arrivals {
    /// Teachers prepare in the morning, at noon and in the evening.
    SchoolDay,
    /// Everybody within half an hour.
    ExamMorning,
    /// The same all day.
    Flat,
}

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
struct Replay {
    criteria: Vec<Criterion>,
    numbers: Numbers,
    max_workers: u32,
    needed: Vec<Needed>,
    outcomes: Vec<Outcome>,
}

/// Workers that a day's peak takes at least for the acceptable wait, by formula.
#[derive(Clone, Debug, Serialize)]
struct Needed {
    arrivals: String,
    peak_per_minute: f64,
    workers_by_mmc: u32,
    workers_by_mdc: u32,
}

/// Replays, prints, writes; returns whether every criterion holds.
///
/// # Errors
/// [`BadUsage`] for numbers, files or options that make no sense, or files that cannot be written.
pub fn replay(args: &ScalingArgs) -> anyhow::Result<bool> {
    args.check()?;
    refuse_unwritable([&args.report, &args.json, &args.svg])?;
    let numbers = args.numbers()?;
    let conditions = args.conditions(&numbers)?;
    let days = args.days(&numbers)?;
    let mut outcomes = Vec::new();
    for day in &days {
        for (name, policy) in policies(&numbers) {
            eprintln!("{} through {name}", day.name);
            outcomes.push(simulation::replay(name, policy, day, &numbers, &conditions));
        }
    }
    let replay = Replay {
        criteria: criteria(&outcomes, numbers.scale_out_limit_seconds),
        max_workers: numbers.max_workers(),
        needed: days.iter().map(|day| needed(day, &numbers)).collect(),
        numbers,
        outcomes,
    };
    report::write(&replay, &days, args)?;
    Ok(all_hold(&replay.criteria))
}

/// What Terraform builds, under this name in every report.
const BUILT_ON_AWS: &str = "AWS: backlog and CPU";
/// What the Kubernetes manifests build.
const BUILT_ON_KUBERNETES: &str = "KEDA";

/// The policies that are compared; only those that are built are judged.
fn policies(numbers: &Numbers) -> Vec<(&'static str, Policy)> {
    let tracking = |metrics: &[Metric]| Policy::target_tracking(numbers, metrics);
    vec![
        (BUILT_ON_AWS, built_on_aws(numbers)),
        (BUILT_ON_KUBERNETES, Policy::Keda(Keda::new(numbers))),
        (
            "AWS: in flight too",
            tracking(&[Metric::JobsPerWorker, Metric::Cpu]),
        ),
        ("AWS: CPU alone", tracking(&[Metric::Cpu])),
        ("always the most", Policy::Fixed(numbers.max_workers())),
    ]
}

fn built_on_aws(numbers: &Numbers) -> Policy {
    Policy::target_tracking(numbers, &[Metric::BacklogPerWorker, Metric::Cpu])
}

/// Properties 27 and 29 of what is built.
fn criteria(outcomes: &[Outcome], limit: f64) -> Vec<Criterion> {
    let built = outcomes
        .iter()
        .filter(|outcome| [BUILT_ON_AWS, BUILT_ON_KUBERNETES].contains(&outcome.policy.as_str()));
    built
        .flat_map(|outcome| {
            let on = format!("{}, {}", outcome.policy, outcome.arrivals);
            let scaled = &outcome.time_to_scale;
            let mut time = Criterion::judge(
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
            let success = Criterion::judge(
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

impl ScalingArgs {
    fn check(&self) -> Result<(), BadUsage> {
        let ranges = [
            ("--hours", self.hours, 0.01, 168.0),
            ("--metric-delay", self.metric_delay, 0.0, 3600.0),
            ("--cpu-seconds", self.cpu_seconds, 0.0, 3600.0),
            ("--cores", self.cores, 0.1, 1024.0),
            ("--spot-percent", self.spot_percent, 0.0, 100.0),
            (
                "--spot-losses-per-hour",
                self.spot_losses_per_hour,
                0.0,
                60.0,
            ),
            ("--abrupt-percent", self.abrupt_percent, 0.0, 100.0),
            (
                "--try-failure-percent",
                self.try_failure_percent,
                0.0,
                100.0,
            ),
            ("--on-demand-usd", self.on_demand_usd, 0.0, 1e6),
            ("--spot-usd", self.spot_usd, 0.0, 1e6),
            (
                "--peak-per-minute",
                self.peak_per_minute.unwrap_or(1.0),
                0.0,
                MOST_PER_MINUTE,
            ),
            ("--quota", self.quota.unwrap_or(1.0), 0.01, MOST_PER_MINUTE),
            ("--min", f64::from(self.min.unwrap_or(0)), 0.0, 10_000.0),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(BadUsage(format!("{name} must be from {least} to {most}")));
            }
        }
        Ok(())
    }

    fn numbers(&self) -> Result<Numbers, BadUsage> {
        let mut numbers = match &self.scaling {
            Some(path) => Numbers::read(path)?,
            None => Numbers::of_terraform()?,
        };
        if let Some(quota) = self.quota {
            numbers.worker.model_quota_per_minute = quota;
        }
        if let Some(min) = self.min {
            numbers.worker.min = min;
        }
        Ok(numbers)
    }

    fn days(&self, numbers: &Numbers) -> Result<Vec<Curve>, BadUsage> {
        let peak = self
            .peak_per_minute
            .unwrap_or(0.8 * numbers.worker.model_quota_per_minute);
        let named = if self.arrivals.is_empty() && self.arrivals_file.is_none() {
            &[Arrivals::SchoolDay, Arrivals::ExamMorning, Arrivals::Flat]
        } else {
            self.arrivals.as_slice()
        };
        let mut days: Vec<_> = named
            .iter()
            .map(|day| match day {
                Arrivals::SchoolDay => Curve::school_day(peak),
                Arrivals::ExamMorning => Curve::exam_morning(peak),
                Arrivals::Flat => Curve::flat(peak / 2.0),
            })
            .collect();
        if let Some(path) = &self.arrivals_file {
            days.push(Curve::read(path)?);
        }
        Ok(days)
    }

    fn conditions(&self, numbers: &Numbers) -> Result<Conditions, BadUsage> {
        let service = match &self.measured {
            None => Service::Constant(numbers.worker.seconds_per_picture),
            Some(path) => {
                let seconds = Results::read(path)?.service_seconds;
                if seconds.is_empty() {
                    return Err(BadUsage(format!(
                        "{}: service_seconds is empty: no picture was made",
                        path.display()
                    )));
                }
                Service::Measured(seconds)
            }
        };
        Ok(Conditions {
            seconds: self.hours * 3600.0,
            service,
            metric_delay: self.metric_delay,
            cpu_seconds: self.cpu_seconds,
            cores: self.cores,
            market: Market {
                on_demand_base: numbers.worker.min.min(1),
                spot_share: self.spot_percent / 100.0,
                on_demand_usd: self.on_demand_usd,
                spot_usd: self.spot_usd,
            },
            spot_losses_per_hour: self.spot_losses_per_hour,
            abrupt_share: self.abrupt_percent / 100.0,
            try_failures: self.try_failure_percent / 100.0,
            max_attempts: conditions::MAX_ATTEMPTS,
            grace_seconds: conditions::GRACE_SECONDS,
            claim_seconds: conditions::CLAIM_SECONDS,
            give_up_seconds: conditions::GIVE_UP_SECONDS,
            quota: true,
            seed: self.seed,
        })
    }
}
