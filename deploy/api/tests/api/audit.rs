//! The audit log: an entry for each action, written first, read by operators.

use std::sync::atomic::Ordering;
use std::time::Duration;

use atelier_domain::api_key::{ApiKey, hash};
use atelier_domain::assignment::Status;
use atelier_domain::audit::{Action, Actor, Entry};
use atelier_domain::job::Job;
use atelier_domain::role::Role;
use atelier_domain::timestamp::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::provider::Provider;
use crate::world::{World, problem};

async fn log(world: &World, query: &str) -> Value {
    let answer = world.get(&format!("/audit-log{query}")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.json().await.unwrap()
}

/// Action, what and outcome of all entries, newest first.
async fn entries(world: &World) -> Vec<(String, String, String)> {
    let log = log(world, "").await;
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
    let entries = log["entries"].as_array().unwrap().iter();
    entries
        .map(|it| (text(it, "action"), text(it, "what"), text(it, "outcome")))
        .collect()
}

fn done(action: &str, what: &str, outcome: &str) -> (String, String, String) {
    (action.to_owned(), what.to_owned(), outcome.to_owned())
}

#[tokio::test]
async fn a_retry_and_a_delete_leave_an_entry_under_their_correlation_ids() {
    let world = World::start().await;
    let id = world.create("a fox in the snow").await;
    world.fail(&id).await;
    let path = format!("/assignments/{id}");
    let retry = world
        .call(Method::POST, &format!("{path}/retry"))
        .header("x-correlation-id", "the-retry");
    assert_eq!(retry.send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(world.delete(&path).await.status(), StatusCode::NO_CONTENT);
    let log = log(&world, "").await;
    let text = log.to_string();
    let [deleted, retried] = log["entries"].as_array().unwrap().as_slice() else {
        panic!("two entries: {text}");
    };
    assert_eq!(deleted["action"], "assignment.deleted");
    assert_eq!(retried["action"], "assignment.retried");
    assert_eq!(retried["correlation_id"], "the-retry");
    assert_eq!(retried["what"], id.as_str());
    assert_eq!(retried["actor"], "nobody");
    assert_eq!(retried["name"], Value::Null);
    assert!(deleted["at"].as_f64() >= retried["at"].as_f64());
    assert!(!text.contains("fox"), "no prompt is in the log: {text}");
}

#[tokio::test]
async fn what_is_refused_at_once_leaves_no_entry() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    let retry = format!("/assignments/{id}/retry");
    let answer = world.call(Method::POST, &retry).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    for path in ["/assignments/nothing", "/fleet/dead-letters/nothing"] {
        assert_eq!(world.delete(path).await.status(), StatusCode::NOT_FOUND);
    }
    let path = format!("/assignments/{id}");
    for _ in 0..2 {
        assert_eq!(world.delete(&path).await.status(), StatusCode::NO_CONTENT);
    }
    let deleted = done("assignment.deleted", &id, "begun");
    assert_eq!(entries(&world).await, [deleted], "once, though told twice");
}

#[tokio::test]
async fn an_action_whose_entry_cannot_be_written_is_not_done() {
    let world = World::start().await;
    let kept = world.create("a fox").await;
    let failed = world.create("a cat").await;
    world.fail(&failed).await;
    world.store.log_is_away.store(true, Ordering::Relaxed);
    let answer = world.delete(&format!("/assignments/{kept}")).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    problem(answer).await;
    let retry = format!("/assignments/{failed}/retry");
    let answer = world.call(Method::POST, &retry).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    world.store.log_is_away.store(false, Ordering::Relaxed);
    assert_eq!(world.document(&kept).await.prompt, "a fox");
    let status = world.document(&failed).await.s3_upload_status;
    assert_eq!(status, Status::Failed);
    assert_eq!(entries(&world).await, []);
}

#[tokio::test]
async fn an_entry_says_who_acted_and_operators_alone_read_it() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let key = "atl_of-the-portal";
    let stored = ApiKey {
        name: "portal".to_owned(),
        hash: hash(key),
        role: Role::Portal,
        created_at: Timestamp::now(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    assert!(
        world
            .services
            .store
            .api_keys()
            .add_key(&stored)
            .await
            .unwrap()
    );
    let (ann, bob) = (
        provider.token("ann", &["teacher"]),
        provider.token("bob", &["teacher"]),
    );
    let operator = provider.token("olga", &["operator"]);
    let call =
        |token: &str, method: Method, path: &str| world.call(method, path).bearer_auth(token);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let create = call(&ann, Method::POST, "/assignments").json(&json!({"prompt": "a fox"}));
        let view: Value = create.send().await.unwrap().json().await.unwrap();
        ids.push(format!(
            "/assignments/{}",
            view["assignment_id"].as_str().unwrap()
        ));
    }
    for (token, path, status) in [
        (bob.as_str(), &ids[0], StatusCode::NOT_FOUND),
        (ann.as_str(), &ids[0], StatusCode::NO_CONTENT),
        (key, &ids[1], StatusCode::NO_CONTENT),
        (operator.as_str(), &ids[2], StatusCode::NO_CONTENT),
    ] {
        let answer = call(token, Method::DELETE, path).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
    let read = call(&operator, Method::GET, "/audit-log")
        .send()
        .await
        .unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    let log: Value = read.json().await.unwrap();
    let entries = log["entries"].as_array().unwrap().iter();
    let who: Vec<_> = entries
        .map(|it| (it["actor"].clone(), it["name"].clone()))
        .collect();
    let person = |id: &str| (json!(Actor::Person(id.to_owned()).recorded()), json!(id));
    assert_eq!(
        who,
        [
            person("olga"),
            (json!("key:portal"), Value::Null),
            person("ann")
        ],
        "newest first, and nothing of who was told that there is no such assignment"
    );
    for token in [ann.as_str(), key] {
        let refused = call(token, Method::GET, "/audit-log").send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    }
    let refused = world.get("/audit-log").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_link_leaves_an_entry_when_it_is_made_and_when_it_is_revoked() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    let (share, results) = (
        format!("/assignments/{id}/share"),
        format!("/assignments/{id}/results"),
    );
    assert_eq!(world.delete(&share).await.status(), StatusCode::NO_CONTENT);
    for status in [StatusCode::CREATED, StatusCode::OK] {
        let answer = world.call(Method::POST, &share).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    assert_eq!(world.delete(&results).await.status(), StatusCode::OK);
    for _ in 0..2 {
        assert_eq!(world.delete(&share).await.status(), StatusCode::NO_CONTENT);
    }
    let wanted = ["share.revoked", "results.erased", "share.issued"];
    let wanted = wanted.map(|action| done(action, &id, "begun"));
    assert_eq!(entries(&world).await, wanted);
}

#[tokio::test]
async fn a_dead_letter_that_is_redriven_or_dropped_leaves_an_entry() {
    let world = World::start().await;
    for n in 1..=2 {
        let job = Job {
            assignment_id: format!("nobody-{n}"),
            round: 1,
        };
        let queue = &world.services.queues.dead_letters;
        queue.send(&job, None, &Default::default()).await.unwrap();
    }
    let letters = async {
        loop {
            let list: Value = world.get("/fleet/dead-letters").await.json().await.unwrap();
            let ids = list["messages"].as_array().unwrap().iter();
            let ids: Vec<_> = ids
                .map(|it| it["message_id"].as_str().unwrap().to_owned())
                .collect();
            if ids.len() == 2 {
                return ids;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ids = tokio::time::timeout(Duration::from_secs(20), letters)
        .await
        .unwrap();
    let redrive = format!("/fleet/dead-letters/{}/redrive", ids[0]);
    let answer = world.call(Method::POST, &redrive).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let dropped = world
        .delete(&format!("/fleet/dead-letters/{}", ids[1]))
        .await;
    assert_eq!(dropped.status(), StatusCode::NO_CONTENT);
    let dropped = done("dead_letter.dropped", &ids[1], "begun");
    let redriven = done("dead_letter.redriven", &ids[0], "begun");
    assert_eq!(entries(&world).await, [dropped, redriven]);
}

#[tokio::test]
async fn the_log_is_read_in_pages_and_filtered_and_says_what_is_wrong_with_a_query() {
    let world = World::start().await;
    let anna = Actor::Person("anna@school.example".to_owned());
    for n in 0..5 {
        let actor = if n == 2 {
            anna.clone()
        } else {
            Actor::Cli("root".to_owned())
        };
        let entry = Entry::begun(&actor, Action::KeyIssued, format!("key-{n}"));
        world.services.store.append_audit(&entry).await.unwrap();
    }
    let mut read = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = log(&world, &query).await;
        let entries = page["entries"].as_array().unwrap();
        assert!(entries.len() <= 2);
        read.extend(
            entries
                .iter()
                .map(|it| it["what"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(read, ["key-4", "key-3", "key-2", "key-1", "key-0"]);
    for query in [
        "?actor=anna@school.example",
        "?what=key-2",
        "?what=key-2&action=key.issued",
    ] {
        let found = log(&world, query).await;
        let [entry] = found["entries"].as_array().unwrap().as_slice() else {
            panic!("one entry: {query}: {found}");
        };
        assert_eq!(entry["name"], "anna@school.example");
        assert!(!entry["actor"].as_str().unwrap().contains("anna"));
    }
    assert_eq!(
        log(&world, "?actor=cli:root").await["entries"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(
        log(&world, "?action=key.revoked").await["entries"],
        json!([])
    );
    for (query, field) in [
        ("?action=cooked", "action"),
        ("?limit=101", "limit"),
        ("?after=x", "after"),
    ] {
        let answer = world.get(&format!("/audit-log{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(problem(answer).await["errors"][0]["field"], field);
    }
}
