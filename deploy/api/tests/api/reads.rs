//! Reading: states, lists, and answers that are held.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use atelier_domain::timestamp::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn a_known_state_is_not_sent_again() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    let path = format!("/assignments/{id}");
    let answer = world.get(&path).await;
    assert!(answer.headers().contains_key("retry-after"));
    let etag = answer.headers()["etag"].clone();
    let vary = answer.headers()["vary"].clone();
    let call = world
        .call(Method::GET, &path)
        .header("if-none-match", &etag);
    let again = call.send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()["vary"], vary);
    assert!(again.headers().contains_key("x-correlation-id"));
    world.fail(&id).await;
    let call = world
        .call(Method::GET, &path)
        .header("if-none-match", &etag);
    let changed = call.send().await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    let view: Value = changed.json().await.unwrap();
    assert_eq!(view["failure"]["code"], "declined");
}

#[tokio::test]
async fn fifty_who_wait_cost_one_query_a_tick() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    let before = world.store.statuses.load(Ordering::Relaxed);
    let path = format!("/assignments/{id}?wait=20");
    let start = Instant::now();
    let waiting = futures_util::future::join_all((0..50).map(|_| world.get(&path)));
    let finish = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.fail(&id).await;
    };
    let (answers, ()) = tokio::join!(waiting, finish);
    assert!(start.elapsed() < Duration::from_secs(15));
    for answer in answers {
        let view: Value = answer.json().await.unwrap();
        assert_eq!(view["s3_upload_status"], "failed");
    }
    let queries = world.store.statuses.load(Ordering::Relaxed) - before;
    let ticks = start.elapsed().as_millis() as u64 / 150 + 2;
    assert!(queries <= ticks, "{queries} queries in {ticks} ticks");
    tokio::time::sleep(Duration::from_millis(400)).await;
    let after = world.store.statuses.load(Ordering::Relaxed) - before;
    assert_eq!(after, queries, "nobody waits, so nothing is asked");
}

