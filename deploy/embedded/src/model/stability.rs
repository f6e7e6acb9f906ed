//! Stability's request family: Stable Image Core and Ultra, Stable Diffusion 3.5.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-stability-diffusion.html>

use axum::body::Bytes;
use serde::Deserialize;

use super::error::Error;
use super::order::{Order, check_length, check_range, json, push_images};

const MAX_PROMPT_CHARACTERS: usize = 10_000;
const MAX_SEED: u64 = 4_294_967_294;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    prompt: String,
    negative_prompt: Option<String>,
    #[serde(default)]
    aspect_ratio: AspectRatio,
    #[serde(default)]
    output_format: OutputFormat,
    /// Zero means a random seed, as in Stability's own API.
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    mode: Mode,
}

/// About a million pixels in every ratio.
#[derive(Clone, Copy, Default, Deserialize)]
enum AspectRatio {
    #[default]
    #[serde(rename = "1:1")]
    Square,
    #[serde(rename = "16:9")]
    Wide,
    #[serde(rename = "21:9")]
    Ultrawide,
    #[serde(rename = "3:2")]
    Film,
    #[serde(rename = "5:4")]
    Print,
    #[serde(rename = "4:5")]
    PrintUpright,
    #[serde(rename = "2:3")]
    FilmUpright,
    #[serde(rename = "9:16")]
    Tall,
    #[serde(rename = "9:21")]
    Ultratall,
}

impl AspectRatio {
    fn dimensions(self) -> (u32, u32) {
        match self {
            Self::Square => (1024, 1024),
            Self::Wide => (1344, 768),
            Self::Ultrawide => (1536, 640),
            Self::Film => (1216, 832),
            Self::Print => (1088, 896),
            Self::PrintUpright => (896, 1088),
            Self::FilmUpright => (832, 1216),
            Self::Tall => (768, 1344),
            Self::Ultratall => (640, 1536),
        }
    }
}

/// Real models also answer in JPEG; this one paints PNG only.
#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OutputFormat {
    #[default]
    Png,
}

#[derive(Default, Deserialize)]
enum Mode {
    #[default]
    #[serde(rename = "text-to-image")]
    TextToImage,
}

pub(super) fn read(body: &[u8]) -> Result<Order, Error> {
    let request: Request = json(body)?;
    let (OutputFormat::Png, Mode::TextToImage) = (&request.output_format, &request.mode);
    check_length("prompt", &request.prompt, MAX_PROMPT_CHARACTERS)?;
    if let Some(negative) = &request.negative_prompt {
        check_length("negative_prompt", negative, MAX_PROMPT_CHARACTERS)?;
    }
    check_range("seed", request.seed, 0..=MAX_SEED)?;
    let seed = if request.seed == 0 {
        fastrand::u64(1..=MAX_SEED)
    } else {
        request.seed
    };
    let (width, height) = request.aspect_ratio.dimensions();
    Ok(Order {
        prompt: request.prompt,
        seed,
        width,
        height,
        count: 1,
    })
}

pub(super) fn answer(seed: u64, pictures: &[Vec<u8>]) -> Bytes {
    let mut json = format!(r#"{{"seeds":[{seed}],"finish_reasons":[null],"#).into_bytes();
    push_images(&mut json, pictures);
    json.push(b'}');
    json.into()
}

/// The answer when the filter blocks the prompt.
pub(super) fn filtered(seed: u64) -> Bytes {
    format!(r#"{{"seeds":[{seed}],"finish_reasons":["Filter reason: prompt"],"images":[]}}"#).into()
}
