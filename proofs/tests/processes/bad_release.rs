//! A fault that would fail every job strikes a fleet with a thousand queued ones.

use std::time::Duration;

use atelier_domain::assignment::Status;
use atelier_domain::timestamp::Timestamp;
use atelier_mongodb_proxy::{Kind, Proxy};
use atelier_proofs::fleet::{Fleet, Plan};
use atelier_proofs::view::View;
use atelier_proofs::{people, storm};
use serde_json::json;
use tempfile::TempDir;

use crate::collector::Collector;
use crate::switch::{Switch, line_to, role};
use crate::{Bench, eventually};

/// Jobs in the queue when a fault strikes.
const QUEUED: u32 = 1000;

const WORKERS: usize = 2;

/// `WORKER_SLOTS`, as by default.
const SLOTS: usize = 8;

/// Pictures that are made before a fault strikes: the fleet is in the middle of its work.
const BEFORE: usize = 20;

/// The limit for the first picture after the fix.
const RECOVERY: Duration = Duration::from_secs(60);

const OPTIONS: [(&str, &str); 6] = [
    ("CLAIM_SECONDS", "5"),
    ("CREATE_LIMIT_PER_MINUTE", "0"),
    ("RETRY_SECONDS", "0.5"),
    ("LOG", "info"),
    ("LOG_FORMAT", "json"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
];

const PAUSED: &str = "paused: a fault would fail every job";
const RECEIVE_FAILED: &str = "the queue did not answer a receive";
const FAILED: &str = "no picture";
const OVER: &str = "the outage is over: receiving jobs again";

/// The fault and its end.
enum Fault {
    /// Of a service of the cloud.
    Ordered(&'static str, &'static str),
    /// What workers depend on is switched off.
    Off(Switch),
    /// The store of the workers has no majority: what they write is carried out, not confirmed, and
    /// lost when another server becomes the primary.
    NoMajority(Proxy),
}

impl Fault {
    async fn strike(&self, view: &View) {
        match self {
            Self::Ordered(service, kind) => {
                let fault = json!({"service": service, "kind": kind});
                view.order(&fault).await.unwrap();
            }
            Self::Off(switch) => switch.set(false),
            Self::NoMajority(proxy) => {
                let lost = atelier_mongodb_proxy::Fault::RolledBack(64);
                proxy.order(Kind::Write, u32::MAX, lost);
            }
        }
    }

    async fn repair(&self, view: &View) {
        match self {
            Self::Ordered(..) => view.repair().await.unwrap(),
            Self::Off(switch) => switch.set(true),
            Self::NoMajority(proxy) => proxy.clear(),
        }
    }
}

/// A fleet under a queue that is filled up before each fault.
struct Release {
    bench: Bench,
    collector: Collector,
    posted: u32,
}

impl Release {
    /// Posts before any worker is there, so that all of it is queued.
    async fn start(prepare: impl FnOnce(&mut Fleet), store_url: Option<&str>) -> Self {
        let mut bench = Bench::start(Plan {
            apis: 1,
            workers: 0,
            model_latency: Duration::from_millis(200),
            options: &OPTIONS,
        })
        .await;
        let collector = Collector::start().await;
        if let Some(url) = store_url {
            // The API's line is not cut.
            bench.view = View::with_store(&bench.fleet, url).await.unwrap();
            bench.fleet.set("STORE_URL", url);
            let (address, api) = &mut bench.fleet.apis[0];
            let address = *address;
            api.kill().await.unwrap();
            bench.fleet.apis[0].1 = bench.fleet.api(address).unwrap();
        }
        prepare(&mut bench.fleet);
        let mut release = Self {
            bench,
            collector,
            posted: 0,
        };
        release.fill().await;
        for n in 0..WORKERS {
            let endpoint = format!("{}/worker-{n}", release.collector.address);
            let fleet = &mut release.bench.fleet;
            fleet.set("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
            let worker = fleet.worker().unwrap();
            fleet.workers.push(worker);
        }
        release
    }

    /// How many became final in this status since then.
    async fn ended(&self, status: Status, since: Timestamp) -> usize {
        let store = &self.bench.view.store;
        let now = Timestamp::now();
        let ended = store.finished_between(since, now, 2 * QUEUED).await;
        let those = ended.unwrap().into_iter();
        those.filter(|it| it.s3_upload_status == status).count()
    }

    async fn succeeded(&self, since: Timestamp) -> usize {
        self.ended(Status::Success, since).await
    }

    /// Posts until [`QUEUED`] jobs are pending.
    async fn fill(&mut self) {
        let pending = self.bench.with_status(Status::Pending).await;
        let end = self.posted + QUEUED - pending.min(QUEUED as usize) as u32;
        let apis = self.bench.fleet.addresses();
        if self.posted < end {
            people::post(self.posted..end, Duration::ZERO, apis)
                .await
                .unwrap();
            self.posted = end;
        }
    }

    fn said(&self, words: &str) -> Vec<usize> {
        let workers = self.bench.fleet.workers.iter();
        workers.map(|worker| worker.said(words).unwrap()).collect()
    }

    /// Returns when every worker has said more of this than `before`, by `more`.
    async fn say_again(&self, words: &[&str], before: &[Vec<usize>], more: usize) {
        eventually(&format!("every worker says {words:?}"), async || {
            let now: Vec<_> = words.iter().map(|words| self.said(words)).collect();
            (0..WORKERS).all(|worker| {
                let count = |all: &[Vec<usize>]| all.iter().map(|it| it[worker]).sum::<usize>();
                count(&now) >= count(before) + more
            })
        })
        .await;
    }

    /// Lets the fault strike in the middle of the work, until every worker has paused and probed;
    /// mends it; waits for the first picture. Returns how many failed.
    async fn suffers(&mut self, what: &str, fault: &Fault) -> usize {
        self.fill().await;
        let start = Timestamp::now();
        eventually("the fleet works", async || {
            self.succeeded(start).await >= BEFORE
        })
        .await;
        let (failed, pauses, over) = (self.said(FAILED), self.said(PAUSED), self.said(OVER));
        let receives = self.said(RECEIVE_FAILED);
        fault.strike(&self.bench.view).await;
        self.say_again(&[PAUSED], std::slice::from_ref(&pauses), 1)
            .await;
        // A probe that meets the fault, or a receive that does: without credentials none is let in.
        self.say_again(&[PAUSED, RECEIVE_FAILED], &[pauses, receives], 2)
            .await;
        let all = (0..WORKERS).map(|n| format!("worker-{n}")).collect();
        eventually("the metrics say that all are paused", async || {
            self.collector.last_said(true) == all
        })
        .await;

        let struck = Timestamp::now();
        fault.repair(&self.bench.view).await;
        let recovery = eventually("a picture", async || self.succeeded(struck).await > 0).await;
        assert!(recovery < RECOVERY, "{what}: {recovery:?}");
        self.say_again(&[OVER], &[over], 1).await;
        eventually("the metrics say that none is paused", async || {
            self.collector.last_said(false) == all
        })
        .await;
        let of_each: Vec<_> = self
            .said(FAILED)
            .iter()
            .zip(failed)
            .map(|(now, then)| now - then)
            .collect();
        assert!(
            of_each.iter().all(|failed| *failed <= SLOTS + 1),
            "{what}: {of_each:?}"
        );
        let failed = self.ended(Status::Failed, start).await;
        assert!(failed <= WORKERS * (SLOTS + 1), "{what}: {failed}");
        println!(
            "{what}: {failed} of {QUEUED} failed ({of_each:?} a worker of {SLOTS} slots); the first picture {:.1} s after the fix",
            recovery.as_secs_f64()
        );
        failed
    }

    /// All the rest succeeds.
    async fn ends(self, failed: usize) -> Bench {
        self.bench.view.set_model_latency(0).await.unwrap();
        let documents = self.bench.rests().await;
        assert_eq!(documents.len(), self.posted as usize);
        let succeeded = documents
            .iter()
            .filter(|it| it.s3_upload_status == Status::Success);
        assert_eq!(succeeded.count(), documents.len() - failed);
        println!(
            "{} jobs in all: {failed} failed, all others succeeded",
            documents.len()
        );
        self.bench
    }
}

#[tokio::test]
async fn no_bad_release_burns_down_the_queue() {
    let (address, role) = role().await;
    let role_of_workers = |fleet: &mut Fleet| {
        fleet.set("AWS_ACCESS_KEY_ID", "");
        fleet.set("AWS_SECRET_ACCESS_KEY", "");
        fleet.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &address);
    };
    let mut release = Release::start(role_of_workers, None).await;
    let mut failed = 0;
    for (what, fault) in [
        ("permission denied", Fault::Ordered("s3", "denied")),
        ("bucket gone", Fault::Ordered("s3", "missing")),
        ("all models retired", Fault::Ordered("bedrock", "retired")),
        ("credentials gone", Fault::Off(role)),
    ] {
        failed += release.suffers(what, &fault).await;
    }
    let bench = release.ends(failed).await;
    bench.stop().await;
}

/// SQLite has no line to cut: nobody can write for longer than a claim lasts.
#[tokio::test]
async fn a_store_that_takes_no_writes_fails_no_job() {
    const AWAY: Duration = Duration::from_secs(10);
    let mut release = Release::start(|_| {}, None).await;
    release.fill().await;
    let start = Timestamp::now();
    eventually("the fleet works", async || {
        release.succeeded(start).await >= BEFORE
    })
    .await;
    let url = release.bench.view.store_url.clone();
    let database = url.strip_prefix("sqlite:").unwrap().to_owned();
    let held = tokio::task::spawn_blocking(move || storm::hold(&database, AWAY));
    held.await.unwrap().unwrap();
    let repaired = Timestamp::now();
    let recovery = eventually("a picture", async || release.succeeded(repaired).await > 0).await;
    assert!(recovery < RECOVERY, "{recovery:?}");
    println!(
        "store takes no writes: the first picture {:.1} s after the fix",
        recovery.as_secs_f64()
    );
    release.ends(0).await.stop().await;
}

#[tokio::test]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn a_store_that_is_gone_fails_no_job() {
    let uri = std::env::var("ATELIER_TEST_MONGODB_URI");
    let uri = uri.expect("ATELIER_TEST_MONGODB_URI is not set");
    let home = TempDir::new().unwrap();
    let name = home.path().file_name().unwrap().to_string_lossy();
    let name = name.trim_start_matches('.');
    let (server, options) = uri.split_once("/?").unwrap_or((&uri, ""));
    let host = server.rsplit(['/', '@']).next().unwrap().to_owned();
    let (line, switch) = line_to(host.clone()).await;
    let url = format!("{server}/bad_release_{name}?{options}");
    let through_line = url.replacen(&host, &line, 1);
    let over_line = |fleet: &mut Fleet| fleet.set("STORE_URL", &through_line);
    let mut release = Release::start(over_line, Some(&url)).await;
    let failed = release.suffers("store gone", &Fault::Off(switch)).await;
    assert_eq!(failed, 0);
    release.ends(failed).await.fleet.stop().await;
}

#[tokio::test]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn a_store_without_a_majority_fails_no_job_and_burns_no_attempt() {
    let uri = std::env::var("ATELIER_TEST_MONGODB_URI");
    let uri = uri.expect("ATELIER_TEST_MONGODB_URI is not set");
    let (server, options) = uri.split_once("/?").unwrap_or((&uri, ""));
    let url = format!("{server}/no_majority_{:016x}?{options}", fastrand::u64(..));
    let proxy = Proxy::before(&url).await.unwrap();
    let through_proxy = proxy.url().to_owned();
    let workers = |fleet: &mut Fleet| fleet.set("STORE_URL", &through_proxy);
    let mut release = Release::start(workers, Some(&url)).await;
    let fault = Fault::NoMajority(proxy);
    let failed = release.suffers("no majority", &fault).await;
    assert_eq!(failed, 0);
    let bench = release.ends(failed).await;
    // Whose claim ran out meanwhile was taken over, and each other is worked on once.
    for document in bench.view.documents().await.unwrap() {
        let (attempts, takeovers) = (document.attempts, document.takeovers);
        assert!(attempts <= 1 + takeovers, "{document:?}");
    }
    bench.fleet.stop().await;
}
