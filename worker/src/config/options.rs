//! The options that only workers have.

use std::collections::BTreeSet;
use std::time::Duration;

use atelier_domain::model::ModelSpec;
use atelier_runtime::config::{Environment, ModelsConfig, Setting};

use crate::generate::guardrail::GuardrailConfig;

/// The teachers whose stored pictures are reused for the same prompt.
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
    /// Jobs at a time, 1 to 512.
    pub slots: u32,
    /// The teachers whose stored pictures are reused.
    pub reuse: Reuse,
    /// The models in order, at least one; the first that has room is called.
    pub models: Vec<ModelSpec>,
    /// Whether the next model is called where the first has no room.
    pub spill: bool,
    /// How long one call to a model may take, 1 s to an hour.
    pub model_timeout: Duration,
    /// What sees every prompt before a model does, if anything.
    pub guardrail: Option<GuardrailConfig>,
}

const WORKER_SLOTS: Setting = Setting {
    name: "WORKER_SLOTS",
    default: Some("8"),
    help: "Jobs that a worker does at a time, 1 to 512.",
};
const REUSE: Setting = Setting {
    name: "REUSE",
    default: Some("teacher"),
    help: "The stored pictures that are reused for the same prompt: those of the same teacher (teacher), of all teachers (all) or none (off).",
};
const MODEL_SPILL: Setting = Setting {
    name: "MODEL_SPILL",
    default: Some("on"),
    help: "`on` calls the next of BEDROCK_MODELS where a model is throttled or overloaded, `off` waits for it. A model that refuses every call is passed over in both cases.",
};
const MODEL_TIMEOUT_SECONDS: Setting = Setting {
    name: "MODEL_TIMEOUT_SECONDS",
    default: Some("120"),
    help: "Seconds that one call to a model may take, 1 to 3600.",
};

const GUARDRAIL_ID: Setting = Setting {
    name: "GUARDRAIL_ID",
    default: None,
    help: "Id or ARN of a guardrail of Bedrock in the models' region, which sees every prompt before a model does. What it blocks or masks fails as declined; without its answer no model is called.",
};
const GUARDRAIL_VERSION: Setting = Setting {
    name: "GUARDRAIL_VERSION",
    default: None,
    help: "Version of GUARDRAIL_ID: a number, or DRAFT.",
};

impl WorkerConfig {
    /// Every option, for `--help`.
    pub const SETTINGS: &[Setting] = &[
        WORKER_SLOTS,
        REUSE,
        MODEL_SPILL,
        MODEL_TIMEOUT_SECONDS,
        GUARDRAIL_ID,
        GUARDRAIL_VERSION,
    ];

    /// Reads the options; a fault is noted in `environment`.
    pub fn read(environment: &mut Environment) -> Self {
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
            models: ModelsConfig::read(environment).models,
            spill: environment.one_of(&MODEL_SPILL, &[("on", true), ("off", false)]),
            model_timeout: Duration::from_secs_f64(
                environment.number(&MODEL_TIMEOUT_SECONDS, 1.0..=3600.0),
            ),
            guardrail: guardrail(environment),
        }
    }
}

/// Both options or neither.
fn guardrail(environment: &mut Environment) -> Option<GuardrailConfig> {
    let id = environment.text(&GUARDRAIL_ID);
    let version = environment.text(&GUARDRAIL_VERSION);
    if id.is_some() && version.is_none() {
        environment.fault(&GUARDRAIL_VERSION, "is not set, but GUARDRAIL_ID is");
    }
    if version.is_some() && id.is_none() {
        environment.fault(&GUARDRAIL_ID, "is not set, but GUARDRAIL_VERSION is");
    }
    if let Some(id) = id.as_deref().filter(|id| !GuardrailConfig::is_id(id)) {
        let what = format!("must be an id of a-z and 0-9, or the ARN of a guardrail, not `{id}`");
        environment.fault(&GUARDRAIL_ID, &what);
    }
    if let Some(version) = version
        .as_deref()
        .filter(|it| !GuardrailConfig::is_version(it))
    {
        let what = format!("must be a number from 1 to 99999999 or DRAFT, not `{version}`");
        environment.fault(&GUARDRAIL_VERSION, &what);
    }
    Some(GuardrailConfig {
        id: id?,
        version: version?,
    })
}

/// How the model's picture is compressed.
#[derive(Clone, Debug)]
pub struct OptimizeConfig {
    /// Longest side in pixels, 16 to 16383.
    pub max_dimension: u32,
    /// WebP quality, 0 to 100.
    pub webp_quality: u8,
    /// libwebp's method, 0 to 6: a higher one is slower and makes smaller files.
    pub webp_method: u8,
    /// Widths of the smaller pictures that are stored beside it, upwards; each 16 to 4096 pixels.
    pub variants: Vec<u32>,
    /// Whether an AVIF is stored beside each WebP.
    pub avif: bool,
    /// Most memory that decoding one picture may take, in bytes, 1 MiB to 64 GiB.
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
    help: "`on` stores an AVIF beside each WebP that is larger, some time after it.",
};
const VARIANTS: Setting = Setting {
    name: "VARIANTS",
    default: Some("off"),
    help: "Widths of the smaller pictures that are stored beside each, for readers with small screens: up to 8 of 16 to 4096 pixels, such as 640,320; `off` for none. A width that is not below the picture's is left out.",
};

