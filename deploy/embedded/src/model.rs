//! Text-to-image models as Bedrock's runtime serves them: `POST /model/{modelId}/invoke`, in the
//! request families of Amazon and of Stability, with Bedrock's errors.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html>
//!
//! Some prompts are hooks for tests and demonstrations: `[bomb]` is answered with a small PNG that
//! claims 60,000 x 60,000 pixels, `[big]` with 2048 x 2048 pixels, `[small]` with 128 x 128,
//! `[hang]` not at all for as long as the caller waits, and the words "violence", "gore" and "gory"
//! are declined as a content filter would.
//!
//! ApplyGuardrail is answered too, by a guardrail whose words can be set.

mod amazon;
mod behavior;
mod error;
mod guardrail;
mod order;
mod stability;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Request};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::counters::Counters;
use crate::faults::{Fault, Kind, Service};
use crate::signature;
use order::Order;

pub use behavior::{Behavior, Settings};
use error::{Error, Exception};
pub use guardrail::{GUARDRAIL_ID, GUARDRAIL_VERSION};

/// Requests are a prompt and a few numbers.
const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// Models that answer.
const LIVE: [(&str, Family); 5] = [
    ("stability.stable-image-core-v1:1", Family::Stability),
    ("stability.sd3-5-large-v1:0", Family::Stability),
    ("stability.stable-image-ultra-v1:1", Family::Stability),
    ("amazon.titan-image-generator-v2:0", Family::Amazon),
    ("amazon.nova-canvas-v2:0", Family::Amazon),
];

/// Models that answered once and reached their end of life.
const RETIRED: [&str; 5] = [
    "amazon.nova-canvas-v1:0",
    "amazon.titan-image-generator-v1",
    "stability.sd3-large-v1:0",
    "stability.stable-image-core-v1:0",
    "stability.stable-image-ultra-v1:0",
];

/// The format of a model's requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Amazon,
    Stability,
}

#[derive(Clone)]
struct Model {
    behavior: Behavior,
    counters: Counters,
    /// One permit a core: painting uses the processor.
    painters: Arc<Semaphore>,
    /// Counts the faults and filters that alternate between several forms.
    alternation: Arc<AtomicUsize>,
}

/// Serves the models. The faults throttle, denied, missing, garbage, filtered and retired are
/// answered here, since they have a form of their own on this protocol.
pub fn router(behavior: Behavior, counters: Counters) -> Router {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let model = Model {
        behavior,
        counters,
        painters: Arc::new(Semaphore::new(cores)),
        alternation: Arc::default(),
    };
    Router::new()
        .route("/model/{model_id}/invoke", post(invoke))
        .route(
            "/guardrail/{id}/version/{version}/apply",
            post(apply_guardrail),
        )
        .fallback(|| async {
            Error::new(Exception::UnknownOperation, "The operation is not known.").into_response()
        })
        .with_state(model)
}

async fn invoke(
    State(model): State<Model>,
    Path(model_id): Path<String>,
    request: Request<Body>,
) -> Response {
    match model.answer(&model_id, request).await {
        Ok(json) => {
            let json_type = HeaderValue::from_static("application/json");
            ([(CONTENT_TYPE, json_type)], json).into_response()
        }
        Err(error) => {
            if let Some(operation) = error.exception.counter() {
                model.counters.add(Service::Bedrock, operation);
            }
            error.into_response()
        }
    }
}

async fn apply_guardrail(
    State(model): State<Model>,
    Path((id, version)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    match model.assess(&id, &version, request).await {
        Ok(answer) => answer,
        Err(error) => error.into_response(),
    }
}

/// The head, and the body, whose signature is good.
async fn receive(request: Request<Body>) -> Result<(Parts, Bytes), Error> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_REQUEST_BYTES)
        .await
        .map_err(|_| {
            Error::malformed(&format!(
                "the body is longer than {MAX_REQUEST_BYTES} bytes"
            ))
        })?;
    signature::verify(&parts, &body).map_err(Error::refused)?;
    Ok((parts, body))
}

impl Model {
    async fn assess(
        &self,
        id: &str,
        version: &str,
        request: Request<Body>,
    ) -> Result<Response, Error> {
        let (parts, body) = receive(request).await?;
        self.counters.add(Service::Bedrock, "guardrail_calls");
        let fault = parts.extensions.get::<Fault>().map(|fault| fault.kind);
        if let Some(error) = fault.and_then(guardrail::struck) {
            return Err(error);
        }
        guardrail::find(id, version)?;
        if fault == Some(Kind::Garbage) {
            return Ok(Json(json!({"action": 1})).into_response());
        }
        let words = self.behavior.guarded_words();
        let assessed = guardrail::assess(&body, &words, fault == Some(Kind::Filtered))?;
        if assessed.intervened {
            self.counters
                .add(Service::Bedrock, "guardrail_interventions");
        }
        Ok(assessed.answer.into_response())
    }

