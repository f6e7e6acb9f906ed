//! What becomes of jobs when the day's budget is small, and what is charged.

mod support;

use std::time::Duration;

use atelier_domain::assignment::{Assignment, Post, Status};
use atelier_domain::budget::{Account, Charged, Day, MicroUsd, Scope};
use atelier_domain::failure::Failure;
use atelier_domain::timestamp::Timestamp;
use atelier_embedded::faults::{Kind, Order, Service};
use support::Bench;

const CORE: &str = "stability.stable-image-core-v1:1";
const ULTRA: &str = "stability.stable-image-ultra-v1:1";

fn fleet(day: Day) -> Account {
    Account {
        day,
        scope: Scope::Fleet,
    }
}

fn today() -> Day {
    Day::of(Timestamp::now())
}

/// In US dollars, of the fleet.
async fn charged(bench: &Bench) -> f64 {
    let charged = bench.store.charged(&[fleet(today())]).await.unwrap();
    charged[0].usd()
}

/// Charges a call that no job makes.
async fn charge(bench: &Bench, day: Day, call: &str, usd: f64) {
    let (price, limit) = (MicroUsd::from_usd(usd), MicroUsd::from_usd(usd));
    let charged = bench
        .store
        .charge_call(&fleet(day), call, price, limit)
        .await;
    assert_eq!(charged.unwrap(), Charged::Done);
}

fn waits(assignment: &Assignment) -> bool {
    assignment.waits_for_budget && assignment.claim.is_none()
}

/// How many of these ended with a picture, when all the others wait.
async fn pictures(bench: &Bench, ids: &[&str]) -> usize {
    let mut pictures = 0;
    for id in ids {
        let done = |it: &Assignment| it.s3_upload_status == Status::Success;
        let there = bench.until(id, |it| done(it) || waits(it)).await;
        if done(&there) {
            assert!(!there.waits_for_budget);
            pictures += 1;
        } else {
            assert_eq!((there.attempts, there.model_calls), (0, 0), "{there:#?}");
        }
    }
    pictures
}

#[tokio::test]
async fn a_budget_pays_for_so_many_pictures_and_the_other_jobs_wait_without_burning_attempts() {
    let bench = Bench::with(&[("BUDGET_USD_PER_DAY", "0.09")]).await;
    let ids = ["a-1", "a-2", "a-3", "a-4", "a-5"];
    for id in ids {
        bench.post(id, "a comet").await;
    }
    let worker = bench.work();
    assert_eq!(pictures(&bench, &ids).await, 2);
    assert_eq!(bench.count(Service::Bedrock, "calls"), 2);
    assert_eq!(charged(&bench).await, 0.08);
    worker.stop().await;
}

#[tokio::test]
async fn a_teachers_budget_is_that_teachers_alone() {
    let bench = Bench::with(&[
        ("BUDGET_USD_PER_TEACHER_PER_DAY", "0.04"),
        ("BUDGET_USD_PER_DAY", "1"),
    ])
    .await;
    let worker = bench.work();
    bench.post("a-1", "a comet").await;
    bench.finished("a-1").await;
    bench.post("a-2", "a comet").await;
    bench.until("a-2", waits).await;
    let now = Timestamp::now();
    let post = Post {
        assignment_id: "b-1".to_owned(),
        teacher_id: Some("Mr. Keating".to_owned()),
        prompt: "a comet".to_owned(),
        ..Post::default()
    };
    let later = now + Duration::from_secs(3600);
    bench
        .post_as(&Assignment::new(post, now, later, later))
        .await;
    let other = bench.finished("b-1").await;
    assert_eq!(other.s3_upload_status, Status::Success, "{other:#?}");
    assert_eq!(charged(&bench).await, 0.08);
    worker.stop().await;
}

#[tokio::test]
async fn a_job_that_waits_goes_on_once_there_is_money_again() {
    let bench = Bench::with(&[("BUDGET_USD_PER_DAY", "0.05")]).await;
    charge(&bench, today(), "of another", 0.05).await;
    let worker = bench.work();
    bench.post("a-1", "a comet").await;
    let waiting = bench.until("a-1", waits).await;
    assert_eq!(bench.count(Service::Bedrock, "calls"), 0);
    let price = MicroUsd::from_usd(0.05);
    let refunded = bench
        .store
        .refund_call(&fleet(today()), "of another", price)
        .await;
    refunded.unwrap();
    // Its message is hidden for some minutes; another one comes at once.
    bench.send(&waiting).await;
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success, "{done:#?}");
    assert_eq!((done.attempts, done.waits_for_budget), (1, false));
    worker.stop().await;
}

