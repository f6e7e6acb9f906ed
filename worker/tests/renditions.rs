//! What is made of a picture after it is visible: variants, AVIFs, a preview.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use atelier_cloud::pictures::{
    Condition, Rendition, avif_key, key, keys, variant_avif_key, variant_key,
};
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{ClaimGuard, Edit, Guard, Transition};
use atelier_embedded::faults::Service;
use serde_json::json;
use support::Bench;
use support::odd_store::{OddStore, Oddity};

const OPTIONS: [(&str, &str); 3] = [
    ("VARIANTS", "128,64,512"),
    ("AVIF", "on"),
    ("MAX_DIMENSION", "256"),
];

async fn complete(bench: &Bench, id: &str) -> Assignment {
    let done = |it: &Assignment| it.s3_upload_status == Status::Success && !it.renditions_due;
    bench.until(id, done).await
}

/// What is stored is what the document says: type and size of each file, all made from the picture, all
/// tagged as `permanent` says.
async fn check(bench: &Bench, document: &Assignment) {
    let id = &document.assignment_id;
    let widths: Vec<_> = document.variants.iter().map(|it| it.width).collect();
    assert_eq!(widths, [64, 128], "512 is not below the picture's width");
    assert!(document.thumbhash.is_some());
    assert!(document.claim.is_none() && document.wake_at.is_none());
    let mut expected = vec![(avif_key(id), "image/avif", document.avif_size_bytes)];
    for variant in &document.variants {
        assert_eq!(variant.key, variant_key(id, variant.width));
        assert_eq!(variant.height, variant.width);
        let webp = Some(variant.size_bytes);
        expected.push((variant.key.clone(), "image/webp", webp));
        let key = variant_avif_key(id, variant.width);
        expected.push((key, "image/avif", variant.avif_size_bytes));
    }
    let mut made_from = Vec::new();
    for (key, content_type, size) in expected {
        let found = bench.pictures.find(&key, document.into()).await.unwrap();
        assert_eq!(found.as_ref().map(|it| it.size), size, "{key}");
        let Some(found) = found else { continue };
        assert_eq!(found.content_type, content_type, "{key}");
        made_from.push(found.made_from.expect("it says what it was made from"));
        let tags = bench.s3().get_object_tagging().key(&key);
        let tags = tags.bucket(&bench.config.bucket.name).send().await.unwrap();
        let expected = if document.permanent {
            "permanent"
        } else {
            "standard"
        };
        assert_eq!(tags.tag_set()[0].value(), expected, "{key}");
    }
    made_from.dedup();
    assert_eq!(made_from.len(), 1);
}

async fn edit(bench: &Bench, id: &str, edits: Vec<Edit>) {
    let guard = Guard {
        statuses: &[Status::Success],
        round: None,
        claim: ClaimGuard::Any,
        wake_at: None,
        permanent: None,
        counts: Vec::new(),
        shows: None,
    };
    let edited = bench.store.apply(id, &Transition { guard, edits }).await;
    assert!(edited.unwrap().is_some());
}

/// None of them is noted, and a worker is to make them.
async fn make_due(bench: &Bench, id: &str) {
    let due = vec![
        Edit::Unset("variants"),
        Edit::Unset("avif_size_bytes"),
        Edit::Unset("thumbhash"),
        Edit::Set("renditions_due", json!(true)),
        Edit::Set("wake_at", json!(Timestamp::now())),
    ];
    edit(bench, id, due).await;
}

#[tokio::test]
async fn a_picture_gets_variants_avifs_and_a_preview() {
    // The AVIF of a picture as large as this is the smaller file.
    let options = [("VARIANTS", "128,64"), ("AVIF", "on")];
    let bench = Bench::with(&options).await;
    let worker = bench.work();
    bench.post("a-1", "a coral reef").await;
    let done = complete(&bench, "a-1").await;
    check(&bench, &done).await;
    assert!(done.avif_size_bytes.is_some());
    worker.stop().await;
    // All are kept, or none.
    let kept = Assignment {
        permanent: true,
        ..done
    };
    assert!(bench.pictures.tag(&kept).await.unwrap());
    check(&bench, &kept).await;
    assert!(bench.pictures.erase((&kept).into()).await.unwrap() >= 4);
    for key in keys(&kept) {
        let found = bench.pictures.find(&key, (&kept).into()).await.unwrap();
        assert!(found.is_none(), "{key}");
    }
}

