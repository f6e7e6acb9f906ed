//! Pictures: where they are, and what stands for them.

use std::sync::atomic::Ordering;

use atelier_embedded::faults::{Kind, Service};
use proptest::test_runner::{Config, TestRunner};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::world::World;

const NO_CDN: &[(&str, &str)] = &[("CLOUDFRONT_DOMAIN", "")];
const PICTURE: &[u8] = b"RIFF and so on";

async fn reason(world: &World, id: &str) -> String {
    let answer = world.get(&format!("/assignments/{id}/image")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let headers = answer.headers().clone();
    assert_eq!(headers["content-type"], "image/svg+xml");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(answer.text().await.unwrap().starts_with("<svg"));
    headers["x-atelier-placeholder"]
        .to_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn whatever_there_is_no_picture_for_has_a_placeholder() {
    let world = World::with(NO_CDN).await;
    let pending = world.create("a fox").await;
    assert_eq!(reason(&world, &pending).await, "pending");
    let failed = world.create("a cat").await;
    world.fail(&failed).await;
    assert_eq!(reason(&world, &failed).await, "failed");
    world
        .post(
            "/assignments",
            &json!({"assignment_id": "none", "prompt": ""}),
        )
        .await;
    assert_eq!(reason(&world, "none").await, "no_image");
    world.delete("/assignments/none").await;
    assert_eq!(reason(&world, "none").await, "deleted");
    assert_eq!(reason(&world, "never-heard-of").await, "unknown");
    assert_eq!(reason(&world, "a%20b").await, "unknown");
    let missing = world.create("a dog").await;
    world.succeed(&missing, None).await;
    assert_eq!(reason(&world, &missing).await, "missing");
    world.fault(Service::S3, Kind::Denied);
    assert_eq!(reason(&world, &missing).await, "denied");
    world.cloud.faults().clear();
    world.fault(Service::S3, Kind::Refuse);
    assert_eq!(reason(&world, &missing).await, "away");
    world.cloud.faults().clear();
    world.store.away.store(true, Ordering::Relaxed);
    assert_eq!(reason(&world, &missing).await, "store_away");
}

#[tokio::test]
async fn a_bucket_that_hangs_has_a_placeholder() {
    let world = World::with(NO_CDN).await;
    let id = world.create("a dog").await;
    world.succeed(&id, Some(PICTURE)).await;
    world.fault(Service::S3, Kind::Hang);
    assert_eq!(reason(&world, &id).await, "timeout");
}

#[tokio::test]
async fn the_cdn_has_the_picture_where_there_is_one() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    world.succeed(&id, Some(PICTURE)).await;
    let path = format!("/assignments/{id}/image");
    let answer = world.get(&path).await;
    assert_eq!(answer.status(), StatusCode::FOUND);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.ends_with(&format!("/generated_images/{id}.webp")));
    let picture = world.client.get(location).send().await.unwrap();
    assert_eq!(picture.bytes().await.unwrap(), PICTURE);
    let head = world.call(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::FOUND);
}

#[tokio::test]
async fn without_a_cdn_the_api_hands_the_bytes_out() {
    let world = World::with(NO_CDN).await;
    let id = world.create("a fox").await;
    world.succeed(&id, Some(PICTURE)).await;
    let path = format!("/assignments/{id}/image");
    let answer = world.get(&path).await;
    assert_eq!(answer.headers()["content-type"], "image/webp");
    assert_eq!(answer.headers()["cache-control"], "max-age=31536000");
    let etag = answer.headers()["etag"].clone();
    assert_eq!(answer.bytes().await.unwrap(), PICTURE);
    let call = world.call(Method::GET, &path).header("if-none-match", etag);
    let loaded = || world.cloud.counters().get(Service::S3, "get_object");
    let before = loaded();
    let again = call.send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(loaded(), before, "the object is not loaded again");
    let call = world.call(Method::GET, &path);
    let other = call.header("if-none-match", "\"another\"").send().await;
    assert_eq!(other.unwrap().bytes().await.unwrap(), PICTURE);
}

#[tokio::test]
async fn a_reader_gets_the_smallest_file_that_is_wide_enough_in_a_format_that_it_takes() {
    let world = World::with(NO_CDN).await;
    let id = world.create("a fox").await;
    world.succeed(&id, Some(PICTURE)).await;
    world.add_renditions(&id, &[320, 640]).await;
    let get = async |query: &str, accept: &str| {
        let path = format!("/assignments/{id}/image{query}");
        let call = world.call(Method::GET, &path).header("accept", accept);
        let answer = call.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["vary"], "accept");
        let kind = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        (kind, answer.bytes().await.unwrap())
    };
    let named = |kind: &str, name: &str| {
        let key = format!("generated_images/{id}{name}");
        (kind.to_owned(), key.into())
    };
    let chrome = "image/avif,image/webp,*/*;q=0.8";
    assert_eq!(
        get("?width=1", chrome).await,
        named("image/avif", "/320.avif")
    );
    assert_eq!(
        get("?width=320", "image/webp").await,
        named("image/webp", "/320.webp")
    );
    assert_eq!(
        get("?width=321&again=2", "*/*").await,
        named("image/webp", "/640.webp")
    );
    assert_eq!(
        get("?width=641", chrome).await,
        named("image/avif", ".avif")
    );
    let (kind, bytes) = get("?width=16383&stream=true", "image/webp").await;
    assert_eq!((kind.as_str(), &bytes[..]), ("image/webp", PICTURE));

    let view = world.get(&format!("/assignments/{id}")).await;
    let view: serde_json::Value = view.json().await.unwrap();
    assert_eq!(view["thumbhash"], "1QcSHQRnh493V4dIh4eXh1h4kJUI");
    let variant = |width: u32| {
        let url = format!("/assignments/{id}/image?width={width}");
        json!({"width": width, "height": width, "url": url, "size_bytes": 10})
    };
    assert_eq!(view["variants"], json!([variant(320), variant(640)]));

    // A file that is lost leaves the picture itself.
    let whose = world.document(&id).await;
    let pictures = &world.services.pictures;
    let lost = atelier_cloud::pictures::variant_avif_key(&id, 320);
    pictures.erase_object(&lost, (&whose).into()).await.unwrap();
    assert_eq!(
        get("?width=320", chrome).await,
        named("image/webp", "/320.webp")
    );
}

