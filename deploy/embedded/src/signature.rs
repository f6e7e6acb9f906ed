//! AWS Signature Version 4 as a service checks it, for the embedded services that are not S3 (its
//! library has its own): <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::request::Parts;
use subtle::ConstantTimeEq as _;
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
/// A [`Refusal`], which each service reports in its own protocol.
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
    let expected = signature_of(request, &claims, signed_at.assume_utc(), body);
    let matches = expected.is_some_and(|expected| {
        let (expected, given) = (expected.as_bytes(), claims.signature.as_bytes());
        expected.ct_eq(given).into()
    });
    matches.then_some(()).ok_or(Refusal::Mismatch)
}

/// The signature that this request must have, in hexadecimal digits; `None` where it lacks a header
/// that is signed, or cannot be signed at all.
fn signature_of(
    request: &Parts,
    claims: &Claims<'_>,
    signed_at: OffsetDateTime,
    body: &[u8],
) -> Option<String> {
    let mut headers = Vec::new();
    for name in claims.signed_headers.split(';') {
        let mut values = request.headers.get_all(name).iter().peekable();
        values.peek()?;
        for value in values {
            headers.push((name, std::str::from_utf8(value.as_bytes()).ok()?));
        }
    }
    let host = request.headers.get(http::header::HOST)?.to_str().ok()?;
    let url = format!("http://{host}{}", request.uri.path_and_query()?);
    let keys = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "embedded");
    let identity = keys.into();
    let mut settings = SigningSettings::default();
    settings.excluded_headers = Some(Vec::new());
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(claims.region)
        .name(claims.service)
        .time(signed_at.into())
        .settings(settings)
        .build()
        .ok()?
        .into();
    let body = SignableBody::Bytes(body);
    let signable =
        SignableRequest::new(request.method.as_str(), url, headers.into_iter(), body).ok()?;
    let (_, signature) = sign(signable, &parameters).ok()?.into_parts();
    Some(signature)
}

/// The parts of an `Authorization` header.
struct Claims<'a> {
    access_key_id: &'a str,
    region: &'a str,
    service: &'a str,
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
        let scope: Vec<&str> = credential?.split('/').collect();
        let [access_key_id, _date, region, service, "aws4_request"] = scope[..] else {
            return None;
        };
        Some(Self {
            access_key_id,
            region,
            service,
            signed_headers: signed_headers?,
            signature: signature?,
        })
    }
}
