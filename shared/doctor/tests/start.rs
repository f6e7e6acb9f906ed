//! What a process says at its start, against the embedded cloud and its faults.

use std::time::Duration;

use atelier_cloud::client::Aws;
use atelier_cloud::config::{BucketConfig, CloudConfig, QueueConfig, StaticCredentials};
use atelier_cloud::pictures::Pictures;
use atelier_cloud::queue::{Queue, Queues};
use atelier_doctor::Options;
use atelier_doctor::finding::{Finding, State};
use atelier_doctor::start::{LIMIT, Start};
use atelier_embedded::cloud::{Cloud, Options as CloudOptions};
use atelier_embedded::faults::{Kind, Order, Service};
use atelier_embedded::model::{Behavior, Settings};
use atelier_runtime::config::{Environment, ModelsConfig};
use atelier_store::config::StoreConfig;
use atelier_store::{Filter, Indexes};
use tempfile::TempDir;

struct Bench {
    cloud: Cloud,
    aws: Aws,
    start: Start,
    _data: TempDir,
}

impl Bench {
    async fn new() -> Self {
        atelier_runtime::process::install_tls();
        let data = TempDir::new().unwrap();
        let cloud = Cloud::start(CloudOptions {
            data: data.path().to_owned(),
            behavior: Behavior::new(Settings {
                latency: Duration::ZERO,
                throttle: 0.0,
                failure: 0.0,
            }),
        })
        .await
        .unwrap();
        let mut environment = Environment::of(cloud.environment().iter().cloned());
        let it = &mut environment;
        let mut cloud_config = CloudConfig::read(it);
        cloud_config.credentials = Some(StaticCredentials {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
        });
        let options = Options {
            cloud: cloud_config,
            queue: QueueConfig::read(it),
            store: StoreConfig::read(it),
            models: ModelsConfig::read(it).models,
        };
        let bucket = BucketConfig::read(it);
        let (options, bucket) = environment.finish((options, bucket)).unwrap();
        let aws = Aws::connect(&options.cloud).await;
        let start = Start {
            store: atelier_store::open(&options.store, Indexes::Leave)
                .await
                .unwrap(),
            queues: Queues::new(&aws, &options.queue),
            pictures: Pictures::new(&aws, &bucket),
            options,
            makes_indexes: false,
        };
        Self {
            cloud,
            aws,
            start,
            _data: data,
        }
    }

    fn fault(&self, service: Service, kind: Kind) {
        let order = Order {
            service,
            kind,
            operation: None,
            share: 1.0,
            delay_ms: 0,
            for_seconds: None,
            count: None,
            answer: None,
        };
        self.cloud.faults().add(order);
    }

    async fn found(&self) -> Vec<Finding> {
        self.start.findings(LIMIT).await
    }
}

/// What is missing, as it is told.
fn missing(findings: &[Finding]) -> Vec<String> {
    let missing = findings.iter().filter(|it| it.state == State::Missing);
    missing
        .map(|it| format!("{}: {}", it.what, it.words))
        .collect()
}