/// The most variants of a picture.
const MAX_VARIANTS: usize = 8;
const DECODE_BUDGET_MIB: Setting = Setting {
    name: "DECODE_BUDGET_MIB",
    default: Some("128"),
    help: "Most memory that decoding one picture may take, in MiB, 1 to 65536.",
};

impl OptimizeConfig {
    /// Every option, for `--help`.
    pub const SETTINGS: &[Setting] = &[
        MAX_DIMENSION,
        WEBP_QUALITY,
        WEBP_METHOD,
        VARIANTS,
        AVIF,
        DECODE_BUDGET_MIB,
    ];

    /// Reads the options; a fault is noted in `environment`.
    pub fn read(environment: &mut Environment) -> Self {
        Self {
            max_dimension: environment.number(&MAX_DIMENSION, 16..=16_383),
            webp_quality: environment.number(&WEBP_QUALITY, 0..=100),
            webp_method: environment.number(&WEBP_METHOD, 0..=6),
            variants: variants(environment),
            avif: environment.one_of(&AVIF, &[("on", true), ("off", false)]),
            decode_budget: environment.number::<u64>(&DECODE_BUDGET_MIB, 1..=65_536) << 20,
        }
    }
}

fn variants(environment: &mut Environment) -> Vec<u32> {
    let text = environment.text(&VARIANTS).unwrap_or_default();
    if text == "off" {
        return Vec::new();
    }
    let width = |part: &str| {
        part.trim()
            .parse()
            .ok()
            .filter(|it| (16..=4096).contains(it))
    };
    let widths: Option<BTreeSet<u32>> = text.split(',').map(width).collect();
    match widths {
        Some(widths) if widths.len() <= MAX_VARIANTS => widths.into_iter().collect(),
        _ => {
            let what = format!(
                "must be up to {MAX_VARIANTS} widths from 16 to 4096, such as 640,320, or off, not `{text}`"
            );
            environment.fault(&VARIANTS, &what);
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_sorted_and_named_once() {
        let read = |text: &str| {
            let mut environment = Environment::of([("VARIANTS", text)]);
            let config = OptimizeConfig::read(&mut environment);
            environment
                .finish(config.variants)
                .map_err(|faults| faults.0)
        };
        assert_eq!(read("off"), Ok(vec![]));
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(read("640, 320,640"), Ok(vec![320, 640]));
        assert_eq!(read("16,4096"), Ok(vec![16, 4096]));
        for bad in [
            "15",
            "4097",
            "640;320",
            "640,",
            "wide",
            "-640",
            "1,2",
            "20,21,22,23,24,25,26,27,28",
        ] {
            let faults = read(bad).unwrap_err();
            let expected = "VARIANTS must be up to 8 widths from 16 to 4096";
            assert!(faults[0].starts_with(expected), "{faults:?}");
        }
    }

    fn read(options: &[(&str, &str)]) -> Result<WorkerConfig, Vec<String>> {
        let mut environment = Environment::of(options.iter().copied());
        let config = WorkerConfig::read(&mut environment);
        environment.finish(config).map_err(|faults| faults.0)
    }

    #[test]
    fn a_guardrail_is_named_whole_or_not_at_all() {
        let guardrail = |options: &[(&str, &str)]| read(options).map(|config| config.guardrail);
        assert_eq!(guardrail(&[]).unwrap(), None);
        let arn = "arn:aws:bedrock:us-west-2:123456789012:guardrail/ab12";
        for (id, version) in [("ab12cd34", "1"), ("ab12cd34", "DRAFT"), (arn, "99999999")] {
            let options = [("GUARDRAIL_ID", id), ("GUARDRAIL_VERSION", version)];
            let read = guardrail(&options).unwrap().unwrap();
            assert_eq!((read.id.as_str(), read.version.as_str()), (id, version));
        }
        assert_eq!(
            guardrail(&[("GUARDRAIL_ID", "ab12")]).unwrap_err(),
            ["GUARDRAIL_VERSION is not set, but GUARDRAIL_ID is"]
        );
        assert_eq!(
            guardrail(&[("GUARDRAIL_VERSION", "1")]).unwrap_err(),
            ["GUARDRAIL_ID is not set, but GUARDRAIL_VERSION is"]
        );
        for (id, version) in [
            ("AB", "0"),
            ("a/b", "draft"),
            ("arn:aws:s3:::a", "100000000"),
        ] {
            let options = [("GUARDRAIL_ID", id), ("GUARDRAIL_VERSION", version)];
            let faults = guardrail(&options).unwrap_err();
            assert_eq!(faults.len(), 2, "{faults:?}");
            assert!(faults[0].starts_with("GUARDRAIL_ID must be"), "{faults:?}");
            assert!(
                faults[1].starts_with("GUARDRAIL_VERSION must be"),
                "{faults:?}"
            );
        }
    }

    #[test]
    fn spilling_is_on_unless_switched_off() {
        assert!(read(&[]).unwrap().spill);
        assert!(!read(&[("MODEL_SPILL", "off")]).unwrap().spill);
        assert!(read(&[("MODEL_SPILL", "no")]).is_err());
    }
}
