use std::path::{Path, PathBuf};

use aws_sdk_s3::primitives::ByteStream;

use crate::{BUCKET, S3};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// How many files lie in `folder` and all folders in it.
pub(crate) fn files_below(folder: &Path) -> usize {
    files(folder).len()
}

#[tokio::test]
async fn a_restart_keeps_objects_versions_markers_and_tags() {
    let data = tempfile::tempdir().unwrap();
    let first = {
        let s3 = S3::start(data.path()).await;
        let first = s3.put("a/b.webp", b"one").await;
        let put = s3.client.put_object().bucket(BUCKET).key("a/b.webp");
        let put = put
            .tagging("t=1")
            .metadata("m", "2")
            .body(ByteStream::from_static(b"two"));
        put.send().await.unwrap();
        s3.put("gone", b"").await;
        s3.client
            .delete_object()
            .bucket(BUCKET)
            .key("gone")
            .send()
            .await
            .unwrap();
        s3.client
            .create_bucket()
            .bucket("another")
            .send()
            .await
            .unwrap();
        first
    };
    let s3 = S3::start(data.path()).await;
    assert_eq!(s3.get("a/b.webp").await.unwrap(), b"two");
    let head = s3
        .client
        .head_object()
        .bucket(BUCKET)
        .key("a/b.webp")
        .send()
        .await
        .unwrap();
    assert_eq!(head.metadata().unwrap()["m"], "2");
    let old = s3
        .client
        .get_object()
        .bucket(BUCKET)
        .key("a/b.webp")
        .version_id(&first);
    assert_eq!(
        old.send()
            .await
            .unwrap()
            .body
            .collect()
            .await
            .unwrap()
            .to_vec(),
        b"one"
    );
    assert_eq!(s3.get("gone").await.unwrap_err(), "NoSuchKey");
    let list = s3
        .client
        .list_objects_v2()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    assert_eq!(list.key_count(), Some(1));
    s3.client
        .head_bucket()
        .bucket("another")
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn what_a_killed_process_left_half_done_is_never_seen() {
    let data = tempfile::tempdir().unwrap();
    let (one, two) = {
        let s3 = S3::start(data.path()).await;
        (s3.put("a", b"one").await, s3.put("a", b"two").await)
    };
    let bucket = data.path().join(BUCKET);
    // Killed while a version was written.
    std::fs::write(bucket.join("aside/half"), b"{\"key\":\"a\"").unwrap();
    // Killed between the link of the latest version into the older ones and the rename over it.
    let latest = files(&bucket.join("latest")).remove(0);
    let older = files(&bucket.join("older")).remove(0);
    std::fs::hard_link(&latest, older.with_file_name(&two)).unwrap();

    let s3 = S3::start(data.path()).await;
    assert_eq!(files_below(&bucket.join("aside")), 0);
    let list = s3
        .client
        .list_object_versions()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    let ids: Vec<_> = list
        .versions()
        .iter()
        .map(|version| version.version_id().unwrap())
        .collect();
    assert_eq!(ids, [&two, &one]);
    assert_eq!(s3.get("a").await.unwrap(), b"two");
    let three = s3.put("a", b"three").await;
    for version in [&three, &two, &one] {
        let delete = s3
            .client
            .delete_object()
            .bucket(BUCKET)
            .key("a")
            .version_id(version);
        delete.send().await.unwrap();
    }
    assert_eq!(files_below(&bucket), 0);
}
