//! Requests to an API, and the work of its sweep.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use atelier_cloud::pictures::key;
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::failure::Failure;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Edit};
use atelier_proofs::case::{Case, TEACHER};
use atelier_proofs::gate::Cut;
use atelier_proofs::process::{Process, Sweeps};
use atelier_proofs::world::{Home, PROMPT, World};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{EVERY_WAY, Point, hold_to, let_go, prove, reached};

/// What an API does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// `POST /assignments`.
    Create,
    /// `POST /assignments/{id}/retry`, with another prompt.
    Retry,
    /// `DELETE /assignments/{id}`.
    Delete,
    /// `PATCH /assignments/{id}`, to keep the picture for ever.
    Keep,
    /// The sweep sends a job that was not sent.
    Resend,
    /// The sweep fails what is past `give_up_at`.
    GiveUp,
    /// The sweep erases what a tombstone stands for.
    Erase,
    /// The sweep mends a tag.
    Tag,
}

const ACTS: [Act; 8] = [
    Act::Create,
    Act::Retry,
    Act::Delete,
    Act::Keep,
    Act::Resend,
    Act::GiveUp,
    Act::Erase,
    Act::Tag,
];

/// The prompt of a retry.
const OTHER_PROMPT: &str = "[small] a lighthouse at night";

impl Act {
    async fn prepare(self, case: &Case) -> anyhow::Result<()> {
        let past = Timestamp::now() - Duration::from_secs(1);
        let due = Assignment {
            wake_at: Some(past),
            ..case.assignment(PROMPT)
        };
        match self {
            Self::Create => {}
            Self::Retry => {
                let failed = Assignment {
                    s3_upload_status: Status::Failed,
                    failure: Some(Failure::Declined.note("of-the-first-round")),
                    wake_at: None,
                    give_up_at: None,
                    ..due
                };
                case.insert(&failed).await?;
            }
            Self::Resend => case.insert(&due).await?,
            Self::GiveUp => {
                let late = Assignment {
                    give_up_at: Some(past),
                    ..due
                };
                case.insert(&late).await?;
            }
            Self::Delete | Self::Keep => drop(case.finished(&case.id, PROMPT).await?),
            Self::Erase => {
                case.finished(&case.id, PROMPT).await?;
                case.store
                    .apply(&case.id, &transition::delete(past, past))
                    .await?;
            }
            Self::Tag => {
                case.finished(&case.id, PROMPT).await?;
                case.edit(
                    None,
                    vec![
                        Edit::Set("permanent", json!(true)),
                        Edit::Set("tag_due", json!(true)),
                        Edit::Set("wake_at", json!(past)),
                    ],
                )
                .await?;
            }
        }
        Ok(())
    }

    /// What a caller asks for, if it is not the sweep's work; and which answers are right, also
    /// where the same was asked before.
    fn request(self, case: &Case) -> Option<(Method, String, Value, &'static [StatusCode])> {
        let path = format!("/assignments/{}", case.id);
        match self {
            Self::Create => {
                let body =
                    json!({"assignment_id": case.id, "prompt": PROMPT, "teacher_id": TEACHER});
                let right = &[StatusCode::ACCEPTED];
                Some((Method::POST, "/assignments".to_owned(), body, right))
            }
            Self::Retry => {
                let body = json!({"prompt": OTHER_PROMPT});
                let right = &[StatusCode::ACCEPTED, StatusCode::CONFLICT];
                Some((Method::POST, path + "/retry", body, right))
            }
            Self::Delete => Some((Method::DELETE, path, Value::Null, &[StatusCode::NO_CONTENT])),
            Self::Keep => {
                let body = json!({"permanent": true});
                Some((Method::PATCH, path, body, &[StatusCode::OK]))
            }
            Self::Resend | Self::GiveUp | Self::Erase | Self::Tag => None,
        }
    }

    /// Asks `api`, where there is something to ask.
    async fn ask(self, case: &Case, api: &Process) -> anyhow::Result<()> {
        let Some((method, path, body, right)) = self.request(case) else {
            return Ok(());
        };
        let address = api.address.context("an API listens")?;
        let url = format!("http://{address}{path}");
        let mut request = reqwest::Client::new().request(method, url);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        ensure!(
            right.contains(&status),
            "{status}: {}",
            answer.text().await?
        );
        Ok(())
    }

