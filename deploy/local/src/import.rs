//! `atelier import`: brings an existing portal over. Its old pictures become pictures like ours, and
//! its documents name them; what is there stays.
//!
//! Nothing is remembered between runs but what is in the store and the bucket, so a run that was
//! killed is taken up by the same command. At most `--jobs` pictures are in memory, and one page of
//! documents.

mod config;
mod importer;
mod old;
mod outcome;
mod report;
mod source;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use atelier_cloud::client::Aws;
use atelier_cloud::config::BucketConfig;
use atelier_cloud::pictures::{Pictures, RetryPolicy};
use atelier_runtime::config::EXIT_CODE;
use atelier_runtime::process;
use atelier_store::{Indexes, Store};
use atelier_worker::optimize::Optimizer;
use futures_util::stream::{BoxStream, StreamExt as _};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::flags::Import;
use crate::progress::Progress;
use importer::Importer;
use old::{OldPictures, Place};
use outcome::{End, Obstacle, Outcome, Reason};
use report::{Report, Summary};
use source::{Candidate, List};

pub(crate) use config::Config;

/// Waits between tries of a call to the bucket: S3 takes minutes to scale where it throttles.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>
const WAITS_MS: [u64; 8] = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/// The longest that all tries of a call to the bucket take together.
const PATIENCE: Duration = Duration::from_secs(120);

/// Pictures that may fail in the bucket one after another before the run ends.
const FAILURES_IN_A_ROW: u32 = 20;

/// Documents that are counted for the progress, at most.
const COUNTED: u32 = 10_000_000;

pub(crate) fn main(flags: &Import) -> ExitCode {
    let mut code = ExitCode::FAILURE;
    let ended = process::block_on(async {
        let summary = run(flags).await?;
        println!("{summary}");
        if summary.ok {
            code = ExitCode::SUCCESS;
        }
        if let Some(why) = &summary.ended_early {
            bail!("the import ended early: {why}");
        }
        Ok(())
    });
    let unusable = ExitCode::from(EXIT_CODE);
    if ended == unusable { unusable } else { code }
}

async fn run(flags: &Import) -> anyhow::Result<Summary> {
    let config = Config::read(flags)?;
    let list = match &flags.list {
        None => None,
        Some(path) => Some(List::check(path).await?),
    };
    let report = Report::new(flags.report.as_deref())?;
    let stop = process::stop_on_signal();
    let store = atelier_store::open(&config.store, Indexes::Leave).await?;
    let importer = importer(flags, config, Arc::clone(&store)).await;
    let (total, candidates) = match list {
        Some(list) => (Some(list.documents), list.candidates().boxed()),
        None => {
            // A run without a percentage is better than none.
            let total = store.count_of_others(COUNTED).await.ok();
            (total.map(u64::from), source::of_store(store).boxed())
        }
    };
    Run {
        flags,
        importer: Arc::new(importer),
        stop,
        report,
        progress: Progress::new(total),
        failures: 0,
    }
    .drive(candidates)
    .await
}

async fn importer(flags: &Import, config: Config, store: Arc<dyn Store>) -> Importer {
    let aws = Aws::connect(&config.cloud).await;
    let policy = RetryPolicy {
        waits: WAITS_MS.map(Duration::from_millis).into(),
        timeout: PATIENCE,
    };
    let bucket = |config: &BucketConfig| {
        Pictures::new(&aws, config).with_retries(policy.clone(), policy.clone())
    };
    let place = match (&flags.from_dir, &flags.from_bucket) {
        (Some(folder), _) => Place::Folder(folder.clone()),
        (None, other) => {
            let name = other.clone().unwrap_or_else(|| config.bucket.name.clone());
            Place::Bucket {
                is_ours: name == config.bucket.name,
                pictures: bucket(&BucketConfig { name: name.clone() }),
                name,
            }
        }
    };
    Importer {
        pictures: bucket(&config.bucket),
        bucket: config.bucket.name,
        cdn: config.cdn,
        optimizer: Optimizer::new(&config.optimize),
        old: OldPictures {
            place,
            prefix: flags.from_prefix.clone(),
            limit: u64::from(flags.max_mib) << 20,
        },
        model: flags.model.clone(),
        dry_run: flags.dry_run,
        store,
    }
}

