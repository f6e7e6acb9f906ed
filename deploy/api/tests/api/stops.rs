//! A process that is told to stop loses nothing.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;

use crate::world::World;

#[tokio::test]
async fn a_drain_answers_those_who_wait_and_ends() {
    let mut world = World::start().await;
    let id = world.create("a fox").await;
    let address = format!("{}/assignments/{id}?wait=20", world.base);
    let client = world.client.clone();
    let waiting = tokio::spawn(async move { client.get(address).send().await.unwrap() });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = Instant::now();
    world.tell_to_stop();
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let view: Value = answer.json().await.unwrap();
    assert_eq!(view["s3_upload_status"], "pending");
    world.stop().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
}
