//! What a queue must do for us. Each check runs against the embedded SQS, and if asked for
//! against the SQS at `ATELIER_TEST_SQS_ENDPOINT`.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use atelier_cloud::client::Aws;
use atelier_cloud::config::{CloudConfig, QueueConfig, StaticCredentials};
use atelier_cloud::queue::{Context, Depth, MAX_RECEIVE, Message, Queue, QueueError, Queues};
use atelier_domain::job::Job;
use atelier_domain::timestamp::Timestamp;
use atelier_embedded::counters::Counters;
use atelier_embedded::faults::{Faults, Service};
use atelier_embedded::listener;
use atelier_embedded::sqs::{self, Sqs};
use tokio_util::sync::{CancellationToken, DropGuard};

const SQS_ENDPOINT: &str = "ATELIER_TEST_SQS_ENDPOINT";

/// A visibility that outlasts every check.
const LONG: Duration = Duration::from_secs(600);

/// The shortest visibility that hides at all.
const SHORT: Duration = Duration::from_secs(1);

/// A wait that outlasts [`SHORT`].
const LONGER: Duration = Duration::from_secs(3);

macro_rules! for_every_queue {
    ($($check:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $check() {
                let (endpoint, _serving) = super::serve().await;
                super::$check(super::queues(endpoint).await).await;
            })*
        }
        mod other {
            $(#[tokio::test]
            #[ignore = "needs an SQS: conformance/run cargo test --workspace -- --include-ignored"]
            async fn $check() {
                let endpoint = std::env::var(super::SQS_ENDPOINT);
                let endpoint = endpoint.expect("ATELIER_TEST_SQS_ENDPOINT is not set");
                super::$check(super::queues(endpoint).await).await;
            })*
        }
    };
}

for_every_queue!(
    a_job_comes_as_it_was_sent,
    a_receive_takes_no_more_than_it_was_asked_for,
    every_job_comes_whatever_its_group,
    a_received_message_is_hidden_until_its_time_is_over,
    hiding_again_makes_it_longer,
    hiding_for_no_time_shows_a_message_at_once,
    a_deleted_message_does_not_come_again,
    an_older_receipt_neither_deletes_nor_shows,
    a_receipt_of_a_deleted_message_is_stale,
    a_dead_letter_is_moved_and_redriven,
    the_depth_tells_waiting_from_received,
    a_waiting_receive_wakes_for_a_message,
    a_receive_from_an_empty_queue_waits_no_longer_than_asked,
);

/// The embedded SQS on a free port, until the guard goes.
async fn serve() -> (String, DropGuard) {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(listener::serve(
        socket,
        Service::Sqs,
        Faults::default(),
        sqs::router(Sqs::new(&endpoint, Counters::default())),
        stop.clone(),
    ));
    (endpoint, stop.drop_guard())
}

/// Two new queues at `endpoint`.
async fn queues(endpoint: String) -> Queues {
    let aws = Aws::connect(&CloudConfig {
        region: "us-east-1".to_owned(),
        model_region: "us-east-1".to_owned(),
        sqs_endpoint: Some(endpoint),
        s3_endpoint: None,
        model_endpoint: None,
        cdn_endpoint: None,
        credentials: Some(StaticCredentials {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
        }),
    })
    .await;
    let create = async |kind: &str| {
        let name = format!("{kind}-{:032x}", fastrand::u128(..));
        let made = aws.sqs().create_queue().queue_name(name).send().await;
        made.unwrap().queue_url.unwrap()
    };
    let config = QueueConfig {
        url: create("jobs").await,
        dead_letter_url: create("dead").await,
    };
    Queues::new(&aws, &config)
}

fn job(id: &str) -> Job {
    Job {
        assignment_id: id.to_owned(),
        round: 1,
    }
}

async fn send(queue: &Queue, id: &str) {
    let context = Context::default();
    queue.send(&job(id), None, &context).await.unwrap();
}

async fn receive(queue: &Queue, wait: Duration, visibility: Duration) -> Option<Message> {
    let mut received = queue.receive(1, wait, visibility).await.unwrap();
    assert!(received.len() <= 1);
    received.pop()
}

