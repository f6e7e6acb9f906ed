//! Amazon's request family: Nova Canvas and Titan Image Generator.
//! <https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html>

use axum::body::Bytes;
use serde::Deserialize;

use super::error::Error;
use super::order::{Order, check_length, check_range, json, push_images};

const MAX_PROMPT_CHARACTERS: usize = 1024;
const MAX_SEED: u64 = 858_993_459;
const SIDES: std::ops::RangeInclusive<u32> = 320..=4096;
const MAX_PIXELS: u32 = 4_194_304;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Request {
    task_type: String,
    text_to_image_params: TextToImageParams,
    #[serde(default)]
    image_generation_config: ImageGenerationConfig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TextToImageParams {
    text: String,
    negative_text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct ImageGenerationConfig {
    width: u32,
    height: u32,
    quality: String,
    cfg_scale: f64,
    seed: u64,
    number_of_images: u32,
}

impl Default for ImageGenerationConfig {
    fn default() -> Self {
        Self {
            width: 1024,
            height: 1024,
            quality: "standard".to_owned(),
            cfg_scale: 6.5,
            seed: 12,
            number_of_images: 1,
        }
    }
}

pub(super) fn read(body: &[u8]) -> Result<Order, Error> {
    let Request {
        task_type,
        text_to_image_params: text,
        image_generation_config: config,
    } = json(body)?;
    if task_type != "TEXT_IMAGE" {
        return Err(Error::malformed(&format!(
            "#/taskType: this endpoint knows TEXT_IMAGE only, actual: {task_type}"
        )));
    }
    check_length("textToImageParams/text", &text.text, MAX_PROMPT_CHARACTERS)?;
    if let Some(negative) = &text.negative_text {
        check_length(
            "textToImageParams/negativeText",
            negative,
            MAX_PROMPT_CHARACTERS,
        )?;
    }
    if !matches!(config.quality.as_str(), "standard" | "premium") {
        return Err(Error::malformed(&format!(
            "#/imageGenerationConfig/quality: expected standard or premium, actual: {}",
            config.quality
        )));
    }
    check_range(
        "imageGenerationConfig/cfgScale",
        config.cfg_scale,
        1.1..=10.0,
    )?;
    check_range("imageGenerationConfig/seed", config.seed, 0..=MAX_SEED)?;
    check_range(
        "imageGenerationConfig/numberOfImages",
        config.number_of_images,
        1..=5,
    )?;
    check_dimensions(config.width, config.height)?;
    Ok(Order {
        prompt: text.text,
        seed: config.seed,
        width: config.width,
        height: config.height,
        count: config.number_of_images,
    })
}

fn check_dimensions(width: u32, height: u32) -> Result<(), Error> {
    check_range("imageGenerationConfig/width", width, SIDES)?;
    check_range("imageGenerationConfig/height", height, SIDES)?;
    if !width.is_multiple_of(16) || !height.is_multiple_of(16) {
        return Err(Error::malformed(
            "#/imageGenerationConfig: width and height must be multiples of 16",
        ));
    }
    if width > 4 * height || height > 4 * width {
        return Err(Error::malformed(
            "#/imageGenerationConfig: the ratio of width and height must be from 1:4 to 4:1",
        ));
    }
    check_range(
        "imageGenerationConfig: width x height",
        width * height,
        1..=MAX_PIXELS,
    )
}

pub(super) fn answer(pictures: &[Vec<u8>]) -> Bytes {
    let mut json = b"{".to_vec();
    push_images(&mut json, pictures);
    json.push(b'}');
    json.into()
}

/// The answer when the filter blocks the finished picture.
pub(super) fn filtered() -> Bytes {
    Bytes::from_static(
        br#"{"images":[],"error":"Generated image was blocked by our content filters."}"#,
    )
}
