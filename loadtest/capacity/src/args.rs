//! The options of a replay, and what it takes from the files that they name.

use std::path::{Path, PathBuf};

use atelier_report::files::BadUsage;
use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::arrivals::{Curve, MOST_PER_MINUTE};
use crate::conditions::{self, Conditions, SPOT_PERCENT, Service};
use crate::fleet::Market;
use crate::numbers::Numbers;

/// What is replayed.
#[derive(Clone, Debug, Args)]
pub struct ScalingArgs {
    /// The numbers, instead of those that Terraform reads (terraform/scaling.json).
    #[arg(long, value_name = "FILE.json")]
    pub(crate) scaling: Option<PathBuf>,
    /// Days to replay; by default all three.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) arrivals: Vec<Arrivals>,
    /// A day of your own: CSV lines `seconds,per_minute`, or JSON [{"seconds", "per_minute"}].
    #[arg(long, value_name = "FILE")]
    pub(crate) arrivals_file: Option<PathBuf>,
    /// Take the time a picture takes from a measured run's JSON instead of scaling.json.
    #[arg(long, value_name = "RUN.json")]
    pub(crate) measured: Option<PathBuf>,
    /// Arrivals a minute at the school day's peak; by default four fifths of the model's quota.
    #[arg(long, value_name = "JOBS")]
    pub(crate) peak_per_minute: Option<f64>,
    /// Pictures a minute that the model's quota allows, instead of scaling.json's.
    #[arg(long, value_name = "PICTURES")]
    pub(crate) quota: Option<f64>,
    /// The least number of workers, instead of scaling.json's.
    #[arg(long, value_name = "WORKERS")]
    pub(crate) min: Option<u32>,
    /// Hours of arrivals, at most 168.
    #[arg(long, default_value_t = 24.0)]
    pub(crate) hours: f64,
    /// Seconds until CloudWatch shows a datapoint.
    #[arg(long, default_value_t = 60.0, value_name = "SECONDS")]
    pub(crate) metric_delay: f64,
    /// CPU-seconds that a picture takes of its worker.
    #[arg(long, default_value_t = 0.1, value_name = "SECONDS")]
    pub(crate) cpu_seconds: f64,
    /// Cores of a worker.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) cores: f64,
    /// Share of the workers above the first that are spot, in percent.
    #[arg(long, default_value_t = SPOT_PERCENT, value_name = "PERCENT")]
    pub(crate) spot_percent: f64,
    /// How often a spot instance is lost, an hour.
    #[arg(long, default_value_t = 0.05, value_name = "LOSSES")]
    pub(crate) spot_losses_per_hour: f64,
    /// Share of the losses that come without a notice in which to drain, in percent.
    #[arg(long, default_value_t = 5.0, value_name = "PERCENT")]
    pub(crate) abrupt_percent: f64,
    /// Share of tries that fail and are tried again, in percent.
    #[arg(long, default_value_t = 1.0, value_name = "PERCENT")]
    pub(crate) try_failure_percent: f64,
    /// USD an hour of an instance on demand (c6i.large in us-west-2).
    #[arg(long, default_value_t = 0.085, value_name = "USD")]
    pub(crate) on_demand_usd: f64,
    /// USD an hour of a spot instance.
    #[arg(long, default_value_t = 0.034, value_name = "USD")]
    pub(crate) spot_usd: f64,
    /// Seed of chance; the same seed gives every policy the same day.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write the report as one HTML file.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Write criteria and outcomes as JSON.
    #[arg(long, value_name = "FILE.json")]
    pub(crate) json: Option<PathBuf>,
    /// Write the picture that compares the policies.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) svg: Option<PathBuf>,
}

/// A day of arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    /// Teachers prepare in the morning, at noon and in the evening.
    SchoolDay,
    /// Everybody within half an hour.
    ExamMorning,
    /// The same all day.
    Flat,
}

impl ScalingArgs {
    pub(crate) fn check(&self) -> Result<(), BadUsage> {
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

    pub(crate) fn numbers(&self) -> Result<Numbers, BadUsage> {
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

    pub(crate) fn days(&self, numbers: &Numbers) -> Result<Vec<Curve>, BadUsage> {
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

    pub(crate) fn conditions(&self, numbers: &Numbers) -> Result<Conditions, BadUsage> {
        let service = match &self.measured {
            None => Service::Constant(numbers.worker.seconds_per_picture),
            Some(path) => {
                let seconds = service_seconds(path)?;
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

/// The times that pictures took in a measured run.
fn service_seconds(path: &Path) -> Result<Vec<f64>, BadUsage> {
    #[derive(Deserialize)]
    struct Measured {
        service_seconds: Vec<f64>,
    }
    let named = |error: &dyn std::fmt::Display| BadUsage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    let measured: Measured = serde_json::from_str(&text)
        .map_err(|error| named(&format_args!("not a run's JSON: {error}")))?;
    Ok(measured.service_seconds)
}
