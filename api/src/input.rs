//! What callers send, read so that everything that is wrong with it is told at once.

use std::str::FromStr;
use std::time::Duration;

use atelier_domain::assignment::is_valid_id;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use futures_util::StreamExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use crate::problem::{FieldFault, Problem};

/// The largest body, in bytes.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// How much of a body that is too large is still taken in, so that its sender, who may not read
/// before it has written, sees the answer.
const MAX_DISCARDED: usize = 16 << 20;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The fields of a JSON object; each is taken out by its reader, and what is left is unknown.
#[derive(Debug)]
pub(crate) struct Fields {
    values: Map<String, Value>,
    faults: Vec<FieldFault>,
}

impl Fields {
    /// No fields at all.
    pub(crate) fn none() -> Self {
        Self {
            values: Map::new(),
            faults: Vec::new(),
        }
    }

    fn of_json(bytes: &[u8]) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            let detail = format!(
                "The body is not JSON (line {}, column {}).",
                error.line(),
                error.column()
            );
            Problem::bad_input(vec![FieldFault::new("body", detail)])
        })?;
        match value {
            Value::Object(values) => Ok(Self {
                values,
                faults: Vec::new(),
            }),
            _ => Err(Problem::bad_input(vec![FieldFault::new(
                "body",
                "The body must be a JSON object.",
            )])),
        }
    }

    /// The parameters of a query. One that is given twice is a fault.
    pub(crate) fn of_query(uri: &http::Uri) -> Self {
        let mut fields = Self::none();
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            fields.fault(FieldFault::new("query", "The query cannot be read."));
            return fields;
        };
        for (name, value) in pairs {
            if fields
                .values
                .insert(name.clone(), Value::String(value))
                .is_some()
            {
                let detail = format!("`{name}` must be given once.");
                fields.fault(FieldFault::new(name, detail));
            }
        }
        fields
    }

    /// Notes that something is wrong.
    pub(crate) fn fault(&mut self, fault: FieldFault) {
        self.faults.push(fault);
    }

    /// The text in `field`; `null` is as good as absent.
    pub(crate) fn text(&mut self, field: &str) -> Option<String> {
        match self.values.shift_remove(field)? {
            Value::Null => None,
            Value::String(text) => Some(text),
            _ => {
                self.fault(FieldFault::new(
                    field,
                    format!("`{field}` must be a string."),
                ));
                None
            }
        }
    }

    /// The truth in `field`; `null` is as good as absent.
    pub(crate) fn flag(&mut self, field: &str) -> Option<bool> {
        match self.values.shift_remove(field)? {
            Value::Null => None,
            Value::Bool(flag) => Some(flag),
            _ => {
                self.fault(FieldFault::new(
                    field,
                    format!("`{field}` must be true or false."),
                ));
                None
            }
        }
    }

    /// The flag in `field`, which must be given.
    pub(crate) fn required_flag(&mut self, field: &str) -> Option<bool> {
        let faults = self.faults.len();
        let flag = self.flag(field);
        if flag.is_none() && self.faults.len() == faults {
            self.fault(FieldFault::new(
                field,
                format!("`{field}` must be given: true or false."),
            ));
        }
        flag
    }

    /// The text in `field`, of `least` to `most` characters.
    pub(crate) fn text_within(&mut self, field: &str, least: usize, most: usize) -> Option<String> {
        let text = self.text(field)?;
        let length = text.chars().count();
        if (least..=most).contains(&length) {
            return Some(text);
        }
        self.fault(FieldFault::beyond(
            field,
            format!("`{field}` must have {least} to {most} characters, not {length}."),
            if length < least { least } else { most } as u64,
        ));
        None
    }

    /// The number in the parameter `field`, from `least` to `most`.
    pub(crate) fn number<N>(&mut self, field: &str, least: N, most: N) -> Option<N>
    where
        N: FromStr + PartialOrd + Copy + Into<u64>,
    {
        let text = self.text(field)?;
        let number = text.parse::<N>().ok();
        if let Some(number) = number
            && (least..=most).contains(&number)
        {
            return Some(number);
        }
        let (least, most): (u64, u64) = (least.into(), most.into());
        self.fault(FieldFault::beyond(
            field,
            format!("`{field}` must be a whole number from {least} to {most}."),
            most,
        ));
        None
    }

    /// The id in `field`.
    pub(crate) fn id(&mut self, field: &str) -> Option<String> {
        let id = self.text(field)?;
        if !is_valid_id(&id) {
            self.fault(id_fault(field));
        }
        Some(id)
    }

    /// What was read, unless something is wrong; fields that nobody took are unknown.
    pub(crate) fn finish<T>(mut self, read: T) -> Result<T, Problem> {
        for (name, _) in std::mem::take(&mut self.values) {
            let detail = format!("`{}` is not known here.", shortened(&name));
            self.fault(FieldFault::new(shortened(&name), detail));
        }
        if self.faults.is_empty() {
            Ok(read)
        } else {
            Err(Problem::bad_input(self.faults))
        }
    }
}

