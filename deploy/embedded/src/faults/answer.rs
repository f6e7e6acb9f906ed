//! An ordered answer: any status, headers and body, or an error in the service's own protocol.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::service::Service;

/// What a request is answered instead of being served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// Headers by name; those of the body's length are set by the server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, byte for byte.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The code of an error, 1 to 128 letters, digits, `.`, `_` or `-`: body and headers are then
    /// those of this error in the service's protocol, and `body` must be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// The message of the error that `code` names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Why an answer cannot be ordered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// No status of a final answer.
    #[error("answer.status: must be from 200 to 599, but is {0}")]
    Status(u16),
    /// Not a header, or one that the server sets.
    #[error(
        "answer.headers: {0} must be a header's name and value, and none of content-length, \
         transfer-encoding and connection"
    )]
    Header(String),
    /// No code of an error.
    #[error("answer.code: must be 1 to 128 letters, digits, '.', '_' or '-', but is {0:?}")]
    Code(String),
    /// Both a body and a code, which makes a body.
    #[error("answer.body: must be empty where answer.code is given, which makes the body")]
    BodyAndCode,
    /// A message without a code.
    #[error("answer.message: needs answer.code")]
    MessageAlone,
}

impl Answer {
    /// Whether every field is within its limits.
    ///
    /// # Errors
    /// The first field that is not, and its limits.
    pub fn check(&self) -> Result<(), BadAnswer> {
        if !(200..=599).contains(&self.status) {
            return Err(BadAnswer::Status(self.status));
        }
        if let Some(name) = self.headers.keys().find(|name| !self.is_header(name)) {
            return Err(BadAnswer::Header(name.clone()));
        }
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        match self.code.as_str() {
            "" if self.message.is_empty() => Ok(()),
            "" => Err(BadAnswer::MessageAlone),
            code if code.len() > 128 || !code.bytes().all(known) => {
                Err(BadAnswer::Code(code.to_owned()))
            }
            _ if !self.body.is_empty() => Err(BadAnswer::BodyAndCode),
            _ => Ok(()),
        }
    }

    fn is_header(&self, name: &str) -> bool {
        let of_the_server = [
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONNECTION,
        ];
        HeaderName::try_from(name).is_ok_and(|name| !of_the_server.contains(&name))
            && HeaderValue::try_from(&self.headers[name]).is_ok()
    }

    /// The answer as `service` gives it. What [`check`](Self::check) refuses is left out.
    pub(crate) fn response(&self, service: Service) -> Response<Body> {
        let (headers, body) = if self.code.is_empty() {
            (Vec::new(), self.body.clone())
        } else {
            self.error(service)
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let ordered = self.headers.iter();
        let ordered = ordered.map(|(name, value)| (name.as_str(), value.clone()));
        for (name, value) in headers.into_iter().chain(ordered) {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), value.try_into()) {
                response.headers_mut().insert::<HeaderName>(name, value);
            }
        }
        response
    }

    /// Headers and body of the error `code` in the protocol of `service`.
    fn error(&self, service: Service) -> (Vec<(&'static str, String)>, String) {
        let Self { code, message, .. } = self;
        let xml = || {
            let message = quick_xml::escape::escape(message.as_str());
            format!("<Code>{code}</Code><Message>{message}</Message>")
        };
        let content_type = |value: &str| ("content-type", value.to_owned());
        match service {
            Service::Sqs => {
                let side = if self.status < 500 {
                    "Sender"
                } else {
                    "Receiver"
                };
                let headers = vec![
                    content_type("application/x-amz-json-1.0"),
                    ("x-amzn-query-error", format!("{code};{side}")),
                ];
                let kind = format!("com.amazonaws.sqs#{code}");
                (
                    headers,
                    json!({"__type": kind, "message": message}).to_string(),
                )
            }
            Service::S3 => {
                let headers = vec![content_type("application/xml")];
                (headers, format!("<Error>{}</Error>", xml()))
            }
            Service::Bedrock => {
                let headers = vec![
                    content_type("application/json"),
                    ("x-amzn-errortype", code.clone()),
                ];
                (headers, json!({"message": message}).to_string())
            }
            Service::Cdn => {
                let body = format!("<ErrorResponse><Error>{}</Error></ErrorResponse>", xml());
                (vec![content_type("text/xml")], body)
            }
        }
    }
}
