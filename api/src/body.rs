//! Takes in the body of a request: media type, content coding, size, time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::StreamExt as _;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

use crate::problem::{FieldFault, Problem};

/// The largest body, in bytes.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// How many bytes of a body that is too large are still received, so that its sender, who may not
/// read before it has written, gets the answer.
const MAX_DISCARDED: usize = 16 << 20;

/// The JSON text in a body.
///
/// # Errors
/// 415 for another media type or a content coding, and as [`read`].
pub(crate) async fn read_json(
    headers: &HeaderMap,
    body: Body,
    timeout: Duration,
) -> Result<Bytes, Problem> {
    if is_json(headers) {
        read(headers, body, timeout).await
    } else {
        discard(body, 0, timeout).await;
        Err(not_json())
    }
}

/// The JSON text in a body, or none: an empty body or `null`, of whatever media type.
///
/// # Errors
/// As [`read_json`].
pub(crate) async fn read_optional_json(
    headers: &HeaderMap,
    body: Body,
    timeout: Duration,
) -> Result<Option<Bytes>, Problem> {
    let bytes = read(headers, body, timeout).await?;
    if matches!(bytes.trim_ascii(), b"" | b"null") {
        Ok(None)
    } else if is_json(headers) {
        Ok(Some(bytes))
    } else {
        Err(not_json())
    }
}

/// A whole body.
///
/// # Errors
/// 413 above [`MAX_BODY`], 408 after `timeout`, 415 for a content coding, 400 for a body that
/// ends early.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    timeout: Duration,
) -> Result<Bytes, Problem> {
    if let Some(coding) = content_coding(headers) {
        discard(body, 0, timeout).await;
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("The Content-Encoding `{coding}` is not read here; send the body as it is."),
        ));
    }
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_DISCARDED) {
        return Err(too_large());
    }
    tokio::time::timeout(timeout, collect(body, timeout))
        .await
        .map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("The body must arrive within {} s.", timeout.as_secs_f64()),
            )
        })?
}

async fn collect(body: Body, timeout: Duration) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "The body ended too early."))?;
        let length = bytes.len() + chunk.len();
        if length > MAX_BODY {
            discard(Body::from_stream(stream), length, timeout).await;
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// Receives a body and drops it, up to [`MAX_DISCARDED`] bytes and `timeout`.
async fn discard(body: Body, mut taken: usize, timeout: Duration) {
    let all = async {
        let mut stream = body.into_data_stream();
        while let Some(Ok(chunk)) = stream.next().await {
            taken += chunk.len();
            if taken > MAX_DISCARDED {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(timeout, all).await;
}

/// The first content coding that changes the bytes (RFC 9110, section 8.4), shortened.
fn content_coding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings
        .map(|coding| String::from_utf8_lossy(coding.trim_ascii()).into_owned())
        .find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
        .map(|coding| coding.chars().take(32).collect())
}

/// Whether the Content-Type is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The body has another media type.
pub(crate) fn not_json() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "The body must be JSON, and its Content-Type `application/json`.",
    )
}

fn too_large() -> Problem {
    let detail = format!("The body must have at most {MAX_BODY} bytes (1 MiB).");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail.clone())
        .with_errors(vec![FieldFault::beyond("body", detail, MAX_BODY as u64)])
}
