//! A storm: real processes are killed while the services around them fail in turn, and people post.

mod faults;
mod outcome;
mod store;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::time::{Instant, sleep_until};

use crate::fleet::{self, Fleet};
use crate::people;
use crate::silent;
use crate::view::View;
use faults::Weather;
pub use outcome::Report;
use store::Store;
pub use store::hold;

/// How heavy the storm is.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Assignments that are posted.
    pub jobs: u32,
    /// How long processes are killed and services fail.
    pub length: Duration,
    /// A MongoDB for the documents, behind a proxy that does what a server does which loses its
    /// majority or steps down; without it they are in SQLite.
    pub mongodb: Option<String>,
}

/// API processes.
const APIS: usize = 2;

/// Worker processes.
const WORKERS: usize = 4;

/// What differs from the defaults: what a crash costs in time is short enough for a minute's storm.
const OPTIONS: [(&str, &str); 6] = [
    ("CLAIM_SECONDS", "5"),
    ("RETRY_SECONDS", "0.5"),
    ("RESEND_SECONDS", "5"),
    ("CREATE_LIMIT_PER_MINUTE", "0"),
    ("LOG", "warn"),
    ("LOG_FORMAT", "text"),
];

/// Between two kills of a worker.
const WORKER_KILLS: Duration = Duration::from_secs(2);

/// Between two kills of an API.
const API_KILLS: Duration = Duration::from_secs(8);

/// Share of the storm in which people post.
const POSTING: f64 = 0.8;

/// Starts everything, lets the storm pass, waits until all is final, and looks at what is left.
/// `tell` hears what happens as it happens.
///
/// # Errors
/// A process cannot be started, or what is left cannot be read.
pub async fn storm(plan: Plan, tell: fn(&str)) -> anyhow::Result<Report> {
    let home = TempDir::new()?;
    let collector = silent::collector().await?;
    let store = Store::of(plan.mongodb.as_deref()).await?;
    let more = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str()),
        ("STORE_URL", store.url()),
    ];
    // SQLite's address is the cloud's.
    let more = if store.url().is_empty() {
        &more[..1]
    } else {
        &more
    };
    let processes = fleet::Plan {
        apis: APIS,
        workers: WORKERS,
        model_latency: Duration::from_millis(200),
        options: &[&OPTIONS[..], more].concat(),
    };
    let mut fleet = Fleet::start(home.path(), processes).await?;
    let view = match store.url() {
        "" => View::of(&fleet).await?,
        url => View::with_store(&fleet, url).await?,
    };
    let view = Arc::new(view);

    let start = Instant::now();
    tell("the collector of telemetry accepts connections and never answers");
    tell(&format!(
        "{} jobs; {} workers, one killed every {} s; {} APIs, one killed every {} s; services fail for {} s",
        plan.jobs,
        WORKERS,
        WORKER_KILLS.as_secs(),
        APIS,
        API_KILLS.as_secs(),
        plan.length.as_secs(),
    ));
    let posting = plan.length.mul_f64(POSTING);
    let people = tokio::spawn(people::post(0..plan.jobs, posting, fleet.addresses()));
    // It outlives the storm: what is left is read through it.
    let store = Arc::new(store.at(&view.store_url)?);
    let weather = Weather::new(Arc::clone(&view), Arc::clone(&store));
    let weather = tokio::spawn(weather.rage(start, plan.length, tell));
    let kills = kill(&mut fleet, start + plan.length).await?;
    weather.await??;
    let acknowledged = people.await??;
    tell(&format!(
        "{:.0} s: the storm is over; {} jobs are acknowledged, {} posts were repeated",
        start.elapsed().as_secs_f64(),
        acknowledged.ids.len(),
        acknowledged.repeated,
    ));
    outcome::rest(&view, tell).await?;
    let took = start.elapsed();
    let mut report = outcome::find(&view, &acknowledged).await?;
    report.audit = fleet.audit().await.context("the audit")?;
    report.jobs = plan.jobs;
    report.seconds = took.as_secs_f64();
    report.workers_killed = kills.workers;
    report.apis_killed = kills.apis;
    fleet.stop().await;
    Ok(report.checked())
}

struct Kills {
    workers: u32,
    apis: u32,
}

async fn kill(fleet: &mut Fleet, end: Instant) -> anyhow::Result<Kills> {
    let mut kills = Kills {
        workers: 0,
        apis: 0,
    };
    let mut next_worker = Instant::now() + WORKER_KILLS;
    let mut next_api = Instant::now() + API_KILLS;
    loop {
        let next = next_worker.min(next_api);
        if next >= end {
            return Ok(kills);
        }
        sleep_until(next).await;
        if next == next_worker {
            fleet.kill_worker(fastrand::usize(..WORKERS)).await?;
            kills.workers += 1;
            next_worker += WORKER_KILLS;
        } else {
            fleet.kill_api(fastrand::usize(..APIS)).await?;
            kills.apis += 1;
            next_api += API_KILLS;
        }
    }
}
