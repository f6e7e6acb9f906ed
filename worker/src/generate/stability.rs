//! Stability's request family.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-stability-diffusion.html>

use serde_json::{Value, json};

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
