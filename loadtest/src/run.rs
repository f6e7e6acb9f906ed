//! A load test from its start to its verdict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use atelier_capacity::Numbers;
use atelier_report::criterion::{Comparison, Criterion, all_hold};
use atelier_report::files::{BadUsage, refuse_unwritable};

use crate::audit::Audit;
use crate::classroom::Classroom;
use crate::cli::{PostArgs, ScenarioArgs, TargetArgs};
use crate::client::{Client, Document};
use crate::cost::CostPerThousand;
use crate::criteria::{self, Evidence};
use crate::fleet::{FleetHistory, Watch};
use crate::measure::{Recorder, Timing};
use crate::prompts::Prompts;
use crate::report;
use crate::results::{self, Assignments, Cdn, Compared, Results, Storage, Throughput};
use crate::scenario::Scenario;
use crate::users::{self, Habits, Mix, World};
use crate::{open, progress, settle};

/// Runs a scenario of the closed model; returns whether every criterion holds.
///
/// # Errors
/// [`BadUsage`] (also for files that cannot be written), or an address that does not answer.
pub(crate) async fn scenario(scenario: Scenario, args: ScenarioArgs) -> anyhow::Result<bool> {
    let mix = Mix {
        create: args.create_weight,
        view: args.view_weight,
        list: args.list_weight,
    };
    if mix
        == (Mix {
            create: 0,
            view: 0,
            list: 0,
        })
    {
        return Err(BadUsage("one of the weights must be above 0".to_owned()).into());
    }
    let course = scenario.course(args.scale_time, args.users.map(Into::into));
    let run = Run::start(scenario.name, &args.target, course.length()).await?;
    let habits = Habits {
        mix,
        think: args.think,
        follow_until: Instant::now() + course.length() + args.final_within,
        classroom: Classroom::new(args.class_size.into(), course.peak()),
    };
    users::run(&run.world, habits, &course).await;
    let load = Load {
        scale_time: args.scale_time,
        users: course.peak(),
        mix: Some(mix),
        rate: None,
        seconds: course.length().as_secs_f64(),
    };
    run.finish(args.final_within, load, criteria::of_scenario)
        .await
}

/// Runs the open model of POSTs; returns whether every criterion holds.
///
/// # Errors
/// [`BadUsage`] (also for files that cannot be written), or an address that does not answer.
pub(crate) async fn post(args: PostArgs) -> anyhow::Result<bool> {
    let run = Run::start("post", &args.target, args.seconds).await?;
    let begin = Instant::now();
    open::post(&run.world, args.rate, args.seconds).await;
    let load = Load {
        scale_time: 1.0,
        users: 0,
        mix: None,
        rate: Some(args.rate),
        seconds: begin.elapsed().as_secs_f64(),
    };
    let asked_for_final = !args.final_within.is_zero();
    run.finish(args.final_within, load, |evidence| {
        let p99 = evidence
            .measured
            .percentiles(Timing::Post)
            .map(|it| it.p99 * 1000.0);
        let mut criteria = vec![
            Criterion::check(
                "post_p99_milliseconds",
                Comparison::Below,
                args.limit_p99,
                p99,
            ),
            criteria::error_ratio(evidence.measured),
        ];
        if asked_for_final {
            criteria.push(criteria::all_final(evidence.totals));
            criteria.push(criteria::none_doubled(evidence));
        }
        criteria
    })
    .await
}

/// What load there was.
struct Load {
    scale_time: f64,
    users: usize,
    mix: Option<Mix>,
    rate: Option<f64>,
    seconds: f64,
}

/// A run that goes on.
struct Run {
    name: &'static str,
    target: TargetArgs,
    earlier: Option<Results>,
    backlog_per_worker: f64,
    started_at: String,
    world: Arc<World>,
    shown: Shown,
}

/// The fleet's watch, shared with the progress line that reads it.
struct Shown {
    fleet: Arc<Watch>,
    stop: CancellationToken,
    progress: tokio::task::JoinHandle<()>,
}

impl Shown {
    fn start(name: &'static str, length: Duration, world: &Arc<World>) -> Self {
        let fleet = Arc::new(Watch::start(Arc::clone(world), length));
        let stop = CancellationToken::new();
        let (world, watch, until) = (Arc::clone(world), Arc::clone(&fleet), stop.clone());
        let progress =
            tokio::spawn(async move { progress::show(name, length, &world, &watch, until).await });
        Self {
            fleet,
            stop,
            progress,
        }
    }

    async fn stop(self) -> FleetHistory {
        self.stop.cancel();
        // It gives up its share of the watch when it ends, however it ends.
        let _ = self.progress.await;
        match Arc::into_inner(self.fleet) {
            Some(watch) => watch.stop().await,
            None => FleetHistory::default(),
        }
    }
}

