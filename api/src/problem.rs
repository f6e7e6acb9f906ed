//! Refusals and failures as RFC 9457 problem documents.

use std::collections::BTreeMap;
use std::fmt;

use atelier_store::StoreError;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response as ResponseDescription, ResponseBuilder};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

/// The media type of a problem document.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// How soon a caller may come back while a part of ours is away, in seconds.
const AWAY_RETRY_SECONDS: u64 = 2;

/// One thing that is wrong with what was sent.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = FieldFault)]
pub(crate) struct FieldFault {
    /// The field or parameter.
    pub field: String,
    /// What is wrong with it, in plain words that name field and limit.
    pub detail: String,
    /// The limit that it breaks, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

impl FieldFault {
    /// A fault without a number.
    pub(crate) fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            detail: detail.into(),
            limit: None,
        }
    }

    /// A fault against a limit.
    pub(crate) fn beyond(field: impl Into<String>, detail: impl Into<String>, limit: u64) -> Self {
        Self {
            limit: Some(limit),
            ..Self::new(field, detail)
        }
    }
}

/// A problem document, as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// What kind of problem it is; `about:blank` says no more than the status.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is the matter, in plain words.
    pub detail: String,
    /// The log lines of this request bear it.
    pub correlation_id: String,
    /// For bad input: everything that is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldFault>,
}

/// Why a request is not done. It becomes a [`ProblemDocument`] when the correlation id is put in.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<FieldFault>,
    retry_after: Option<u64>,
    challenge: Option<String>,
    cause: Option<String>,
}

impl Problem {
    /// A problem with this status and these words.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            challenge: None,
            cause: None,
        }
    }

    /// Bad input: everything that is wrong with it.
    pub(crate) fn bad_input(errors: Vec<FieldFault>) -> Self {
        let details: Vec<_> = errors.iter().map(|fault| fault.detail.as_str()).collect();
        Self::new(StatusCode::BAD_REQUEST, details.join(" ")).with_errors(errors)
    }

    /// There is no such assignment.
    pub(crate) fn unknown_assignment() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such assignment.")
    }

    /// Something went wrong that nobody foresaw; the cause goes to the log only.
    pub(crate) fn internal(cause: impl fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string()),
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong.")
        }
    }

    /// A part of ours is away; the cause goes to the log only.
    pub(crate) fn away(detail: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self {
            retry_after: Some(AWAY_RETRY_SECONDS),
            cause: Some(cause.to_string()),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }

    /// With everything that is wrong with the input.
    #[must_use]
    pub(crate) fn with_errors(mut self, errors: Vec<FieldFault>) -> Self {
        self.errors = errors;
        self
    }

    /// With a word on when to come back, in seconds.
    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// With how to show who one is (`WWW-Authenticate`).
    #[must_use]
    pub(crate) fn challenge(mut self, challenge: String) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Its status.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// In how many seconds to come back, where that is known.
    pub(crate) const fn seconds_to_wait(&self) -> Option<u64> {
        self.retry_after
    }

    /// What is the matter, in plain words.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Why, for the log.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The document, under `correlation_id`. The words of a server's error end with it, so that
    /// whoever reads them to us leads us to the cause.
    pub(crate) fn document(&self, correlation_id: &str) -> ProblemDocument {
        let detail = if self.status.is_server_error() {
            format!("{} Reference: {correlation_id}", self.detail)
        } else {
            self.detail.clone()
        };
        ProblemDocument {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail,
            correlation_id: correlation_id.to_owned(),
            errors: self.errors.clone(),
        }
    }

    /// The whole answer, under `correlation_id`.
    pub(crate) fn render(&self, correlation_id: &str) -> Response {
        let body = serde_json::to_vec(&self.document(correlation_id))
            .expect("a problem document is plain data");
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let challenge = self.challenge.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(challenge)) = challenge {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away(_) => Self::away(
                "The assignments cannot be reached right now. Please try again in a moment.",
                error,
            ),
            StoreError::Unreadable { .. } => Self::internal(error),
        }
    }
}

impl IntoResponse for Problem {
    /// Leaves the body to [`crate::correlation`], which knows the id.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Describes that an operation may answer with this status and a problem document.
#[derive(Debug)]
pub(crate) struct Refused<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for Refused<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<ResponseDescription>> {
        let words = match STATUS {
            400 => "Bad input: `errors` names each field and its limit.",
            401 => "Nobody can tell who calls: there are no credentials, or they are not taken.",
            403 => "The caller lacks the role, or a page of another site sent this.",
            404 => "There is no such thing, or it is deleted.",
            405 => "There is no such call at this address.",
            408 => "The request took too long to arrive.",
            409 => "It is not in a state that allows this.",
            410 => "The assignment with this id is deleted.",
            413 => "The body is longer than 1 MiB.",
            415 => "The body is not `application/json`.",
            429 => {
                "Above the limit, or the budget is used up; `Retry-After` says when to come back."
            }
            502 | 503 => "Something that is needed is away; try again in a moment.",
            _ => "Something went wrong; the log has the cause.",
        };
        let schema = Ref::from_schema_name("Problem");
        let mut description = ResponseBuilder::new().description(words);
        if let 429 | 502 | 503 = STATUS {
            let seconds = HeaderBuilder::new()
                .schema(Some(Object::with_type(Type::Integer)))
                .description(Some("Seconds until another try is worth it"))
                .build();
            description = description.header("Retry-After", seconds);
        }
        let description = description
            .content(
                PROBLEM_JSON,
                ContentBuilder::new().schema(Some(schema)).build(),
            )
            .build();
        BTreeMap::from([(STATUS.to_string(), description.into())])
    }
}
