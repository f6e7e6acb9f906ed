//! Private pictures: every address that leaves the API is signed, and no other is served.

use atelier_embedded::cloud::Guards;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::World;

const PICTURE: &[u8] = b"RIFF and so on";

async fn private() -> World {
    let guards = Guards {
        private_pictures: true,
        ..Guards::default()
    };
    World::guarded(&[], guards).await
}

/// Checks that `url` shows the picture, and that it does not without its signature.
async fn assert_private(world: &World, url: &str) {
    let (plain, query) = url.split_once('?').expect("a signature");
    for name in [
        "Expires=",
        "Signature=",
        "Key-Pair-Id=",
        "Hash-Algorithm=SHA256",
    ] {
        assert!(query.contains(name), "{url}");
    }
    let answer = world.client.get(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{url}");
    assert_eq!(answer.bytes().await.unwrap(), PICTURE);
    let answer = world.client.get(plain).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("<Code>MissingKey</Code>")
    );
}

fn address(view: &Value) -> &str {
    view["cloudfront_url"].as_str().expect("an address")
}

#[tokio::test]
async fn every_address_that_the_api_hands_out_is_signed() {
    let world = private().await;
    let posted = json!({"assignment_id": "a-1", "prompt": "a fox", "teacher_id": "t"});
    world.post("/assignments", &posted).await;
    world.succeed("a-1", Some(PICTURE)).await;

    let read: Value = world.get("/assignments/a-1").await.json().await.unwrap();
    let waited: Value = world
        .get("/assignments/a-1?wait=1")
        .await
        .json()
        .await
        .unwrap();
    let listed: Value = world.get("/assignments").await.json().await.unwrap();
    let several: Value = world
        .get("/assignments?ids=a-1")
        .await
        .json()
        .await
        .unwrap();
    let again: Value = world
        .post("/assignments", &posted)
        .await
        .json()
        .await
        .unwrap();
    let kept = json!({"permanent": true});
    let kept: Value = world
        .patch("/assignments/a-1", &kept)
        .await
        .json()
        .await
        .unwrap();
    let image = world.get("/assignments/a-1/image").await;
    assert_eq!(image.status(), StatusCode::FOUND);
    assert_eq!(image.headers()["cache-control"], "no-cache");
    let image = image.headers()["location"].to_str().unwrap().to_owned();

    assert_private(&world, &image).await;
    for view in [
        &read,
        &waited,
        &listed["assignments"][0],
        &several["assignments"][0],
        &again,
        &kept,
    ] {
        assert_eq!(
            address(view),
            image,
            "the same all day, so that browsers cache"
        );
    }
    let stored = world.document("a-1").await.cloudfront_url;
    assert!(
        !stored.unwrap_or_default().contains("Signature"),
        "none is stored"
    );
}

#[tokio::test]
async fn a_known_view_is_answered_304_while_its_address_is_the_same() {
    let world = private().await;
    let id = world.create("a fox").await;
    world.succeed(&id, Some(PICTURE)).await;
    let path = format!("/assignments/{id}");
    let first = world.get(&path).await;
    assert_eq!(first.headers()["cache-control"], "no-cache");
    let etag = first.headers()["etag"].clone();
    let call = world.call(Method::GET, &path).header("if-none-match", etag);
    assert_eq!(
        call.send().await.unwrap().status(),
        StatusCode::NOT_MODIFIED
    );
}

#[tokio::test]
async fn a_deleted_picture_is_gone_for_those_who_have_its_address() {
    let world = private().await;
    let id = world.create("a fox").await;
    world.succeed(&id, Some(PICTURE)).await;
    let view: Value = world
        .get(&format!("/assignments/{id}"))
        .await
        .json()
        .await
        .unwrap();
    let url = address(&view).to_owned();
    assert_private(&world, &url).await;
    world.delete(&format!("/assignments/{id}")).await;
    let answer = world.client.get(&url).send().await.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "image/svg+xml",
        "the placeholder"
    );
}
