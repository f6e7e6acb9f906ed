//! AWS Signature Version 4 as a service checks it, for the embedded services that are not S3 (its
//! library has its own): <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use time::format_description::BorrowedFormatItem;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

/// The access key id of the embedded cloud, as is the custom of emulators.
pub const ACCESS_KEY_ID: &str = "test";
/// The secret access key of the embedded cloud.
pub const SECRET_ACCESS_KEY: &str = "test";

/// AWS accepts a signature whose clock differs by at most this much.
const MAX_SKEW: Duration = Duration::minutes(15);

const AMZ_DATE: &[BorrowedFormatItem<'_>] =
    time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");

/// Every byte but the unreserved characters of RFC 3986 is encoded in a canonical request.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Why a request is refused (status 403 on every protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No SigV4 `Authorization` header.
    #[error("Request is missing Authentication Token")]
    Unsigned,
    /// The `Authorization` header, or the date that belongs to it, cannot be read.
    #[error("Authorization header or X-Amz-Date is malformed")]
    Malformed,
    /// Another access key id than [`ACCESS_KEY_ID`].
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// Signed too long ago or in the future.
    #[error("Signature expired: the request was signed more than 15 minutes away from now")]
    Expired,
    /// The signature is not that of this request and the secret key.
    #[error(
        "The request signature we calculated does not match the signature you provided. \
         Check your AWS Secret Access Key and signing method."
    )]
    Mismatch,
}

impl Refusal {
    /// The error code on the query and XML protocols (SQS's `x-amzn-query-error`, CloudFront).
    pub fn code(self) -> &'static str {
        match self {
            Self::Unsigned => "MissingAuthenticationToken",
            Self::Malformed => "IncompleteSignature",
            Self::UnknownKey => "InvalidClientTokenId",
            Self::Expired | Self::Mismatch => "SignatureDoesNotMatch",
        }
    }

    /// The error's name on the JSON protocols (SQS's `__type`, Bedrock's `x-amzn-errortype`).
    pub fn exception(self) -> &'static str {
        match self {
            Self::Unsigned => "MissingAuthenticationTokenException",
            Self::Malformed => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::Expired | Self::Mismatch => "InvalidSignatureException",
        }
    }
}

/// Checks that the embedded cloud's credentials signed exactly this request and `body`.
///
/// # Errors
/// A [`Refusal`], which each service tells in the words of its protocol.
pub fn verify(request: &Parts, body: &[u8]) -> Result<(), Refusal> {
    let authorization = request
        .headers
        .get(http::header::AUTHORIZATION)
        .ok_or(Refusal::Unsigned)?
        .to_str()
        .map_err(|_| Refusal::Malformed)?;
    let claims = authorization
        .strip_prefix("AWS4-HMAC-SHA256")
        .ok_or(Refusal::Unsigned)?;
    let claims = Claims::read(claims).ok_or(Refusal::Malformed)?;
    if claims.access_key_id != ACCESS_KEY_ID {
        return Err(Refusal::UnknownKey);
    }
    let date = request
        .headers
        .get("x-amz-date")
        .and_then(|date| date.to_str().ok())
        .ok_or(Refusal::Malformed)?;
    let signed_at = PrimitiveDateTime::parse(date, AMZ_DATE).map_err(|_| Refusal::Malformed)?;
    if (OffsetDateTime::now_utc() - signed_at.assume_utc()).abs() > MAX_SKEW {
        return Err(Refusal::Expired);
    }
    let signature = hex_simd::decode_to_vec(claims.signature).map_err(|_| Refusal::Malformed)?;
    let canonical = canonical_request(request, &claims, body).ok_or(Refusal::Mismatch)?;
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{}\n{}",
        claims.scope,
        sha256_hex(canonical.as_bytes())
    );
    hmac(&claims.signing_key(), to_sign.as_bytes())
        .verify_slice(&signature)
        .map_err(|_| Refusal::Mismatch)
}

/// What an `Authorization` header says.
struct Claims<'a> {
    access_key_id: &'a str,
    /// `date/region/service/aws4_request`
    scope: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Claims<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in text.split(',') {
            match part.trim().split_once('=')? {
                ("Credential", value) => credential = Some(value),
                ("SignedHeaders", value) => signed_headers = Some(value),
                ("Signature", value) => signature = Some(value),
                _ => return None,
            }
        }
        let (access_key_id, scope) = credential?.split_once('/')?;
        (scope.split('/').count() == 4).then_some(())?;
        Some(Self {
            access_key_id,
            scope,
            signed_headers: signed_headers?,
            signature: signature?,
        })
    }

    fn signing_key(&self) -> Vec<u8> {
        let secret = format!("AWS4{SECRET_ACCESS_KEY}").into_bytes();
        self.scope.split('/').fold(secret, |key, part| {
            hmac(&key, part.as_bytes()).finalize().into_bytes().to_vec()
        })
    }
}

fn canonical_request(request: &Parts, claims: &Claims<'_>, body: &[u8]) -> Option<String> {
    let mut headers = String::new();
    for name in claims.signed_headers.split(';') {
        headers.push_str(name);
        headers.push(':');
        headers.push_str(&canonical_header(request, name)?);
        headers.push('\n');
    }
    Some(format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        request.method,
        canonical_path(request.uri.path()),
        canonical_query(request.uri.query().unwrap_or_default()),
        claims.signed_headers,
        sha256_hex(body),
    ))
}

fn canonical_header(request: &Parts, name: &str) -> Option<String> {
    let values: Vec<String> = request
        .headers
        .get_all(name)
        .iter()
        .map(|value| {
            let value = String::from_utf8_lossy(value.as_bytes());
            value.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// The path as it came, encoded once more (all services but S3 do so).
fn canonical_path(path: &str) -> String {
    let segments: Vec<String> = path.split('/').map(encode).collect();
    segments.join("/")
}

fn canonical_query(query: &str) -> String {
    let normal = |text: &str| encode(&percent_decode_str(text).decode_utf8_lossy());
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (normal(name), normal(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex_simd::encode_to_string(Sha256::digest(bytes), hex_simd::AsciiCase::Lower)
}

fn hmac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac
}
