//! The command line.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use reqwest::Url;

use atelier_capacity::ScalingArgs;

/// Load tests of Atelier with criteria, and the scaling of its fleet replayed before it costs money.
///
/// Exits 0 if every criterion holds, 1 if one does not, 64 for bad usage.
#[derive(Debug, Parser)]
#[command(name = "atelier-loadtest", version)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the process's command line. A negative number is a value, so that whoever gives one
    /// is told its limit and not that there is no such option.
    ///
    /// # Errors
    /// What is wrong, or the help or version that was asked for.
    pub(crate) fn of_process() -> Result<Self, clap::Error> {
        let command = Self::command().mut_subcommands(|subcommand| {
            subcommand.mut_args(|arg| {
                let takes_values = arg.get_action().takes_values();
                arg.allow_negative_numbers(takes_values)
            })
        });
        Self::from_arg_matches(&command.try_get_matches()?)
    }
}

/// One subcommand a load test.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// 10 users for 5 minutes.
    Baseline(ScenarioArgs),
    /// 50 users for 10 minutes, coming at 5 users a second.
    Stress(ScenarioArgs),
    /// From 10 to 100 users within 2 minutes.
    Spike(ScenarioArgs),
    /// 25 users for 60 minutes.
    Endurance(ScenarioArgs),
    /// POSTs at a fixed rate, each timed from its planned start.
    Post(PostArgs),
    /// Replay a day of arrivals through the scaling policies.
    Scaling(ScalingArgs),
}

/// Where the load goes and where the results go.
#[derive(Clone, Debug, Args)]
pub(crate) struct TargetArgs {
    /// Address of the API, as in http://127.0.0.1:8080
    #[arg(long, value_parser = http_url)]
    pub url: Url,
    /// Write the report as one HTML file.
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Write criteria and measurements as JSON.
    #[arg(long, value_name = "FILE.json")]
    pub json: Option<PathBuf>,
    /// Compare with an earlier run's JSON.
    #[arg(long, value_name = "EARLIER.json")]
    pub compare: Option<PathBuf>,
    /// Command that audits the system after the run; exit code 0 means that nothing is doubled.
    #[arg(long, value_name = "CMD")]
    pub audit_command: Option<String>,
    /// Bearer token for an API that asks for one.
    #[arg(long, env = "ATELIER_TOKEN", hide_env_values = true)]
    pub bearer: Option<String>,
    /// Teachers that post in rotation, so that neither reuse nor one teacher's limit distorts the result.
    #[arg(long, default_value = "1000", value_name = "N")]
    pub teachers: NonZeroU32,
    /// Seed of everything drawn at random; by default each run has its own.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Seconds after which an HTTP call counts as failed; longer than the API's longest wait.
    #[arg(long, default_value = "40", value_parser = seconds_above_zero)]
    pub timeout: Duration,
    /// Jobs waiting for one worker above which the fleet ought to grow, instead of what
    /// terraform/scaling.json says.
    #[arg(long, value_name = "JOBS", value_parser = above_zero)]
    pub backlog_per_worker: Option<f64>,
    /// The fleet behind this address scales by itself: if it was needed and none came, that fails.
    #[arg(long)]
    pub fleet_scales: bool,
}

/// A scenario of the closed model.
#[derive(Clone, Debug, Args)]
pub(crate) struct ScenarioArgs {
    /// Address and results.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Factor on every length of time, so that CI need not wait; above 0, at most 100.
    #[arg(long, default_value = "1", value_name = "FACTOR", value_parser = factor)]
    pub scale_time: f64,
    /// Users at the peak, instead of the scenario's own number.
    #[arg(long, value_name = "N")]
    pub users: Option<NonZeroU32>,
    /// Weight of creating an assignment and following it until it is final.
    #[arg(long, default_value_t = 3, value_name = "WEIGHT")]
    pub create_weight: u32,
    /// Weight of viewing an assignment with its picture.
    #[arg(long, default_value_t = 5, value_name = "WEIGHT")]
    pub view_weight: u32,
    /// Weight of listing assignments.
    #[arg(long, default_value_t = 1, value_name = "WEIGHT")]
    pub list_weight: u32,
    /// Sessions that open one assignment, as a class does.
    #[arg(long, default_value = "30", value_name = "N")]
    pub class_size: NonZeroU32,
    /// Longest pause of a user between two tasks, in seconds; the shortest is a third of it.
    #[arg(long, default_value = "3", value_parser = seconds)]
    pub think: Duration,
    /// Seconds to wait at the end until all accepted assignments are final.
    #[arg(long, default_value = "600", value_parser = seconds)]
    pub final_within: Duration,
}

/// The open model: requests a second, whatever the answers take.
#[derive(Clone, Debug, Args)]
pub(crate) struct PostArgs {
    /// Address and results.
    #[command(flatten)]
    pub target: TargetArgs,
    /// POSTs a second, above 0, at most 100000.
    #[arg(long, default_value = "500", value_parser = rate)]
    pub rate: f64,
    /// For how long, in seconds.
    #[arg(long, default_value = "30", value_parser = seconds_above_zero)]
    pub seconds: Duration,
    /// Limit of the 99th percentile of the POST, in milliseconds.
    #[arg(long, default_value = "25", value_name = "MS", value_parser = above_zero)]
    pub limit_p99: f64,
    /// Seconds to wait at the end until all accepted assignments are final; 0 does not ask.
    #[arg(long, default_value = "0", value_parser = seconds)]
    pub final_within: Duration,
}

fn http_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("must start with http:// or https://".to_owned());
    }
    Ok(url)
}

fn number(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if number.is_finite() {
        Ok(number)
    } else {
        Err("must be finite".to_owned())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = number(text)?;
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("must be from 0 to 86400 seconds".to_owned())
    }
}

fn seconds_above_zero(text: &str) -> Result<Duration, String> {
    match seconds(text) {
        Ok(seconds) if !seconds.is_zero() => Ok(seconds),
        Err(error) if number(text).is_err() => Err(error),
        _ => Err("must be above 0 and at most 86400 seconds".to_owned()),
    }
}

fn above_zero(text: &str) -> Result<f64, String> {
    let number = number(text)?;
    if number > 0.0 {
        Ok(number)
    } else {
        Err("must be above 0".to_owned())
    }
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = number(text)?;
    if factor > 0.0 && factor <= 100.0 {
        Ok(factor)
    } else {
        Err("must be above 0 and at most 100".to_owned())
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = number(text)?;
    if rate > 0.0 && rate <= 100_000.0 {
        Ok(rate)
    } else {
        Err("must be above 0 and at most 100000".to_owned())
    }
}
