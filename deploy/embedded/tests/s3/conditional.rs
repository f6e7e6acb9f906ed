use std::collections::BTreeSet;

use aws_sdk_s3::primitives::ByteStream;
use futures_util::future::join_all;

use crate::{BUCKET, S3, refused};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_racing_puts_if_absent_exactly_one_wins() {
    let (s3, _data) = S3::fresh().await;
    for round in 0..20 {
        let key = format!("generated_images/{round}.webp");
        let puts = (0..24).map(|racer| {
            let put = s3.client.put_object().bucket(BUCKET).key(&key);
            put.if_none_match("*")
                .body(ByteStream::from(vec![racer; 1000]))
                .send()
        });
        let results = join_all(puts).await;
        let winners: Vec<usize> = (0..24).filter(|&n| results[n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{key}");
        for lost in results.into_iter().filter_map(Result::err) {
            assert_eq!(lost.raw_response().unwrap().status().as_u16(), 412);
            assert_eq!(
                crate::code(&lost.into_service_error()),
                "PreconditionFailed"
            );
        }
        assert_eq!(s3.get(&key).await.unwrap(), vec![winners[0] as u8; 1000]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_racing_overwrites_of_one_etag_exactly_one_wins() {
    let (s3, _data) = S3::fresh().await;
    s3.put("a", b"first").await;
    for round in 0..20 {
        let head = s3.client.head_object().bucket(BUCKET).key("a").send().await;
        let etag = head.unwrap().e_tag.unwrap();
        let puts = (0..16).map(|racer| {
            let put = s3.client.put_object().bucket(BUCKET).key("a");
            put.if_match(&etag)
                .body(ByteStream::from(format!("{round} {racer}").into_bytes()))
                .send()
        });
        let results = join_all(puts).await;
        assert_eq!(results.iter().filter(|done| done.is_ok()).count(), 1);
    }
}

#[tokio::test]
async fn an_overwrite_needs_the_current_etag_and_an_object() {
    let (s3, _data) = S3::fresh().await;
    let put = || s3.client.put_object().bucket(BUCKET).key("a");
    assert_eq!(refused!(put().if_match("\"0\"")), "NoSuchKey");
    s3.put("a", b"one").await;
    assert_eq!(refused!(put().if_match("\"0\"")), "PreconditionFailed");
    s3.client
        .delete_object()
        .bucket(BUCKET)
        .key("a")
        .send()
        .await
        .unwrap();
    assert_eq!(refused!(put().if_match("\"0\"")), "NoSuchKey");
}

#[tokio::test]
async fn put_if_absent_succeeds_over_a_delete_marker() {
    let (s3, _data) = S3::fresh().await;
    s3.put("a", b"one").await;
    let put = || {
        s3.client
            .put_object()
            .bucket(BUCKET)
            .key("a")
            .if_none_match("*")
    };
    assert_eq!(refused!(put()), "PreconditionFailed");
    s3.client
        .delete_object()
        .bucket(BUCKET)
        .key("a")
        .send()
        .await
        .unwrap();
    put()
        .body(ByteStream::from_static(b"two"))
        .send()
        .await
        .unwrap();
    assert_eq!(s3.get("a").await.unwrap(), b"two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_never_sees_half_an_object_while_puts_race() {
    let (s3, _data) = S3::fresh().await;
    let body = |letter: u8| vec![letter; 300_000 + usize::from(letter)];
    s3.put("a", &body(0)).await;
    let writes = async {
        for letter in 1..40 {
            s3.put("a", &body(letter)).await;
        }
    };
    let reads = async {
        let mut seen = BTreeSet::new();
        for _ in 0..80 {
            let got = s3.get("a").await.unwrap();
            assert_eq!(got, body(got[0]));
            seen.insert(got[0]);
        }
        seen
    };
    let ((), seen) = tokio::join!(writes, reads);
    assert!(!seen.is_empty());
}

#[tokio::test]
async fn reads_obey_their_conditions() {
    let (s3, _data) = S3::fresh().await;
    s3.put("a", b"one").await;
    let head = s3
        .client
        .head_object()
        .bucket(BUCKET)
        .key("a")
        .send()
        .await
        .unwrap();
    let (etag, modified) = (head.e_tag.unwrap(), head.last_modified.unwrap());
    let get = || s3.client.get_object().bucket(BUCKET).key("a");
    let status =
        async |get: aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder| match get
            .send()
            .await
        {
            Ok(_) => 200,
            Err(error) => error.raw_response().unwrap().status().as_u16(),
        };
    assert_eq!(status(get().if_none_match(&etag)).await, 304);
    assert_eq!(status(get().if_none_match("\"other\"")).await, 200);
    assert_eq!(status(get().if_modified_since(modified)).await, 304);
    assert_eq!(status(get().if_match(&etag)).await, 200);
    assert_eq!(status(get().if_match("\"other\"")).await, 412);
    let head = s3
        .client
        .head_object()
        .bucket(BUCKET)
        .key("a")
        .if_none_match(&etag);
    let error = head.send().await.unwrap_err();
    let response = error.raw_response().unwrap();
    assert_eq!(response.status().as_u16(), 304);
    assert_eq!(response.headers().get("etag"), Some(etag.as_str()));
}
