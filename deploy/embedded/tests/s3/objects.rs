use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, Delete, MetadataDirective, ObjectIdentifier,
    ServerSideEncryption, Tag, Tagging,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::{BUCKET, S3, refused};

// Feature: s3-image-storage, Property 1: S3 upload persistence
#[test]
fn what_is_put_is_read_again_byte_for_byte() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (s3, _data) = runtime.block_on(S3::fresh());
    let bytes = prop::collection::vec(any::<u8>(), 0..20_000);
    let mut runner = TestRunner::new(Config::with_cases(128));
    runner
        .run(&("[A-Za-z0-9_-]{1,64}", bytes), |(id, bytes)| {
            runtime.block_on(async {
                let key = format!("generated_images/{id}.webp");
                s3.put(&key, &bytes).await;
                prop_assert_eq!(s3.get(&key).await.unwrap(), bytes);
                Ok(())
            })
        })
        .unwrap();
}

#[test]
fn every_key_that_s3_allows_is_kept_and_listed() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (s3, _data) = runtime.block_on(S3::fresh());
    let mut runner = TestRunner::new(Config::with_cases(100));
    runner
        .run(&"[a-zäß€./ +%&=~*?\\\\]{1,100}", |key| {
            // The SDK's own HTTP layer folds these away before they are sent.
            prop_assume!(!key.split('/').any(|part| part == "." || part == ".."));
            // The SDK takes a key of white space only for a missing one.
            prop_assume!(!key.trim().is_empty());
            runtime.block_on(async {
                s3.put(&key, key.as_bytes()).await;
                prop_assert_eq!(s3.get(&key).await.unwrap(), key.as_bytes());
                let list = s3.client.list_objects_v2().bucket(BUCKET).prefix(&key);
                let listed = list.send().await.unwrap().contents.unwrap();
                prop_assert_eq!(listed[0].key.as_ref(), Some(&key));
                Ok(())
            })
        })
        .unwrap();
}

#[tokio::test]
async fn metadata_tags_type_and_encryption_come_back_as_they_were_put() {
    let (s3, _data) = S3::fresh().await;
    let put = s3.client.put_object().bucket(BUCKET).key("a.webp");
    let put = put
        .content_type("image/webp")
        .cache_control("max-age=31536000")
        .metadata("assignment-id", "a")
        .metadata("teacher-id", "M%C3%BCller")
        .tagging("retention=standard&by=a%20b")
        .server_side_encryption(ServerSideEncryption::Aes256)
        .if_none_match("*")
        .body(ByteStream::from_static(b"picture"));
    let put = put.send().await.unwrap();
    assert_eq!(
        put.server_side_encryption(),
        Some(&ServerSideEncryption::Aes256)
    );

    let head = s3
        .client
        .head_object()
        .bucket(BUCKET)
        .key("a.webp")
        .send()
        .await
        .unwrap();
    assert_eq!(head.e_tag(), put.e_tag());
    assert_eq!(head.version_id(), put.version_id());
    assert_eq!(head.content_length(), Some(7));
    assert_eq!(head.content_type(), Some("image/webp"));
    assert_eq!(head.cache_control(), Some("max-age=31536000"));
    assert_eq!(
        head.server_side_encryption(),
        Some(&ServerSideEncryption::Aes256)
    );
    let metadata = head.metadata().unwrap();
    assert_eq!(metadata["assignment-id"], "a");
    assert_eq!(metadata["teacher-id"], "M%C3%BCller");

    let get = s3
        .client
        .get_object()
        .bucket(BUCKET)
        .key("a.webp")
        .send()
        .await
        .unwrap();
    assert_eq!(get.metadata(), head.metadata());
    assert_eq!(get.content_type(), Some("image/webp"));
    assert_eq!(get.tag_count(), Some(2));

    let tags = async || {
        let tags = s3.client.get_object_tagging().bucket(BUCKET).key("a.webp");
        let tags = tags.send().await.unwrap().tag_set;
        tags.into_iter()
            .map(|tag| format!("{}={}", tag.key, tag.value))
            .collect::<Vec<_>>()
    };
    assert_eq!(tags().await, ["by=a b", "retention=standard"]);
    let permanent = Tag::builder()
        .key("retention")
        .value("permanent")
        .build()
        .unwrap();
    let tagging = Tagging::builder().tag_set(permanent).build().unwrap();
    let put = s3.client.put_object_tagging().bucket(BUCKET).key("a.webp");
    put.tagging(tagging).send().await.unwrap();
    assert_eq!(tags().await, ["retention=permanent"]);
    s3.client
        .delete_object_tagging()
        .bucket(BUCKET)
        .key("a.webp")
        .send()
        .await
        .unwrap();
    assert!(tags().await.is_empty());

    let again = s3
        .client
        .head_object()
        .bucket(BUCKET)
        .key("a.webp")
        .send()
        .await
        .unwrap();
    assert_eq!(again.last_modified(), head.last_modified());
    assert_eq!(again.metadata(), head.metadata());
    assert_eq!(s3.get("a.webp").await.unwrap(), b"picture");
}

