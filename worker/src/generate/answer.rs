//! Reads a model's answer, the same way for all families: a picture, or why there is none.
//!
//! Null, missing and empty lists mean the same. No finish reason is a good one.

use serde::Deserialize;
use serde_json::Value;

use super::filter::declines;
use super::picture::NoPicture;

#[derive(Deserialize)]
struct Answer {
    images: Option<Vec<Option<String>>>,
    /// Stability's.
    #[serde(default)]
    finish_reasons: Value,
    /// Amazon's.
    #[serde(default)]
    error: Value,
    /// Set where a guardrail of the account was applied.
    #[serde(default, rename = "amazon-bedrock-guardrailAction")]
    guardrail_action: Value,
}

/// The bytes of the first picture.
///
/// # Errors
/// [`NoPicture::Declined`] or [`NoPicture::Garbage`].
pub(super) fn read(body: &[u8]) -> Result<Vec<u8>, NoPicture> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| NoPicture::Garbage(error.to_string()))?;
    if words(&answer.guardrail_action).is_some_and(|action| action.contains("INTERVENED")) {
        return Err(NoPicture::Declined("a guardrail intervened".to_owned()));
    }
    let reason = words(&answer.finish_reasons).or_else(|| words(&answer.error));
    let picture = answer.images.into_iter().flatten().next().flatten();
    match (reason, picture.filter(|picture| !picture.is_empty())) {
        (Some(reason), _) if is_fault(&reason) => Err(NoPicture::Garbage(reason)),
        (Some(reason), _) => Err(NoPicture::Declined(reason)),
        (None, Some(picture)) => decode_picture(&picture),
        (None, None) => {
            let text = String::from_utf8_lossy(body);
            Err(if declines(&text) {
                NoPicture::Declined(text.into_owned())
            } else {
                NoPicture::Garbage("no picture in it".to_owned())
            })
        }
    }
}

/// The first words of a field that may be null, a text or a list of them.
fn words(field: &Value) -> Option<String> {
    match field {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) => match text.trim() {
            "" => None,
            text if ["success", "null", "none"].contains(&text.to_lowercase().as_str()) => None,
            text => Some(text.to_owned()),
        },
        Value::Array(list) => list.iter().find_map(words),
        other => Some(other.to_string()),
    }
}

/// The bytes of a picture in base64.
fn decode_picture(base64: &str) -> Result<Vec<u8>, NoPicture> {
    base64_simd::STANDARD
        .decode_to_vec(base64)
        .map_err(|error| NoPicture::Garbage(format!("the picture is no base64: {error}")))
}

/// Whether a reason means that the model failed, so that another call may go better.
fn is_fault(reason: &str) -> bool {
    const FAULTS: [&str; 6] = [
        "inference error",
        "internal",
        "unexpected error",
        "timed out",
        "timeout",
        "try again later",
    ];
    let reason = reason.to_lowercase();
    !declines(&reason) && (reason == "error" || FAULTS.iter().any(|fault| reason.contains(fault)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_read_whatever_stands_beside_it_empty() {
        for body in [
            r#"{"images":["aGk="]}"#,
            r#"{"images":["aGk="],"error":null}"#,
            r#"{"images":["aGk="],"error":""}"#,
            r#"{"seeds":[1],"finish_reasons":[null],"images":["aGk="]}"#,
            r#"{"seeds":null,"finish_reasons":null,"images":["aGk="]}"#,
            r#"{"finish_reasons":[],"images":["aGk="],"amazon-bedrock-guardrailAction":"NONE"}"#,
            r#"{"finish_reasons":["SUCCESS"],"images":["aGk="]}"#,
        ] {
            assert_eq!(read(body.as_bytes()).unwrap(), b"hi", "{body}");
        }
    }

    #[test]
    fn a_filter_declines_in_any_of_its_forms() {
        for reason in [
            r#""finish_reasons":["Filter reason: prompt"]"#,
            r#""finish_reasons":["Filter reason: output image"]"#,
            r#""finish_reasons":["Filter reason: input image"]"#,
            r#""finish_reasons":[null,"Filter reason: prompt"]"#,
            r#""finish_reasons":"Filter reason: prompt""#,
            r#""finish_reasons":["CONTENT_FILTERED"]"#,
            r#""error":"All of the generated images have been blocked by our content filters.""#,
            r#""error":"The generated image(s) may conflict with our AUP or AWS Responsible AI Policy.""#,
            r#""error":"This prompt violates the AWS Acceptable Use Policy.""#,
            r#""error":["blocked by our content filters"]"#,
            r#""message":"This request has been blocked by our content filters.""#,
            r#""amazon-bedrock-guardrailAction":"INTERVENED""#,
        ] {
            for images in [
                "",
                r#","images":[]"#,
                r#","images":null"#,
                r#","images":[null]"#,
                r#","images":[""]"#,
            ] {
                let body = format!("{{{reason}{images}}}");
                assert!(
                    matches!(read(body.as_bytes()), Err(NoPicture::Declined(words)) if !words.is_empty()),
                    "{body}"
                );
            }
        }
    }

    #[test]
    fn a_fault_of_the_model_is_worth_another_call() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"images":["?"]}"#,
            r#"{"images":[1]}"#,
            r#"{"images":[]}"#,
            r#"{"images":null,"finish_reasons":null}"#,
            r#"{"images":[null],"finish_reasons":[null]}"#,
            r#"{"images":[],"finish_reasons":["Inference error"]}"#,
            r#"{"images":[],"finish_reasons":["ERROR"]}"#,
            r#"{"images":[],"error":"Internal server error"}"#,
        ] {
            assert!(
                matches!(read(body.as_bytes()), Err(NoPicture::Garbage(_))),
                "{body}"
            );
        }
    }
}
