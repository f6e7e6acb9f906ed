//! The errors of the SQS protocol, under both of their names.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::signature::Refusal;

/// The errors of SQS.
///
/// SDKs find the typed error in one of two places: the shape in the body's `__type`, or the code of
/// the older query protocol in the header `x-amzn-query-error`. Both are always sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No queue of this name, or it was deleted.
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    /// A queue of this name exists with other attributes.
    #[error("A queue already exists with the same name and a different value for attribute {0}")]
    QueueNameExists(String),
    /// Not a handle that this queue gave out.
    #[error("The input receipt handle is invalid.")]
    ReceiptHandleIsInvalid,
    /// The handle is out of date: its visibility ran out.
    #[error("The specified message isn't in flight.")]
    MessageNotInflight,
    /// A batch without entries.
    #[error("There should be at least one {0} in the request.")]
    EmptyBatchRequest(&'static str),
    /// A batch of more than ten entries.
    #[error("Maximum number of entries per request are 10. You have sent {0}.")]
    TooManyEntriesInBatchRequest(usize),
    /// Two entries of a batch have the same id.
    #[error("Id {0} repeated.")]
    BatchEntryIdsNotDistinct(String),
    /// The id of an entry is not 1 to 80 of the allowed characters.
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
         It can be at most 80 letters long."
    )]
    InvalidBatchEntryId,
    /// All messages of a batch together are too long.
    #[error("Batch requests cannot be longer than 1048576 bytes. You have sent {0} bytes.")]
    BatchRequestTooLong(usize),
    /// The body has characters that XML does not allow.
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | \
         #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF."
    )]
    InvalidMessageContents,
    /// No attribute of this name.
    #[error("Unknown Attribute {0}.")]
    InvalidAttributeName(String),
    /// The attribute's value is out of its range.
    #[error("Invalid value for the parameter {name}. Reason: {reason}")]
    InvalidAttributeValue {
        /// The attribute.
        name: String,
        /// What it must be.
        reason: String,
    },
    /// More messages in flight than a queue may have.
    #[error("There are already 120000 messages in flight in this queue.")]
    OverLimit,
    /// Valid in SQS, but not for this queue or at this moment.
    #[error("{0}")]
    UnsupportedOperation(String),
    /// A parameter is out of its range.
    #[error("Value {value} for parameter {parameter} is invalid. Reason: {reason}")]
    InvalidParameterValue {
        /// The parameter.
        parameter: &'static str,
        /// What was sent.
        value: String,
        /// What it must be.
        reason: String,
    },
    /// A required parameter is absent.
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    /// The body is not the JSON that the operation takes.
    #[error("The request cannot be read: {0}")]
    Serialization(String),
    /// Not an operation of this service.
    #[error("The action {0} is not valid for this endpoint.")]
    InvalidAction(String),
    /// The caller sends too fast (an ordered fault).
    #[error("The request was denied due to request throttling.")]
    RequestThrottled,
    /// The caller may not do this (an ordered fault).
    #[error("User is not authorized to perform this operation on the resource.")]
    AccessDenied,
    /// The signature is missing or wrong.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl Error {
    /// A parameter whose value does not fit.
    pub fn invalid(
        parameter: &'static str,
        value: impl ToString,
        reason: impl Into<String>,
    ) -> Self {
        Self::InvalidParameterValue {
            parameter,
            value: value.to_string(),
            reason: reason.into(),
        }
    }

    /// The code of the query protocol; in a batch it names the failure of an entry.
    pub fn code(&self) -> &'static str {
        self.names().1
    }

    /// The shape for `__type`, and the code of the query protocol.
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::QueueDoesNotExist => (
                "com.amazonaws.sqs#QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue",
            ),
            Self::QueueNameExists(_) => ("com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists"),
            Self::ReceiptHandleIsInvalid => (
                "com.amazonaws.sqs#ReceiptHandleIsInvalid",
                "ReceiptHandleIsInvalid",
            ),
            Self::MessageNotInflight => (
                "com.amazonaws.sqs#MessageNotInflight",
                "AWS.SimpleQueueService.MessageNotInflight",
            ),
            Self::EmptyBatchRequest(_) => (
                "com.amazonaws.sqs#EmptyBatchRequest",
                "AWS.SimpleQueueService.EmptyBatchRequest",
            ),
            Self::TooManyEntriesInBatchRequest(_) => (
                "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            ),
            Self::BatchEntryIdsNotDistinct(_) => (
                "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
                "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            ),
            Self::InvalidBatchEntryId => (
                "com.amazonaws.sqs#InvalidBatchEntryId",
                "AWS.SimpleQueueService.InvalidBatchEntryId",
            ),
            Self::BatchRequestTooLong(_) => (
                "com.amazonaws.sqs#BatchRequestTooLong",
                "AWS.SimpleQueueService.BatchRequestTooLong",
            ),
            Self::InvalidMessageContents => (
                "com.amazonaws.sqs#InvalidMessageContents",
                "InvalidMessageContents",
            ),
            Self::InvalidAttributeName(_) => (
                "com.amazonaws.sqs#InvalidAttributeName",
                "InvalidAttributeName",
            ),
            Self::InvalidAttributeValue { .. } => (
                "com.amazonaws.sqs#InvalidAttributeValue",
                "InvalidAttributeValue",
            ),
            Self::OverLimit => ("com.amazonaws.sqs#OverLimit", "OverLimit"),
            Self::UnsupportedOperation(_) => (
                "com.amazonaws.sqs#UnsupportedOperation",
                "AWS.SimpleQueueService.UnsupportedOperation",
            ),
            Self::InvalidParameterValue { .. } => (
                "com.amazon.coral.service#InvalidParameterValueException",
                "InvalidParameterValue",
            ),
            Self::MissingParameter(_) => (
                "com.amazon.coral.service#MissingRequiredParameterException",
                "MissingParameter",
            ),
            Self::Serialization(_) => (
                "com.amazon.coral.service#SerializationException",
                "MalformedInput",
            ),
            Self::InvalidAction(_) => (
                "com.amazon.coral.service#UnknownOperationException",
                "InvalidAction",
            ),
            Self::RequestThrottled => ("com.amazonaws.sqs#RequestThrottled", "RequestThrottled"),
            Self::AccessDenied => (
                "com.amazon.coral.service#AccessDeniedException",
                "AccessDenied",
            ),
            Self::Refused(refusal) => (refusal.exception(), refusal.code()),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::AccessDenied | Self::Refused(_) => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (shape, code) = self.names();
        let body = json!({"__type": shape, "message": self.to_string()}).to_string();
        let query_error = HeaderValue::from_str(&format!("{code};Sender"))
            .expect("codes are visible ASCII characters");
        let headers = [
            (header::CONTENT_TYPE, super::CONTENT_TYPE),
            (HeaderName::from_static("x-amzn-query-error"), query_error),
        ];
        (self.status(), headers, body).into_response()
    }
}