#[tokio::test]
async fn an_address_that_means_nothing_is_refused_with_its_limits() {
    let world = World::with(NO_CDN).await;
    let id = world.create("a fox").await;
    for (query, field, limit) in [
        ("width=0", "width", "1 to 16383"),
        ("width=16384", "width", "1 to 16383"),
        ("width=wide", "width", "1 to 16383"),
        ("stream=1", "stream", "true or false"),
    ] {
        let answer = world.get(&format!("/assignments/{id}/image?{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        let problem = crate::world::problem(answer).await;
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        let detail = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(limit), "{detail}");
    }
}

#[tokio::test]
async fn the_cdn_has_the_variants_and_knows_of_the_avif() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    world.succeed(&id, Some(PICTURE)).await;
    let view = async || -> serde_json::Value {
        let view = world.get(&format!("/assignments/{id}")).await;
        view.json().await.unwrap()
    };
    let plain = view().await["cloudfront_url"].as_str().unwrap().to_owned();
    assert!(plain.ends_with(".webp"));
    world.add_renditions(&id, &[640]).await;
    let view = view().await;
    let address = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
    let get = async |url: String, accept: &str| {
        let call = world.client.get(url).header("accept", accept);
        let answer = call.send().await.unwrap();
        assert_eq!(answer.headers()["vary"], "Accept");
        answer.bytes().await.unwrap()
    };
    let picture = address(&view["cloudfront_url"]);
    let variant = address(&view["variants"][0]["url"]);
    let key = |name: &str| format!("generated_images/{id}{name}");
    assert_eq!(get(picture.clone(), "image/avif").await, key(".avif"));
    assert_eq!(get(picture.clone(), "image/webp").await, PICTURE);
    assert_eq!(get(plain, "image/avif").await, PICTURE);
    assert_eq!(
        get(variant.clone(), "image/avif,*/*").await,
        key("/640.avif")
    );
    assert_eq!(get(variant.clone(), "*/*").await, key("/640.webp"));

    let image = format!("/assignments/{id}/image");
    for (query, expected) in [("?width=600", variant), ("", picture)] {
        let answer = world.get(&format!("{image}{query}")).await;
        assert_eq!(answer.status(), StatusCode::FOUND);
        assert_eq!(answer.headers()["location"].to_str().unwrap(), expected);
    }
    let streamed = world.get(&format!("{image}?stream=true")).await;
    assert_eq!(streamed.status(), StatusCode::OK);
    assert_eq!(streamed.bytes().await.unwrap(), PICTURE);
    assert!(
        world
            .delete(&format!("/assignments/{id}"))
            .await
            .status()
            .is_success()
    );
    let gone = world.client.get(address(&view["variants"][0]["url"]));
    let gone = gone.send().await.unwrap();
    assert_eq!(
        gone.headers()["content-type"],
        "image/svg+xml",
        "the CDN forgets it"
    );
}

// Feature: s3-image-storage, Property 3: Naming convention consistency
#[test]
fn the_picture_of_any_id_is_under_its_name() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::start());
    let mut runner = TestRunner::new(Config::with_cases(100));
    let outcome = runner.run(&"[A-Za-z0-9_-]{1,64}", |id| {
        runtime.block_on(async {
            let body = json!({"assignment_id": id, "prompt": "a fox"});
            let answer = world.post("/assignments", &body).await;
            assert_eq!(answer.status(), StatusCode::ACCEPTED);
            if world.document(&id).await.s3_image_key.is_none() {
                world.succeed(&id, None).await;
            }
            let answer = world.get(&format!("/assignments/{id}")).await;
            let view: serde_json::Value = answer.json().await.unwrap();
            let key = format!("generated_images/{id}.webp");
            assert_eq!(view["s3_image_key"], key);
            assert!(view["cloudfront_url"].as_str().unwrap().ends_with(&key));
            Ok(())
        })
    });
    outcome.unwrap();
}

// Feature: s3-image-storage, Property 9: Missing image graceful handling
#[test]
fn a_picture_that_is_missing_never_is_an_error() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::with(NO_CDN));
    let mut runner = TestRunner::new(Config::with_cases(100));
    let outcome = runner.run(&"[A-Za-z0-9_-]{1,64}", |id| {
        runtime.block_on(async {
            let body = json!({"assignment_id": id, "prompt": "a fox"});
            world.post("/assignments", &body).await;
            if world.document(&id).await.s3_image_key.is_none() {
                world.succeed(&id, None).await;
            }
            assert_eq!(reason(&world, &id).await, "missing");
            Ok(())
        })
    });
    outcome.unwrap();
}
