//! A bench for workers: the embedded cloud, a store, and workers that run in this process.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod odd_store;
pub(crate) mod properties;

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::client::Aws;
use atelier_cloud::config::StaticCredentials;
use atelier_cloud::pictures::{Pictures, RetryPolicy};
use atelier_cloud::queue::{Context, Queues};
use atelier_domain::assignment::{Assignment, Post, Status};
use atelier_domain::job::Job;
use atelier_domain::timestamp::Timestamp;
use atelier_embedded::cloud::{Cloud, Options};
use atelier_embedded::faults::{Answer, Kind, Order, Service};
use atelier_embedded::model::{Behavior, Settings};
use atelier_runtime::config::Environment;
use atelier_runtime::telemetry::TelemetryConfig;
use atelier_store::{Indexes, Store};
use atelier_worker::{Config, Services, Worker};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Longer than anything in these tests takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Bench {
    pub cloud: Cloud,
    pub config: Config,
    pub store: Arc<dyn Store>,
    pub queues: Queues,
    pub pictures: Pictures,
    pub behavior: Behavior,
    aws: Aws,
    /// The workers' own: connections of a client end with the runtime that made them.
    workers_aws: Aws,
    data: Vec<TempDir>,
}

/// A worker that runs until it is told to stop, on a runtime of its own that can be killed.
pub(crate) struct Running {
    pub worker: Arc<Worker>,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    runtime: Runtime,
}

