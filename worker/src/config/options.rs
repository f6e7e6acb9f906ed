//! The options of workers alone.

use std::time::Duration;

use atelier_runtime::config::{Environment, Setting};

/// Whose pictures may serve again for the same prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// The same teacher's.
    Teacher,
    /// Everybody's.
    All,
    /// Nobody's.
    Off,
}

/// A worker's own options.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Jobs at a time.
    pub slots: u32,
    /// Whose pictures may serve again.
    pub reuse: Reuse,
    /// Model ids, the first that lives is asked.
    pub models: Vec<String>,
    /// How long one call to a model may take.
    pub model_timeout: Duration,
}

const WORKER_SLOTS: Setting = Setting {
    name: "WORKER_SLOTS",
    default: Some("8"),
    help: "Jobs that a worker does at a time, 1 to 512.",
};
const REUSE: Setting = Setting {
    name: "REUSE",
    default: Some("teacher"),
    help: "Whose stored picture serves again for the same prompt: teacher, all or off.",
};
const BEDROCK_MODELS: Setting = Setting {
    name: "BEDROCK_MODELS",
    default: Some(
        "stability.stable-image-core-v1:1,stability.sd3-5-large-v1:0,stability.stable-image-ultra-v1:1",
    ),
    help: "Model ids in order, separated by commas; the first that lives is asked. Known are amazon.nova-canvas-*, amazon.titan-image-* and stability.*.",
};
const MODEL_TIMEOUT_SECONDS: Setting = Setting {
    name: "MODEL_TIMEOUT_SECONDS",
    default: Some("120"),
    help: "Seconds that one call to a model may take, 1 to 3600.",
};

impl WorkerConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[
        WORKER_SLOTS,
        REUSE,
        Self::BEDROCK_MODELS,
        MODEL_TIMEOUT_SECONDS,
    ];

    /// The models; which can be asked is known where they are.
    pub const BEDROCK_MODELS: Setting = BEDROCK_MODELS;

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        let models: Vec<String> = environment
            .required(&BEDROCK_MODELS)
            .split(',')
            .map(|model| model.trim().to_owned())
            .filter(|model| !model.is_empty())
            .collect();
        if models.is_empty() {
            environment.fault(&BEDROCK_MODELS, "names no model");
        }
        Self {
            slots: environment.number(&WORKER_SLOTS, 1..=512),
            reuse: environment.one_of(
                &REUSE,
                &[
                    ("teacher", Reuse::Teacher),
                    ("all", Reuse::All),
                    ("off", Reuse::Off),
                ],
            ),
            models,
            model_timeout: Duration::from_secs_f64(
                environment.number(&MODEL_TIMEOUT_SECONDS, 1.0..=3600.0),
            ),
        }
    }
}

/// What becomes of the model's picture.
#[derive(Clone, Debug)]
pub struct OptimizeConfig {
    /// Longest side in pixels.
    pub max_dimension: u32,
    /// WebP quality.
    pub webp_quality: u8,
    /// libwebp's method: more is smaller and slower.
    pub webp_method: u8,
    /// Whether an AVIF is stored beside the WebP.
    pub avif: bool,
    /// Most memory that decoding one picture may take, in bytes.
    pub decode_budget: u64,
}

const MAX_DIMENSION: Setting = Setting {
    name: "MAX_DIMENSION",
    default: Some("1024"),
    help: "Longest side of a stored picture in pixels, 16 to 16383 (the largest WebP).",
};
const WEBP_QUALITY: Setting = Setting {
    name: "WEBP_QUALITY",
    default: Some("85"),
    help: "Quality of the WebP, 0 to 100.",
};
const WEBP_METHOD: Setting = Setting {
    name: "WEBP_METHOD",
    default: Some("2"),
    help: "How hard libwebp tries, 0 (fast) to 6 (small).",
};
const AVIF: Setting = Setting {
    name: "AVIF",
    default: Some("off"),
    help: "`on` stores an AVIF beside the WebP, some time after it.",
};
const DECODE_BUDGET_MIB: Setting = Setting {
    name: "DECODE_BUDGET_MIB",
    default: Some("128"),
    help: "Most memory that decoding one picture may take, in MiB, 1 to 65536.",
};

impl OptimizeConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[
        MAX_DIMENSION,
        WEBP_QUALITY,
        WEBP_METHOD,
        AVIF,
        DECODE_BUDGET_MIB,
    ];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        Self {
            max_dimension: environment.number(&MAX_DIMENSION, 16..=16_383),
            webp_quality: environment.number(&WEBP_QUALITY, 0..=100),
            webp_method: environment.number(&WEBP_METHOD, 0..=6),
            avif: environment.one_of(&AVIF, &[("on", true), ("off", false)]),
            decode_budget: environment.number::<u64>(&DECODE_BUDGET_MIB, 1..=65_536) << 20,
        }
    }
}