async fn receive_one(queue: &Queue, visibility: Duration) -> Message {
    receive(queue, LONGER, visibility).await.expect("a message")
}

async fn is_empty(queue: &Queue, wait: Duration) -> bool {
    receive(queue, wait, LONG).await.is_none()
}

/// SQS says either of a receipt that is no longer the message's.
fn assert_done_or_stale(answer: Result<(), QueueError>) {
    assert!(
        matches!(answer, Ok(()) | Err(QueueError::StaleReceipt(_))),
        "{answer:?}"
    );
}

async fn a_job_comes_as_it_was_sent(queues: Queues) {
    let context = Context {
        correlation_id: "01J-correlation".to_owned(),
        trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    };
    let sent = Job {
        assignment_id: "an_Assignment-1".to_owned(),
        round: 7,
    };
    let before = Timestamp::now();
    queues
        .jobs
        .send(&sent, Some("teacher \"ä\" 🦊"), &context)
        .await
        .unwrap();
    let message = receive_one(&queues.jobs, LONG).await;
    assert_eq!(Job::from_body(&message.body).unwrap(), sent);
    assert_eq!(message.context, context);
    assert_eq!(message.receives, 1);
    let slack = Duration::from_secs(1);
    let sent_at = message.sent_at.unwrap();
    assert!(before - slack < sent_at && sent_at < Timestamp::now() + slack);
}

async fn a_receive_takes_no_more_than_it_was_asked_for(queues: Queues) {
    for n in 0..12 {
        send(&queues.jobs, &n.to_string()).await;
    }
    let few = queues.jobs.receive(3, LONGER, LONG).await.unwrap();
    assert!((1..=3).contains(&few.len()));
    let more = queues
        .jobs
        .receive(MAX_RECEIVE, LONGER, LONG)
        .await
        .unwrap();
    assert!((1..=12 - few.len()).contains(&more.len()));
}

async fn every_job_comes_whatever_its_group(queues: Queues) {
    let context = Context::default();
    for n in 0..24 {
        let teacher = ["anna", "bert", ""][n % 3];
        let teacher = Some(teacher).filter(|teacher| !teacher.is_empty());
        queues
            .jobs
            .send(&job(&n.to_string()), teacher, &context)
            .await
            .unwrap();
    }
    let mut met = HashSet::new();
    while met.len() < 24 {
        let received = queues
            .jobs
            .receive(MAX_RECEIVE, LONGER, LONG)
            .await
            .unwrap();
        assert!(!received.is_empty(), "only {} came", met.len());
        for message in received {
            let job = Job::from_body(&message.body).unwrap();
            assert!(met.insert(job.assignment_id), "came twice");
        }
    }
    assert!(is_empty(&queues.jobs, Duration::ZERO).await);
}

async fn a_received_message_is_hidden_until_its_time_is_over(queues: Queues) {
    send(&queues.jobs, "a").await;
    let first = receive_one(&queues.jobs, SHORT).await;
    assert!(is_empty(&queues.jobs, Duration::ZERO).await);
    let second = receive_one(&queues.jobs, LONG).await;
    assert_eq!(second.id, first.id);
    assert_eq!((first.receives, second.receives), (1, 2));
}

async fn hiding_again_makes_it_longer(queues: Queues) {
    send(&queues.jobs, "a").await;
    let message = receive_one(&queues.jobs, SHORT).await;
    queues
        .jobs
        .change_visibility(&message.receipt, LONG)
        .await
        .unwrap();
    assert!(is_empty(&queues.jobs, LONGER).await);
}

