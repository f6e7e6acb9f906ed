//! Says how many jobs wait for each worker, for an Auto Scaling group that follows it.
//!
//! SQS's own metric comes once a minute. This one is a line of CloudWatch's embedded metric format
//! in the log, which CloudWatch makes a metric of high resolution of; the collector cannot.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::queue::Queue;
use atelier_domain::heartbeat::SILENCE;
use atelier_domain::timestamp::Timestamp;
use atelier_store::Store;
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::history::SampleError;

/// Between two lines: the shortest period that target tracking knows.
const INTERVAL: Duration = Duration::from_secs(10);

/// The longest that one measurement may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The metric, and where it is. Terraform's policy names the same.
const NAMESPACE: &str = "Atelier";
const METRIC: &str = "BacklogPerWorker";
const DIMENSION: &str = "QueueName";

/// The loop that measures.
#[derive(Debug)]
pub struct BacklogMeter {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) jobs: Queue,
    pub(crate) stop: CancellationToken,
}

impl BacklogMeter {
    /// Of the queue `jobs`, whose workers live by `store`.
    pub fn new(store: Arc<dyn Store>, jobs: Queue, stop: CancellationToken) -> Self {
        Self { store, jobs, stop }
    }

    /// Writes a line to standard error, where the log is, until the process stops.
    pub async fn run(self) {
        loop {
            match timeout(TIMEOUT, self.measure()).await {
                Ok(Ok(waiting)) => {
                    eprintln!("{}", line(self.jobs.name(), waiting, Timestamp::now()))
                }
                Ok(Err(error)) => tracing::debug!(%error, "the backlog was not measured"),
                Err(_) => tracing::debug!("the backlog was not measured in time"),
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Jobs that wait for each worker that lives, or in all where none does.
    async fn measure(&self) -> Result<f64, SampleError> {
        let waiting = self.jobs.depth().await?.visible;
        let workers = self.store.heartbeats(Timestamp::now() - SILENCE).await?;
        Ok(waiting as f64 / workers.len().max(1) as f64)
    }
}

fn line(queue: &str, waiting: f64, now: Timestamp) -> String {
    json!({
        "_aws": {
            "Timestamp": (now.seconds() * 1000.0) as u64,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [[DIMENSION]],
                "Metrics": [{"Name": METRIC, "Unit": "Count", "StorageResolution": 1}],
            }],
        },
        DIMENSION: queue,
        METRIC: waiting,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_document_of_the_embedded_metric_format() {
        let now = Timestamp::from_seconds(1_700_000_000.25);
        let line: serde_json::Value =
            serde_json::from_str(&line("atelier-jobs", 12.5, now)).unwrap();
        let metadata = &line["_aws"];
        assert_eq!(metadata["Timestamp"], 1_700_000_000_250_u64);
        let directive = &metadata["CloudWatchMetrics"][0];
        // What the directive names is at the root of the document.
        let dimension = directive["Dimensions"][0][0].as_str().unwrap();
        assert_eq!(line[dimension], "atelier-jobs");
        let metric = &directive["Metrics"][0];
        assert_eq!(line[metric["Name"].as_str().unwrap()], 12.5);
        assert_eq!(metric["StorageResolution"], 1);
    }

    /// The text that the file of Terraform's gives `name` first.
    fn value_of(name: &str, file: &str) -> String {
        let text = std::fs::read_to_string(file).unwrap();
        let value = text.lines().find_map(|line| {
            let (left, right) = line.split_once('=')?;
            (left.trim() == name).then(|| right.trim().trim_matches('"').to_owned())
        });
        value.unwrap()
    }

    #[test]
    fn terraform_follows_the_same_metric() {
        let terraform = concat!(env!("CARGO_MANIFEST_DIR"), "/../terraform");
        let fleet = format!("{terraform}/fleet.tf");
        assert_eq!(value_of("metric_name", &fleet), METRIC);
        let module = std::fs::read_to_string(format!("{terraform}/modules/ec2-fleet/main.tf"));
        assert!(module.unwrap().contains(&format!("\"{DIMENSION}\"")));
    }
}
