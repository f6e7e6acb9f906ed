//! Beyond its capacity the API refuses at once; what it accepts is answered.

use std::time::Duration;

use atelier_domain::heartbeat::Heartbeat;
use atelier_domain::timestamp::Timestamp;
use atelier_embedded::faults::{Kind, Service};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{World, problem};

async fn raw(world: &World) -> TcpStream {
    let address = world.base.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// Waits until the server closes the connection.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let end = stream.read_to_end(&mut rest);
    let ended = tokio::time::timeout(Duration::from_secs(20), end).await;
    // A reset is as good as an end.
    let _ = ended.expect("the connection is still open");
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_at_once_and_health_still_answers() {
    let world = World::with(&[("MAX_IN_FLIGHT", "2")]).await;
    // Its answer waits for the queue, for up to 2 s.
    world.fault(Service::Sqs, Kind::Hang);
    let body = json!({"prompt": "a fox"});
    let posts = (0..20).map(|_| world.post("/assignments", &body));
    let answers = futures_util::future::join_all(posts).await;
    let (accepted, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.status() == StatusCode::ACCEPTED);
    assert!(accepted.len() >= 2, "{} accepted", accepted.len());
    assert!(!refused.is_empty());
    for answer in refused {
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()["retry-after"], "1");
        assert!(
            problem(answer).await["detail"]
                .to_string()
                .contains("overloaded")
        );
    }
    for answer in accepted {
        let view: Value = answer.json().await.unwrap();
        world
            .document(view["assignment_id"].as_str().unwrap())
            .await;
    }
    world.cloud.faults().clear();
    assert_eq!(world.get("/health/live").await.status(), StatusCode::OK);
    assert_eq!(world.get("/fleet.json").await.status(), StatusCode::OK);
    // It recovers at once.
    world.create("a cat").await;
}

#[tokio::test]
async fn more_long_polls_than_the_limit_are_answered_at_once() {
    let world = World::with(&[("MAX_LONG_POLLS", "1")]).await;
    let id = world.create("a fox").await;
    let path = format!("/assignments/{id}?wait=20");
    // Whichever arrives first is held.
    let both = [Box::pin(world.get(&path)), Box::pin(world.get(&path))];
    let any = futures_util::future::select_all(both);
    let answered = tokio::time::timeout(Duration::from_secs(10), any).await;
    let (second, _, _) = answered.expect("both are held");
    assert_eq!(second.status(), StatusCode::OK);
    let view: Value = second.json().await.unwrap();
    assert_eq!(view["s3_upload_status"], "pending");
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let world = World::with(&[("HEAD_TIMEOUT_SECONDS", "0.1")]).await;
    let mut slow = raw(&world).await;
    slow.write_all(b"GET /health/live HTTP/1.1\r\nhos")
        .await
        .unwrap();
    closed(slow).await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_refused() {
    let world = World::with(&[("BODY_TIMEOUT_SECONDS", "0.1")]).await;
    let mut slow = raw(&world).await;
    slow.write_all(
        b"POST /assignments HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
          content-length: 100\r\nconnection: close\r\n\r\n{\"prompt\"",
    )
    .await
    .unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn idle_connections_make_room_for_new_ones() {
    let world = World::with(&[("MAX_CONNECTIONS", "3")]).await;
    let (first, second, third) = (raw(&world).await, raw(&world).await, raw(&world).await);
    let client = reqwest::Client::new();
    let live = client.get(format!("{}/health/live", world.base));
    assert_eq!(live.send().await.unwrap().status(), StatusCode::OK);
    closed(first).await;
    drop((second, third));
}

/// A fleet of one slot that takes 10 s a picture.
async fn slow_fleet(world: &World, finished: usize) {
    let now = Timestamp::now();
    let heartbeat: Heartbeat = serde_json::from_value(json!({
        "worker": "a worker", "started_at": now, "at": now, "slots": 1, "slots_in_use": 1,
        "paused": false, "throttles": 0, "model_calls": 0, "jobs_finished": 0,
        "resident_bytes": 0,
    }))
    .unwrap();
    world
        .services
        .store
        .record_heartbeat(&heartbeat)
        .await
        .unwrap();
    for n in 0..finished {
        let id = world.create(&format!("fox {n}")).await;
        world.succeed_after(&id, 10.0).await;
    }
}

#[tokio::test]
async fn what_the_fleet_cannot_do_in_time_is_refused() {
    // One picture in 10 s, and 20 jobs in the queue: 200 s.
    let world = World::with(&[("GIVE_UP_SECONDS", "150")]).await;
    slow_fleet(&world, 20).await;
    let refused = async {
        loop {
            let answer = world
                .post("/assignments", &json!({"prompt": "one more"}))
                .await;
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
            assert_eq!(answer.status(), StatusCode::ACCEPTED);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(20), refused).await;
    let refused = refused.expect("never refused");
    assert!(refused.headers().contains_key("retry-after"));
    // Without a prompt nothing has to be made.
    let none = world.post("/assignments", &json!({"prompt": ""})).await;
    assert_eq!(none.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_burst_before_anything_is_known_of_the_fleet_is_never_refused() {
    let world = World::with(&[("GIVE_UP_SECONDS", "1")]).await;
    slow_fleet(&world, 19).await;
    // Two measurements later they are known, and too few.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for n in 0..50 {
        world.create(&format!("burst {n}")).await;
    }
}
