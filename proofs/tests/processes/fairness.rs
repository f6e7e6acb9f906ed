//! One teacher's thousand jobs do not delay another's one beyond a bound.

use std::net::SocketAddr;
use std::time::Duration;

use atelier_domain::assignment::Status;
use atelier_proofs::fleet::Plan;
use atelier_proofs::people;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::{Bench, eventually};

const WORKERS: usize = 2;
const SLOTS: usize = 4;
const FLOOD: usize = 1_000;

/// Jobs of others that may end before the one, in rounds of all slots: those that are in flight when
/// it is posted, those that a receive at that moment takes, and as many again since the order of
/// ends is not that of starts.
const ROUNDS: usize = 3;

async fn post(http: &reqwest::Client, api: SocketAddr, teacher: &str, id: &str) {
    let body =
        json!({"assignment_id": id, "teacher_id": teacher, "prompt": format!("[small] {id}")});
    let url = format!("http://{api}/assignments");
    let posted = http.post(url).json(&body).send().await;
    assert_eq!(posted.unwrap().status(), 202, "{id}");
}

#[tokio::test]
async fn a_flood_of_one_teacher_does_not_delay_another() {
    let slots = SLOTS.to_string();
    let options = [
        ("WORKER_SLOTS", slots.as_str()),
        ("CREATE_LIMIT_PER_MINUTE", "0"),
        ("LOG_FORMAT", "json"),
    ];
    let bench = Bench::start(Plan {
        apis: 1,
        workers: WORKERS,
        model_latency: Duration::from_secs(1),
        options: &options,
    })
    .await;
    let (http, api) = (reqwest::Client::new(), bench.fleet.addresses()[0]);
    // Waits until the API listens.
    people::post_one("first", "[small] a pond", &[api])
        .await
        .unwrap();
    stream::iter(0..FLOOD)
        .for_each_concurrent(32, async |n| {
            post(&http, api, "flood", &format!("flood-{n}")).await
        })
        .await;
    post(&http, api, "quiet", "the-one").await;
    eventually("the one is final", async || {
        bench.get("the-one").await.s3_upload_status != Status::Pending
    })
    .await;
    let one = bench.get("the-one").await;
    assert_eq!(one.s3_upload_status, Status::Success);
    let (posted, finished) = (one.created_at, one.finished_at.unwrap());
    let flood = bench.view.documents().await.unwrap();
    let between = flood
        .iter()
        .filter_map(|document| document.finished_at)
        .filter(|at| *at > posted && *at < finished)
        .count();
    let waiting = flood
        .iter()
        .filter(|it| it.s3_upload_status == Status::Pending);
    println!(
        "fairness: {between} of {FLOOD} jobs of the flood ended before the one, in {:.1} s; {} still waited",
        finished.since(posted).as_secs_f64(),
        waiting.clone().count()
    );
    assert!(
        waiting.count() > FLOOD / 2,
        "the flood is too small to tell"
    );
    assert!(
        between <= ROUNDS * WORKERS * SLOTS,
        "{between} of the flood"
    );
    bench.fleet.stop().await;
}
