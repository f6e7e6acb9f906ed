//! Bedrock's guardrail: it sees a prompt before any model does.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html>

use atelier_cloud::client::{ATTEMPT_TIMEOUT, Aws};
use atelier_cloud::error::CloudError;
use atelier_runtime::telemetry::metrics;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::operation::apply_guardrail::ApplyGuardrailOutput;
use aws_sdk_bedrockruntime::types::{
    GuardrailAction, GuardrailContentBlock, GuardrailContentSource, GuardrailTextBlock,
};

use super::picture::GenerateError;

/// The guardrail that is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardrailConfig {
    /// Its id or ARN.
    pub id: String,
    /// A number, or `DRAFT`.
    pub version: String,
}

impl GuardrailConfig {
    /// Whether `text` may be `guardrailIdentifier`.
    pub(crate) fn is_id(text: &str) -> bool {
        let is_name = |name: &str| {
            let of_an_id = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
            !name.is_empty() && name.bytes().all(of_an_id)
        };
        match text.splitn(6, ':').collect::<Vec<_>>()[..] {
            [name] => is_name(name),
            ["arn", partition, "bedrock", _, _, resource] => {
                partition.starts_with("aws")
                    && resource.strip_prefix("guardrail/").is_some_and(is_name)
            }
            _ => false,
        }
    }

    /// Whether `text` may be `guardrailVersion`.
    pub(crate) fn is_version(text: &str) -> bool {
        let is_number = (1..=8).contains(&text.len())
            && !text.starts_with('0')
            && text.bytes().all(|it| it.is_ascii_digit());
        is_number || text == "DRAFT"
    }
}

/// A guardrail, as it is called.
#[derive(Debug)]
pub(super) struct Guardrail {
    client: Client,
    config: GuardrailConfig,
}

impl Guardrail {
    /// As configured; makes no call yet. It answers as quickly as a queue, not as a model.
    pub(super) fn new(aws: &Aws, config: &GuardrailConfig) -> Self {
        let (sdk, endpoint) = aws.model_sdk(ATTEMPT_TIMEOUT);
        let mut client = aws_sdk_bedrockruntime::config::Builder::from(&sdk);
        client.set_endpoint_url(endpoint);
        Self {
            client: Client::from_conf(client.build()),
            config: config.clone(),
        }
    }

    /// Its id or ARN.
    pub(super) fn id(&self) -> &str {
        &self.config.id
    }

    /// Returns if the guardrail lets `prompt` pass. An answer that masks a part of it counts as
    /// declined: a picture of other words is not what the teacher asked for.
    ///
    /// # Errors
    /// Whatever else there is, so that no model is called: the guardrail intervened, cannot be
    /// applied, or did not answer.
    pub(super) async fn check(&self, prompt: &str) -> Result<(), GenerateError> {
        let answer = self.apply(prompt).await.map_err(error)?;
        match answer.action() {
            GuardrailAction::None => Ok(()),
            GuardrailAction::GuardrailIntervened => {
                let policies = policies(&answer).join(", ");
                metrics::get().guardrail_intervened();
                tracing::info!(
                    guardrail = self.id(),
                    policies,
                    "the guardrail declined a prompt"
                );
                Err(GenerateError::Intervened(policies))
            }
            other => Err(GenerateError::Garbage(format!(
                "the guardrail's action is `{}`",
                other.as_str()
            ))),
        }
    }

    async fn apply(&self, prompt: &str) -> Result<ApplyGuardrailOutput, CloudError> {
        let text = GuardrailTextBlock::builder().text(prompt).build();
        let text = text.map_err(|error| CloudError::Misconfigured(error.to_string()))?;
        let answer = self
            .client
            .apply_guardrail()
            .guardrail_identifier(&self.config.id)
            .guardrail_version(&self.config.version)
            .source(GuardrailContentSource::Input)
            .content(GuardrailContentBlock::Text(text))
            .send()
            .await;
        answer.map_err(CloudError::from)
    }
}

/// The policies that found something. What they found is the prompt's, and never leaves this.
fn policies(answer: &ApplyGuardrailOutput) -> Vec<&'static str> {
    let found = |name, is_in: fn(&aws_sdk_bedrockruntime::types::GuardrailAssessment) -> bool| {
        answer.assessments().iter().any(is_in).then_some(name)
    };
    [
        found("topics", |it| it.topic_policy().is_some()),
        found("content", |it| it.content_policy().is_some()),
        found("words", |it| it.word_policy().is_some()),
        found("sensitive information", |it| {
            it.sensitive_information_policy().is_some()
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a call without an answer means. A guardrail that is missing, denied or invalid is so for
/// every prompt.
fn error(error: CloudError) -> GenerateError {
    let words = format!("guardrail: {error}");
    match error {
        CloudError::Credentials(_) => GenerateError::Credentials(words),
        CloudError::Throttled(_) => GenerateError::Throttled(words),
        CloudError::Away(_) => GenerateError::Away(words),
        CloudError::Denied(_) | CloudError::Missing(_) | CloudError::Misconfigured(_) => {
            GenerateError::NoGuardrail(words)
        }
        CloudError::Refused { code, .. } if code.contains("ValidationException") => {
            GenerateError::NoGuardrail(words)
        }
        CloudError::Conflict(_)
        | CloudError::PreconditionFailed(_)
        | CloudError::Refused { .. } => GenerateError::Refused(words),
    }
}
