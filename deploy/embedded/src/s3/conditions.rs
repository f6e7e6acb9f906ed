//! The conditional headers of reads and writes.

use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use time::OffsetDateTime;

use super::bucket::Condition;
use super::errors::precondition_failed;
use super::version::{Head, Object};

/// The condition of a write.
pub(super) fn condition(
    if_none_match: Option<ETagCondition>,
    if_match: Option<ETagCondition>,
) -> S3Result<Condition> {
    match (if_none_match, if_match) {
        (None, None) => Ok(Condition::Unconditional),
        (Some(ETagCondition::Any), None) => Ok(Condition::Absent),
        (None, Some(etag)) => Ok(Condition::Matches(etag)),
        _ => Err(s3_error!(
            NotImplemented,
            "A write takes If-None-Match: * or If-Match: ETAG, and not both"
        )),
    }
}

/// The conditions of a read, in the order of RFC 9110, section 13.2.2.
pub(super) struct ReadCondition {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

impl ReadCondition {
    pub(super) fn check(self, head: &Head, object: &Object) -> S3Result<()> {
        let same = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == object.etag,
        };
        // HTTP dates have whole seconds only.
        let changed_since = |time: Timestamp| {
            head.modified.unix_timestamp() > OffsetDateTime::from(time).unix_timestamp()
        };
        let failed = match (&self.if_match, self.if_unmodified_since) {
            (Some(condition), _) => !same(condition),
            (None, Some(time)) => changed_since(time),
            (None, None) => false,
        };
        if failed {
            return Err(precondition_failed());
        }
        let not_modified = match (&self.if_none_match, self.if_modified_since) {
            (Some(condition), _) => same(condition),
            (None, Some(time)) => !changed_since(time),
            (None, None) => false,
        };
        if not_modified {
            return Err(not_modified_error(object));
        }
        Ok(())
    }
}

fn not_modified_error(object: &Object) -> S3Error {
    let mut headers = HeaderMap::new();
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    add(http::header::ETAG, &format!("\"{}\"", object.etag));
    if let Some(cache_control) = &object.cache_control {
        add(http::header::CACHE_CONTROL, cache_control);
    }
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_headers(headers);
    error
}
