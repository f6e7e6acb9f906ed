//! Stability's request family.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-stability-diffusion.html>

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use super::picture::{GenerateError, decode_picture};

/// The largest seed that the family takes.
const MAX_SEED: u32 = 4_294_967_294;

pub(super) fn request(prompt: &str) -> Value {
    json!({
        "prompt": prompt,
        "aspect_ratio": "1:1",
        "output_format": "png",
        "seed": fastrand::u32(..=MAX_SEED),
    })
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    images: Vec<Cow<'a, str>>,
    #[serde(default)]
    finish_reasons: Vec<Option<String>>,
}

/// No finish reason is a good one; `Inference error` is the model's own fault, any other the
/// filter's word.
pub(super) fn read(body: &[u8]) -> Result<Vec<u8>, GenerateError> {
    let answer: Answer<'_> =
        serde_json::from_slice(body).map_err(|error| GenerateError::Garbage(error.to_string()))?;
    match answer.finish_reasons.into_iter().flatten().next() {
        Some(reason) if reason.eq_ignore_ascii_case("inference error") => {
            return Err(GenerateError::Garbage(reason));
        }
        Some(reason) => return Err(GenerateError::Declined(reason)),
        None => {}
    }
    match answer.images.first() {
        Some(image) => decode_picture(image),
        None => Err(GenerateError::Garbage("no picture in it".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_finish_reason_is_a_good_one() {
        let body = br#"{"seeds":[1],"finish_reasons":[null],"images":["aGk="]}"#;
        assert_eq!(read(body).unwrap(), b"hi");
    }

    #[test]
    fn a_filter_declines_and_an_inference_error_is_tried_again() {
        let read = |reason: &str| {
            read(format!(r#"{{"finish_reasons":["{reason}"],"images":[]}}"#).as_bytes())
                .unwrap_err()
        };
        assert!(matches!(
            read("Filter reason: prompt"),
            GenerateError::Declined(_)
        ));
        assert!(matches!(read("Inference error"), GenerateError::Garbage(_)));
    }
}