#[tokio::test]
async fn a_picture_that_serves_again_and_one_that_is_adopted_get_theirs() {
    let mut options = OPTIONS.to_vec();
    options.push(("REUSE", "teacher"));
    let mut bench = Bench::with(&options).await;
    let worker = bench.work();
    bench.post("a-1", "a coral reef").await;
    complete(&bench, "a-1").await;
    bench.post("a-2", "a coral reef").await;
    let reused = complete(&bench, "a-2").await;
    assert_eq!(reused.model_calls, 0);
    check(&bench, &reused).await;
    worker.stop().await;

    bench.with_another_store();
    let puts = bench.count(Service::S3, "put_object");
    let worker = bench.work();
    bench.post("a-2", "a coral reef").await;
    let adopted = complete(&bench, "a-2").await;
    assert_eq!(adopted.model_calls, 0);
    check(&bench, &adopted).await;
    worker.stop().await;
    assert!(bench.count(Service::S3, "put_object") >= puts);
    let versions = bench.pictures.versions(&variant_key("a-2", 64)).await;
    assert_eq!(versions.unwrap().len(), 1, "what is there is not put again");
}

#[tokio::test]
async fn what_is_missing_is_made_of_the_stored_picture_without_a_model() {
    let bench = Bench::with(&OPTIONS).await;
    let worker = bench.work();
    bench.post("a-1", "a coral reef").await;
    let made = complete(&bench, "a-1").await;
    let calls = bench.count(Service::Bedrock, "calls");
    for key in keys(&made).into_iter().skip(1) {
        let delete = bench.s3().delete_object().key(key);
        delete
            .bucket(&bench.config.bucket.name)
            .send()
            .await
            .unwrap();
    }
    make_due(&bench, "a-1").await;

    bench.refuse(Service::S3, "PutObject", 403, "AccessDenied");
    bench.send(&made).await;
    let tried = |it: &Assignment| it.wake_at > Some(Timestamp::now()) && it.claim.is_none();
    let waiting = bench.until("a-1", tried).await;
    assert!(waiting.renditions_due, "it stays due");
    assert_eq!(waiting.s3_upload_status, Status::Success);

    bench.repair();
    bench.send(&made).await;
    let again = complete(&bench, "a-1").await;
    check(&bench, &again).await;
    assert_eq!(bench.count(Service::Bedrock, "calls"), calls);
    bench.queue_is_empty().await;
    worker.stop().await;
}

/// The keeper's tag, its next look: each changes `wake_at`, and no one else is sent for.
#[tokio::test]
async fn a_claim_is_tried_again_where_the_document_has_changed() {
    let mut bench = Bench::with(&OPTIONS).await;
    let odd = Arc::new(OddStore {
        store: Arc::clone(&bench.store),
        oddity: Oddity::ChangesBeforeClaims(2),
        times: AtomicU32::new(0),
    });
    bench.store = Arc::clone(&odd) as _;
    let worker = bench.work();
    bench.post("a-1", "a coral reef").await;
    let made = complete(&bench, "a-1").await;
    make_due(&bench, "a-1").await;
    bench.send(&made).await;
    let again = complete(&bench, "a-1").await;
    check(&bench, &again).await;
    assert!(
        odd.times.load(Ordering::Relaxed) > 2,
        "it has changed twice"
    );
    worker.stop().await;
}

/// At this width the AVIF is the larger file, so none is put.
#[tokio::test]
async fn an_avif_that_is_there_stays_if_it_is_of_this_picture() {
    let bench = Bench::with(&OPTIONS).await;
    let worker = bench.work();
    bench.post("a-1", "a coral reef").await;
    let made = complete(&bench, "a-1").await;
    let variant = variant_key("a-1", 64);
    let found = bench.pictures.find(&variant, (&made).into());
    let made_from = found.await.unwrap().unwrap().made_from.unwrap();
    for (made_from, stays) in [("another picture", None), (&made_from, Some(3))] {
        let rendition = Rendition {
            key: variant_avif_key("a-1", 64),
            bytes: "any".into(),
            content_type: "image/avif",
            made_from: made_from.to_owned(),
        };
        let (whose, absent) = ((&made).into(), Condition::IfAbsent);
        let put = bench
            .pictures
            .put_rendition(&rendition, whose, false, &absent);
        put.await.unwrap();
        make_due(&bench, "a-1").await;
        bench.send(&made).await;
        let again = complete(&bench, "a-1").await;
        check(&bench, &again).await;
        assert_eq!(again.variants[0].avif_size_bytes, stays);
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_picture_without_renditions_asks_for_none() {
    let bench = Bench::with(&[("VARIANTS", "512"), ("MAX_DIMENSION", "256")]).await;
    let worker = bench.work();
    bench.post("a-1", "a coral reef").await;
    let done = bench.finished("a-1").await;
    assert!(!done.renditions_due && done.variants.is_empty());
    assert!(
        done.thumbhash.is_some(),
        "the preview comes with the picture"
    );
    assert_eq!(bench.count(Service::S3, "put_object"), 1);
    let found = bench.pictures.find(&key("a-1"), (&done).into()).await;
    let label = found.unwrap().unwrap().label.unwrap();
    assert_eq!(label.thumbhash, done.thumbhash, "who adopts it has it, too");
    worker.stop().await;
}
