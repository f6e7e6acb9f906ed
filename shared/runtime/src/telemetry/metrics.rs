//! Every metric and its fixed name. Terraform's alarms and the dashboard use the same names.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};

/// From the last send of a job to its claim, in seconds.
pub const QUEUE_WAIT: &str = "atelier.queue_wait";
/// Time in a stage of a job in seconds; attribute `stage`: `generate`, `optimize` or `upload`, and
/// after it `variant` or `avif`.
pub const STAGE_DURATION: &str = "atelier.stage_duration";
/// Jobs that ended; attributes `result`: `success`, `failed` or `released`, and `code`.
pub const JOBS: &str = "atelier.jobs";
/// Pictures whose variants and AVIFs were worked on; attribute `result`: `made`, `failed` (the keeper
/// sends for another worker) or `given_up`.
pub const RENDITIONS: &str = "atelier.renditions";
/// Uploads that ended.
pub const S3_UPLOADS: &str = "atelier.s3_uploads";
/// Uploads that failed.
pub const S3_UPLOAD_FAILURES: &str = "atelier.s3_upload_failures";
/// Uploads that met another write to the same object, or an object where none was expected.
pub const S3_UPLOAD_CONFLICTS: &str = "atelier.s3_upload_conflicts";
/// Calls that a model throttled or had no capacity for; attribute `model`.
pub const THROTTLES: &str = "atelier.throttles";
/// Jobs that a worker is working on.
pub const SLOTS_IN_USE: &str = "atelier.slots_in_use";
/// Jobs that a worker takes by its present limit.
pub const SLOTS: &str = "atelier.slots";
/// Things that an operator has to look at; attribute `code`.
pub const ALERTS: &str = "atelier.alerts";
/// Calls to a model; attribute `model`.
pub const MODEL_CALLS: &str = "atelier.model_calls";
/// What the models' pictures cost, in US dollars; attribute `model`.
pub const MODEL_COST: &str = "atelier.model_cost";
/// Prompts that the guardrail declined.
pub const GUARDRAIL_INTERVENTIONS: &str = "atelier.guardrail_interventions";
/// What the fleet's calls to models are charged today, in US dollars; measured by each API.
pub const BUDGET_USED: &str = "atelier.budget_used";
/// What is left of the fleet's budget today, in US dollars; measured by each API.
pub const BUDGET_LEFT: &str = "atelier.budget_left";
/// How long the oldest pending assignment waits by the store, in seconds; 0 where none is pending.
/// Sent all the time, so that a collector that is silent is known to be dead.
pub const OLDEST_PENDING: &str = "atelier.oldest_pending";
/// 1 while a worker is paused by an outage, else 0.
pub const PAUSED: &str = "atelier.paused";
/// 1 while a worker takes no jobs since an operator paused the fleet, else 0. [`PAUSED`] is 0 then
/// unless there is an outage, too.
pub const FLEET_PAUSED: &str = "atelier.fleet_paused";

/// The instruments. Where no collector is configured they do nothing.
#[derive(Debug)]
pub struct Metrics {
    queue_wait: Histogram<f64>,
    stage_duration: Histogram<f64>,
    jobs: Counter<u64>,
    renditions: Counter<u64>,
    /// See [`S3_UPLOADS`].
    pub s3_uploads: Counter<u64>,
    /// See [`S3_UPLOAD_FAILURES`].
    pub s3_upload_failures: Counter<u64>,
    /// See [`S3_UPLOAD_CONFLICTS`].
    pub s3_upload_conflicts: Counter<u64>,
    throttles: Counter<u64>,
    /// See [`SLOTS_IN_USE`].
    pub slots_in_use: Gauge<u64>,
    /// See [`SLOTS`].
    pub slots: Gauge<u64>,
    alerts: Counter<u64>,
    model_calls: Counter<u64>,
    model_cost: Counter<f64>,
    guardrail_interventions: Counter<u64>,
    budget_used: Gauge<f64>,
    budget_left: Gauge<f64>,
    oldest_pending: Gauge<f64>,
    /// See [`PAUSED`].
    pub paused: Gauge<u64>,
    /// See [`FLEET_PAUSED`].
    pub fleet_paused: Gauge<u64>,
}

/// Boundaries for the time of a stage, in seconds.
const STAGE_SECONDS: [f64; 12] = [
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0,
];
/// Boundaries for the wait in the queue, in seconds: from at once to the default of
/// `GIVE_UP_SECONDS`.
const WAIT_SECONDS: [f64; 14] = [
    0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0, 21_600.0,
];

/// The instruments of this process; [`crate::telemetry::start`] must have run before.
pub fn get() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> =
        LazyLock::new(|| Metrics::of(&opentelemetry::global::meter("atelier")));
    &METRICS
}

