//! Where a key lies on disk.
//!
//! A key becomes its percent-encoding, in one of 256 folders by the hash of the key, so that a
//! folder of a bucket with 1,000,000 objects holds some 4,000 files. What is longer than a file
//! name may be goes on in a folder of its own, whose name ends with `+`; a name that goes on
//! begins with `+`. No key can leave its folder: `/` and a leading `.` are always encoded.

use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// How many folders the keys are spread over.
pub(super) const SHARDS: usize = 256;

/// Longest part of a name, well below the 255 bytes that common file systems allow.
const PART: usize = 200;

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The shard that `key` belongs to, below [`SHARDS`].
pub(super) fn shard(key: &str) -> usize {
    usize::from(Md5::digest(key.as_bytes())[0])
}

/// The folder of a shard.
pub(super) fn shard_name(shard: usize) -> String {
    format!("{shard:02x}")
}

/// The path of `key`, relative to the folder that holds the shards.
pub(super) fn path(key: &str) -> PathBuf {
    let mut path = PathBuf::from(shard_name(shard(key)));
    let mut rest = utf8_percent_encode(key, ENCODED).to_string();
    if rest.starts_with('.') {
        rest.replace_range(..1, "%2E");
    }
    let mut goes_on = "";
    while rest.len() > PART {
        let tail = rest.split_off(PART);
        path.push(format!("{rest}+"));
        rest = tail;
        goes_on = "+";
    }
    path.push(format!("{goes_on}{rest}"));
    path
}

/// Calls `found` with every key of a shard's folder.
///
/// # Errors
/// Those of reading the folder.
pub(super) fn keys_below(shard: &Path, found: &mut impl FnMut(String)) -> std::io::Result<()> {
    walk(shard, "", found)
}

fn walk(folder: &Path, begun: &str, found: &mut impl FnMut(String)) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(part) = name.strip_suffix('+') {
            walk(&entry.path(), &format!("{begun}{part}"), found)?;
            continue;
        }
        let encoded = format!("{begun}{}", name.strip_prefix('+').unwrap_or(name));
        if let Ok(key) = percent_decode_str(&encoded).decode_utf8() {
            found(key.into_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    fn key_at(folder: &Path) -> Vec<String> {
        let mut keys = Vec::new();
        for shard in std::fs::read_dir(folder).unwrap() {
            keys_below(&shard.unwrap().path(), &mut |key| keys.push(key)).unwrap();
        }
        keys
    }

    proptest! {
        #[test]
        fn every_key_is_found_again_and_stays_in_its_folder(key in "\\PC{1,300}|[./]{1,400}|[a-z.]{190,410}") {
            let folder = tempfile::tempdir().unwrap();
            let relative = path(&key);
            prop_assert!(relative.components().all(|part| matches!(part, Component::Normal(name) if name.len() <= 255)));
            let file = folder.path().join(relative);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "").unwrap();
            prop_assert_eq!(key_at(folder.path()), vec![key]);
        }
    }
}
