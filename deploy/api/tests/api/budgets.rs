//! The day's budgets: what is left is told, and no picture is promised that cannot be paid for.

use std::time::Duration;

use atelier_domain::budget::{Account, Charged, Day, MicroUsd, Scope};
use atelier_domain::failure::Failure;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, problem};

/// Charges calls to the accounts of the day, as workers do.
async fn charge(world: &World, scope: Scope, usd: f64) {
    let account = Account {
        day: Day::of(Timestamp::now()),
        scope,
    };
    let (price, limit) = (MicroUsd::from_usd(usd), MicroUsd::from_usd(1e6));
    let call = format!("{:x}", fastrand::u64(..));
    let charged = world
        .services
        .store
        .charge_call(&account, &call, price, limit)
        .await;
    assert_eq!(charged.unwrap(), Charged::Done);
}

async fn budget(world: &World, query: &str) -> Value {
    let answer = world.get(&format!("/budget{query}")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.json().await.unwrap()
}

async fn assert_used_up(answer: Response) {
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait = answer.headers()["retry-after"].to_str().unwrap();
    let wait: f64 = wait.parse().unwrap();
    let now = Timestamp::now();
    let tomorrow = Day::of(now).end();
    let left = tomorrow.since(now).as_secs_f64();
    assert!((left..left + 10.0).contains(&wait), "{wait} s, not {left}");
    let detail = problem(answer).await["detail"].to_string();
    assert!(
        detail.contains("Today's budget for pictures is used up."),
        "{detail}"
    );
    assert!(detail.contains(&tomorrow.rfc3339()), "{detail}");
}

#[tokio::test]
async fn what_is_left_is_told_in_words_until_it_is_used_up() {
    let world = World::with(&[
        ("BUDGET_USD_PER_DAY", "0.20"),
        ("BUDGET_USD_PER_TEACHER_PER_DAY", "0.10"),
    ])
    .await;
    let fleet = budget(&world, "").await;
    assert_eq!(fleet["words"], "Today's budget: 5 more pictures.");
    assert_eq!(fleet["cheapest_usd"], 0.04);
    assert!(fleet.get("teacher").is_none());
    charge(&world, Scope::Fleet, 0.08).await;
    charge(&world, Scope::Teacher("t".to_owned()), 0.04).await;
    let both = budget(&world, "?teacher_id=t").await;
    assert_eq!(both["words"], "Today's budget: 1 more picture.");
    assert_eq!(both["pictures_left"], 1);
    assert_eq!(
        both["fleet"],
        json!({"limit_usd": 0.2, "charged_usd": 0.08, "left_usd": 0.12, "pictures_left": 3, "used_up": false})
    );
    assert_eq!(both["teacher"]["left_usd"], 0.06);
    charge(&world, Scope::Teacher("t".to_owned()), 0.04).await;
    let used_up = budget(&world, "?teacher_id=t").await;
    assert_eq!(used_up["teacher"]["used_up"], true);
    let words = used_up["words"].as_str().unwrap();
    assert!(words.starts_with("Today's budget for pictures is used up."));
    let state: Value = world.get("/fleet.json").await.json().await.unwrap();
    assert_eq!(state["budget"]["fleet"]["pictures_left"], 3);
}

#[tokio::test]
async fn without_budgets_there_is_nothing_to_tell_and_nothing_to_refuse() {
    let world = World::start().await;
    charge(&world, Scope::Fleet, 1000.0).await;
    let budget = budget(&world, "?teacher_id=t").await;
    for field in ["words", "pictures_left", "fleet", "teacher"] {
        assert!(budget.get(field).is_none(), "{field}: {budget}");
    }
    world.create("a fox").await;
}

#[tokio::test]
async fn a_bad_query_names_the_field() {
    let world = World::start().await;
    let answer = world.get("/budget?teacher_id=").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(problem(answer).await["errors"][0]["field"], "teacher_id");
}

#[tokio::test]
async fn a_post_and_a_retry_are_refused_until_tomorrow_while_the_fleets_budget_is_used_up() {
    let world = World::with(&[("BUDGET_USD_PER_DAY", "0.10")]).await;
    let content = json!({"assignment_id": "known", "prompt": "a fox"});
    let answer = world.post("/assignments", &content).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    world.fail("known").await;
    charge(&world, Scope::Fleet, 0.07).await;
    let new = json!({"assignment_id": "new", "prompt": "a cat"});
    assert_used_up(world.post("/assignments", &new).await).await;
    assert_eq!(world.services.store.get("new").await.unwrap(), None);
    let retry = world.post("/assignments/known/retry", &json!({})).await;
    assert_used_up(retry).await;
    assert_eq!(world.document("known").await.round, 1);
    // What needs no picture, or is there already, is answered as always.
    let without = world.post("/assignments", &json!({"prompt": ""})).await;
    assert_eq!(without.status(), StatusCode::CREATED);
    let again = world.post("/assignments", &content).await;
    assert_eq!(again.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_teacher_whose_budget_is_used_up_keeps_nobody_else_from_creating() {
    let world = World::with(&[("BUDGET_USD_PER_TEACHER_PER_DAY", "0.04")]).await;
    charge(&world, Scope::Teacher("t".to_owned()), 0.04).await;
    let post = async |teacher: Option<&str>| {
        let body = json!({"prompt": "a fox", "teacher_id": teacher});
        world.post("/assignments", &body).await
    };
    assert_used_up(post(Some("t")).await).await;
    for other in [Some("u"), None] {
        assert_eq!(post(other).await.status(), StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn what_waits_for_the_budget_until_give_up_at_fails_with_words_about_it() {
    let world = World::with(&[("GIVE_UP_SECONDS", "2")]).await;
    let id = world.create("a fox").await;
    let token = world.claim(&id, 60).await;
    let held = world.document(&id).await;
    let give_up_at = held.give_up_at.unwrap();
    let wait = transition::wait_for_budget(&token, &held, 0, give_up_at);
    let waiting = world.services.store.apply(&id, &wait).await.unwrap();
    assert_eq!(waiting.map(|it| it.attempts), Some(0));
    let shown: Value = world
        .get(&format!("/assignments/{id}"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(shown["waits_for_budget"], true);
    let failed = world.until(&id, |it| it.failure.is_some()).await;
    let failure = failed.failure.unwrap();
    assert_eq!(failure.code, Failure::BudgetUsedUp.code());
    assert!(!failed.waits_for_budget);
    assert!(Timestamp::now().since(give_up_at) < Duration::from_secs(20));
}
