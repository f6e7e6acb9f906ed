//! Options that are valid each by itself, but do not fit each other.

use atelier_cloud::config::{CloudConfig, QueueConfig};
use atelier_domain::model::{Family, ModelSpec};
use atelier_store::config::StoreConfig;

use crate::finding::Finding;

/// The only region with Stability's text-to-image models when this was written.
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/models-regions.html>
const STABILITY_REGION: &str = "us-west-2";

const WHAT: &str = "options";

/// The options that say where the services are.
#[derive(Clone, Debug)]
pub struct Options {
    /// Region and endpoints.
    pub cloud: CloudConfig,
    /// The queues.
    pub queue: QueueConfig,
    /// The documents.
    pub store: StoreConfig,
    /// The models that this process calls, in order; none for an API.
    pub models: Vec<ModelSpec>,
}

impl Options {
    /// Holds the options against each other; makes no call.
    pub fn examine(&self) -> Vec<Finding> {
        let mut findings = self.queues();
        findings.extend(self.model_region());
        if findings.is_empty() {
            findings.push(Finding::good(WHAT, "they fit each other"));
        }
        findings
    }

    fn queues(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.queue.url == self.queue.dead_letter_url {
            let words = "SQS_QUEUE_URL and SQS_DEAD_LETTER_QUEUE_URL name the same queue: a message \
                that nobody can read would come back for ever";
            findings.push(Finding::missing(WHAT, words));
        }
        for (name, url) in [
            ("SQS_QUEUE_URL", &self.queue.url),
            ("SQS_DEAD_LETTER_QUEUE_URL", &self.queue.dead_letter_url),
        ] {
            if url.ends_with(".fifo") {
                let words = format!("{name} is a FIFO queue; make it a standard queue");
                findings.push(Finding::missing(WHAT, words));
            }
            let region = &self.cloud.region;
            if let Some(other) = region_of(url).filter(|it| it != region) {
                let words = format!(
                    "{name} is in {other}, AWS_REGION is {region}: requests are signed for the wrong region"
                );
                findings.push(Finding::missing(WHAT, words));
            }
        }
        findings
    }

    fn model_region(&self) -> Option<Finding> {
        let region = &self.cloud.model_region;
        let elsewhere = region != STABILITY_REGION && self.cloud.model_endpoint.is_none();
        let needs_it = |it: &&ModelSpec| it.family == Family::Stability;
        let model = self.models.iter().find(needs_it).filter(|_| elsewhere)?;
        let words = format!(
            "BEDROCK_REGION is {region}, but {} is known in {STABILITY_REGION} only; `atelier doctor` tries it",
            model.id()
        );
        Some(Finding::warning(WHAT, words))
    }
}

/// The region in an address such as `https://sqs.us-west-2.amazonaws.com/123456789012/jobs`; `None`
/// for one of another server.
/// <https://docs.aws.amazon.com/general/latest/gr/sqs-service.html>
fn region_of(url: &str) -> Option<&str> {
    let host = url.split("://").nth(1)?.split('/').next()?;
    let (region, domain) = host.strip_prefix("sqs.")?.split_once('.')?;
    matches!(domain, "amazonaws.com" | "amazonaws.com.cn").then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    fn options(changes: &[(&str, &str)]) -> Options {
        let good = [
            ("AWS_REGION", "us-west-2"),
            (
                "SQS_QUEUE_URL",
                "https://sqs.us-west-2.amazonaws.com/1/jobs",
            ),
            (
                "SQS_DEAD_LETTER_QUEUE_URL",
                "https://sqs.us-west-2.amazonaws.com/1/letters",
            ),
            ("STORE_URL", "sqlite:a.db"),
        ];
        let mut environment =
            atelier_runtime::config::Environment::of(good).with(changes.iter().copied());
        let it = &mut environment;
        let models = atelier_runtime::config::ModelsConfig::read(it).models;
        let options = Options {
            cloud: CloudConfig::read(it),
            queue: QueueConfig::read(it),
            store: StoreConfig::read(it),
            models,
        };
        environment.finish(options).unwrap()
    }

    fn found(changes: &[(&str, &str)]) -> Vec<(State, String)> {
        let findings = options(changes).examine();
        findings
            .into_iter()
            .map(|it| (it.state, it.words))
            .collect()
    }

    #[test]
    fn options_that_fit_are_good() {
        let good = (State::Good, "they fit each other".to_owned());
        assert_eq!(found(&[]), std::slice::from_ref(&good));
        // Another server's address has no region.
        let local = [
            ("AWS_REGION", "us-east-1"),
            ("BEDROCK_REGION", "us-west-2"),
            ("SQS_QUEUE_URL", "http://127.0.0.1:9324/1/jobs"),
            (
                "SQS_DEAD_LETTER_QUEUE_URL",
                "http://127.0.0.1:9324/1/letters",
            ),
        ];
        assert_eq!(found(&local), [good]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let same = [(
            "SQS_DEAD_LETTER_QUEUE_URL",
            "https://sqs.us-west-2.amazonaws.com/1/jobs",
        )];
        let fifo = [(
            "SQS_QUEUE_URL",
            "https://sqs.us-west-2.amazonaws.com/1/jobs.fifo",
        )];
        let region = [(
            "SQS_QUEUE_URL",
            "https://sqs.eu-west-1.amazonaws.com/1/jobs",
        )];
        for (changes, words) in [
            (&same[..], "name the same queue"),
            (&fifo, "SQS_QUEUE_URL is a FIFO queue"),
            (
                &region,
                "SQS_QUEUE_URL is in eu-west-1, AWS_REGION is us-west-2",
            ),
        ] {
            let found = found(changes);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].0, State::Missing, "{found:?}");
            assert!(found[0].1.contains(words), "{found:?}");
        }
    }

    #[test]
    fn a_model_in_a_region_that_lacks_it_is_a_warning() {
        let found_in = |changes: &[(&str, &str)]| found(changes)[0].0;
        assert_eq!(found_in(&[("BEDROCK_REGION", "eu-west-1")]), State::Warning);
        let another = [
            ("BEDROCK_REGION", "eu-west-1"),
            ("BEDROCK_MODELS", "amazon.nova-canvas-v1:0"),
        ];
        assert_eq!(found_in(&another), State::Good);
        let elsewhere = [
            ("BEDROCK_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:9000"),
        ];
        assert_eq!(found_in(&elsewhere), State::Good);
    }
}
