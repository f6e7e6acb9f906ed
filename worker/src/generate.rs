//! Has a text-to-image model on Bedrock make a picture: the first of an ordered list that takes the
//! prompt and has room.

mod amazon;
mod answer;
mod filter;
pub(crate) mod guardrail;
mod limit;
mod picture;
mod refusal;
mod stability;

use std::sync::Arc;

use crate::budget::Charge;
use crate::config::options::WorkerConfig;

use atelier_cloud::client::Aws;
use atelier_domain::budget::MicroUsd;
use atelier_domain::heartbeat::{MAX_MODELS, ModelLoad};
use atelier_domain::model::{Family, ModelSpec};
use atelier_runtime::telemetry::{metrics, span_failed};
use aws_sdk_bedrockruntime::config::http::HttpResponse;
use aws_sdk_bedrockruntime::error::SdkError;
use aws_sdk_bedrockruntime::operation::invoke_model::{InvokeModelError, InvokeModelOutput};
use aws_sdk_bedrockruntime::primitives::Blob;
use guardrail::Guardrail;
pub use guardrail::GuardrailConfig;
use limit::{Limit, Room};
use picture::{Failed, NoPicture};
pub use picture::{GenerateError, Original};
use tokio::sync::Notify;
use tracing::Instrument as _;

type InvokeError = SdkError<InvokeModelError, HttpResponse>;

#[derive(Debug)]
struct Model {
    spec: ModelSpec,
    limit: Arc<Limit>,
}

/// The ordered list of models.
#[derive(Debug)]
pub struct Models {
    client: aws_sdk_bedrockruntime::Client,
    region: String,
    guardrail: Option<Guardrail>,
    models: Vec<Model>,
    /// Whether the next model is called where the first has no room.
    spill: bool,
    /// Notified when there may be room in a model.
    room: Arc<Notify>,
}

/// What became of one model's turn.
enum Tried {
    Picture(Original),
    /// Another model is not called.
    Failed(GenerateError),
    /// Our own limit is reached: until another call ends.
    Full,
    /// What is left of the budget does not pay for it.
    NoMoney,
    /// The model is overloaded, or its breaker is open.
    Busy(String),
    /// The model takes no such call.
    Refused(Refused, String),
}

/// Ordered by which of them decides where all models refuse.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refused {
    Us,
    Length,
    Unexplained,
}

impl Models {
    /// The models that `config` lists; makes no call yet.
    pub fn new(aws: &Aws, config: &WorkerConfig) -> Self {
        let room = Arc::<Notify>::default();
        let model = |spec: &ModelSpec| Model {
            spec: spec.clone(),
            limit: Limit::new(config.slots, Arc::clone(&room)),
        };
        let models = config.models.iter().map(model).collect();
        let (sdk, endpoint) = aws.model_sdk(config.model_timeout);
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        let mut client = aws_sdk_bedrockruntime::config::Builder::from(&sdk);
        client.set_endpoint_url(endpoint);
        let guardrail = config.guardrail.as_ref();
        Self {
            client: aws_sdk_bedrockruntime::Client::from_conf(client.build()),
            guardrail: guardrail.map(|config| Guardrail::new(aws, config)),
            region,
            models,
            spill: config.spill,
            room,
        }
    }

