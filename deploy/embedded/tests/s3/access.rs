use std::time::Duration;

use atelier_embedded::faults::{Kind, Order, Service};
use aws_sdk_s3::presigning::PresigningConfig;

use crate::{BUCKET, S3, client, refused};

fn plain_http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

#[tokio::test]
async fn only_signed_requests_with_the_right_keys_are_served() {
    let (s3, _data) = S3::fresh().await;
    s3.put("a", b"one").await;
    let http = plain_http();
    for url in [
        format!("{}/{BUCKET}/a", s3.endpoint),
        format!("{}/{BUCKET}?list-type=2", s3.endpoint),
    ] {
        let answer = http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 403);
        assert!(
            answer
                .text()
                .await
                .unwrap()
                .contains("<Code>AccessDenied</Code>")
        );
    }
    let put = http
        .put(format!("{}/{BUCKET}/b", s3.endpoint))
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 403);
    let stranger = client(&s3.endpoint, "stranger", "test");
    assert_eq!(
        refused!(stranger.get_object().bucket(BUCKET).key("a")),
        "InvalidAccessKeyId"
    );
    let guess = client(&s3.endpoint, "test", "guess");
    assert_eq!(
        refused!(guess.get_object().bucket(BUCKET).key("a")),
        "SignatureDoesNotMatch"
    );
}

#[tokio::test]
async fn a_presigned_address_opens_one_object_for_a_while() {
    let (s3, _data) = S3::fresh().await;
    s3.put("a", b"one").await;
    let config = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let signed = s3
        .client
        .get_object()
        .bucket(BUCKET)
        .key("a")
        .presigned(config)
        .await
        .unwrap();
    let http = plain_http();
    let answer = http.get(signed.uri()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.bytes().await.unwrap().as_ref(), b"one");
    let other = signed.uri().replace("/a?", "/b?");
    assert_eq!(http.get(other).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn every_call_on_a_missing_bucket_says_so() {
    let (s3, _data) = S3::fresh().await;
    let s3 = &s3.client;
    let missing = "missing-bucket";
    assert_eq!(
        refused!(s3.put_object().bucket(missing).key("a")),
        "NoSuchBucket"
    );
    assert_eq!(
        refused!(s3.get_object().bucket(missing).key("a")),
        "NoSuchBucket"
    );
    assert_eq!(
        refused!(s3.delete_object().bucket(missing).key("a")),
        "NoSuchBucket"
    );
    assert_eq!(
        refused!(s3.list_objects_v2().bucket(missing)),
        "NoSuchBucket"
    );
    assert_eq!(
        refused!(s3.list_object_versions().bucket(missing)),
        "NoSuchBucket"
    );
    assert_eq!(
        refused!(s3.get_object_tagging().bucket(missing).key("a")),
        "NoSuchBucket"
    );
    // The answer to a HEAD has no body that could say more.
    assert_eq!(refused!(s3.head_bucket().bucket(missing)), "NotFound");
    assert_eq!(
        refused!(s3.head_object().bucket(missing).key("a")),
        "NotFound"
    );
}

#[tokio::test]
async fn buckets_are_made_and_listed() {
    let (s3, _data) = S3::fresh().await;
    s3.client.head_bucket().bucket(BUCKET).send().await.unwrap();
    s3.client
        .create_bucket()
        .bucket("another")
        .send()
        .await
        .unwrap();
    assert_eq!(
        refused!(s3.client.create_bucket().bucket("another")),
        "BucketAlreadyOwnedByYou"
    );
    let list = s3.client.list_buckets().send().await.unwrap();
    let names: Vec<_> = list
        .buckets()
        .iter()
        .map(|bucket| bucket.name().unwrap())
        .collect();
    assert_eq!(names, ["another", BUCKET]);
}

#[tokio::test]
async fn ordered_faults_look_like_those_of_s3() {
    let (s3, _data) = S3::fresh().await;
    s3.put("a", b"one").await;
    for (kind, code) in [
        (Kind::Throttle, "SlowDown"),
        (Kind::Denied, "AccessDenied"),
        (Kind::Missing, "NoSuchBucket"),
    ] {
        s3.faults.add(Order::new(Service::S3, kind));
        assert_eq!(s3.get("a").await.unwrap_err(), code);
        s3.faults.clear();
    }
    assert_eq!(s3.get("a").await.unwrap(), b"one");
}

#[tokio::test]
async fn each_operation_is_counted() {
    let (s3, _data) = S3::fresh().await;
    s3.put("a", b"one").await;
    s3.put("b", b"two").await;
    s3.get("a").await.unwrap();
    s3.client
        .list_objects_v2()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    for (operation, count) in [
        ("put_object", 2),
        ("get_object", 1),
        ("list_objects_v2", 1),
        ("delete_object", 0),
    ] {
        assert_eq!(
            s3.counters.get(Service::S3, operation),
            count,
            "{operation}"
        );
    }
}