    async fn answer(&self, model_id: &str, request: Request<Body>) -> Result<Bytes, Error> {
        let start = Instant::now();
        let (parts, body) = receive(request).await?;
        self.counters.add(Service::Bedrock, "calls");

        let fault = parts.extensions.get::<Fault>().map(|fault| fault.kind);
        if let Some(error) = fault.and_then(struck) {
            return Err(error);
        }
        let family = family(model_id)?;
        let behavior = self.behavior.get();
        self.fail_at_random(&behavior)?;
        let order = match family {
            Family::Amazon => amazon::read(&body)?,
            Family::Stability => stability::read(&body)?,
        };

        if order.prompt.contains("[hang]") {
            std::future::pending::<()>().await;
        }
        let answer = if fault == Some(Kind::Filtered) || is_declined(&order.prompt) {
            self.decline(family, order.seed)
        } else if fault == Some(Kind::Garbage) {
            Ok(self.garbage(family, order.seed))
        } else {
            self.paint(family, order).await
        };
        tokio::time::sleep_until(start + behavior.latency).await;
        answer
    }

    /// Throttles and fails the shares of the calls that `behavior` sets.
    fn fail_at_random(&self, behavior: &Settings) -> Result<(), Error> {
        if fastrand::f64() < behavior.throttle {
            return Err(Error::throttled());
        }
        if fastrand::f64() < behavior.failure {
            return Err(match self.alternate() % 3 {
                0 => Error::new(
                    Exception::ServiceUnavailable,
                    "Bedrock is unable to process your request.",
                ),
                1 => Error::new(
                    Exception::InternalServer,
                    "The system encountered an unexpected error during processing. Try your request again.",
                ),
                _ => Error::new(
                    Exception::ModelTimeout,
                    "Model has timed out in processing the request. Try your request again.",
                ),
            });
        }
        Ok(())
    }

    /// Amazon's models decline alternately the finished picture and the prompt.
    fn decline(&self, family: Family, seed: u64) -> Result<Bytes, Error> {
        self.counters.add(Service::Bedrock, "declined");
        match family {
            Family::Stability => Ok(stability::filtered(seed)),
            Family::Amazon if self.alternate().is_multiple_of(2) => Ok(amazon::filtered()),
            Family::Amazon => Err(Error::new(
                Exception::Validation,
                "This request has been blocked by our content filters.",
            )),
        }
    }

    /// Alternately JSON that is cut off, and bytes that are no picture.
    fn garbage(&self, family: Family, seed: u64) -> Bytes {
        let nothing = wrap(family, seed, &[b"These bytes are no picture.".to_vec()]);
        if self.alternate().is_multiple_of(2) {
            nothing.slice(..nothing.len() / 2)
        } else {
            nothing
        }
    }

    async fn paint(&self, family: Family, order: Order) -> Result<Bytes, Error> {
        let unavailable = |_| Error::new(Exception::InternalServer, "The painter has stopped.");
        let permit = self
            .painters
            .clone()
            .acquire_owned()
            .await
            .map_err(|closed| unavailable(closed.to_string()))?;
        let counters = self.counters.clone();
        let painted = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let pictures: Vec<Vec<u8>> = (0..u64::from(order.count))
                .map(|n| picture(&order, n))
                .collect();
            counters.add_many(Service::Bedrock, "pictures", pictures.len() as u64);
            wrap(family, order.seed, &pictures)
        });
        painted
            .await
            .map_err(|failed| unavailable(failed.to_string()))
    }

    fn alternate(&self) -> usize {
        self.alternation.fetch_add(1, Ordering::Relaxed)
    }
}

/// The error of an ordered fault, whatever the request is.
fn struck(kind: Kind) -> Option<Error> {
    match kind {
        Kind::Throttle => Some(Error::throttled()),
        Kind::Denied => Some(Error::denied()),
        Kind::Missing | Kind::Retired => Some(Error::retired()),
        _ => None,
    }
}

fn family(model_id: &str) -> Result<Family, Error> {
    if let Some((_, family)) = LIVE.iter().find(|(live, _)| *live == model_id) {
        return Ok(*family);
    }
    if RETIRED.contains(&model_id) {
        return Err(Error::retired());
    }
    Err(Error::new(
        Exception::ResourceNotFound,
        "Could not resolve the foundation model from the provided model identifier.",
    ))
}

fn is_declined(prompt: &str) -> bool {
    let lower = prompt.to_lowercase();
    lower
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| matches!(word, "violence" | "gore" | "gory"))
}

fn picture(order: &Order, nth: u64) -> Vec<u8> {
    if order.prompt.contains("[bomb]") {
        return atelier_painter::bomb();
    }
    let (width, height) = if order.prompt.contains("[big]") {
        (2048, 2048)
    } else if order.prompt.contains("[small]") {
        (128, 128)
    } else {
        (order.width, order.height)
    };
    atelier_painter::png(&order.prompt, order.seed.wrapping_add(nth), width, height)
}

fn wrap(family: Family, seed: u64, pictures: &[Vec<u8>]) -> Bytes {
    match family {
        Family::Amazon => amazon::answer(pictures),
        Family::Stability => stability::answer(seed, pictures),
    }
}