#[tokio::test]
async fn many_are_answered_as_soon_as_one_is_settled() {
    let world = World::start().await;
    let first = world.create("a fox").await;
    let second = world.create("a cat").await;
    let path = format!("/assignments?ids={first},{second}&wait=20");
    let (answer, ()) = tokio::join!(world.get(&path), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.fail(&first).await;
    });
    let page: Value = answer.json().await.unwrap();
    assert_eq!(page["assignments"].as_array().unwrap().len(), 2);
    assert_eq!(page["assignments"][1]["s3_upload_status"], "failed");
    world.delete(&format!("/assignments/{second}")).await;
    let page: Value = world.get(&path).await.json().await.unwrap();
    assert_eq!(page["assignments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_list_is_newest_first_and_goes_on_where_it_stopped() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let body = json!({"prompt": "p", "teacher_id": "t", "assignment_id": format!("a{n}")});
        world.post("/assignments", &body).await;
        ids.insert(0, format!("a{n}"));
    }
    world.create("of another teacher").await;
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/assignments?teacher_id=t&status=pending&limit=2{after}");
        let page: Value = world.get(&path).await.json().await.unwrap();
        for view in page["assignments"].as_array().unwrap() {
            seen.push(view["assignment_id"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn the_expected_wait_is_measured() {
    let world = World::start().await;
    let first = world.create("a fox").await;
    let view: Value = world
        .get(&format!("/assignments/{first}"))
        .await
        .json()
        .await
        .unwrap();
    assert!(
        view.get("expected_wait_seconds").is_none(),
        "nothing was measured yet"
    );
    for n in 0..4 {
        let id = world.create(&format!("fox {n}")).await;
        world.fail(&id).await;
    }
    let last = world.create("the last").await;
    let path = format!("/assignments/{last}");
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let view: Value = world.get(&path).await.json().await.unwrap();
        // One job is before it, and four were finished since that one was posted.
        match view["expected_wait_seconds"].as_f64() {
            Some(seconds) => {
                assert!((0.1..15.0).contains(&seconds), "{seconds}");
                break;
            }
            None => assert!(Instant::now() < deadline, "never measured"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_expected_wait_has_the_time_of_making_from_the_first_picture_on() {
    let world = World::start().await;
    let made = world.create("a fox").await;
    world.succeed_after(&made, 3.0).await;
    let id = world.create("a cat").await;
    let path = format!("/assignments/{id}");
    let measured = async {
        loop {
            let view: Value = world.get(&path).await.json().await.unwrap();
            match view["expected_wait_seconds"].as_f64() {
                Some(seconds) if seconds > 0.0 => return seconds,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let seconds = tokio::time::timeout(Duration::from_secs(15), measured).await;
    assert_eq!(
        seconds.expect("never measured"),
        3.0,
        "nothing is before it"
    );
    let list: Value = world.get("/assignments").await.json().await.unwrap();
    assert_eq!(list["assignments"][0]["expected_wait_seconds"], 3.0);
    let new = world
        .post("/assignments", &json!({"prompt": "an owl"}))
        .await;
    let view: Value = new.json().await.unwrap();
    assert!(
        view["expected_wait_seconds"].as_f64() >= Some(3.0),
        "{view}"
    );
}

#[tokio::test]
async fn the_expected_wait_has_the_rest_of_a_pause() {
    let world = World::start().await;
    let made = world.create("a fox").await;
    world.succeed_after(&made, 3.0).await;
    let path = format!("/assignments/{}", world.create("a cat").await);
    let measured = async |holds: fn(Option<f64>) -> bool| {
        let look = async {
            loop {
                let view: Value = world.get(&path).await.json().await.unwrap();
                if holds(view["expected_wait_seconds"].as_f64()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let looked = tokio::time::timeout(Duration::from_secs(15), look).await;
        looked.expect("never measured");
    };
    measured(|seconds| seconds == Some(3.0)).await;
    let until = (Timestamp::now() + Duration::from_secs(600)).rfc3339();
    let paused = world.post("/fleet/pause", &json!({"until": until})).await;
    assert_eq!(paused.status(), StatusCode::OK);
    measured(|seconds| seconds.is_some_and(|seconds| (500.0..603.5).contains(&seconds))).await;
    let paused = world.post("/fleet/pause", &json!({})).await;
    assert_eq!(paused.status(), StatusCode::OK);
    measured(|seconds| seconds.is_none()).await;
    let resume = world.call(Method::POST, "/fleet/resume").send().await;
    assert_eq!(resume.unwrap().status(), StatusCode::NO_CONTENT);
    measured(|seconds| seconds == Some(3.0)).await;
}

#[tokio::test]
async fn the_list_is_searched_by_words_and_time() {
    let world = World::start().await;
    for (id, prompt, created_at) in [
        ("a", "A red Fox", "2026-11-27T23:59:59.5Z"),
        ("b", "a blue fox", "2026-11-28T00:00:00Z"),
        ("c", "a red hen", "2026-11-28T23:59:59.999Z"),
        ("d", "a fox, red as rust", "2026-11-29T00:00:00Z"),
    ] {
        let body = json!({"prompt": prompt, "teacher_id": "t", "assignment_id": id});
        let made = world.post("/assignments", &body).await;
        assert_eq!(made.status(), StatusCode::ACCEPTED);
        let at = Timestamp::of_rfc3339(created_at).unwrap();
        world.set(id, "created_at", json!(at)).await;
    }
    for (query, found) in [
        ("q=FOX+red", "d a"),
        ("q=fox&teacher_id=t&status=pending", "d b a"),
        ("q=fox&teacher_id=u", ""),
        ("q=", "d c b a"),
        ("q=%20", "d c b a"),
        ("q=ed+f", "d a"),
        ("from=2026-11-28", "d c b"),
        ("to=2026-11-28", "c b a"),
        ("from=2026-11-28&to=2026-11-28", "c b"),
        ("from=2026-11-28T00:00:00Z&to=2026-11-29T00:00:00Z", "d c b"),
        ("from=2026-11-28T00:30:00%2B00:30", "d c b"),
        ("to=2026-11-28T00:00:00Z&q=fox", "b a"),
        ("q=fox&from=2026-11-30", ""),
    ] {
        let page: Value = world
            .get(&format!("/assignments?{query}"))
            .await
            .json()
            .await
            .unwrap();
        let ids = page["assignments"].as_array().unwrap().iter();
        let ids: Vec<_> = ids
            .map(|it| it["assignment_id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.join(" "), found, "{query}");
    }
    let page: Value = world
        .get("/assignments?q=fox&limit=2")
        .await
        .json()
        .await
        .unwrap();
    let next = page["next"].as_str().unwrap();
    let page: Value = world
        .get(&format!("/assignments?q=fox&limit=2&after={next}"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(page["assignments"][0]["assignment_id"], "a");
    assert_eq!(page["next"], Value::Null);
}

#[tokio::test]
async fn the_expected_waits_of_a_page_cost_one_query() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(world.create(&format!("fox {n}")).await);
    }
    let last = ids.pop().unwrap();
    world.fail(&last).await;
    let path = format!("/assignments/{}", ids[0]);
    let measured = async {
        loop {
            let view: Value = world.get(&path).await.json().await.unwrap();
            if view.get("expected_wait_seconds").is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), measured)
        .await
        .expect("never measured");
    for path in [
        "/assignments?limit=10".to_owned(),
        format!("/assignments?ids={}", ids.join(",")),
    ] {
        let before = world.store.counts.load(Ordering::Relaxed);
        let page: Value = world.get(&path).await.json().await.unwrap();
        let after = world.store.counts.load(Ordering::Relaxed);
        assert_eq!(after - before, 1, "{path}");
        let waits: Vec<_> = page["assignments"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|view| view["expected_wait_seconds"].as_f64())
            .collect();
        // Newest first: each has one fewer before it, and the oldest has none.
        assert_eq!(waits.len(), ids.len(), "{path}: {page:#}");
        assert!(
            waits.is_sorted_by(|newer, older| newer > older),
            "{waits:?}"
        );
        assert_eq!(waits.last(), Some(&0.0));
    }
}
