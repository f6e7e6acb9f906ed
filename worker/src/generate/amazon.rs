//! Amazon's request family (Nova Canvas, Titan Image Generator).
//! <https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html>

use serde_json::{Value, json};

use super::picture::SIDE;

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