/// A run under way.
struct Run<'a> {
    flags: &'a Import,
    importer: Arc<Importer>,
    /// Nothing new is begun after it.
    stop: CancellationToken,
    report: Report,
    progress: Progress,
    /// Pictures that failed in the bucket since the last that did not.
    failures: u32,
}

impl Run<'_> {
    /// Imports the candidates, `--jobs` at a time. What was begun is finished, whatever ends the run.
    async fn drive(
        mut self,
        candidates: BoxStream<'_, Result<Candidate, Obstacle>>,
    ) -> anyhow::Result<Summary> {
        let stop = self.stop.clone();
        let importer = Arc::clone(&self.importer);
        let pace = self.flags.per_second.map(pace);
        let paced = futures_util::stream::unfold((candidates, pace), next);
        let mut outcomes = paced
            .take_until(stop.clone().cancelled_owned())
            .map(|candidate| begin(Arc::clone(&importer), candidate))
            .buffer_unordered(self.flags.jobs.into())
            .boxed_local();
        let mut end = None;
        while let Some(outcome) = outcomes.next().await {
            let (id, outcome) = match outcome {
                Ok(outcome) => outcome,
                Err(error) => {
                    end.get_or_insert(error);
                    stop.cancel();
                    continue;
                }
            };
            self.report.add(&id, &outcome)?;
            let counts = &self.report.counts;
            self.progress.tell(counts.documents, || counts.said());
            if let Some(error) = self.too_many(&outcome) {
                end.get_or_insert(error);
                stop.cancel();
            }
        }
        self.progress.end();
        if end.is_none() && stop.is_cancelled() {
            end = Some(End::Stopped);
        }
        let end = end.map(|end| end.to_string());
        let took = self.progress.elapsed();
        self.report.finish(self.flags.dry_run, end, took)
    }

    /// Why the run ends, if this was one failure too many.
    fn too_many(&mut self, outcome: &Outcome) -> Option<End> {
        let Outcome::Skipped(reason @ Reason::Bucket(_)) = outcome else {
            self.failures = 0;
            return None;
        };
        self.failures += 1;
        (self.failures >= FAILURES_IN_A_ROW).then(|| End::InARow {
            pictures: self.failures,
            last: reason.to_string(),
        })
    }
}

type Candidates<'a> = BoxStream<'a, Result<Candidate, Obstacle>>;

/// The next candidate, when it is its turn.
async fn next<'a>(
    (mut candidates, mut pace): (Candidates<'a>, Option<Interval>),
) -> Option<(
    Result<Candidate, Obstacle>,
    (Candidates<'a>, Option<Interval>),
)> {
    let candidate = candidates.next().await?;
    if let Some(pace) = &mut pace {
        pace.tick().await;
    }
    Some((candidate, (candidates, pace)))
}

/// Ticks so often a second, and catches nothing up.
fn pace(per_second: u32) -> Interval {
    let mut pace = interval(Duration::from_secs(1) / per_second);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

/// Imports a candidate on a task of its own, so that all cores work.
async fn begin(
    importer: Arc<Importer>,
    candidate: Result<Candidate, Obstacle>,
) -> Result<(String, Outcome), End> {
    let candidate = match candidate {
        Ok(candidate) => candidate,
        Err(Obstacle::End(end)) => return Err(end),
        Err(Obstacle::Skip(reason)) => return Ok(("-".to_owned(), Outcome::Skipped(reason))),
    };
    let id = candidate.id().to_owned();
    let imported = tokio::spawn(async move { importer.import(candidate).await });
    let outcome = match imported.await {
        Ok(outcome) => outcome?,
        Err(panic) => Outcome::Skipped(Reason::Defect(panic.to_string())),
    };
    Ok((id, outcome))
}
