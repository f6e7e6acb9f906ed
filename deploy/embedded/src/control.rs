//! The control address: counters, faults to order, and the model's behavior.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::counters::Counters;
use crate::faults::{BadOrder, Faults, Order, Service};
use crate::model::Behavior;
use crate::sqs::Sqs;

/// What the control address shows and changes.
#[derive(Clone, Debug)]
pub struct Control {
    /// The faults in force.
    pub faults: Faults,
    /// What the services have done.
    pub counters: Counters,
    /// The queues, for their depth.
    pub sqs: Sqs,
    /// How the model behaves.
    pub behavior: Behavior,
}

/// `GET /stats`; `PUT`, `GET`, `DELETE /faults`; `PUT`, `GET /temper`; `PUT`, `GET /guardrail`.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/stats", get(stats))
        .route("/faults", get(faults).put(add_fault).delete(end_faults))
        .route("/temper", get(behavior).put(change_behavior))
        .route("/guardrail", get(guardrail).put(change_guardrail))
        .with_state(control)
}

/// Input that cannot be accepted: 400, with the field and its limit in the detail.
#[derive(Debug, thiserror::Error)]
enum BadInput {
    #[error("{0}")]
    Json(#[from] serde_path_to_error::Error<serde_json::Error>),
    #[error("{0}")]
    Order(#[from] BadOrder),
    #[error("{field}: must be from 0 to {most}, but is {value}")]
    Range {
        field: &'static str,
        most: f64,
        value: f64,
    },
    #[error("words: must be 1 to {MAX_WORD_CHARACTERS} letters and digits each, but {0:?} is not")]
    Word(String),
    #[error("words: must be at most {MAX_WORDS}, but there are {0}")]
    Words(usize),
}

impl IntoResponse for BadInput {
    fn into_response(self) -> Response {
        let problem = json!({
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": self.to_string(),
        });
        let headers = [(header::CONTENT_TYPE, "application/problem+json")];
        (StatusCode::BAD_REQUEST, headers, problem.to_string()).into_response()
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadInput> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json)?;
    Ok(value)
}

async fn stats(State(control): State<Control>) -> Json<Value> {
    let of = |service| json!(control.counters.of(service));
    let mut sqs = of(Service::Sqs);
    let depth = control.sqs.depth();
    sqs["visible"] = json!(depth.visible);
    sqs["in_flight"] = json!(depth.in_flight);
    sqs["delayed"] = json!(depth.delayed);
    Json(json!({
        "bedrock": of(Service::Bedrock),
        "s3": of(Service::S3),
        "sqs": sqs,
        "cdn": of(Service::Cdn),
    }))
}

async fn faults(State(control): State<Control>) -> Json<Value> {
    Json(json!({"faults": control.faults.list()}))
}

async fn add_fault(State(control): State<Control>, body: Bytes) -> Result<StatusCode, BadInput> {
    let order: Order = read(&body)?;
    order.check()?;
    control.faults.add(order);
    Ok(StatusCode::NO_CONTENT)
}

async fn end_faults(State(control): State<Control>) -> StatusCode {
    control.faults.clear();
    StatusCode::NO_CONTENT
}

/// What changes about the model; what is absent stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BehaviorChange {
    latency_ms: Option<u64>,
    throttle: Option<f64>,
    failure: Option<f64>,
}

/// The longest latency of the model: an hour.
const MAX_LATENCY_MS: u64 = 3_600_000;

async fn behavior(State(control): State<Control>) -> Json<Value> {
    let settings = control.behavior.get();
    Json(json!({
        "latency_ms": u64::try_from(settings.latency.as_millis()).unwrap_or(u64::MAX),
        "throttle": settings.throttle,
        "failure": settings.failure,
    }))
}

async fn change_behavior(
    State(control): State<Control>,
    body: Bytes,
) -> Result<StatusCode, BadInput> {
    let change: BehaviorChange = read(&body)?;
    let mut settings = control.behavior.get();
    if let Some(latency_ms) = change.latency_ms {
        within("latency_ms", latency_ms as f64, MAX_LATENCY_MS as f64)?;
        settings.latency = Duration::from_millis(latency_ms);
    }
    if let Some(throttle) = change.throttle {
        settings.throttle = within("throttle", throttle, 1.0)?;
    }
    if let Some(failure) = change.failure {
        settings.failure = within("failure", failure, 1.0)?;
    }
    control.behavior.set(settings);
    Ok(StatusCode::NO_CONTENT)
}

/// The words that the guardrail blocks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardedWords {
    words: Vec<String>,
}

/// Bedrock's limits of a guardrail's word filter are of this order.
const MAX_WORDS: usize = 1_000;
const MAX_WORD_CHARACTERS: usize = 100;

async fn guardrail(State(control): State<Control>) -> Json<Value> {
    Json(json!({"words": control.behavior.guarded_words()}))
}

async fn change_guardrail(
    State(control): State<Control>,
    body: Bytes,
) -> Result<StatusCode, BadInput> {
    let GuardedWords { words } = read(&body)?;
    if words.len() > MAX_WORDS {
        return Err(BadInput::Words(words.len()));
    }
    let possible = |word: &String| {
        let length = word.chars().count();
        (1..=MAX_WORD_CHARACTERS).contains(&length) && word.chars().all(char::is_alphanumeric)
    };
    if let Some(word) = words.iter().find(|word| !possible(word)) {
        return Err(BadInput::Word(word.clone()));
    }
    control.behavior.guard(words);
    Ok(StatusCode::NO_CONTENT)
}

fn within(field: &'static str, value: f64, most: f64) -> Result<f64, BadInput> {
    if (0.0..=most).contains(&value) {
        Ok(value)
    } else {
        Err(BadInput::Range { field, most, value })
    }
}