/// What is wrong with an id that no assignment can have.
pub(crate) fn id_fault(field: &str) -> FieldFault {
    FieldFault::beyond(
        field,
        format!("`{field}` must have 1 to 64 characters of A-Z, a-z, 0-9, `_` and `-`."),
        atelier_domain::assignment::MAX_ID_CHARACTERS as u64,
    )
}

/// Unknown names come from the caller and may be of any length.
fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

/// The parameters of a request's query.
#[derive(Debug)]
pub(crate) struct Parameters(pub Fields);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(Fields::of_query(&parts.uri)))
    }
}

/// A JSON object as the body.
#[derive(Debug)]
pub(crate) struct JsonBody(pub Fields);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            discard(body, 0).await;
            return Err(not_json());
        }
        let bytes = read(&parts.headers, body).await?;
        Ok(Self(Fields::of_json(&bytes)?))
    }
}

/// A JSON object as the body, or none: no body, or `null`.
#[derive(Debug)]
pub(crate) struct OptionalJsonBody(pub Fields);

impl<S: Sync> FromRequest<S> for OptionalJsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body).await?;
        if matches!(bytes.trim_ascii(), b"" | b"null") {
            Ok(Self(Fields::none()))
        } else if is_json(&parts.headers) {
            Ok(Self(Fields::of_json(&bytes)?))
        } else {
            Err(not_json())
        }
    }
}

/// The body is of another media type.
pub(crate) fn not_json() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "The body must be JSON, and its Content-Type `application/json`.",
    )
}

/// Whether the Content-Type says JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The whole body, if it is no larger than [`MAX_BODY`] and arrives in time.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_DISCARDED) {
        return Err(too_large());
    }
    tokio::time::timeout(BODY_TIMEOUT, collect(body))
        .await
        .map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("The body must arrive within {} s.", BODY_TIMEOUT.as_secs()),
            )
        })?
}

async fn collect(body: Body) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk =
            chunk.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "The body broke off."))?;
        if bytes.len() + chunk.len() > MAX_BODY {
            let taken = bytes.len() + chunk.len();
            discard(Body::from_stream(stream), taken).await;
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// Takes a body in for nothing, up to [`MAX_DISCARDED`] bytes and [`BODY_TIMEOUT`].
async fn discard(body: Body, mut taken: usize) {
    let all = async {
        let mut stream = body.into_data_stream();
        while let Some(Ok(chunk)) = stream.next().await {
            taken += chunk.len();
            if taken > MAX_DISCARDED {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(BODY_TIMEOUT, all).await;
}

fn too_large() -> Problem {
    let detail = format!("The body must have at most {MAX_BODY} bytes (1 MiB).");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail.clone())
        .with_errors(vec![FieldFault::beyond("body", detail, MAX_BODY as u64)])
}

/// The id in the path; one that no assignment can have is unknown.
#[derive(Debug)]
pub(crate) struct IdInPath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for IdInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) if is_valid_id(&id) => Ok(Self(id)),
            _ => Err(Problem::unknown_assignment()),
        }
    }
}
