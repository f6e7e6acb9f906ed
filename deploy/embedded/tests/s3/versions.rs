use aws_sdk_s3::types::{BucketVersioningStatus, DeleteMarkerEntry, ObjectVersion};

use crate::{BUCKET, S3, refused};

impl S3 {
    async fn versions(&self, key: &str) -> (Vec<ObjectVersion>, Vec<DeleteMarkerEntry>) {
        let list = self
            .client
            .list_object_versions()
            .bucket(BUCKET)
            .prefix(key);
        let list = list.send().await.unwrap();
        (
            list.versions.unwrap_or_default(),
            list.delete_markers.unwrap_or_default(),
        )
    }
}

#[tokio::test]
async fn an_overwrite_keeps_the_version_before_it() {
    let (s3, _data) = S3::fresh().await;
    let versioning = s3
        .client
        .get_bucket_versioning()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    assert_eq!(versioning.status(), Some(&BucketVersioningStatus::Enabled));
    let first = s3.put("a", b"one").await;
    let second = s3.put("a", b"second").await;
    let get = s3
        .client
        .get_object()
        .bucket(BUCKET)
        .key("a")
        .version_id(&first);
    let got = get.send().await.unwrap();
    assert_eq!(got.version_id(), Some(first.as_str()));
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"one");
    let head = s3
        .client
        .head_object()
        .bucket(BUCKET)
        .key("a")
        .version_id(&second);
    assert_eq!(head.send().await.unwrap().content_length(), Some(6));

    let (versions, markers) = s3.versions("a").await;
    let ids: Vec<_> = versions
        .iter()
        .map(|version| version.version_id().unwrap())
        .collect();
    assert_eq!(ids, [&second, &first]);
    let latest: Vec<_> = versions
        .iter()
        .map(|version| version.is_latest().unwrap())
        .collect();
    assert_eq!(latest, [true, false]);
    assert!(markers.is_empty());
}

#[tokio::test]
async fn a_delete_hides_the_object_until_its_marker_is_deleted() {
    let (s3, _data) = S3::fresh().await;
    let version = s3.put("a", b"one").await;
    let deleted = s3
        .client
        .delete_object()
        .bucket(BUCKET)
        .key("a")
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    let marker = deleted.version_id.unwrap();
    assert_eq!(s3.get("a").await.unwrap_err(), "NoSuchKey");
    let list = s3
        .client
        .list_objects_v2()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    assert_eq!(list.key_count(), Some(0));
    let (versions, markers) = s3.versions("a").await;
    assert_eq!((versions.len(), markers.len()), (1, 1));
    assert_eq!(markers[0].is_latest(), Some(true));
    let get = s3
        .client
        .get_object()
        .bucket(BUCKET)
        .key("a")
        .version_id(&marker);
    assert_eq!(refused!(get), "MethodNotAllowed");
    let get = s3
        .client
        .get_object()
        .bucket(BUCKET)
        .key("a")
        .version_id(&version);
    assert!(get.send().await.is_ok());

    let undo = s3
        .client
        .delete_object()
        .bucket(BUCKET)
        .key("a")
        .version_id(&marker);
    assert_eq!(undo.send().await.unwrap().delete_marker(), Some(true));
    assert_eq!(s3.get("a").await.unwrap(), b"one");
}

#[tokio::test]
async fn a_deleted_version_is_gone_from_the_disk_and_the_one_before_it_shows() {
    let (s3, data) = S3::fresh().await;
    let mut versions = Vec::new();
    for body in ["1", "2", "3"] {
        versions.push(s3.put("a", body.as_bytes()).await);
    }
    let delete = async |version: &str| {
        let delete = s3.client.delete_object().bucket(BUCKET).key("a");
        delete.version_id(version).send().await.unwrap();
    };
    delete(&versions[1]).await;
    assert_eq!(s3.get("a").await.unwrap(), b"3");
    delete(&versions[2]).await;
    assert_eq!(s3.get("a").await.unwrap(), b"1");
    delete(&versions[0]).await;
    // Once more is no error.
    delete(&versions[0]).await;
    assert_eq!(s3.get("a").await.unwrap_err(), "NoSuchKey");
    assert_eq!(s3.versions("a").await.0.len(), 0);
    let get = s3
        .client
        .get_object()
        .bucket(BUCKET)
        .key("a")
        .version_id(&versions[0]);
    assert_eq!(refused!(get), "NoSuchVersion");
    assert_eq!(crate::durability::files_below(data.path()), 0);
}

#[tokio::test]
async fn all_versions_are_seen_once_over_pages_of_any_size() {
    let (s3, _data) = S3::fresh().await;
    let mut put = Vec::new();
    for key in ["a", "b/1", "b/2", "c"] {
        for body in ["1", "2", "3"] {
            put.push((key.to_owned(), s3.put(key, body.as_bytes()).await));
        }
    }
    put.sort();
    for size in 1..=13 {
        let (mut seen, mut key, mut version) = (Vec::new(), None, None);
        loop {
            let list = s3
                .client
                .list_object_versions()
                .bucket(BUCKET)
                .max_keys(size);
            let list = list.set_key_marker(key).set_version_id_marker(version);
            let page = list.send().await.unwrap();
            assert!(page.versions().len() <= size as usize);
            seen.extend(page.versions().iter().map(|version| {
                (
                    version.key.clone().unwrap(),
                    version.version_id.clone().unwrap(),
                )
            }));
            if page.is_truncated() != Some(true) {
                break;
            }
            (key, version) = (page.next_key_marker, page.next_version_id_marker);
        }
        seen.sort();
        assert_eq!(seen, put, "page size {size}");
    }
}

#[tokio::test]
async fn tags_belong_to_a_version() {
    let (s3, _data) = S3::fresh().await;
    let tagged = s3
        .client
        .put_object()
        .bucket(BUCKET)
        .key("a")
        .tagging("v=1")
        .send()
        .await;
    let version = tagged.unwrap().version_id.unwrap();
    s3.put("a", b"2").await;
    let tags = s3.client.get_object_tagging().bucket(BUCKET).key("a");
    assert!(tags.send().await.unwrap().tag_set.is_empty());
    let tags = s3
        .client
        .get_object_tagging()
        .bucket(BUCKET)
        .key("a")
        .version_id(&version);
    assert_eq!(tags.send().await.unwrap().tag_set[0].value, "1");
}