#[tokio::test]
async fn where_nothing_is_missing_all_is_good_and_nothing_was_written() {
    let bench = Bench::new().await;
    let found = bench.found().await;
    assert!(found.iter().all(|it| it.state == State::Good), "{found:?}");
    let what: Vec<_> = found.iter().map(|it| it.what.as_str()).collect();
    for part in [
        "options",
        "store",
        "queue",
        "dead-letter queue",
        "bucket",
        "clock",
    ] {
        assert!(what.contains(&part), "{part}: {what:?}");
    }
    assert!(
        bench
            .start
            .pictures
            .page(None)
            .await
            .unwrap()
            .versions
            .is_empty()
    );
    assert_eq!(bench.start.queues.jobs.depth().await.unwrap().total(), 0);
    let documents = bench.start.store.list(&Filter::default(), None, 10).await;
    assert!(documents.unwrap().is_empty());
    // `atelier doctor` leaves this tombstone; a start does not.
    assert!(
        bench
            .start
            .store
            .get("atelier-doctor")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn each_fault_is_named_with_what_to_do() {
    let bench = Bench::new().await;
    for (service, kind, named, advice) in [
        (
            Service::S3,
            Kind::Denied,
            "bucket: permission denied",
            "s3:GetObject and s3:ListBucket",
        ),
        (
            Service::S3,
            Kind::Missing,
            "bucket: missing",
            "S3_BUCKET_NAME",
        ),
        (Service::S3, Kind::Refuse, "bucket: away", "security groups"),
        (
            Service::Sqs,
            Kind::Denied,
            "queue: permission denied",
            "sqs:GetQueueAttributes",
        ),
        (
            Service::Sqs,
            Kind::Missing,
            "queue: missing",
            "SQS_QUEUE_URL",
        ),
    ] {
        bench.fault(service, kind);
        let missing = missing(&bench.found().await);
        let told = missing.iter().find(|it| it.starts_with(named));
        let told = told.unwrap_or_else(|| panic!("{service:?} {kind:?}: {missing:?}"));
        assert!(told.contains(advice), "{told}");
        bench.cloud.faults().clear();
    }
}

#[tokio::test]
async fn what_does_not_answer_is_given_up_in_time() {
    let bench = Bench::new().await;
    bench.fault(Service::S3, Kind::Hang);
    let found = bench.start.findings(Duration::from_secs(1)).await;
    let missing = missing(&found);
    let bucket = "bucket: no answer within 1 s".to_owned();
    assert!(missing.contains(&bucket), "{missing:?}");
}

#[tokio::test]
async fn credentials_that_nobody_knows_are_named() {
    let mut bench = Bench::new().await;
    let mut config = bench.start.options.cloud.clone();
    config.credentials = Some(StaticCredentials {
        access_key_id: "unknown".to_owned(),
        secret_access_key: "unknown".to_owned(),
    });
    let aws = Aws::connect(&config).await;
    bench.start.queues = Queues::new(&aws, &bench.start.options.queue);
    let missing = missing(&bench.found().await);
    assert!(
        missing[0].starts_with("queue: no valid credentials"),
        "{missing:?}"
    );
    assert!(
        missing[0].contains("Give the process a role"),
        "{missing:?}"
    );
}

#[tokio::test]
async fn a_queue_that_gives_messages_up_early_is_a_warning() {
    let mut bench = Bench::new().await;
    let sqs = bench.aws.sqs();
    for (name, policy, words) in [
        ("never", None, "no redrive policy"),
        ("early", Some(3), "after 3 receives"),
    ] {
        let mut create = sqs.create_queue().queue_name(name);
        if let Some(most) = policy {
            let letters = "arn:aws:sqs:us-east-1:000000000000:atelier-dead-letters";
            create = create.attributes(
                aws_sdk_sqs::types::QueueAttributeName::RedrivePolicy,
                format!(r#"{{"deadLetterTargetArn": "{letters}", "maxReceiveCount": {most}}}"#),
            );
        }
        let url = create.send().await.unwrap().queue_url.unwrap();
        bench.start.queues.jobs = Queue::new(sqs.clone(), url);
        let found = bench.found().await;
        let warning = found
            .iter()
            .find(|it| it.state == State::Warning)
            .expect(words);
        assert!(warning.words.contains(words), "{warning:?}");
        assert!(missing(&found).is_empty(), "{found:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_named() {
    let mut bench = Bench::new().await;
    // Nobody listens there; a MongoDB that is away is no error when it is opened.
    let url = "mongodb://127.0.0.1:9/atelier";
    let mut environment = Environment::of([("STORE_URL", url)]);
    let config = StoreConfig::read(&mut environment);
    bench.start.store = atelier_store::open(&config, Indexes::Leave).await.unwrap();
    bench.start.options.store = config;
    let missing = missing(&bench.found().await);
    assert!(missing[0].starts_with("store: "), "{missing:?}");
    assert!(missing[0].contains("STORE_URL"), "{missing:?}");
}
