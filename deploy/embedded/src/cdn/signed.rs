//! Who may see a picture: CloudFront's signed URLs with a canned policy, checked with the keys of
//! a trusted key group.
//! <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html>

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use http::request::Parts;
use http::{Response, StatusCode, header};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};

use super::answer::insert;

/// A public key of the key group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// CloudFront's id of it: `Key-Pair-Id` of what it signed.
    pub id: String,
    /// RSA's modulus and exponent as PKCS #1 writes them (DER).
    pub der: Vec<u8>,
}

/// Why a viewer does not get a picture: CloudFront's codes and words (status 403).
/// <https://repost.aws/knowledge-center/cloudfront-troubleshoot-signed-url-cookies>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoKey,
    NoSignature,
    UnknownKey,
    /// The address has expired, or another one was signed.
    Denied,
}

impl Refusal {
    fn code(self) -> &'static str {
        match self {
            Self::NoKey => "MissingKey",
            Self::NoSignature => "MissingSignature",
            Self::UnknownKey => "InvalidKey",
            Self::Denied => "AccessDenied",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::NoKey => "Missing Key-Pair-Id query parameter or cookie value",
            Self::NoSignature => "Missing Signature query parameter or cookie value",
            Self::UnknownKey => "Unknown Key",
            Self::Denied => "Access denied",
        }
    }

    pub(super) fn response(self) -> Response<Body> {
        let (code, message) = (self.code(), self.message());
        let mut response = Response::new(Body::from(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <Error><Code>{code}</Code><Message>{message}</Message></Error>"
        )));
        *response.status_mut() = StatusCode::FORBIDDEN;
        insert(&mut response, header::CONTENT_TYPE, "text/xml");
        response
    }
}

/// The query parameters that are CloudFront's own, and the rest, which was signed with the path.
#[derive(Default)]
struct Query<'a> {
    expires: Option<&'a str>,
    signature: Option<&'a str>,
    key_id: Option<&'a str>,
    hash: Option<&'a str>,
    rest: Vec<&'a str>,
}

impl<'a> Query<'a> {
    fn read(query: &'a str) -> Self {
        let mut read = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("Expires", value)) => read.expires = Some(value),
                Some(("Signature", value)) => read.signature = Some(value),
                Some(("Key-Pair-Id", value)) => read.key_id = Some(value),
                Some(("Hash-Algorithm", value)) => read.hash = Some(value),
                _ => read.rest.push(pair),
            }
        }
        read
    }
}

/// Checks that one of `keys` signed the address of `request`, and that it holds now.
pub(super) fn check(keys: &[TrustedKey], request: &Parts) -> Result<(), Refusal> {
    let query = Query::read(request.uri.query().unwrap_or_default());
    let key_id = query.key_id.filter(|id| !id.is_empty());
    let key_id = key_id.ok_or(Refusal::NoKey)?;
    let signature = query.signature.filter(|text| !text.is_empty());
    let signature = signature.ok_or(Refusal::NoSignature)?;
    let key = keys.iter().find(|key| key.id == key_id);
    let key = key.ok_or(Refusal::UnknownKey)?;
    let ends: u64 = query
        .expires
        .and_then(|ends| ends.parse().ok())
        .ok_or(Refusal::Denied)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    if now.unwrap_or_default().as_secs() >= ends {
        return Err(Refusal::Denied);
    }
    let signed = signature_bytes(signature).ok_or(Refusal::Denied)?;
    let url = url_of(request, &query.rest).ok_or(Refusal::Denied)?;
    let policy = format!(
        r#"{{"Statement":[{{"Resource":"{url}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{ends}}}}}}}]}}"#
    );
    UnparsedPublicKey::new(algorithm(query.hash)?, &key.der)
        .verify(policy.as_bytes(), &signed)
        .map_err(|_| Refusal::Denied)
}

/// SHA-1 where `Hash-Algorithm` says nothing.
fn algorithm(hash: Option<&str>) -> Result<&'static RsaParameters, Refusal> {
    match hash {
        None | Some("SHA1") => Ok(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        Some("SHA256") => Ok(&RSA_PKCS1_2048_8192_SHA256),
        Some(_) => Err(Refusal::Denied),
    }
}

/// CloudFront's base64 has other characters for those that mean something in a query.
fn signature_bytes(text: &str) -> Option<Vec<u8>> {
    let base64 = text.replace('-', "+").replace('_', "=").replace('~', "/");
    base64_simd::STANDARD.decode_to_vec(base64).ok()
}

/// The address as it was signed: without CloudFront's own parameters.
fn url_of(request: &Parts, rest: &[&str]) -> Option<String> {
    let host = request.headers.get(header::HOST)?.to_str().ok()?;
    let path = request.uri.path();
    let query = if rest.is_empty() {
        String::new()
    } else {
        format!("?{}", rest.join("&"))
    };
    Some(format!("http://{host}{path}{query}"))
}