async fn hiding_for_no_time_shows_a_message_at_once(queues: Queues) {
    send(&queues.jobs, "a").await;
    let message = receive_one(&queues.jobs, LONG).await;
    queues
        .jobs
        .change_visibility(&message.receipt, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(receive_one(&queues.jobs, LONG).await.id, message.id);
}

async fn a_deleted_message_does_not_come_again(queues: Queues) {
    send(&queues.jobs, "a").await;
    let message = receive_one(&queues.jobs, SHORT).await;
    queues.jobs.delete(&message.receipt).await.unwrap();
    assert!(is_empty(&queues.jobs, LONGER).await);
    // The answer to a delete may get lost, so it is done again.
    assert_done_or_stale(queues.jobs.delete(&message.receipt).await);
}

async fn an_older_receipt_neither_deletes_nor_shows(queues: Queues) {
    send(&queues.jobs, "a").await;
    let late = receive_one(&queues.jobs, SHORT).await;
    let new = receive_one(&queues.jobs, LONG).await;
    assert_ne!(late.receipt, new.receipt);
    for answer in [
        queues.jobs.delete(&late.receipt).await,
        queues
            .jobs
            .change_visibility(&late.receipt, Duration::ZERO)
            .await,
    ] {
        assert_done_or_stale(answer);
    }
    queues
        .jobs
        .change_visibility(&new.receipt, LONG)
        .await
        .unwrap();
    assert!(is_empty(&queues.jobs, Duration::ZERO).await);
    assert_eq!(queues.jobs.depth().await.unwrap().in_flight, 1);
}

async fn a_receipt_of_a_deleted_message_is_stale(queues: Queues) {
    send(&queues.jobs, "a").await;
    let message = receive_one(&queues.jobs, LONG).await;
    queues.jobs.delete(&message.receipt).await.unwrap();
    let answer = queues.jobs.change_visibility(&message.receipt, LONG).await;
    assert!(
        matches!(answer, Err(QueueError::StaleReceipt(_))),
        "{answer:?}"
    );
}

async fn a_dead_letter_is_moved_and_redriven(queues: Queues) {
    let context = Context {
        correlation_id: "correlation".to_owned(),
        trace_parent: None,
    };
    queues
        .jobs
        .send(&job("a"), Some("t"), &context)
        .await
        .unwrap();
    let message = receive_one(&queues.jobs, LONG).await;
    queues.dead_letter(&message).await.unwrap();
    assert_eq!(queues.jobs.depth().await.unwrap().total(), 0);

    let dead_letter = receive_one(&queues.dead_letters, LONG).await;
    assert_eq!(
        (&dead_letter.body, &dead_letter.context),
        (&message.body, &context)
    );
    queues.redrive(&dead_letter).await.unwrap();
    assert_eq!(queues.dead_letters.depth().await.unwrap().total(), 0);
    let revived = receive_one(&queues.jobs, LONG).await;
    assert_eq!((&revived.body, &revived.context), (&message.body, &context));
}

async fn the_depth_tells_waiting_from_received(queues: Queues) {
    let counts = |depth: Depth| (depth.visible, depth.in_flight, depth.delayed);
    let empty = queues.jobs.depth().await.unwrap();
    assert_eq!(counts(empty), (0, 0, 0));
    let age = Timestamp::now().since(empty.created_at);
    assert!(age < Duration::from_secs(60), "{empty:?}");
    for id in ["a", "b", "c"] {
        send(&queues.jobs, id).await;
    }
    assert_eq!(counts(queues.jobs.depth().await.unwrap()), (3, 0, 0));
    let message = receive_one(&queues.jobs, LONG).await;
    assert_eq!(counts(queues.jobs.depth().await.unwrap()), (2, 1, 0));
    queues.jobs.delete(&message.receipt).await.unwrap();
    assert_eq!(counts(queues.jobs.depth().await.unwrap()), (2, 0, 0));
    assert_eq!(
        counts(queues.dead_letters.depth().await.unwrap()),
        (0, 0, 0)
    );
}

async fn a_waiting_receive_wakes_for_a_message(queues: Queues) {
    let patience = Duration::from_secs(20);
    let start = Instant::now();
    let (received, ()) = tokio::join!(receive(&queues.jobs, patience, LONG), async {
        // The receive is polled first, so it has most likely been sent by now.
        tokio::task::yield_now().await;
        send(&queues.jobs, "a").await;
    });
    assert!(received.is_some());
    assert!(start.elapsed() < patience / 2);
}

async fn a_receive_from_an_empty_queue_waits_no_longer_than_asked(queues: Queues) {
    let start = Instant::now();
    assert!(is_empty(&queues.jobs, Duration::from_secs(1)).await);
    let waited = start.elapsed();
    assert!(waited > Duration::from_millis(900), "{waited:?}");
    assert!(waited < Duration::from_secs(10), "{waited:?}");
}
