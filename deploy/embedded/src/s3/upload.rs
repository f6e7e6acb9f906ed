//! Reads and checks the body and headers of a put.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::dto::{Metadata, PutObjectInput, ServerSideEncryption, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::checksum::{Algorithm, Checksum};
use super::errors::bad_digest;
use super::tags::tags_of_header;
use super::version::Object;

/// The largest object: 256 MiB.
pub const MAX_OBJECT_BYTES: usize = 256 << 20;

/// S3's limit of user metadata, names and values together.
const MAX_METADATA_BYTES: usize = 2048;

/// The object of a put, and its bytes.
pub(super) async fn receive(request: S3Request<PutObjectInput>) -> S3Result<(Object, Bytes)> {
    let mut input = request.input;
    let body = collect(input.body.take()).await?;
    let md5 = Md5::digest(&body);
    if let Some(expected) = &input.content_md5
        && base64_simd::STANDARD.encode_to_string(md5) != *expected
    {
        return Err(bad_digest("Content-MD5"));
    }
    // They are there only once the body has been read.
    let trailers = request.trailing_headers.and_then(|them| them.take());
    let checksum = check(&body, &request.headers, trailers.as_ref())?;
    let object = Object {
        size: body.len() as u64,
        etag: hex_simd::encode_to_string(md5, hex_simd::AsciiCase::Lower),
        content_type: input.content_type,
        cache_control: input.cache_control,
        content_disposition: input.content_disposition,
        content_encoding: input.content_encoding.and_then(without_aws_chunked),
        content_language: input.content_language,
        metadata: metadata(input.metadata)?,
        tags: tags_of_header(input.tagging.as_deref())?,
        encryption: encryption(input.server_side_encryption.as_ref())?,
        checksum: Some(checksum),
    };
    Ok((object, body))
}

/// The whole body.
async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(mut body) = body else {
        return Ok(Bytes::new());
    };
    let mut all = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| {
            S3Error::with_message(
                S3ErrorCode::IncompleteBody,
                format!("The body broke off: {error}"),
            )
        })?;
        if all.len() + chunk.len() > MAX_OBJECT_BYTES {
            return Err(s3_error!(
                EntityTooLarge,
                "The embedded S3 takes objects of at most {MAX_OBJECT_BYTES} bytes"
            ));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}

/// Compares every checksum in the headers or trailers. Returns the one to store:
/// what the client sent, else CRC-64/NVME, as S3 does.
fn check(body: &[u8], headers: &HeaderMap, trailers: Option<&HeaderMap>) -> S3Result<Checksum> {
    let mut kept = None;
    for (algorithm, name) in Algorithm::ALL {
        let sent = headers
            .get(name)
            .or_else(|| trailers.and_then(|them| them.get(name)));
        let Some(sent) = sent else { continue };
        let computed = algorithm.of(body);
        if sent.as_bytes() != computed.value.as_bytes() {
            return Err(bad_digest(name));
        }
        kept = Some(computed);
    }
    Ok(kept.unwrap_or_else(|| Algorithm::Crc64nvme.of(body)))
}

/// `aws-chunked` is the transfer's encoding, not the object's, and is not stored.
fn without_aws_chunked(encoding: String) -> Option<String> {
    let kept: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty() && *one != "aws-chunked")
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// `x-amz-meta-*`, within its limit.
pub(super) fn metadata(given: Option<Metadata>) -> S3Result<BTreeMap<String, String>> {
    let metadata: BTreeMap<String, String> = given.unwrap_or_default().into_iter().collect();
    let size: usize = metadata
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if size > MAX_METADATA_BYTES {
        return Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size of {MAX_METADATA_BYTES} bytes"
        ));
    }
    Ok(metadata)
}

/// The encryption that a put requests.
pub(super) fn encryption(asked: Option<&ServerSideEncryption>) -> S3Result<String> {
    match asked.map(ServerSideEncryption::as_str) {
        None | Some(ServerSideEncryption::AES256) => Ok(ServerSideEncryption::AES256.to_owned()),
        Some(other) => Err(s3_error!(
            NotImplemented,
            "The embedded S3 knows AES256 encryption only, not {other}"
        )),
    }
}
