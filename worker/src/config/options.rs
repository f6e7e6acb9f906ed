//! The options that only workers have.

use std::time::Duration;

use atelier_runtime::config::{Environment, Setting};

use crate::generate::spec::ModelSpec;

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
const BEDROCK_MODELS: Setting = Setting {
    name: "BEDROCK_MODELS",
    default: Some(
        "stability.stable-image-core-v1:1,stability.sd3-5-large-v1:0,stability.stable-image-ultra-v1:1",
    ),
    help: "Text-to-image models in order, separated by commas: ids of models or inference profiles, or ARNs of either; the first that takes the prompt and has room is called. Known are amazon.nova-canvas-*, amazon.titan-image-* and stability.*, but for those that edit a picture.",
};
const BEDROCK_PRICES: Setting = Setting {
    name: "BEDROCK_PRICES",
    default: None,
    help: "Prices in US dollars a picture, above 0 to 100, in place of the list prices: `model=0.04,model2=0.08`. A model without a known price needs one.",
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

impl WorkerConfig {
    /// Every option, for `--help`.
    pub const SETTINGS: &[Setting] = &[
        WORKER_SLOTS,
        REUSE,
        BEDROCK_MODELS,
        BEDROCK_PRICES,
        MODEL_SPILL,
        MODEL_TIMEOUT_SECONDS,
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
            models: models(environment),
            spill: environment.one_of(&MODEL_SPILL, &[("on", true), ("off", false)]),
            model_timeout: Duration::from_secs_f64(
                environment.number(&MODEL_TIMEOUT_SECONDS, 1.0..=3600.0),
            ),
        }
    }
}

/// The models and their prices; each fault is noted by the option that has to change.
fn models(environment: &mut Environment) -> Vec<ModelSpec> {
    let prices = prices(environment);
    let text = environment.required(&BEDROCK_MODELS);
    let ids: Vec<&str> = items(&text).collect();
    if ids.is_empty() {
        environment.fault(&BEDROCK_MODELS, "names no model");
    }
    let mut models = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        if ids[..place].contains(id) {
            environment.fault(&BEDROCK_MODELS, &format!("names `{id}` twice"));
        }
        let mut of_this = prices
            .iter()
            .filter(|(name, _)| ModelSpec::is_named(id, name));
        let price = of_this.next().map(|(_, price)| *price);
        match ModelSpec::new(id, price) {
            Ok(model) => models.push(model),
            Err(fault) => environment.fault(&BEDROCK_MODELS, &fault),
        }
    }
    models
}

/// Model names and their prices in US dollars.
fn prices(environment: &mut Environment) -> Vec<(String, f64)> {
    let text = environment.text(&BEDROCK_PRICES).unwrap_or_default();
    let mut prices: Vec<(String, f64)> = Vec::new();
    for item in items(&text) {
        let price = item.rsplit_once('=').and_then(|(name, price)| {
            let price: f64 = price.trim().parse().ok()?;
            (price > 0.0 && price <= 100.0).then(|| (name.trim().to_owned(), price))
        });
        match price {
            Some((name, _)) if prices.iter().any(|(other, _)| *other == name) => {
                environment.fault(&BEDROCK_PRICES, &format!("names `{name}` twice"));
            }
            Some(price) => prices.push(price),
            None => environment.fault(
                &BEDROCK_PRICES,
                &format!("must be `model=dollars`, above 0 to 100 each, not `{item}`"),
            ),
        }
    }
    prices
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
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
    /// Whether an AVIF is stored beside the WebP.
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
    help: "`on` stores an AVIF beside the WebP, some time after it.",
};
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
        AVIF,
        DECODE_BUDGET_MIB,
    ];

    /// Reads the options; a fault is noted in `environment`.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<WorkerConfig, Vec<String>> {
        let mut environment = Environment::of(options.iter().copied());
        let config = WorkerConfig::read(&mut environment);
        environment.finish(config).map_err(|faults| faults.0)
    }

    #[test]
    fn every_model_that_cannot_be_called_is_a_fault_that_says_why() {
        let faults = read(&[(
            "BEDROCK_MODELS",
            "some.model, us.stability.stable-image-inpaint-v1:0,stability.new-v1:0,stability.sd3-5-large-v1:0",
        )])
        .unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:#?}");
        for (fault, word) in faults
            .iter()
            .zip(["is none of", "edits a picture", "BEDROCK_PRICES"])
        {
            assert!(fault.starts_with("BEDROCK_MODELS names `"), "{fault}");
            assert!(fault.contains(word), "{fault}");
        }
        assert_eq!(
            read(&[("BEDROCK_MODELS", ",")]).unwrap_err(),
            ["BEDROCK_MODELS names no model"]
        );
        let twice = "stability.sd3-5-large-v1:0,stability.sd3-5-large-v1:0";
        assert_eq!(read(&[("BEDROCK_MODELS", twice)]).unwrap_err().len(), 1);
    }

    #[test]
    fn a_price_makes_a_model_known_and_replaces_a_list_price() {
        let config = read(&[
            ("BEDROCK_MODELS", "stability.new-v1:0,us.stability.stable-image-core-v1:1"),
            (
                "BEDROCK_PRICES",
                "stability.new-v1:0=0.2, stability.stable-image-core-v1:1=0.03,stability.unlisted=1",
            ),
        ])
        .unwrap();
        let expected = [
            ModelSpec::new("stability.new-v1:0", Some(0.2)).unwrap(),
            ModelSpec::new("us.stability.stable-image-core-v1:1", Some(0.03)).unwrap(),
        ];
        assert_eq!(config.models, expected);
    }

    #[test]
    fn a_price_that_no_budget_could_hold_is_a_fault() {
        for bad in [
            "model",
            "model=",
            "model=free",
            "model=0",
            "model=-1",
            "model=NaN",
            "model=inf",
            "model=101",
            "a=1,a=2",
        ] {
            let faults = read(&[("BEDROCK_PRICES", bad)]).unwrap_err();
            assert!(
                faults.len() == 1 && faults[0].starts_with("BEDROCK_PRICES"),
                "{bad}: {faults:?}"
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
