//! How jobs are worked on.

use std::time::Duration;

use super::environment::{Environment, Setting};

/// How long jobs take and how often they are tried; API and workers must agree on it.
#[derive(Clone, Debug)]
pub struct JobConfig {
    /// Length of a claim and of a message's invisibility.
    pub claim: Duration,
    /// Tries of a job that count.
    pub max_attempts: u32,
    /// Wait before the second try of a job; doubles with each further one.
    pub retry: Duration,
    /// From the start of a round until it fails if it is still pending.
    pub give_up: Duration,
    /// How long the queue keeps a message.
    pub retention: Duration,
    /// Between two looks of the sweep, and how soon a send that was not noted is made again.
    pub sweep: SweepConfig,
}

/// How the sweep paces itself.
#[derive(Clone, Debug)]
pub struct SweepConfig {
    /// Between two looks.
    pub interval: Duration,
    /// From the insert until the sweep sends a job whose send was not noted.
    pub resend: Duration,
}

const CLAIM_SECONDS: Setting = Setting {
    name: "CLAIM_SECONDS",
    default: Some("60"),
    help: "Length of a worker's claim in seconds, 1 to 3600; renewed at a third of it.",
};
const MAX_ATTEMPTS: Setting = Setting {
    name: "MAX_ATTEMPTS",
    default: Some("5"),
    help: "Tries of a job before it fails, 1 to 100.",
};
const RETRY_SECONDS: Setting = Setting {
    name: "RETRY_SECONDS",
    default: Some("5"),
    help: "Wait before the second try of a job in seconds, 0.05 to 300; doubles with each further one, up to 300.",
};
const GIVE_UP_SECONDS: Setting = Setting {
    name: "GIVE_UP_SECONDS",
    default: Some("21600"),
    help: "After how many seconds an assignment fails that is still pending, 1 to 1209600.",
};
const QUEUE_RETENTION_SECONDS: Setting = Setting {
    name: "QUEUE_RETENTION_SECONDS",
    default: Some("345600"),
    help: "How long the queue keeps a message, in seconds, 60 to 1209600 (the queue's MessageRetentionPeriod).",
};
const SWEEP_SECONDS: Setting = Setting {
    name: "SWEEP_SECONDS",
    default: Some("1"),
    help: "Between two looks at what is due, in seconds, 0.05 to 60.",
};
const RESEND_SECONDS: Setting = Setting {
    name: "RESEND_SECONDS",
    default: Some("30"),
    help: "After how many seconds a job is sent again whose send was not noted, 0.1 to 3600.",
};

/// How much earlier than the queue forgets a message the sweep looks at its assignment.
const RETENTION_MARGIN: Duration = Duration::from_secs(600);

impl JobConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[
        CLAIM_SECONDS,
        MAX_ATTEMPTS,
        RETRY_SECONDS,
        GIVE_UP_SECONDS,
        QUEUE_RETENTION_SECONDS,
        SWEEP_SECONDS,
        RESEND_SECONDS,
    ];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        let seconds = Duration::from_secs_f64;
        Self {
            claim: seconds(environment.number(&CLAIM_SECONDS, 1.0..=3600.0)),
            max_attempts: environment.number(&MAX_ATTEMPTS, 1..=100),
            retry: seconds(environment.number(&RETRY_SECONDS, 0.05..=300.0)),
            give_up: seconds(environment.number(&GIVE_UP_SECONDS, 1.0..=1_209_600.0)),
            retention: Duration::from_secs(
                environment.number(&QUEUE_RETENTION_SECONDS, 60..=1_209_600),
            ),
            sweep: SweepConfig {
                interval: seconds(environment.number(&SWEEP_SECONDS, 0.05..=60.0)),
                resend: seconds(environment.number(&RESEND_SECONDS, 0.1..=3600.0)),
            },
        }
    }

    /// How long after a send the queue may be trusted to know the job.
    pub fn trust_in_queue(&self) -> Duration {
        self.retention
            .saturating_sub(RETENTION_MARGIN)
            .max(self.retention / 2)
    }
}

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
const GRACE_SECONDS: Setting = Setting {
    name: "GRACE_SECONDS",
    default: Some("25"),
    help: "Seconds from SIGTERM until the process ends, 1 to 3600; work that is not done is given back before.",
};
/// How a process ends.
#[derive(Clone, Debug)]
pub struct DrainConfig {
    /// From the first signal until the process ends.
    pub grace: Duration,
}

impl DrainConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[GRACE_SECONDS];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        Self {
            grace: Duration::from_secs_f64(environment.number(&GRACE_SECONDS, 1.0..=3600.0)),
        }
    }
}

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
