//! Amazon's request family (Nova Canvas, Titan Image Generator).
//! <https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html>

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use super::picture::{GenerateError, SIDE, decode_picture};

/// The largest seed that both Nova Canvas (858,993,459) and Titan take.
const MAX_SEED: u32 = 858_993_459;

pub(super) fn request(prompt: &str) -> Value {
    json!({
        "taskType": "TEXT_IMAGE",
        "textToImageParams": {"text": prompt},
        "imageGenerationConfig": {
            "numberOfImages": 1,
            "width": SIDE,
            "height": SIDE,
            "quality": "standard",
            "cfgScale": 8.0,
            "seed": fastrand::u32(..=MAX_SEED),
        },
    })
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    images: Vec<Cow<'a, str>>,
    error: Option<String>,
}

/// A picture that the filter blocked is an answer with `error` in it.
pub(super) fn read(body: &[u8]) -> Result<Vec<u8>, GenerateError> {
    let answer: Answer<'_> =
        serde_json::from_slice(body).map_err(|error| GenerateError::Garbage(error.to_string()))?;
    match (answer.images.first(), answer.error) {
        (Some(image), None) => decode_picture(image),
        (_, Some(error)) => Err(GenerateError::Declined(error)),
        (None, None) => Err(GenerateError::Garbage("no picture in it".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_picture_is_declined() {
        let body = br#"{"images":[],"error":"blocked by our content filters"}"#;
        assert!(matches!(read(body), Err(GenerateError::Declined(_))));
    }

    #[test]
    fn a_picture_is_read() {
        assert_eq!(read(br#"{"images":["aGk="]}"#).unwrap(), b"hi");
    }

    #[test]
    fn anything_else_is_garbage() {
        for body in ["", "{}", "[]", r#"{"images":["?"]}"#, r#"{"images":[1]}"#] {
            assert!(
                matches!(read(body.as_bytes()), Err(GenerateError::Garbage(_))),
                "{body}"
            );
        }
    }
}
