//! The results of a run, as its JSON holds them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use atelier_report::chart::Bin;
use atelier_report::criterion::Criterion;
use atelier_report::files::BadUsage;

use crate::audit::Audit;
use crate::cost::CostPerThousand;
use crate::fleet::{FleetHistory, MemoryTrend};
use crate::ledger::Totals;
use crate::measure::{Percentiles, Slice, State, Timing};
use crate::users::Mix;

/// One run. All times are seconds, all sizes bytes, all costs USD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Which load test.
    pub scenario: String,
    /// Where the load went.
    pub url: String,
    /// When it began (RFC 3339).
    pub started_at: String,
    /// How long the load ran.
    pub seconds: f64,
    /// How long the last assignments took to become final after it.
    pub settle_seconds: f64,
    /// What the scenario's times were multiplied by.
    pub scale_time: f64,
    /// The most users at once; 0 in the open model.
    pub users: usize,
    /// Weights of the tasks, in the closed model.
    pub mix: Option<Mix>,
    /// POSTs a second, in the open model.
    pub rate: Option<f64>,
    /// The criteria.
    pub criteria: Vec<Criterion>,
    /// What changed since an earlier run, where one was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub compared: Option<Compared>,
    /// Percentiles by timing.
    pub operations: BTreeMap<String, Percentiles>,
    /// Errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// Failed operations of all.
    pub error_ratio: f64,
    /// How much was done.
    pub throughput: Throughput,
    /// What the CDN did.
    pub cdn: Cdn,
    /// What became of the accepted assignments.
    pub assignments: Assignments,
    /// What optimizing saved.
    pub storage: Storage,
    /// What a thousand pictures cost; absent without a picture.
    pub cost_per_thousand_pictures: Option<CostPerThousand>,
    /// Whether workers' memory grows; absent where no worker tells.
    pub memory: Option<MemoryTrend>,
    /// The fleet over time; empty where the address does not tell.
    pub fleet: FleetHistory,
    /// What the audit said, where one was asked for.
    pub audit: Option<Audit>,
    /// The load over time.
    pub timeline: Vec<Slice>,
    /// Histograms by timing.
    pub histograms: BTreeMap<String, Vec<Bin>>,
    /// Seconds of a slot's work on one picture, its 0th to 100th percentile: what `scaling`
    /// replays. Empty where the documents do not tell.
    pub service_seconds: Vec<f64>,
}

/// This run beside an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compared {
    /// When the earlier one began (RFC 3339).
    pub earlier_started_at: String,
    /// The 95th percentiles by timing, of those that both measured.
    pub p95: BTreeMap<String, BeforeAndNow>,
    /// The criteria's figures by name, of those that both could show.
    pub criteria: BTreeMap<String, BeforeAndNow>,
}

/// A figure of two runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BeforeAndNow {
    /// The earlier run's.
    pub before: f64,
    /// This run's.
    pub now: f64,
}

impl Compared {
    /// Holds a run's percentiles and criteria against an earlier run.
    pub(crate) fn with(
        earlier: &Results,
        operations: &BTreeMap<String, Percentiles>,
        criteria: &[Criterion],
    ) -> Self {
        let p95 = operations.iter().filter_map(|(name, now)| {
            let before = earlier.operations.get(name)?.p95;
            Some((
                name.clone(),
                BeforeAndNow {
                    before,
                    now: now.p95,
                },
            ))
        });
        let figures = criteria.iter().filter_map(|criterion| {
            let before = earlier
                .criteria
                .iter()
                .find(|before| before.name == criterion.name)?;
            let (before, now) = before.figure.zip(criterion.figure)?;
            Some((criterion.name.clone(), BeforeAndNow { before, now }))
        });
        Self {
            earlier_started_at: earlier.started_at.clone(),
            p95: p95.collect(),
            criteria: figures.collect(),
        }
    }
}

/// How much was done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Throughput {
    /// HTTP requests.
    pub requests: u64,
    /// HTTP requests a second.
    pub requests_per_second: f64,
    /// Pictures a minute.
    pub pictures_per_minute: f64,
}

/// What the CDN did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cdn {
    /// It had the picture.
    pub hits: u64,
    /// It asked the bucket.
    pub misses: u64,
    /// Hits of both; absent where there is no CDN.
    pub hit_ratio: Option<f64>,
    /// Pictures that the browser had and did not ask for.
    pub browser_cache: u64,
    /// Bytes of pictures downloaded.
    pub downloaded_bytes: u64,
}

/// What became of the accepted assignments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Assignments {
    /// Acknowledged.
    pub accepted: u64,
    /// With a picture.
    pub pictures: u64,
    /// Failed.
    pub failed: u64,
    /// Not final at the end.
    pub pending: u64,
    /// Calls to the model, by the documents.
    pub model_calls: u64,
    /// Ids that are doubled by their documents.
    pub doubled: Vec<String>,
}

/// What optimizing saved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Storage {
    /// Bytes that the model returned.
    pub original_bytes: u64,
    /// Bytes that are stored.
    pub stored_bytes: u64,
    /// Share saved; absent without a picture.
    pub saved_ratio: Option<f64>,
}

impl Storage {
    /// From the totals.
    pub(crate) fn of(totals: &Totals) -> Self {
        let saved = 1.0 - totals.stored_bytes as f64 / totals.original_bytes.max(1) as f64;
        Self {
            original_bytes: totals.original_bytes,
            stored_bytes: totals.stored_bytes,
            saved_ratio: (totals.original_bytes > 0).then_some(saved),
        }
    }
}

impl Assignments {
    /// From the totals.
    pub(crate) fn of(totals: &Totals, doubled: Vec<String>) -> Self {
        Self {
            accepted: totals.accepted,
            pictures: totals.pictures,
            failed: totals.failed,
            pending: totals.pending,
            model_calls: totals.model_calls,
            doubled,
        }
    }
}

impl Cdn {
    /// From what was recorded.
    pub(crate) fn of(measured: &State) -> Self {
        Self {
            hits: measured.cdn_hits,
            misses: measured.cdn_misses,
            hit_ratio: measured.hit_ratio(),
            browser_cache: measured.browser_hits,
            downloaded_bytes: measured.downloaded_bytes,
        }
    }
}

/// Percentiles of everything that was timed.
pub(crate) fn operations(measured: &State) -> BTreeMap<String, Percentiles> {
    let timed = Timing::ALL.into_iter();
    timed
        .filter_map(|timing| Some((timing.name().to_owned(), measured.percentiles(timing)?)))
        .collect()
}

/// Histograms of everything that was timed.
pub(crate) fn histograms(measured: &State) -> BTreeMap<String, Vec<Bin>> {
    let timed = Timing::ALL
        .into_iter()
        .map(|timing| (timing.name().to_owned(), measured.bins(timing)));
    timed.filter(|(_, bins)| !bins.is_empty()).collect()
}

impl Results {
    /// The timings in the order of a picture's way.
    pub(crate) fn timed(&self) -> impl Iterator<Item = (&'static str, &Percentiles)> {
        let names = Timing::ALL.into_iter().map(Timing::name);
        names.filter_map(|name| Some((name, self.operations.get(name)?)))
    }

    /// Reads an earlier run.
    ///
    /// # Errors
    /// [`BadUsage`] when the file cannot be read or is no run's JSON.
    pub(crate) fn read(path: &Path) -> Result<Self, BadUsage> {
        let named =
            |error: &dyn std::fmt::Display| BadUsage(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
        serde_json::from_str(&text)
            .map_err(|error| named(&format_args!("not a run's JSON: {error}")))
    }
}
