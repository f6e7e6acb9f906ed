//! Pages of a bucket's keys, in the order of their bytes.

use std::io;
use std::ops::Bound;

use super::bucket::Bucket;
use super::version::Head;

/// What to list.
#[derive(Debug, Default)]
pub(super) struct Query {
    /// Only keys with this prefix.
    pub prefix: String,
    /// Keys with this after the prefix are rolled up into one common prefix, which ends with it.
    pub delimiter: Option<String>,
    /// Continues after this key or common prefix.
    pub after: Option<String>,
    /// Continues after this version of the key `after`.
    pub after_version: Option<String>,
    /// Most entries of a page.
    pub limit: usize,
}

/// A page of a listing.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Versions in order, each with whether it is the latest of its key.
    pub versions: Vec<(Head, bool)>,
    /// Common prefixes in order.
    pub prefixes: Vec<String>,
    /// Where the next page continues; `None` at the end.
    pub next: Option<Marker>,
}

/// The last entry of a page.
#[derive(Clone, Debug)]
pub(super) struct Marker {
    /// Its key or common prefix.
    pub key: String,
    /// Its version, unless it is a common prefix.
    pub version: Option<String>,
}

/// A page of the objects of `bucket`: keys whose latest version is not a delete marker.
///
/// # Errors
/// Those of the disk.
pub(super) fn objects(bucket: &Bucket, query: &Query) -> io::Result<Page> {
    page(bucket, query, |key| {
        let latest = bucket.latest_head(key)?;
        Ok(latest
            .filter(|head| head.object().is_some())
            .into_iter()
            .collect())
    })
}

/// A page of all versions in `bucket`, delete markers included; those of a key the latest first.
///
/// # Errors
/// Those of the disk.
pub(super) fn versions(bucket: &Bucket, query: &Query) -> io::Result<Page> {
    page(bucket, query, |key| bucket.versions(key))
}

fn page(
    bucket: &Bucket,
    query: &Query,
    heads_of: impl Fn(&str) -> io::Result<Vec<Head>>,
) -> io::Result<Page> {
    let mut page = Page::default();
    if query.limit == 0 {
        return Ok(page);
    }
    let mut last: Option<Marker> = None;
    let mut cursor = first(query);
    while let Some(key) = bucket.next_key(cursor.as_ref().map(String::as_str)) {
        if !key.starts_with(&query.prefix) {
            break;
        }
        let mut heads = heads_of(&key)?;
        let full = page.versions.len() + page.prefixes.len() >= query.limit;
        let common = common_prefix(&key, query).filter(|_| !heads.is_empty());
        if let Some(common) = common {
            cursor = past(&common);
            if query.after.as_ref() == Some(&common) {
                continue;
            }
            if full {
                page.next = last;
                break;
            }
            last = Some(Marker {
                key: common.clone(),
                version: None,
            });
            page.prefixes.push(common);
            continue;
        }
        let latest = heads.first().map(|head| head.version.clone());
        if query.after.as_ref() == Some(&key)
            && let Some(seen) = &query.after_version
            && let Some(at) = heads.iter().position(|head| head.version == *seen)
        {
            heads.drain(..=at);
        }
        for head in heads {
            if page.versions.len() + page.prefixes.len() >= query.limit {
                page.next = last;
                return Ok(page);
            }
            last = Some(Marker {
                key: key.clone(),
                version: Some(head.version.clone()),
            });
            let is_latest = latest.as_ref() == Some(&head.version);
            page.versions.push((head, is_latest));
        }
        cursor = Bound::Excluded(key);
    }
    Ok(page)
}

/// Where a listing begins.
fn first(query: &Query) -> Bound<String> {
    match &query.after {
        Some(after) if *after >= query.prefix => match query.after_version {
            Some(_) => Bound::Included(after.clone()),
            None => Bound::Excluded(after.clone()),
        },
        _ => Bound::Included(query.prefix.clone()),
    }
}

fn common_prefix(key: &str, query: &Query) -> Option<String> {
    let delimiter = query.delimiter.as_deref().filter(|text| !text.is_empty())?;
    let rest = &key[query.prefix.len()..];
    let end = query.prefix.len() + rest.find(delimiter)? + delimiter.len();
    Some(key[..end].to_owned())
}

/// Behind every key that begins with `prefix`, which is not empty.
fn past(prefix: &str) -> Bound<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The range skips the surrogates, and ends with the greatest character.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Bound::Included(chars.into_iter().collect());
        }
    }
    Bound::Excluded(char::MAX.to_string().repeat(1024))
}