impl Run {
    async fn start(
        name: &'static str,
        target: &TargetArgs,
        length: Duration,
    ) -> anyhow::Result<Self> {
        refuse_unwritable([&target.report, &target.json])?;
        let earlier = target.compare.as_deref().map(Results::read).transpose()?;
        let backlog_per_worker = match target.backlog_per_worker {
            Some(jobs) => jobs,
            None => Numbers::of_terraform()?.worker.backlog_per_worker,
        };
        let client = Client::new(target.url.clone(), target.bearer.clone(), target.timeout)?;
        client
            .get(client.url("health/live"), Default::default())
            .await
            .map_err(|error| anyhow::anyhow!("{}: {error}", target.url))
            .context("the address does not answer")?;
        let seed = target.seed.unwrap_or_else(|| fastrand::u64(..));
        let prompts = Prompts::new(seed, target.teachers.into());
        let world = Arc::new(World::new(client, Recorder::new(length), prompts, seed));
        Ok(Self {
            name,
            target: target.clone(),
            earlier,
            backlog_per_worker,
            started_at: OffsetDateTime::now_utc()
                .truncate_to_second()
                .format(&Rfc3339)?,
            shown: Shown::start(name, length, &world),
            world,
        })
    }

    /// Waits for what was accepted, checks the criteria, writes the files, prints the outcome.
    async fn finish(
        self,
        final_within: Duration,
        load: Load,
        check: impl FnOnce(&Evidence<'_>) -> Vec<Criterion>,
    ) -> anyhow::Result<bool> {
        let world = &self.world;
        let requests = world.client.requests();
        let loaded = Instant::now();
        settle::wait(world, loaded + final_within).await;
        let settle_seconds = world.recorder.elapsed().as_secs_f64() - load.seconds;
        let again = settle::read_again(world).await;
        let fleet = self.shown.stop().await;
        let audit = match &self.target.audit_command {
            Some(command) => Some(Audit::run(command).await.context("--audit-command")?),
            None => None,
        };
        let measured = world.recorder.snapshot();
        let totals = world.ledger.totals();
        let doubled = world.ledger.doubled(&again);
        let criteria = check(&Evidence {
            measured: &measured,
            totals: &totals,
            fleet: &fleet,
            backlog_per_worker: self.backlog_per_worker,
            fleet_scales: self.target.fleet_scales,
            doubled: &doubled,
            audit: audit.as_ref(),
        });
        let operations = results::operations(&measured);
        let earlier = self.earlier.as_ref();
        let results = Results {
            scenario: self.name.to_owned(),
            url: self.target.url.to_string(),
            started_at: self.started_at,
            seconds: load.seconds,
            settle_seconds: settle_seconds.max(0.0),
            scale_time: load.scale_time,
            users: load.users,
            mix: load.mix,
            rate: load.rate,
            compared: earlier.map(|earlier| Compared::with(earlier, &operations, &criteria)),
            operations,
            criteria,
            error_ratio: measured.error_ratio(),
            throughput: throughput(requests, totals.pictures, load.seconds, settle_seconds),
            cdn: Cdn::of(&measured),
            storage: Storage::of(&totals),
            cost_per_thousand_pictures: CostPerThousand::of(&totals, measured.cdn_misses),
            assignments: Assignments::of(&totals, doubled),
            memory: fleet.memory(),
            fleet,
            audit,
            timeline: world.recorder.timeline(),
            histograms: results::histograms(&measured),
            service_seconds: service_seconds(&world.ledger.documents()),
            errors: measured.errors,
        };
        report::write(&results, earlier, &self.target)?;
        Ok(all_hold(&results.criteria))
    }
}

fn throughput(requests: u64, pictures: u64, seconds: f64, settle_seconds: f64) -> Throughput {
    Throughput {
        requests,
        requests_per_second: requests as f64 / seconds,
        pictures_per_minute: pictures as f64 * 60.0 / (seconds + settle_seconds.max(0.0)),
    }
}

/// What a slot spends on one picture, as percentiles 0 to 100.
fn service_seconds(documents: &[Document]) -> Vec<f64> {
    let mut seconds: Vec<f64> = documents
        .iter()
        .filter_map(|document| {
            let stage = |name: &str| document.stage_seconds.get(name).copied().flatten();
            Some(
                stage("generate")?
                    + stage("optimize").unwrap_or(0.0)
                    + stage("upload").unwrap_or(0.0),
            )
        })
        .collect();
    if seconds.is_empty() {
        return seconds;
    }
    seconds.sort_by(f64::total_cmp);
    (0..=100)
        .map(|percent| seconds[percent * (seconds.len() - 1) / 100])
        .collect()
}
