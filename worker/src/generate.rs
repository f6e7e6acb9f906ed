//! Asks a text-to-image model on Bedrock for a picture: the first of an ordered list that lives.

mod amazon;
mod picture;
mod stability;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::config::options::WorkerConfig;

use atelier_cloud::client::Aws;
use atelier_cloud::error::CloudError;
use atelier_runtime::config::ConfigFaults;
use aws_sdk_bedrockruntime::primitives::Blob;
pub use picture::{GenerateError, Original};

/// For how long a model that is gone is not asked again while another lives.
const GONE_FOR: Duration = Duration::from_secs(300);

/// The families that are spoken.
const KNOWN: &str = "amazon.nova-canvas-*, amazon.titan-image-*, stability.*";

/// How a family of models is asked, and how it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Amazon,
    Stability,
}

#[derive(Debug)]
struct Model {
    id: String,
    family: Family,
    gone_until: Mutex<Option<Instant>>,
}

impl Model {
    fn is_gone(&self) -> bool {
        self.gone_until
            .lock()
            .expect("no panic while held")
            .is_some_and(|until| Instant::now() < until)
    }

    fn set_gone(&self, gone: bool) {
        *self.gone_until.lock().expect("no panic while held") =
            gone.then(|| Instant::now() + GONE_FOR);
    }
}

/// The ordered list of models.
#[derive(Debug)]
pub struct Models {
    client: aws_sdk_bedrockruntime::Client,
    models: Vec<Model>,
}

impl Models {
    /// The models with these ids; makes no call yet. Ids of no known family are told, all at once.
    pub fn new(aws: &Aws, ids: &[String], timeout: Duration) -> Result<Self, ConfigFaults> {
        let mut unknown = faults(ids).peekable();
        if unknown.peek().is_some() {
            let name = WorkerConfig::BEDROCK_MODELS.name;
            return Err(ConfigFaults(
                unknown.map(|fault| format!("{name} {fault}")).collect(),
            ));
        }
        let model = |id: &String| {
            Some(Model {
                id: id.clone(),
                family: family(id)?,
                gone_until: Mutex::new(None),
            })
        };
        let (sdk, endpoint) = aws.model_sdk(timeout);
        let mut config = aws_sdk_bedrockruntime::config::Builder::from(&sdk);
        config.set_endpoint_url(endpoint);
        Ok(Self {
            client: aws_sdk_bedrockruntime::Client::from_conf(config.build()),
            models: ids.iter().filter_map(model).collect(),
        })
    }

    /// Ids of all models of the list, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|model| model.id.as_str())
    }

    /// Asks the first model that lives for a picture of `prompt`. `count` is called before each
    /// call to a model; its error ends the matter.
    pub async fn generate<E, F>(
        &self,
        prompt: &str,
        count: impl Fn() -> F,
    ) -> Result<Result<Original, GenerateError>, E>
    where
        F: Future<Output = Result<(), E>>,
    {
        let all_gone = self.models.iter().all(Model::is_gone);
        let mut why = Vec::new();
        for model in &self.models {
            if model.is_gone() && !all_gone {
                continue;
            }
            count().await?;
            match self.ask(model, prompt).await {
                Err(Ask::Gone(cause)) => {
                    if !model.is_gone() {
                        tracing::error!(
                            model = model.id, %cause,
                            "this model is retired or not enabled for this account; the next of BEDROCK_MODELS is asked"
                        );
                    }
                    model.set_gone(true);
                    why.push(format!("{}: {cause}", model.id));
                }
                Err(Ask::Failed(error)) => return Ok(Err(error)),
                Ok(bytes) => {
                    model.set_gone(false);
                    return Ok(Ok(Original {
                        bytes,
                        model: model.id.clone(),
                        cost_usd: list_price_usd(&model.id),
                    }));
                }
            }
        }
        Ok(Err(GenerateError::NoLiveModel(why.join("; "))))
    }

    async fn ask(&self, model: &Model, prompt: &str) -> Result<Vec<u8>, Ask> {
        let request = match model.family {
            Family::Amazon => amazon::request(prompt),
            Family::Stability => stability::request(prompt),
        };
        let answer = self
            .client
            .invoke_model()
            .model_id(&model.id)
            .content_type("application/json")
            .accept("application/json")
            .body(Blob::new(request.to_string()))
            .send()
            .await
            .map_err(|error| {
                // A blocked prompt is a validation error that names content filters.
                let words = error
                    .as_service_error()
                    .filter(|error| error.is_validation_exception())
                    .map(|error| error.to_string());
                sort(words, error.into())
            })?;
        // Decoding megabytes of base64 must not hold up the runtime's other jobs.
        let family = model.family;
        tokio::task::spawn_blocking(move || {
            let body = answer.body.into_inner();
            match family {
                Family::Amazon => amazon::read(&body),
                Family::Stability => stability::read(&body),
            }
        })
        .await
        .unwrap_or_else(|error| Err(GenerateError::Garbage(error.to_string())))
        .map_err(Ask::Failed)
    }
}

