//! Properties of the pictures in the bucket, over S3's own protocol.

mod support;

use std::time::{Duration, Instant};

use atelier_cloud::error::CloudError;
use atelier_cloud::pictures::{RetryPolicy, key};
use atelier_embedded::faults::{Kind, Service};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::properties::{Site, label, put, whose};

// Feature: s3-image-storage, Property 1: S3 upload persistence
#[test]
fn what_was_uploaded_comes_back_as_it_was() {
    let pictures = (
        prop::collection::vec(any::<u8>(), 1..4096),
        ".{0,24}",
        ".{1,40}",
    );
    Site::new().check(&pictures, async |bench, id, (bytes, teacher, prompt)| {
        let label = label(&id, &teacher, &prompt, bytes.len());
        let (stored, _) = put(&bench.pictures, &bytes, &label).await;
        prop_assert!(stored.is_ok());
        let back = bench
            .pictures
            .read(&key(&id), whose(&label))
            .await
            .unwrap()
            .unwrap();
        prop_assert_eq!(&back.0[..], &bytes[..]);
        prop_assert_eq!(back.1.label, Some(label));
        Ok(())
    });
}

// Feature: s3-image-storage, Property 2: Upload retry idempotence
#[test]
fn a_retried_upload_makes_one_object_or_none() {
    let faults = prop::sample::select(vec![
        (Kind::LostReply, 0.5),
        (Kind::Refuse, 0.5),
        (Kind::Error, 0.5),
        (Kind::Error, 1.0),
    ]);
    let site = Site::new();
    site.check(&faults, async |bench, id, (kind, share)| {
        bench.fault(Service::S3, kind, share);
        let label = label(&id, "t", "p", 3);
        let (outcome, tries) = put(&bench.pictures, b"abc", &label).await;
        bench.repair();
        prop_assert!(
            (1..=4).contains(&tries),
            "once and three retries, not {}",
            tries
        );
        let versions = bench.pictures.versions(&key(&id)).await.unwrap();
        prop_assert!(versions.len() <= 1, "{} objects", versions.len());
        match outcome {
            // A put whose answer was lost finds its own object when it is tried again.
            Ok(_) | Err(CloudError::PreconditionFailed(_)) => prop_assert_eq!(versions.len(), 1),
            Err(_) => prop_assert_eq!(tries, 4, "given up only after all tries"),
        }
        Ok(())
    });
}

// Feature: s3-image-storage, Property 3: Naming convention consistency
#[test]
fn keys_are_made_of_the_assignments_id_alone() {
    let runner = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(runner)
        .run(&"[A-Za-z0-9_-]{1,64}", |id| {
            let key = key(&id);
            prop_assert_eq!(&key, &format!("generated_images/{id}.webp"));
            prop_assert_eq!(
                atelier_cloud::pictures::assignment_of(&key),
                Some(id.as_str())
            );
            Ok(())
        })
        .unwrap();
}

// Feature: s3-image-storage, Property 5: Encryption enforcement
#[test]
fn every_object_is_encrypted() {
    let site = Site::new();
    let client = site.bench.s3();
    let bucket = site.bench.config.bucket.name.clone();
    site.check(&any::<u64>(), async |bench, id, seed| {
        let label = label(&id, "t", "p", 8);
        let (stored, _) = put(&bench.pictures, &seed.to_le_bytes(), &label).await;
        prop_assert!(stored.is_ok());
        let head = client
            .head_object()
            .bucket(&bucket)
            .key(key(&id))
            .send()
            .await
            .unwrap();
        let encryption = head
            .server_side_encryption()
            .map(|it| it.as_str().to_owned());
        prop_assert_eq!(encryption.as_deref(), Some("AES256"));
        prop_assert_eq!(head.cache_control(), Some("max-age=31536000"));
        let tags = client
            .get_object_tagging()
            .bucket(&bucket)
            .key(key(&id))
            .send()
            .await
            .unwrap();
        let tags: Vec<_> = tags
            .tag_set()
            .iter()
            .map(|it| (it.key(), it.value()))
            .collect();
        prop_assert_eq!(tags, [("retention", "standard")]);
        Ok(())
    });
}

// Feature: s3-image-storage, Property 6: Public access blocked
#[test]
fn nobody_reads_the_bucket_without_a_signature() {
    let site = Site::new();
    let endpoint = site.bench.config.cloud.s3_endpoint.clone().unwrap();
    let bucket = site.bench.config.bucket.name.clone();
    let http = reqwest::Client::new();
    site.check(&any::<bool>(), async |bench, id, there| {
        if there {
            let (stored, _) = put(&bench.pictures, b"private", &label(&id, "t", "p", 7)).await;
            prop_assert!(stored.is_ok());
        }
        let url = format!("{endpoint}/{bucket}/{}", key(&id));
        let answer = http.get(url).send().await.unwrap();
        prop_assert_eq!(answer.status().as_u16(), 403);
        Ok(())
    });
}

// Feature: s3-image-storage, Property 26: Operation timeout
#[test]
fn an_operation_without_an_answer_is_ended_in_time() {
    let site = Site::new();
    site.check(&(20_u64..80), async |bench, id, milliseconds| {
        bench.fault(Service::S3, Kind::Hang, 1.0);
        let timeout = Duration::from_millis(milliseconds);
        let patience = RetryPolicy {
            waits: vec![timeout * 2],
            timeout,
        };
        let pictures = bench
            .pictures
            .clone()
            .with_retries(patience.clone(), patience);
        let start = Instant::now();
        let label = label(&id, "t", "p", 3);
        let (put, _) = put(&pictures, b"abc", &label).await;
        let took = start.elapsed();
        bench.repair();
        prop_assert!(put.is_err());
        prop_assert!(
            took >= timeout && took < timeout + Duration::from_secs(5),
            "{:?}",
            took
        );
        Ok(())
    });
    assert_eq!(
        atelier_cloud::pictures::OPERATION_TIMEOUT,
        Duration::from_secs(30)
    );
}
