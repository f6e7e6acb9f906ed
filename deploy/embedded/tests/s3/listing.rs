use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::{BUCKET, S3, refused};

/// What all pages of a listing hold: keys and common prefixes, in the order in which they came.
async fn all_pages(
    s3: &S3,
    prefix: &str,
    delimiter: Option<&str>,
    size: i32,
) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut prefixes, mut token) = (Vec::new(), Vec::new(), None);
    loop {
        let list = s3
            .client
            .list_objects_v2()
            .bucket(BUCKET)
            .prefix(prefix)
            .max_keys(size);
        let list = list.set_delimiter(delimiter.map(str::to_owned));
        let page = list.set_continuation_token(token).send().await.unwrap();
        assert!(page.contents().len() + page.common_prefixes().len() <= size as usize);
        assert_eq!(
            page.key_count(),
            Some((page.contents().len() + page.common_prefixes().len()) as i32)
        );
        keys.extend(
            page.contents()
                .iter()
                .map(|object| object.key.clone().unwrap()),
        );
        prefixes.extend(
            page.common_prefixes()
                .iter()
                .map(|common| common.prefix.clone().unwrap()),
        );
        if page.is_truncated() != Some(true) {
            return (keys, prefixes);
        }
        token = page.next_continuation_token;
    }
}

#[test]
fn pages_hold_every_key_and_common_prefix_once_and_in_order() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (s3, _data) = runtime.block_on(S3::fresh());
    let keys: BTreeSet<String> = [
        "a",
        "a/",
        "a/1",
        "a/2",
        "a/b/c",
        "a\u{7f}",
        "a0",
        "b/1",
        "b/2",
        "z",
        "ä/1",
        "ä/2",
        "\u{10ffff}/1",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    runtime.block_on(async {
        for key in &keys {
            s3.put(key, b"").await;
        }
        s3.put("b/0", b"").await;
        s3.client
            .delete_object()
            .bucket(BUCKET)
            .key("b/0")
            .send()
            .await
            .unwrap();
    });
    let prefixes = prop::sample::select(vec!["", "a", "a/", "b/", "ä", "ä/", "none", "\u{10ffff}"]);
    let delimiters = prop::option::of(prop::sample::select(vec!["/", "b", "1"]));
    TestRunner::new(Config::with_cases(100))
        .run(
            &(prefixes, delimiters, 1..16i32),
            |(prefix, delimiter, size)| {
                let mut expected = BTreeMap::from([(false, Vec::new()), (true, Vec::new())]);
                for key in keys.iter().filter(|key| key.starts_with(prefix)) {
                    let end = delimiter.and_then(|delimiter| {
                        Some(prefix.len() + key[prefix.len()..].find(delimiter)? + delimiter.len())
                    });
                    let entry = key[..end.unwrap_or(key.len())].to_owned();
                    let entries = expected.get_mut(&end.is_some()).unwrap();
                    if entries.last() != Some(&entry) {
                        entries.push(entry);
                    }
                }
                let (keys, prefixes) = runtime.block_on(all_pages(&s3, prefix, delimiter, size));
                prop_assert_eq!(&keys, &expected[&false]);
                prop_assert_eq!(&prefixes, &expected[&true]);
                Ok(())
            },
        )
        .unwrap();
}

#[tokio::test]
async fn a_listing_begins_after_the_key_it_is_told() {
    let (s3, _data) = S3::fresh().await;
    for key in ["a", "b", "c"] {
        s3.put(key, b"12").await;
    }
    let list = s3.client.list_objects_v2().bucket(BUCKET).start_after("a");
    let page = list.send().await.unwrap();
    let found: Vec<_> = page
        .contents()
        .iter()
        .map(|object| (object.key().unwrap(), object.size()))
        .collect();
    assert_eq!(found, [("b", Some(2)), ("c", Some(2))]);
    let empty = s3
        .client
        .list_objects_v2()
        .bucket(BUCKET)
        .max_keys(0)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (empty.key_count(), empty.is_truncated()),
        (Some(0), Some(false))
    );
    let list = s3
        .client
        .list_objects_v2()
        .bucket(BUCKET)
        .continuation_token("§");
    assert_eq!(refused!(list), "InvalidArgument");
}

#[tokio::test]
async fn the_first_version_of_the_listing_call_works_too() {
    let (s3, _data) = S3::fresh().await;
    for key in ["a", "b", "c"] {
        s3.put(key, b"").await;
    }
    let list = s3
        .client
        .list_objects()
        .bucket(BUCKET)
        .max_keys(2)
        .send()
        .await
        .unwrap();
    assert_eq!(list.next_marker(), Some("b"));
    let list = s3
        .client
        .list_objects()
        .bucket(BUCKET)
        .marker("b")
        .send()
        .await
        .unwrap();
    assert_eq!(list.contents()[0].key(), Some("c"));
}
