//! The pages of a listing on the wire.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, DeleteMarkerEntry, ETag, EncodingType, ObjectStorageClass, ObjectVersion,
    ObjectVersionStorageClass, Owner,
};
use s3s::{S3Result, s3_error};

use super::version::Head;

/// S3's limit of entries in a page of a listing, and its default.
pub(super) const MAX_KEYS: i32 = 1000;

/// The requested size of a page.
pub(super) fn max_keys(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(MAX_KEYS) {
        negative @ ..0 => Err(s3_error!(
            InvalidArgument,
            "max-keys must be 0 to 2147483647, not {negative}"
        )),
        asked => Ok(asked.min(MAX_KEYS)),
    }
}

/// A continuation token is the last key of the page before, in base64, so that clients treat it as opaque.
pub(super) fn token_of(key: &str) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(key)
}

/// The key of a token.
pub(super) fn after_of(token: &str) -> S3Result<String> {
    base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(token)
        .ok()
        .and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "The continuation token provided is incorrect"
            )
        })
}

/// Encodes keys where the client requests it, since XML cannot hold every character.
#[derive(Clone, Copy)]
pub(super) struct KeyEncoder {
    url: bool,
}

const NOT_IN_URL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

impl KeyEncoder {
    pub(super) fn new(asked: Option<&EncodingType>) -> Self {
        Self {
            url: asked.is_some_and(|asked| asked.as_str() == EncodingType::URL),
        }
    }

    pub(super) fn encode(self, key: String) -> String {
        if self.url {
            utf8_percent_encode(&key, NOT_IN_URL).to_string()
        } else {
            key
        }
    }

    pub(super) fn prefixes(self, prefixes: Vec<String>) -> Option<Vec<CommonPrefix>> {
        let prefixes = prefixes.into_iter().map(|prefix| CommonPrefix {
            prefix: Some(self.encode(prefix)),
        });
        Some(prefixes.collect())
    }

    pub(super) fn objects(self, heads: Vec<(Head, bool)>) -> Vec<s3s::dto::Object> {
        let objects = heads.into_iter().map(|(head, _)| {
            let object = head.object().cloned().unwrap_or_default();
            s3s::dto::Object {
                e_tag: Some(ETag::Strong(object.etag)),
                key: Some(self.encode(head.key)),
                last_modified: Some(head.modified.into()),
                size: Some(object.size as i64),
                storage_class: Some(ObjectStorageClass::from_static(
                    ObjectStorageClass::STANDARD,
                )),
                ..Default::default()
            }
        });
        objects.collect()
    }

    pub(super) fn versions(
        self,
        heads: Vec<(Head, bool)>,
    ) -> (Vec<ObjectVersion>, Vec<DeleteMarkerEntry>) {
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        for (head, is_latest) in heads {
            let object = head.object().cloned();
            let (key, modified) = (self.encode(head.key), head.modified.into());
            match object {
                Some(object) => versions.push(ObjectVersion {
                    e_tag: Some(ETag::Strong(object.etag)),
                    is_latest: Some(is_latest),
                    key: Some(key),
                    last_modified: Some(modified),
                    owner: Some(owner()),
                    size: Some(object.size as i64),
                    storage_class: Some(ObjectVersionStorageClass::from_static(
                        ObjectVersionStorageClass::STANDARD,
                    )),
                    version_id: Some(head.version),
                    ..Default::default()
                }),
                None => markers.push(DeleteMarkerEntry {
                    is_latest: Some(is_latest),
                    key: Some(key),
                    last_modified: Some(modified),
                    owner: Some(owner()),
                    version_id: Some(head.version),
                }),
            }
        }
        (versions, markers)
    }
}

fn owner() -> Owner {
    Owner {
        display_name: Some("atelier".to_owned()),
        id: Some("0".repeat(64)),
    }
}