    /// Asks `api`, and once more where the store was away.
    async fn ask_twice(self, case: &Case, api: &Process) -> anyhow::Result<()> {
        match self.ask(case, api).await {
            Err(away) if away.to_string().starts_with("503") => self.ask(case, api).await,
            answer => answer,
        }
    }

    /// Whether the sweep is through with it.
    fn is_swept(self, document: &Assignment, api: &Process) -> bool {
        match self {
            Self::Create | Self::Retry | Self::Delete | Self::Keep => true,
            Self::Resend => {
                // Another API that starts in the first second of a queue takes what was sent
                // before for lost, and the note of it goes again.
                let noted = "store: apply note sent";
                api.gate.made().iter().any(|call| call == noted)
                    || document.s3_upload_status != Status::Pending
            }
            Self::GiveUp => document.s3_upload_status == Status::Failed,
            Self::Erase => document.erasures > 0,
            Self::Tag => !document.tag_due,
        }
    }

    async fn swept(self, case: &Case, api: &Process) -> anyhow::Result<()> {
        case.eventually("swept", async || {
            let document = case.document().await?;
            Ok(document.is_none_or(|document| self.is_swept(&document, api)))
        })
        .await
    }

    async fn check(self, case: &Case, point: Option<Point>) -> anyhow::Result<()> {
        // Who asked once, got no answer and walked away may find nothing done.
        let faulty = point.is_some_and(Point::is_faulty);
        let forsaken = !faulty && point.is_some_and(|point| !point.second);
        let wanted = match self {
            Self::Create => {
                if forsaken && case.document().await?.is_none() {
                    ensure!(case.versions().await?.is_empty(), "a picture of nothing");
                    ensure!(case.messages().await? == 0, "a job of nothing");
                    return Ok(());
                }
                case.check_success(PROMPT, 1).await?;
                1
            }
            Self::Retry => {
                let document = case.document().await?.context("the document is there")?;
                if forsaken && document.round == 1 {
                    ensure!(document.s3_upload_status == Status::Failed, "half retried");
                    return Ok(());
                }
                case.check_success(OTHER_PROMPT, 1).await?;
                ensure!(document.round == 2, "round {}", document.round);
                1
            }
            Self::Delete => {
                let document = case.document().await?.context("the document is there")?;
                if forsaken && document.s3_upload_status == Status::Success {
                    case.check_success(PROMPT, 1).await?;
                    return Ok(());
                }
                case.check_deleted().await?;
                0
            }
            Self::Resend => {
                case.check_success(PROMPT, 1).await?;
                1
            }
            Self::GiveUp => {
                let document = case.document().await?.context("the document is there")?;
                let code = document
                    .failure
                    .as_ref()
                    .map(|failure| failure.code.as_str());
                ensure!(
                    code == Some(Failure::TooBusy.code()),
                    "it failed of {code:?}"
                );
                case.check_ends(&document).await?;
                0
            }
            Self::Erase => {
                case.check_deleted().await?;
                0
            }
            Self::Tag | Self::Keep => {
                let document = case.check_success(PROMPT, 1).await?;
                if !(forsaken && self == Self::Keep && !document.permanent) {
                    check_kept(case).await?;
                }
                0
            }
        };
        // One more for each claim that ran out before its worker was done, or could not be renewed.
        let document = case.document().await?;
        let takeovers = document.map_or(0, |it| u64::from(it.takeovers));
        let most = wanted + takeovers + u64::from(faulty);
        let calls = case.ledger.model_calls();
        ensure!(
            (wanted..=most).contains(&calls),
            "{calls} calls to the model instead of {wanted} to {most}"
        );
        Ok(())
    }
}