/// What one model answered, if no picture.
enum Ask {
    /// It is retired, or not enabled for this account.
    Gone(String),
    /// Another model would answer the same.
    Failed(GenerateError),
}

/// `validation` is the message of a ValidationException, if it was one.
fn sort(validation: Option<String>, error: CloudError) -> Ask {
    if let Some(words) = validation {
        let lower = words.to_lowercase();
        if lower.contains("content filter")
            || lower.contains("content policy")
            || lower.contains("blocked")
        {
            return Ask::Failed(GenerateError::Declined(words));
        }
        if lower.contains("model identifier") || lower.contains("end of its life") {
            return Ask::Gone(words);
        }
    }
    let text = error.to_string();
    match error {
        CloudError::Missing(_) | CloudError::Denied(_) => Ask::Gone(text),
        CloudError::Credentials(_) => Ask::Failed(GenerateError::Credentials(text)),
        CloudError::Throttled(_) => Ask::Failed(GenerateError::Throttled(text)),
        CloudError::Away(_) => Ask::Failed(GenerateError::Away(text)),
        CloudError::Refused(_) => Ask::Failed(GenerateError::Garbage(text)),
    }
}

/// What is wrong with a list of models.
pub(crate) fn faults(ids: &[String]) -> impl Iterator<Item = String> {
    ids.iter()
        .filter(|id| family(id).is_none())
        .map(|id| format!("names `{id}`, which is none of {KNOWN}"))
}

fn family(id: &str) -> Option<Family> {
    // A cross-region inference profile puts the geography first: `us.stability…`.
    let id = ["us.", "eu.", "apac.", "global."]
        .iter()
        .find_map(|geography| id.strip_prefix(geography))
        .unwrap_or(id);
    if id.starts_with("amazon.nova-canvas-") || id.starts_with("amazon.titan-image-") {
        Some(Family::Amazon)
    } else if id.starts_with("stability.") {
        Some(Family::Stability)
    } else {
        None
    }
}

/// Price of one 1024x1024 picture at standard quality, in US dollars.
/// <https://aws.amazon.com/bedrock/pricing/>
fn list_price_usd(id: &str) -> f64 {
    const PRICES: [(&str, f64); 6] = [
        ("stability.stable-image-core", 0.04),
        ("stability.sd3-5-large", 0.08),
        ("stability.stable-image-ultra", 0.14),
        ("amazon.nova-canvas", 0.04),
        ("amazon.titan-image-generator-v2", 0.01),
        ("amazon.titan-image-generator-v1", 0.01),
    ];
    PRICES
        .iter()
        .find(|(model, _)| id.contains(model))
        .map_or(0.0, |(_, price)| *price)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_known_by_the_id_also_behind_a_geography() {
        assert_eq!(family("amazon.nova-canvas-v1:0"), Some(Family::Amazon));
        assert_eq!(
            family("amazon.titan-image-generator-v2:0"),
            Some(Family::Amazon)
        );
        assert_eq!(
            family("us.stability.stable-image-core-v1:1"),
            Some(Family::Stability)
        );
        assert_eq!(family("anthropic.claude"), None);
    }

    #[test]
    fn a_validation_error_is_a_refusal_only_if_it_names_the_filter() {
        let sorted = |words: &str| {
            sort(
                Some(words.to_owned()),
                CloudError::Refused(words.to_owned()),
            )
        };
        assert!(matches!(
            sorted("This request has been blocked by our content filters."),
            Ask::Failed(GenerateError::Declined(_))
        ));
        assert!(matches!(
            sorted("The provided model identifier is invalid."),
            Ask::Gone(_)
        ));
        assert!(matches!(
            sorted("width must be a number"),
            Ask::Failed(GenerateError::Garbage(_))
        ));
    }
}