#[tokio::test]
async fn checksums_are_checked_and_given_back() {
    let (s3, _data) = S3::fresh().await;
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let put = s3.client.put_object().bucket(BUCKET).key("a");
        let put = put
            .checksum_algorithm(algorithm)
            .body(ByteStream::from_static(b"bytes"));
        put.send().await.unwrap();
        let get = s3.client.get_object().bucket(BUCKET).key("a");
        let got = get
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .unwrap();
        // The SDK compares the checksum while it reads.
        assert_eq!(got.body.collect().await.unwrap().to_vec(), b"bytes");
    }
    let put = s3.client.put_object().bucket(BUCKET).key("b");
    let put = put
        .checksum_crc32("AAAAAA==")
        .body(ByteStream::from_static(b"bytes"));
    assert_eq!(refused!(put), "BadDigest");
    let put = s3.client.put_object().bucket(BUCKET).key("b");
    let put = put
        .content_md5("AAAAAAAAAAAAAAAAAAAAAA==")
        .body(ByteStream::from_static(b"bytes"));
    assert_eq!(refused!(put), "BadDigest");
    assert_eq!(s3.get("b").await.unwrap_err(), "NoSuchKey");
}

#[tokio::test]
async fn a_range_is_a_part_of_the_body() {
    let (s3, _data) = S3::fresh().await;
    s3.put("a", b"0123456789").await;
    for (range, part, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-1", "9", "bytes 9-9/10"),
    ] {
        let get = s3.client.get_object().bucket(BUCKET).key("a").range(range);
        let got = get.send().await.unwrap();
        assert_eq!(got.content_range(), Some(content_range));
        assert_eq!(got.body.collect().await.unwrap().to_vec(), part.as_bytes());
    }
    let get = s3
        .client
        .get_object()
        .bucket(BUCKET)
        .key("a")
        .range("bytes=10-");
    assert_eq!(refused!(get), "InvalidRange");
}

#[tokio::test]
async fn a_copy_keeps_what_it_is_not_told_to_replace() {
    let (s3, _data) = S3::fresh().await;
    let put = s3.client.put_object().bucket(BUCKET).key("a b");
    let put = put
        .metadata("x", "1")
        .content_type("image/webp")
        .tagging("t=1");
    put.body(ByteStream::from_static(b"bytes"))
        .send()
        .await
        .unwrap();
    let copy = || {
        s3.client
            .copy_object()
            .bucket(BUCKET)
            .copy_source(format!("{BUCKET}/a%20b"))
    };
    copy().key("kept").send().await.unwrap();
    let replace = copy()
        .key("new")
        .metadata_directive(MetadataDirective::Replace);
    replace.metadata("x", "2").send().await.unwrap();
    let head = async |key: &str| {
        s3.client
            .head_object()
            .bucket(BUCKET)
            .key(key)
            .send()
            .await
            .unwrap()
    };
    let (kept, new) = (head("kept").await, head("new").await);
    assert_eq!(kept.metadata().unwrap()["x"], "1");
    assert_eq!(kept.content_type(), Some("image/webp"));
    assert_eq!(new.metadata().unwrap()["x"], "2");
    assert_eq!(new.content_type(), Some("binary/octet-stream"));
    assert_eq!(s3.get("new").await.unwrap(), b"bytes");
}

#[tokio::test]
async fn several_objects_are_deleted_at_once() {
    let (s3, _data) = S3::fresh().await;
    for key in ["a", "b", "c"] {
        s3.put(key, b"").await;
    }
    let named = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = Delete::builder()
        .objects(named("a"))
        .objects(named("b"))
        .build()
        .unwrap();
    let done = s3
        .client
        .delete_objects()
        .bucket(BUCKET)
        .delete(delete)
        .send()
        .await
        .unwrap();
    assert_eq!(done.deleted().len(), 2);
    assert_eq!(s3.get("a").await.unwrap_err(), "NoSuchKey");
    assert_eq!(s3.get("c").await.unwrap(), b"");
}

#[tokio::test]
async fn multipart_uploads_are_said_to_be_missing() {
    let (s3, _data) = S3::fresh().await;
    let create = s3.client.create_multipart_upload().bucket(BUCKET).key("a");
    assert_eq!(refused!(create), "NotImplemented");
}