impl Running {
    /// Tells it to stop and waits until it has drained.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.task)
            .await
            .expect("it drains")
            .unwrap()
            .expect("no loop ends by itself");
        self.runtime.shutdown_background();
    }

    /// Returns when it ends by itself.
    pub(crate) async fn ends(self) -> anyhow::Result<()> {
        let ended = timeout(PATIENCE, self.task).await;
        self.runtime.shutdown_background();
        ended.expect("it ends by itself").unwrap()
    }

    /// Ends it in the middle of whatever it does, as a kill does.
    pub(crate) fn kill(self) {
        self.runtime.shutdown_background();
    }
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With these options in place of the defaults.
    pub(crate) async fn with(options: &[(&str, &str)]) -> Self {
        atelier_runtime::process::install_tls();
        show_log();
        let data = TempDir::new().unwrap();
        let behavior = Behavior::new(Settings {
            latency: Duration::ZERO,
            throttle: 0.0,
            failure: 0.0,
        });
        let cloud = Cloud::start(Options {
            data: data.path().to_owned(),
            behavior: behavior.clone(),
        })
        .await
        .unwrap();
        let environment = Environment::of(cloud.environment().iter().cloned())
            .with([
                ("RETRY_SECONDS", "0.05"),
                ("REUSE", "off"),
                // A quarter of it is the longest poll, which a stop waits for.
                ("GRACE_SECONDS", "4"),
            ])
            .with(options.iter().copied());
        let mut config = Config::read(environment).unwrap();
        config.cloud.credentials = Some(StaticCredentials {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
        });
        let aws = Aws::connect(&config.cloud).await;
        let workers_aws = Aws::connect(&config.cloud).await;
        let store = atelier_store::open(&config.store, Indexes::Leave)
            .await
            .unwrap();
        Self {
            queues: Queues::new(&aws, &config.queue),
            pictures: quick(Pictures::new(&aws, &config.bucket)),
            store,
            config,
            behavior,
            aws,
            workers_aws,
            cloud,
            data: vec![data],
        }
    }

    /// The same queues and bucket, but a store that knows nothing of what lies there.
    pub(crate) fn with_another_store(&mut self) {
        let data = TempDir::new().unwrap();
        let store = atelier_store::SqliteStore::open(&data.path().join("other.db")).unwrap();
        self.store = Arc::new(store);
        self.data.push(data);
    }

    /// Starts a worker.
    pub(crate) fn work(&self) -> Running {
        let mut services = Services::new(&self.config, Arc::clone(&self.store), &self.workers_aws);
        services.pictures = quick(services.pictures);
        let worker = Worker::new(self.config.clone(), services);
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let task = runtime.spawn(atelier_worker::run(Arc::clone(&worker), stop.clone()));
        Running {
            worker,
            stop,
            task,
            runtime,
        }
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        self.aws.s3()
    }

    pub(crate) fn assignment(&self, id: &str, prompt: &str) -> Assignment {
        let now = Timestamp::now();
        let post = Post {
            assignment_id: id.to_owned(),
            teacher_id: Some("Ms. Frizzle".to_owned()),
            prompt: prompt.to_owned(),
            correlation_id: format!("correlation-of-{id}"),
            ..Post::default()
        };
        let (wake_at, give_up_at) = (Duration::from_secs(30), Duration::from_secs(3600));
        Assignment::new(post, now, now + wake_at, now + give_up_at)
    }

    /// Stores an assignment and sends its job.
    pub(crate) async fn post(&self, id: &str, prompt: &str) {
        self.post_as(&self.assignment(id, prompt)).await;
    }

    pub(crate) async fn post_as(&self, assignment: &Assignment) {
        self.store.insert(assignment).await.unwrap();
        self.send(assignment).await;
    }

    pub(crate) async fn send(&self, assignment: &Assignment) {
        let job = Job {
            assignment_id: assignment.assignment_id.clone(),
            round: assignment.round,
        };
        let context = Context {
            correlation_id: assignment.correlation_id.clone(),
            trace_parent: None,
        };
        let teacher = assignment.teacher_id.as_deref();
        self.queues
            .jobs
            .send(&job, teacher, &context)
            .await
            .unwrap();
    }

    pub(crate) async fn get(&self, id: &str) -> Assignment {
        self.store.get(id).await.unwrap().unwrap()
    }

    /// The assignment when it is as `wanted`.
    pub(crate) async fn until(&self, id: &str, wanted: impl Fn(&Assignment) -> bool) -> Assignment {
        let there = async {
            loop {
                let now = self.get(id).await;
                if wanted(&now) {
                    return now;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        match timeout(PATIENCE, there).await {
            Ok(assignment) => assignment,
            Err(_) => panic!("never as wanted: {:#?}", self.get(id).await),
        }
    }

    /// The assignment when it is final.
    pub(crate) async fn finished(&self, id: &str) -> Assignment {
        self.until(id, |it| it.s3_upload_status != Status::Pending)
            .await
    }

    /// Returns when `holds`.
    pub(crate) async fn eventually(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let there = async {
            while !holds().await {
                sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(PATIENCE, there).await.is_ok(), "never: {what}");
    }

    /// Returns when no job is left in the queue.
    pub(crate) async fn queue_is_empty(&self) {
        self.eventually("an empty queue", async || {
            self.queues.jobs.depth().await.unwrap().total() == 0
        })
        .await;
    }

    pub(crate) fn fault(&self, service: Service, kind: Kind, share: f64) {
        self.cloud.faults().add(Order {
            share,
            ..Order::new(service, kind)
        });
    }

    /// Answers every call of `operation` with an error of the service's own protocol.
    pub(crate) fn refuse(&self, service: Service, operation: &str, status: u16, code: &str) {
        self.order(Order {
            operation: Some(operation.to_owned()),
            answer: Some(Answer {
                status,
                code: code.to_owned(),
                ..Answer::default()
            }),
            ..Order::new(service, Kind::Answer)
        });
    }

    pub(crate) fn order(&self, order: Order) {
        order.check().unwrap();
        self.cloud.faults().add(order);
    }

    pub(crate) fn repair(&self) {
        self.cloud.faults().clear();
    }

    pub(crate) fn count(&self, service: Service, operation: &'static str) -> u64 {
        self.cloud.counters().get(service, operation)
    }
}

/// `LOG=debug cargo test -- --nocapture` shows what happens.
fn show_log() {
    let mut environment = Environment::of_process().with([("LOG_FORMAT", "text")]);
    let config = TelemetryConfig::read(&mut environment);
    if std::env::var_os("LOG").is_some() {
        // Refused where another test of this process was faster.
        let _ = atelier_runtime::telemetry::start(&config, "test");
    }
}

/// The portal's waits of one, two and four seconds are too long for a test that is run all the
/// time.
pub(crate) fn quick(pictures: Pictures) -> Pictures {
    let patience = RetryPolicy {
        waits: [5, 10, 20].map(Duration::from_millis).into(),
        timeout: Duration::from_secs(2),
    };
    pictures.with_retries(patience.clone(), patience)
}
