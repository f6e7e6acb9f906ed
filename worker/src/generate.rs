//! Has a text-to-image model on Bedrock make a picture: the first of an ordered list that takes the
//! prompt and has room.

mod amazon;
mod answer;
mod filter;
mod limit;
mod picture;
mod refusal;
pub(crate) mod spec;
mod stability;

use std::sync::Arc;

use crate::config::options::WorkerConfig;

use atelier_cloud::client::Aws;
use atelier_runtime::telemetry::metrics;
use aws_sdk_bedrockruntime::config::http::HttpResponse;
use aws_sdk_bedrockruntime::error::SdkError;
use aws_sdk_bedrockruntime::operation::invoke_model::{InvokeModelError, InvokeModelOutput};
use aws_sdk_bedrockruntime::primitives::Blob;
use limit::{Limit, Room};
use picture::NoPicture;
pub use picture::{GenerateError, Original};
use spec::Family;
pub use spec::ModelSpec;
use tokio::sync::Notify;

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
        Self {
            client: aws_sdk_bedrockruntime::Client::from_conf(client.build()),
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

    /// A picture of `prompt` by the first model that takes it and has room; waits while only our
    /// own limits leave none. `count` is called before each call to a model.
    ///
    /// # Errors
    /// That of `count`, after which no call is made; within, why there is no picture.
    pub async fn generate<E, F>(
        &self,
        prompt: &str,
        count: impl Fn() -> F,
    ) -> Result<Result<Original, GenerateError>, E>
    where
        F: Future<Output = Result<(), E>>,
    {
        let mut candidates: Vec<&Model> = self.models.iter().collect();
        let mut refusals = Vec::new();
        loop {
            let room = self.room.notified();
            let mut busy = Vec::new();
            let mut next = 0;
            while let Some(model) = candidates.get(next) {
                if !self.spill && next > 0 {
                    break;
                }
                match self.attempt(model, prompt, &count).await? {
                    Tried::Picture(original) => return Ok(Ok(original)),
                    Tried::Failed(error) => return Ok(Err(error)),
                    Tried::Full => next += 1,
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

    /// Calls `model` if it takes the prompt and has room.
    async fn attempt<E, F>(
        &self,
        model: &Model,
        prompt: &str,
        count: &impl Fn() -> F,
    ) -> Result<Tried, E>
    where
        F: Future<Output = Result<(), E>>,
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
        count().await?;
        metrics::get().model_call(model.spec.id());
        let tried = match self.call(model, prompt).await {
            Ok(bytes) => {
                model.limit.answered();
                metrics::get().model_cost(model.spec.id(), model.spec.price_usd);
                Tried::Picture(Original {
                    bytes,
                    model: model.spec.id().to_owned(),
                    cost_usd: model.spec.price_usd,
                })
            }
            Err(no_picture) => self.note(model, prompt, no_picture),
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

    async fn call(&self, model: &Model, prompt: &str) -> Result<Vec<u8>, NoPicture> {
        let request = match model.spec.family {
            Family::Amazon => amazon::request(prompt),
            Family::Stability => stability::request(prompt),
        };
        let answer = self
            .invoke(model.spec.id(), &request.to_string())
            .await
            .map_err(refusal::classify)?;
        // Decoding megabytes of base64 must not hold up the runtime's other jobs.
        tokio::task::spawn_blocking(move || answer::read(answer.body.as_ref()))
            .await
            .unwrap_or_else(|error| Err(NoPicture::Garbage(error.to_string())))
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