    /// Ids of all models of the list, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|model| model.spec.id())
    }

    /// How the models are used, in the list's order, for a heartbeat.
    pub(crate) fn loads(&self) -> Vec<ModelLoad> {
        let models = self.models.iter().take(MAX_MODELS);
        models
            .map(|model| model.limit.load(model.spec.id()))
            .collect()
    }

    /// Returns if `prompt` may go to a model: the guardrail lets it pass, or there is none.
    ///
    /// # Errors
    /// Whatever else there is; then no model may be called.
    pub async fn guard(&self, prompt: &str) -> Result<(), GenerateError> {
        match &self.guardrail {
            Some(guardrail) => guardrail.check(prompt).await,
            None => Ok(()),
        }
    }

    /// Tries whether the guardrail, if there is one, lets us apply it: to one word, which costs what
    /// the smallest prompt does. Returns its id with what was found.
    pub async fn check_guardrail(&self) -> Option<(String, Result<(), String>)> {
        let guardrail = self.guardrail.as_ref()?;
        let tried = match guardrail.check("doctor").await {
            Ok(()) | Err(GenerateError::Intervened(_)) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        Some((guardrail.id().to_owned(), tried))
    }

    /// A picture of `prompt` by the first model that takes it, has room and can be paid for; waits
    /// while only our own limits leave none. `pay` is called with the price before each call to a
    /// model; where it says `None` that model is not called.
    ///
    /// # Errors
    /// That of `pay`, after which no call is made; within, why there is no picture.
    pub async fn generate<E, F>(
        &self,
        prompt: &str,
        pay: impl Fn(MicroUsd) -> F,
    ) -> Result<Result<Original, GenerateError>, E>
    where
        F: Future<Output = Result<Option<Charge>, E>>,
    {
        let mut candidates: Vec<&Model> = self.models.iter().collect();
        let mut refusals = Vec::new();
        let mut too_costly = Vec::new();
        loop {
            let room = self.room.notified();
            let mut busy = Vec::new();
            let mut next = 0;
            while let Some(model) = candidates.get(next) {
                if !self.spill && next > 0 {
                    break;
                }
                match self.attempt(model, prompt, &pay).await? {
                    Tried::Picture(original) => return Ok(Ok(original)),
                    Tried::Failed(error) => return Ok(Err(error)),
                    Tried::Full => next += 1,
                    // A model that is only too costly is not passed over without spilling.
                    Tried::NoMoney if !self.spill => {
                        return Ok(Err(GenerateError::UsedUp(model.spec.id().to_owned())));
                    }
                    Tried::NoMoney => {
                        too_costly.push(model.spec.id());
                        candidates.remove(next);
                    }
                    Tried::Busy(why) => {
                        busy.push(format!("{}: {why}", model.spec.id()));
                        next += 1;
                    }
                    Tried::Refused(kind, why) => {
                        refusals.push((kind, format!("{}: {why}", model.spec.id())));
                        candidates.remove(next);
                    }
                }
            }
            if !busy.is_empty() {
                return Ok(Err(GenerateError::Throttled(busy.join("; "))));
            }
            if candidates.is_empty() && !too_costly.is_empty() {
                return Ok(Err(GenerateError::UsedUp(too_costly.join(", "))));
            }
            if candidates.is_empty() {
                return Ok(Err(all_refused(refusals)));
            }
            room.await;
        }
    }

    /// Tries whether each model lets us call it, in the list's order, by a request that it refuses
    /// for what it lacks. That costs nothing.
    pub async fn check(&self) -> Vec<(String, Result<(), String>)> {
        let mut checked = Vec::new();
        for id in self.ids() {
            let tried = match self.invoke(id, "{}").await.map_err(refusal::classify) {
                Err(
                    NoPicture::Model(why)
                    | NoPicture::Credentials(why)
                    | NoPicture::Away(why)
                    | NoPicture::Overloaded(why),
                ) => Err(why),
                Ok(_) | Err(_) => Ok(()),
            };
            checked.push((id.to_owned(), tried));
        }
        checked
    }

    /// Calls `model` if it takes the prompt, has room and can be paid for.
    async fn attempt<E, F>(
        &self,
        model: &Model,
        prompt: &str,
        pay: &impl Fn(MicroUsd) -> F,
    ) -> Result<Tried, E>
    where
        F: Future<Output = Result<Option<Charge>, E>>,
    {
        // A model that refuses us is called only where all do: somebody has to notice the repair.
        let all_refuse = self.models.iter().all(|model| model.limit.is_refused());
        let takes = model.spec.takes(prompt);
        if model.limit.is_refused() && !(all_refuse && takes) {
            let why = "it refused a call within the last minutes".to_owned();
            return Ok(Tried::Refused(Refused::Us, why));
        }
        if !takes {
            let why = format!("it takes {} characters", model.spec.max_prompt_chars);
            return Ok(Tried::Refused(Refused::Length, why));
        }
        let permit = match model.limit.enter(all_refuse) {
            Room::Call(permit) => permit,
            Room::Full => return Ok(Tried::Full),
            Room::Open => return Ok(Tried::Busy("its circuit breaker is open".to_owned())),
        };
        let Some(mut charge) = pay(model.spec.price()).await? else {
            return Ok(Tried::NoMoney);
        };
        metrics::get().model_call(model.spec.id());
        charge.calling();
        let tried = match self.call(model, prompt).await {
            Ok(bytes) => {
                model.limit.answered();
                charge.settle().await;
                model.limit.spend(model.spec.price());
                metrics::get().model_cost(model.spec.id(), model.spec.price_usd);
                Tried::Picture(Original {
                    bytes,
                    model: model.spec.id().to_owned(),
                    cost_usd: model.spec.price_usd,
                })
            }
            Err(Failed { why, may_be_billed }) => {
                match may_be_billed {
                    true => {
                        model.limit.spend(model.spec.price());
                        charge.settle().await;
                    }
                    false => charge.refund().await,
                }
                self.note(model, prompt, why)
            }
        };
        drop(permit);
        Ok(tried)
    }

    /// Notes in the model's limit what it answered.
    fn note(&self, model: &Model, prompt: &str, no_picture: NoPicture) -> Tried {
        let (id, limit) = (model.spec.id(), &model.limit);
        match no_picture {
            NoPicture::Declined(why) => {
                limit.answered();
                Tried::Failed(GenerateError::Declined(why))
            }
            NoPicture::Overloaded(why) => {
                metrics::get().model_throttled(id);
                if limit.overloaded() {
                    tracing::warn!(
                        model = id,
                        cause = why,
                        "overloaded: its circuit breaker opens"
                    );
                }
                Tried::Busy(why)
            }
            NoPicture::TooLong(why) => Tried::Refused(Refused::Length, why),
            NoPicture::Model(why) => self.refused(model, why),
            NoPicture::Unexplained(why) if limit.unexplained(&why, prompt) => {
                self.refused(model, why)
            }
            NoPicture::Unexplained(why) => {
                tracing::warn!(
                    model = id,
                    region = self.region,
                    cause = why,
                    "refused for an unknown reason: the next of BEDROCK_MODELS is called"
                );
                Tried::Refused(Refused::Unexplained, why)
            }
            NoPicture::Away(why) => {
                if limit.no_answer() {
                    tracing::warn!(
                        model = id,
                        cause = why,
                        "no answers: its circuit breaker opens"
                    );
                }
                Tried::Failed(GenerateError::Away(why))
            }
            NoPicture::Credentials(why) => Tried::Failed(GenerateError::Credentials(why)),
            NoPicture::Garbage(why) => Tried::Failed(GenerateError::Garbage(why)),
        }
    }

    /// The model refuses us, whatever the prompt.
    fn refused(&self, model: &Model, why: String) -> Tried {
        if model.limit.refused() {
            tracing::error!(
                alert = true,
                code = "model_refused",
                model = model.spec.id(),
                region = self.region,
                cause = why,
                "this model refuses us: the next of BEDROCK_MODELS is called"
            );
            metrics::get().alert("model_refused");
        }
        Tried::Refused(Refused::Us, why)
    }

    async fn invoke(&self, id: &str, request: &str) -> Result<InvokeModelOutput, InvokeError> {
        self.client
            .invoke_model()
            .model_id(id)
            .content_type("application/json")
            .accept("application/json")
            .body(Blob::new(request))
            .send()
            .await
    }

    async fn call(&self, model: &Model, prompt: &str) -> Result<Vec<u8>, Failed> {
        let request = match model.spec.family {
            Family::Amazon => amazon::request(prompt),
            Family::Stability => stability::request(prompt),
        };
        let id = model.spec.id();
        let span = tracing::info_span!(
            "model",
            model = id,
            otel.name = format!("invoke_model {id}"),
            otel.kind = "client"
        );
        let request = request.to_string();
        let answer = self.invoke(id, &request).instrument(span.clone()).await;
        let answer = answer.map_err(|error| {
            let failed = refusal::failed(error);
            span_failed(&span, &format_args!("{:?}", failed.why));
            failed
        })?;
        // Decoding megabytes of base64 must not hold up the runtime's other jobs.
        let read = tokio::task::spawn_blocking(move || answer::read(answer.body.as_ref())).await;
        // The model did its work, whatever we make of it.
        read.unwrap_or_else(|error| Err(NoPicture::Garbage(error.to_string())))
            .map_err(|why| Failed {
                why,
                may_be_billed: true,
            })
    }
}

/// The error where no model takes the call. An unknown reason decides before a known one, and a
/// model that only wants a shorter prompt before those that refuse us.
fn all_refused(refusals: Vec<(Refused, String)>) -> GenerateError {
    let decides = refusals.iter().map(|(kind, _)| *kind).max();
    let whys: Vec<String> = refusals.into_iter().map(|(_, why)| why).collect();
    let why = whys.join("; ");
    match decides {
        Some(Refused::Unexplained) => GenerateError::Refused(why),
        Some(Refused::Length) => GenerateError::PromptTooLong(why),
        Some(Refused::Us) | None => GenerateError::NoLiveModel(why),
    }
}
