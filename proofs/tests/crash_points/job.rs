//! A job in a worker.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use anyhow::{Context as _, ensure};
use atelier_cloud::pictures::key;
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::failure::Failure;
use atelier_domain::timestamp::Timestamp;
use atelier_proofs::case::Case;
use atelier_proofs::gate::{Cut, Numbered};
use atelier_proofs::process::{Process, Sweeps};
use atelier_proofs::world::{Home, PROMPT, World};

use super::api::{Others, check_kept, delete, keep};
use super::{EVERY_WAY, Point, hold_to, let_go, prove, reached};

/// What a job meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    /// Nothing in its way.
    Plain,
    /// A model so slow that the claim is renewed twice; the renewals are numbered too.
    Renewed,
    /// A picture that a worker stored before it went away.
    Adopted,
    /// A picture of the same prompt, of another assignment.
    Reused,
    /// The picture of the prompt of the round before.
    Replaced,
    /// A prompt that the model declines.
    Declined,
    /// A model that fails once.
    GivenBack,
    /// Variants and AVIFs are made of the picture.
    WithRenditions,
    /// They are missing, and made of the stored picture.
    RenditionsMissing,
}

const JOBS: [Job; 9] = [
    Job::Renewed,
    Job::Plain,
    Job::Adopted,
    Job::Reused,
    Job::Replaced,
    Job::Declined,
    Job::GivenBack,
    Job::WithRenditions,
    Job::RenditionsMissing,
];

impl Job {
    const fn prompt(self) -> &'static str {
        match self {
            Self::Declined => "[small] gore",
            _ => PROMPT,
        }
    }

    /// Calls to the model, undisturbed.
    const fn model_calls(self) -> u64 {
        match self {
            Self::Adopted | Self::Reused | Self::RenditionsMissing => 0,
            Self::GivenBack => 2,
            Self::Plain
            | Self::Renewed
            | Self::Replaced
            | Self::Declined
            | Self::WithRenditions => 1,
        }
    }

    const fn makes_renditions(self) -> bool {
        matches!(self, Self::WithRenditions | Self::RenditionsMissing)
    }

    async fn prepare(self, case: &Case) -> anyhow::Result<Assignment> {
        let mut assignment = case.assignment(self.prompt());
        case.makes_renditions.store(self.makes_renditions(), SeqCst);
        match self {
            Self::Plain | Self::Declined | Self::WithRenditions => {}
            Self::RenditionsMissing => {
                let label = case.put_picture(&case.id, PROMPT).await?;
                assignment = Assignment {
                    s3_upload_status: Status::Success,
                    s3_image_key: Some(key(&case.id)),
                    image_metadata: Some(label.metadata),
                    model: Some(label.model),
                    renditions_due: true,
                    wake_at: Some(Timestamp::now()),
                    give_up_at: None,
                    ..assignment
                };
            }
            Self::Renewed => case.ledger.renewals_a_call.store(2, SeqCst),
            Self::GivenBack => case.ledger.first_answer_fails.store(true, SeqCst),
            Self::Adopted => drop(case.put_picture(&case.id, PROMPT).await?),
            Self::Reused => drop(
                case.finished(&format!("{}-source", case.id), PROMPT)
                    .await?,
            ),
            Self::Replaced => {
                case.put_picture(&case.id, "the prompt of round 1").await?;
                assignment.round = 2;
            }
        }
        Ok(assignment)
    }

    async fn start(self, case: &Case, cut: Option<(usize, Cut)>) -> anyhow::Result<Process> {
        let numbered = match self {
            Self::Renewed => Numbered::WorkerAndRenewals,
            _ => Numbered::Worker,
        };
        case.numbered_worker(numbered, cut).await
    }

    /// Where the server of the store was `faulty`, a claim may have run out meanwhile and been given
    /// back, or a picture to reuse not have been found.
    async fn check(self, case: &Case, faulty: bool) -> anyhow::Result<()> {
        if self == Self::Declined {
            let document = case.document().await?.context("the document is there")?;
            let code = document
                .failure
                .as_ref()
                .map(|failure| failure.code.as_str());
            ensure!(
                document.s3_upload_status == Status::Failed,
                "it is not failed"
            );
            ensure!(
                code == Some(Failure::Declined.code()),
                "it failed of {code:?}"
            );
            ensure!(case.versions().await?.is_empty(), "there is a picture");
            case.check_ends(&document).await?;
        } else {
            let versions = if self == Self::Replaced { 2 } else { 1 };
            case.check_success(self.prompt(), versions).await?;
        }
        if self.makes_renditions() {
            case.check_renditions().await?;
        }
        // Two workers never call the model for the same assignment, unless the claim of one ran
        // out.
        let document = case.document().await?.context("the document is there")?;
        let takeovers = document.takeovers;
        let calls = case.ledger.model_calls();
        let (least, most) = (
            self.model_calls(),
            self.model_calls() + u64::from(takeovers) + u64::from(faulty),
        );
        ensure!(
            (least..=most).contains(&calls),
            "{calls} calls to the model, {takeovers} takeovers"
        );
        let attempts = u64::from(document.attempts);
        ensure!(
            attempts <= most.max(1) + 1,
            "{attempts} attempts, {takeovers} takeovers"
        );
        Ok(())
    }
}