impl Metrics {
    /// Made by `meter`.
    ///
    /// Units are seconds or none: CloudWatch refuses a unit that it does not know, such as `USD` or
    /// `{job}`, together with the document that it is in.
    pub(super) fn of(meter: &Meter) -> Self {
        let counter = |name, description| {
            let counter = meter.u64_counter(name);
            counter.with_description(description).build()
        };
        let gauge = |name, description| {
            let gauge = meter.u64_gauge(name);
            gauge.with_description(description).build()
        };
        let usd_gauge = |name, description| {
            let gauge = meter.f64_gauge(name);
            gauge.with_description(description).build()
        };
        Self {
            queue_wait: meter
                .f64_histogram(QUEUE_WAIT)
                .with_unit("s")
                .with_description("Time from the last send of a job to its claim.")
                .with_boundaries(WAIT_SECONDS.to_vec())
                .build(),
            stage_duration: meter
                .f64_histogram(STAGE_DURATION)
                .with_unit("s")
                .with_description("Time in a stage of a job: generate, optimize or upload.")
                .with_boundaries(STAGE_SECONDS.to_vec())
                .build(),
            jobs: counter(
                JOBS,
                "Jobs that ended, by result (success, failed, released) and code.",
            ),
            renditions: counter(
                RENDITIONS,
                "Variants and AVIFs of pictures, by what became of them.",
            ),
            s3_uploads: counter(S3_UPLOADS, "Uploads of pictures that ended."),
            s3_upload_failures: counter(S3_UPLOAD_FAILURES, "Uploads of pictures that failed."),
            s3_upload_conflicts: counter(
                S3_UPLOAD_CONFLICTS,
                "Uploads that met another write to the same object, or an object where none was expected.",
            ),
            throttles: counter(
                THROTTLES,
                "Calls that a model throttled or had no capacity for.",
            ),
            slots_in_use: gauge(SLOTS_IN_USE, "Jobs that a worker is working on."),
            slots: gauge(
                SLOTS,
                "Jobs that a worker takes at a time by its present limit.",
            ),
            alerts: counter(ALERTS, "Things that an operator has to look at, by code."),
            model_calls: counter(MODEL_CALLS, "Calls to a model."),
            model_cost: meter
                .f64_counter(MODEL_COST)
                .with_description("What the models' pictures cost, in US dollars.")
                .build(),
            guardrail_interventions: counter(
                GUARDRAIL_INTERVENTIONS,
                "Prompts that the guardrail declined.",
            ),
            budget_used: usd_gauge(
                BUDGET_USED,
                "What the fleet's calls to models are charged today, in US dollars.",
            ),
            budget_left: usd_gauge(
                BUDGET_LEFT,
                "What is left of the fleet's budget today, in US dollars.",
            ),
            oldest_pending: meter
                .f64_gauge(OLDEST_PENDING)
                .with_unit("s")
                .with_description(
                    "Age of the oldest pending assignment by the store, 0 without one.",
                )
                .build(),
            paused: gauge(PAUSED, "1 while a worker is paused by an outage, else 0."),
            fleet_paused: gauge(
                FLEET_PAUSED,
                "1 while an operator has paused the fleet, else 0.",
            ),
        }
    }

    /// A job was claimed `wait` after it was sent.
    pub fn queue_wait(&self, wait: Duration) {
        self.queue_wait.record(wait.as_secs_f64(), &[]);
    }

    /// A stage of a job took `time`.
    pub fn stage(&self, stage: &'static str, time: Duration) {
        self.stage_duration
            .record(time.as_secs_f64(), &[KeyValue::new("stage", stage)]);
    }

    /// The oldest pending assignment has waited for `wait`; zero where none is pending.
    pub fn oldest_pending(&self, wait: Duration) {
        self.oldest_pending.record(wait.as_secs_f64(), &[]);
    }

    /// A job ended.
    pub fn job(&self, result: &'static str, code: &'static str) {
        self.jobs.add(
            1,
            &[KeyValue::new("result", result), KeyValue::new("code", code)],
        );
    }

    /// Work on a picture's variants and AVIFs ended.
    pub fn renditions(&self, result: &'static str) {
        self.renditions.add(1, &[KeyValue::new("result", result)]);
    }

    /// Something needs an operator.
    pub fn alert(&self, code: &'static str) {
        self.alerts.add(1, &[KeyValue::new("code", code)]);
    }

    /// A model is called.
    pub fn model_call(&self, model: &str) {
        self.model_calls.add(1, &of_model(model));
    }

    /// The guardrail declined a prompt.
    pub fn guardrail_intervened(&self) {
        self.guardrail_interventions.add(1, &[]);
    }

    /// A model throttled a call, or had no capacity for it.
    pub fn model_throttled(&self, model: &str) {
        self.throttles.add(1, &of_model(model));
    }

    /// Of the day's budget so much is used and so much is left, in US dollars.
    pub fn budget(&self, used: f64, left: f64) {
        self.budget_used.record(used, &[]);
        self.budget_left.record(left, &[]);
    }

    /// A model made a picture for `usd` US dollars.
    pub fn model_cost(&self, model: &str, usd: f64) {
        self.model_cost.add(usd, &of_model(model));
    }

    /// Gives every instrument a measurement, so that all can be listed.
    #[cfg(test)]
    pub(super) fn record_each(&self) {
        self.queue_wait(Duration::from_secs(1));
        self.stage("generate", Duration::from_secs(1));
        self.oldest_pending(Duration::from_secs(1));
        self.job("success", "generated");
        self.alert("store");
        self.model_call("model");
        self.model_throttled("model");
        self.model_cost("model", 0.04);
        self.guardrail_intervened();
        self.budget(1.0, 2.0);
        self.renditions("made");
        for counter in [
            &self.s3_uploads,
            &self.s3_upload_failures,
            &self.s3_upload_conflicts,
        ] {
            counter.add(1, &[]);
        }
        for gauge in [
            &self.slots,
            &self.slots_in_use,
            &self.paused,
            &self.fleet_paused,
        ] {
            gauge.record(1, &[]);
        }
    }
}

fn of_model(model: &str) -> [KeyValue; 1] {
    [KeyValue::new("model", model.to_owned())]
}