#[tokio::test]
async fn a_new_day_begins_with_nothing_charged() {
    let bench = Bench::with(&[("BUDGET_USD_PER_DAY", "0.04")]).await;
    let yesterday = Day::of(Timestamp::now() - Duration::from_secs(24 * 3600));
    charge(&bench, yesterday, "of another", 0.04).await;
    let worker = bench.work();
    bench.post("a-1", "a comet").await;
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success, "{done:#?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_job_that_waits_until_give_up_at_fails_with_words_about_the_budget() {
    let bench = Bench::with(&[("BUDGET_USD_PER_DAY", "0.01")]).await;
    let worker = bench.work();
    let mut assignment = bench.assignment("a-1", "a comet");
    assignment.give_up_at = Some(Timestamp::now() + Duration::from_secs(2));
    bench.post_as(&assignment).await;
    let failed = bench.finished("a-1").await;
    let expected = Failure::BudgetUsedUp.note(&failed.correlation_id);
    assert_eq!(failed.failure.as_ref(), Some(&expected));
    assert!(
        expected
            .message
            .starts_with("Today's budget for pictures is used up.")
    );
    assert_eq!(bench.count(Service::Bedrock, "calls"), 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_throttle_and_an_error_are_returned_to_the_budget() {
    // Enough for one call of the cheapest model at a time.
    let bench = Bench::with(&[
        ("BUDGET_USD_PER_DAY", "0.04"),
        ("BUDGET_USD_PER_TEACHER_PER_DAY", "0.04"),
    ])
    .await;
    for kind in [Kind::Throttle, Kind::Error] {
        bench.order(Order {
            count: Some(1),
            ..Order::new(Service::Bedrock, kind)
        });
    }
    let worker = bench.work();
    bench.post("a-1", "a comet").await;
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success, "{done:#?}");
    assert_eq!(done.model_calls, 3);
    assert_eq!(charged(&bench).await, 0.04);
    worker.stop().await;
}

#[tokio::test]
async fn what_the_model_may_have_billed_stays_charged() {
    let bench = Bench::with(&[("BUDGET_USD_PER_DAY", "1"), ("MODEL_TIMEOUT_SECONDS", "1")]).await;
    bench.order(Order {
        count: Some(1),
        ..Order::new(Service::Bedrock, Kind::Hang)
    });
    let worker = bench.work();
    bench.post("a-1", "a comet").await;
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success, "{done:#?}");
    assert_eq!(charged(&bench).await, 0.08, "no answer came to the first");
    // The model's own filter answers like a picture.
    bench.post("a-2", "scenes of violence").await;
    bench.finished("a-2").await;
    assert_eq!(charged(&bench).await, 0.12);
    worker.stop().await;
}

#[tokio::test]
async fn a_cheaper_model_of_the_list_is_called_for_what_is_left() {
    let models = format!("{ULTRA},{CORE}");
    let bench = Bench::with(&[
        ("BUDGET_USD_PER_DAY", "0.18"),
        ("BEDROCK_MODELS", models.as_str()),
    ])
    .await;
    let worker = bench.work();
    for (id, model) in [("a-1", ULTRA), ("a-2", CORE)] {
        bench.post(id, "a comet").await;
        let done = bench.finished(id).await;
        assert_eq!(done.model.as_deref(), Some(model), "{done:#?}");
    }
    assert_eq!(charged(&bench).await, 0.18);
    bench.post("a-3", "a comet").await;
    bench.until("a-3", waits).await;
    worker.stop().await;
}

#[tokio::test]
async fn without_spilling_no_cheaper_model_is_called() {
    let models = format!("{ULTRA},{CORE}");
    let bench = Bench::with(&[
        ("BUDGET_USD_PER_DAY", "0.10"),
        ("BEDROCK_MODELS", models.as_str()),
        ("MODEL_SPILL", "off"),
    ])
    .await;
    let worker = bench.work();
    bench.post("a-1", "a comet").await;
    bench.until("a-1", waits).await;
    assert_eq!(bench.count(Service::Bedrock, "calls"), 0);
    worker.stop().await;
}

#[tokio::test]
async fn without_a_budget_nothing_is_charged() {
    let bench = Bench::start().await;
    let worker = bench.work();
    bench.post("a-1", "a comet").await;
    bench.finished("a-1").await;
    assert_eq!(charged(&bench).await, 0.0);
    worker.stop().await;
}