async fn run(
    world: Arc<World>,
    home: Home,
    job: Job,
    point: Option<Point>,
) -> anyhow::Result<Vec<String>> {
    let case = Case::new(&world, &home).await?;
    let assignment = job.prepare(&case).await?;
    let round = assignment.round;
    case.post(assignment).await?;
    if point.is_some_and(|point| point.second) {
        case.send(round).await?;
    }
    let worker = job
        .start(&case, point.map(|point| (point.at, point.cut)))
        .await?;
    let mut calls = Vec::new();
    match point {
        None => {
            case.settled().await?;
            calls = worker.gate.made();
            // The next poll.
            calls.pop_if(|last| last == RECEIVE);
        }
        Some(point) => {
            reached(&worker).await?;
            disturb(&case, worker, point).await?;
        }
    }
    let faulty = point.is_some_and(Point::is_faulty);
    job.check(&case, faulty).await?;
    if faulty {
        check_budget(&case, job).await?;
    }
    if point.is_none() {
        case.check_money(0).await?;
    }
    case.clear().await?;
    Ok(calls)
}

/// A fault of the store's server burns no attempt: only claims that ran out count beside the work.
async fn check_budget(case: &Case, job: Job) -> anyhow::Result<()> {
    let document = case.document().await?.context("the document is there")?;
    let most = document.takeovers + if job == Job::GivenBack { 2 } else { 1 };
    ensure!(
        document.attempts <= most,
        "{} attempts, {} takeovers",
        document.attempts,
        document.takeovers
    );
    Ok(())
}

const RECEIVE: &str = "sqs: ReceiveMessage";

async fn disturb(case: &Case, worker: Process, point: Point) -> anyhow::Result<()> {
    match point.cut {
        Cut::Before | Cut::AnswerLost | Cut::HeldAnswerLost => {
            worker.kill();
            let _others = Others::start(case).await?;
            case.settled().await
        }
        Cut::Frozen => {
            let _others = Others::start(case).await?;
            case.settled().await?;
            let before = case.snapshot().await?;
            let polls = polls(&worker);
            let_go(case, &worker).await?;
            // It asks for the next job when it is through with this one.
            let through = async || Ok(crate::job::polls(&worker) > polls);
            case.eventually("through with its late job", through)
                .await?;
            let after = case.snapshot().await?;
            ensure!(
                before == after,
                "a late worker changed {before:#?} to {after:#?}"
            );
            Ok(())
        }
        Cut::Fault(_) => {
            let _api = case.api(Sweeps::Always, None).await?;
            case.settled().await
        }
        Cut::Held => {
            let other = case.worker(None).await?;
            // Unless the first one, of which only a renewal is held, is through with both messages.
            let checked =
                async || Ok(other.gate.has_settled_a_message() || case.messages().await? == 0);
            case.eventually("settled by the other worker", checked)
                .await?;
            worker.gate.release();
            // What either leaves to the sweep is swept.
            let _api = case.api(Sweeps::Always, None).await?;
            case.settled().await
        }
    }
}

fn polls(worker: &Process) -> usize {
    let made = worker.gate.made();
    made.iter().filter(|call| *call == RECEIVE).count()
}

async fn a_job_survives_every_crash_point(home: &Home) {
    let world = World::start().await.unwrap();
    let mut failures = Vec::new();
    for job in JOBS {
        failures.extend(prove(&world, home, job, &EVERY_WAY, run).await);
    }
    hold_to(&world, failures).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_every_crash_point_on_sqlite() {
    a_job_survives_every_crash_point(&Home::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn a_job_survives_every_crash_point_on_mongodb() {
    a_job_survives_every_crash_point(&Home::mongodb()).await;
}

/// What somebody asks of the API while the worker is at one of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    Delete,
    Keep,
}

/// The worker goes on after it, or goes away once its call is done.
const MEANWHILE: [(Cut, bool); 2] = [(Cut::Held, false), (Cut::HeldAnswerLost, false)];

async fn run_meanwhile(
    world: Arc<World>,
    home: Home,
    (job, asked): (Job, Meanwhile),
    point: Option<Point>,
) -> anyhow::Result<Vec<String>> {
    let Some(point) = point else {
        return run(world, home, job, None).await;
    };
    let case = Case::new(&world, &home).await?;
    let assignment = job.prepare(&case).await?;
    case.post(assignment).await?;
    let worker = job.start(&case, Some((point.at, point.cut))).await?;
    reached(&worker).await?;
    let api = case.api(Sweeps::Always, None).await?;
    match asked {
        Meanwhile::Delete => delete(&case, &api).await?,
        Meanwhile::Keep => keep(&case, &api).await?,
    }
    let_go(&case, &worker).await?;
    if point.cut == Cut::HeldAnswerLost {
        disturb(&case, worker, point).await?;
    } else {
        case.settled().await?;
    }
    match asked {
        Meanwhile::Delete => case.check_deleted().await?,
        Meanwhile::Keep => {
            job.check(&case, point.is_faulty()).await?;
            check_kept(&case).await?;
        }
    }
    case.clear().await?;
    Ok(Vec::new())
}

async fn a_delete_or_a_change_at_any_call_of_a_job_holds(home: &Home) {
    let world = World::start().await.unwrap();
    let mut failures = Vec::new();
    for asked in [Meanwhile::Delete, Meanwhile::Keep] {
        for job in [Job::Plain, Job::Adopted, Job::WithRenditions] {
            let work = (job, asked);
            failures.extend(prove(&world, home, work, &MEANWHILE, run_meanwhile).await);
        }
    }
    hold_to(&world, failures).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_or_a_change_at_any_call_of_a_job_holds_on_sqlite() {
    a_delete_or_a_change_at_any_call_of_a_job_holds(&Home::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn a_delete_or_a_change_at_any_call_of_a_job_holds_on_mongodb() {
    a_delete_or_a_change_at_any_call_of_a_job_holds(&Home::mongodb()).await;
}