/// The document and the tag of the picture both say that it is kept.
pub(crate) async fn check_kept(case: &Case) -> anyhow::Result<()> {
    let document = case.document().await?.context("the document is there")?;
    ensure!(
        document.permanent && !document.tag_due,
        "the document does not keep it"
    );
    let tag = case.retention(&key(&case.id)).await?;
    ensure!(tag.as_deref() == Some("permanent"), "the tag says {tag:?}");
    Ok(())
}

/// Keeps the picture of the case's assignment.
pub(crate) async fn keep(case: &Case, api: &Process) -> anyhow::Result<()> {
    Act::Keep.ask(case, api).await
}

/// Deletes the case's assignment.
pub(crate) async fn delete(case: &Case, api: &Process) -> anyhow::Result<()> {
    Act::Delete.ask(case, api).await
}

async fn run(
    world: Arc<World>,
    home: Home,
    act: Act,
    point: Option<Point>,
) -> anyhow::Result<Vec<String>> {
    let case = Arc::new(Case::new(&world, &home).await?);
    act.prepare(&case).await?;
    let api = case
        .api(Sweeps::Once, point.map(|point| (point.at, point.cut)))
        .await?;
    let mut calls = Vec::new();
    match point {
        None => {
            act.ask(&case, &api).await?;
            act.swept(&case, &api).await?;
            calls = api.gate.made();
            drop(api);
            let _others = Others::start(&case).await?;
            case.settled().await?;
        }
        Some(point) => disturb(&case, act, api, point).await?,
    }
    act.check(&case, point).await?;
    case.clear().await?;
    Ok(calls)
}

/// An API and a worker that nothing happens to.
pub(crate) struct Others {
    api: Process,
    _worker: Process,
}

impl Others {
    pub(crate) async fn start(case: &Case) -> anyhow::Result<Self> {
        Ok(Self {
            api: case.api(Sweeps::Always, None).await?,
            _worker: case.worker(None).await?,
        })
    }
}

async fn disturb(case: &Arc<Case>, act: Act, api: Process, point: Point) -> anyhow::Result<()> {
    let api = Arc::new(api);
    let asking = tokio::spawn({
        let (case, api) = (Arc::clone(case), Arc::clone(&api));
        async move {
            match point.cut {
                Cut::Fault(_) => act.ask_twice(&case, &api).await,
                _ => act.ask(&case, &api).await,
            }
        }
    });
    reached(&api).await?;
    match point.cut {
        Cut::Before | Cut::AnswerLost | Cut::HeldAnswerLost => {
            asking.abort();
            let _ = asking.await;
            drop(api);
            let others = Others::start(case).await?;
            if point.second {
                act.ask(case, &others.api).await?;
            }
            case.settled().await
        }
        Cut::Fault(_) => {
            asking.await??;
            let _others = Others::start(case).await?;
            case.settled().await
        }
        Cut::Frozen => {
            let others = Others::start(case).await?;
            act.ask(case, &others.api).await?;
            case.settled().await?;
            let before = case.snapshot().await?;
            let_go(case, &api).await?;
            asking.await??;
            case.settled().await?;
            let after = case.snapshot().await?;
            // Who asks late to keep a picture still asks.
            ensure!(
                before == after || act == Act::Keep,
                "a late API changed {before:#?} to {after:#?}"
            );
            Ok(())
        }
        Cut::Held => {
            let others = Others::start(case).await?;
            act.ask(case, &others.api).await?;
            if act.request(case).is_none() {
                case.edit(None, vec![Edit::Set("wake_at", json!(Timestamp::now()))])
                    .await?;
                act.swept(case, &others.api).await?;
            }
            let_go(case, &api).await?;
            asking.await??;
            case.settled().await
        }
    }
}

async fn what_an_api_does_survives_every_crash_point(home: &Home) {
    let world = World::start().await.unwrap();
    let mut failures = Vec::new();
    for act in ACTS {
        failures.extend(prove(&world, home, act, &EVERY_WAY, run).await);
    }
    hold_to(&world, failures).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_api_does_survives_every_crash_point_on_sqlite() {
    what_an_api_does_survives_every_crash_point(&Home::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn what_an_api_does_survives_every_crash_point_on_mongodb() {
    what_an_api_does_survives_every_crash_point(&Home::mongodb()).await;
}
