//! CloudFront's CreateInvalidation:
//! <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateInvalidation.html>.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use http::{Response, StatusCode, header};
use md5::{Digest as _, Md5};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::answer::{insert, struck};
use super::cache::{Cache, Pattern};
use crate::signature;

/// Where the call is served.
pub(super) const ROUTE: &str = "/2020-05-31/distribution/{distribution}/invalidation";

const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
/// Room for the 3000 paths that CloudFront takes at once, at 1 KiB each.
const MAX_BODY_BYTES: usize = 4 << 20;

/// The body of the call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InvalidationBatch {
    paths: Paths,
    caller_reference: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Paths {
    quantity: usize,
    #[serde(default)]
    items: Items,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Items {
    #[serde(default)]
    path: Vec<String>,
}

/// An error in CloudFront's form: status, code, message.
struct Refused(StatusCode, &'static str, String);

/// Invalidates the paths of the batch. The same batch gives the same invalidation id.
pub(super) async fn create(
    State(cache): State<Arc<Cache>>,
    Path(distribution): Path<String>,
    request: Request,
) -> Response<Body> {
    let batch = match read(request).await {
        Ok(batch) => batch,
        Err(Refused(status, code, message)) => {
            let body = format!(
                "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type>\
                 <Code>{code}</Code><Message>{}</Message></Error>\
                 <RequestId>{}</RequestId></ErrorResponse>",
                escape(&message),
                Uuid::now_v7()
            );
            return xml(status, body);
        }
    };
    let patterns: Vec<Pattern> = batch.paths.items.path.iter().map(|p| pattern(p)).collect();
    cache.invalidate(&patterns).await;
    let id = id(&distribution, &batch);
    let mut response = xml(StatusCode::CREATED, invalidation(&id, &batch));
    let location = format!("/2020-05-31/distribution/{distribution}/invalidation/{id}");
    insert(&mut response, header::LOCATION, &location);
    response
}

async fn read(request: Request) -> Result<InvalidationBatch, Refused> {
    let refused = |code, message: String| Refused(StatusCode::BAD_REQUEST, code, message);
    let (parts, body) = request.into_parts();
    if let Some(status) = struck(&parts) {
        return Err(Refused(status, "ServiceUnavailable", status.to_string()));
    }
    let body = to_bytes(body, MAX_BODY_BYTES)
        .await
        .map_err(|error| refused("MalformedInput", error.to_string()))?;
    signature::verify(&parts, &body)
        .map_err(|refusal| Refused(StatusCode::FORBIDDEN, refusal.code(), refusal.to_string()))?;
    let text =
        std::str::from_utf8(&body).map_err(|error| refused("MalformedInput", error.to_string()))?;
    let batch: InvalidationBatch = quick_xml::de::from_str(text)
        .map_err(|error| refused("MalformedXML", error.to_string()))?;
    let paths = &batch.paths.items.path;
    if paths.len() != batch.paths.quantity || paths.is_empty() {
        let message = format!(
            "Paths.Quantity is {}, and Paths.Items has {}; they must be equal, and at least 1",
            batch.paths.quantity,
            paths.len()
        );
        return Err(refused("InconsistentQuantities", message));
    }
    if let Some(path) = paths
        .iter()
        .find(|path| !path.starts_with('/') && *path != "*")
    {
        let message = format!("Paths.Items: {path:?} must begin with /");
        return Err(refused("InvalidArgument", message));
    }
    Ok(batch)
}

/// A `*` at the end is a wildcard; elsewhere it is an ordinary character.
fn pattern(path: &str) -> Pattern {
    let path = percent_decode_str(path).decode_utf8_lossy();
    let key = path.strip_prefix('/').unwrap_or(&path);
    match key.strip_suffix('*') {
        Some(prefix) => Pattern::Prefix(prefix.to_owned()),
        None => Pattern::Key(key.to_owned()),
    }
}

fn id(distribution: &str, batch: &InvalidationBatch) -> String {
    let mut hash = Md5::new();
    for part in [distribution, &batch.caller_reference] {
        hash.update(part);
        hash.update([0]);
    }
    for path in &batch.paths.items.path {
        hash.update(path);
        hash.update([0]);
    }
    let hex = hex_simd::encode_to_string(hash.finalize(), hex_simd::AsciiCase::Upper);
    format!("I{}", &hex[..20])
}

fn invalidation(id: &str, batch: &InvalidationBatch) -> String {
    let now = OffsetDateTime::now_utc();
    let created = now.format(&Rfc3339).unwrap_or_default();
    let mut items = String::new();
    for path in &batch.paths.items.path {
        let _ = write!(items, "<Path>{}</Path>", escape(path));
    }
    format!(
        "<Invalidation xmlns=\"{NAMESPACE}\"><Id>{id}</Id><Status>Completed</Status>\
         <CreateTime>{created}</CreateTime><InvalidationBatch><Paths><Quantity>{}</Quantity>\
         <Items>{items}</Items></Paths><CallerReference>{}</CallerReference>\
         </InvalidationBatch></Invalidation>",
        batch.paths.quantity,
        escape(&batch.caller_reference)
    )
}

fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

fn xml(status: StatusCode, body: String) -> Response<Body> {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    insert(&mut response, header::CONTENT_TYPE, "text/xml");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trailing_star_is_a_wildcard() {
        let key = |key: &str| Pattern::Key(key.to_owned());
        let prefix = |prefix: &str| Pattern::Prefix(prefix.to_owned());
        assert_eq!(pattern("/a/b%20c.webp"), key("a/b c.webp"));
        assert_eq!(pattern("/a*/b"), key("a*/b"));
        assert_eq!(pattern("/a/b*"), prefix("a/b"));
        assert_eq!(pattern("/*"), prefix(""));
        assert_eq!(pattern("*"), prefix(""));
    }
}
