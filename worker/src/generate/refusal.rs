//! What an error of `InvokeModel` means.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>

use std::error::Error;
use std::io::{self, ErrorKind};

use atelier_cloud::error::CloudError;
use aws_sdk_bedrockruntime::config::http::HttpResponse;
use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_bedrockruntime::operation::invoke_model::InvokeModelError;

use super::filter::declines;
use super::picture::{Failed, NoPicture};

/// The most of a body that is looked at, in bytes.
const MAX_BODY_BYTES: usize = 4096;

/// Sorts `error` by code, status and text, the text in lower case.
pub(super) fn classify(error: SdkError<InvokeModelError, HttpResponse>) -> NoPicture {
    let Some(answer) = error.raw_response() else {
        let cloud = CloudError::from(error);
        return of_cloud(&cloud, cloud.to_string());
    };
    let status = answer.status().as_u16();
    let body = answer.body().bytes().unwrap_or_default();
    let body = String::from_utf8_lossy(&body[..body.len().min(MAX_BODY_BYTES)]).into_owned();
    let code = error.code().unwrap_or_default().to_owned();
    let message = error.message().unwrap_or(&body);
    let words = format!("{status} {code}: {message}");
    let text = body.to_lowercase();
    let is_validation = code == "ValidationException";
    match status {
        429 | 503 | 529 => return NoPicture::Overloaded(words),
        400..=499 if declines(&text) || (is_validation && names_the_filter(&text)) => {
            return NoPicture::Declined(words);
        }
        400 if is_too_long(&text) => return NoPicture::TooLong(words),
        400 if is_validation && is_the_models(&text) => return NoPicture::Model(words),
        300.. if is_overload(&text) => return NoPicture::Overloaded(words),
        _ => {}
    }
    of_cloud(&CloudError::from(error), words)
}

/// What a call that ended in `error` means, and whether the model may bill it.
pub(super) fn failed(error: SdkError<InvokeModelError, HttpResponse>) -> Failed {
    let may_be_billed = may_be_billed(&error);
    let why = classify(error);
    Failed {
        may_be_billed: may_be_billed && !matches!(why, NoPicture::Credentials(_)),
        why,
    }
}

/// The model bills no error, and nothing that never reached it; where no answer came nobody knows.
fn may_be_billed(error: &SdkError<InvokeModelError, HttpResponse>) -> bool {
    match (error, error.raw_response()) {
        (SdkError::ConstructionFailure(_), _) => false,
        // A success that cannot be read may be billed.
        (_, Some(answer)) => answer.status().is_success(),
        (_, None) => !is_without_connection(error),
    }
}

fn is_without_connection(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return matches!(
                io.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
            );
        }
        next = cause.source();
    }
    false
}

fn of_cloud(error: &CloudError, words: String) -> NoPicture {
    match error {
        CloudError::Credentials(_) => NoPicture::Credentials(words),
        CloudError::Throttled(_) => NoPicture::Overloaded(words),
        CloudError::Denied(_) | CloudError::Missing(_) | CloudError::Misconfigured(_) => {
            NoPicture::Model(words)
        }
        CloudError::Away(_) => NoPicture::Away(words),
        CloudError::Conflict(_)
        | CloudError::PreconditionFailed(_)
        | CloudError::Refused { .. } => NoPicture::Unexplained(words),
    }
}

/// More ways in which a validation error names the filter. In a 403 the same words may mean the
/// account.
fn names_the_filter(text: &str) -> bool {
    ["blocked", "acceptable use", "our aup", "conflicts with aup"]
        .iter()
        .any(|phrase| text.contains(phrase))
}

/// `#/textToImageParams/text: expected maxLength: 512, actual: 700`, and what other validators say.
fn is_too_long(text: &str) -> bool {
    let prompt = text.contains("text") || text.contains("prompt");
    let length = text.contains("maxlength")
        || text.contains("too long")
        || text.contains("characters") && (text.contains("expected") || text.contains("exceed"));
    prompt && length
}

fn is_overload(text: &str) -> bool {
    [
        "too many connections",
        "too many requests",
        "too many tokens",
        "overloaded",
        "wait before trying again",
    ]
    .iter()
    .any(|phrase| text.contains(phrase))
}

/// Validation errors that this model gives to every prompt.
fn is_the_models(text: &str) -> bool {
    [
        "model identifier",
        "end of its life",
        "on-demand throughput",
        "inference profile",
        "marketplace",
        "access to the model",
        "operation not allowed",
        "in this region",
    ]
    .iter()
    .any(|phrase| text.contains(phrase))
}
