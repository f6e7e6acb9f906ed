//! Bedrock's errors on the wire: a status, `x-amzn-errortype`, and `{"message"}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode};

use crate::signature::Refusal;

/// The kinds of error of `InvokeModel` that this endpoint gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exception {
    AccessDenied,
    InternalServer,
    ModelTimeout,
    ResourceNotFound,
    ServiceUnavailable,
    Throttling,
    UnknownOperation,
    Unsigned(Refusal),
    Validation,
}

impl Exception {
    fn name(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDeniedException",
            Self::InternalServer => "InternalServerException",
            Self::ModelTimeout => "ModelTimeoutException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::ServiceUnavailable => "ServiceUnavailableException",
            Self::Throttling => "ThrottlingException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::Unsigned(refusal) => refusal.exception(),
            Self::Validation => "ValidationException",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::AccessDenied | Self::Unsigned(_) => StatusCode::FORBIDDEN,
            Self::InternalServer => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ModelTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::ResourceNotFound | Self::UnknownOperation => StatusCode::NOT_FOUND,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Throttling => StatusCode::TOO_MANY_REQUESTS,
            Self::Validation => StatusCode::BAD_REQUEST,
        }
    }

    /// The counter that such an error adds to.
    pub(super) fn counter(self) -> Option<&'static str> {
        match self {
            Self::Throttling => Some("throttled"),
            // A declined prompt is counted where it is declined.
            Self::Validation | Self::Unsigned(_) | Self::UnknownOperation => None,
            _ => Some("failed"),
        }
    }
}

/// An answer that is no picture.
#[derive(Debug)]
pub(super) struct Error {
    pub(super) exception: Exception,
    message: String,
}

impl Error {
    pub(super) fn new(exception: Exception, message: &str) -> Self {
        Self {
            exception,
            message: message.to_owned(),
        }
    }

    /// The request does not fit the model's schema: `what` names the field and its limit.
    pub(super) fn malformed(what: &str) -> Self {
        let message =
            format!("Malformed input request: {what}, please reformat your input and try again.");
        Self {
            exception: Exception::Validation,
            message,
        }
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self {
            exception: Exception::Unsigned(refusal),
            message: refusal.to_string(),
        }
    }

    pub(super) fn throttled() -> Self {
        Self::new(
            Exception::Throttling,
            "Too many requests, please wait before trying again.",
        )
    }

    pub(super) fn denied() -> Self {
        Self::new(
            Exception::AccessDenied,
            "You don't have access to the model with the specified model ID.",
        )
    }

    pub(super) fn retired() -> Self {
        Self::new(
            Exception::ResourceNotFound,
            "This model version has reached the end of its life. Please refer to the AWS documentation for more details.",
        )
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let error_type = (
            HeaderName::from_static("x-amzn-errortype"),
            self.exception.name(),
        );
        let body = Json(serde_json::json!({ "message": self.message }));
        (self.exception.status(), [error_type], body).into_response()
    }
}
