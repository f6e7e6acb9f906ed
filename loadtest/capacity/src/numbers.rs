//! The scaling numbers: the same file that Terraform reads.

use std::path::Path;

use serde::{Deserialize, Serialize};

use atelier_report::files::BadUsage;

/// `terraform/scaling.json`, as far as it concerns the workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// Seconds within which new capacity has to serve (property 27).
    pub scale_out_limit_seconds: f64,
    /// Seconds between two datapoints of a metric.
    pub metric_period_seconds: f64,
    /// Datapoints in a row above the target before a target tracking policy scales out.
    pub scale_out_alarm_periods: u32,
    /// Datapoints in a row below it before it scales in.
    pub scale_in_alarm_periods: u32,
    /// What is different of the metric of high resolution.
    pub high_resolution: HighResolution,
    /// The workers' own.
    pub worker: WorkerNumbers,
    /// What only the manifests for Kubernetes have.
    pub kubernetes: KubernetesNumbers,
}

/// The backlog of a worker as the APIs say it to CloudWatch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HighResolution {
    /// Seconds within which new capacity has to serve.
    pub scale_out_limit_seconds: f64,
    /// Seconds between two datapoints.
    pub metric_period_seconds: f64,
    /// Seconds until CloudWatch shows one: an allowance.
    pub metric_delay_seconds: f64,
}

/// How workers scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerNumbers {
    /// Jobs at once.
    pub slots: u32,
    /// Seconds of a slot's work on one picture.
    pub seconds_per_picture: f64,
    /// Seconds that a job may wait.
    pub acceptable_wait_seconds: f64,
    /// Jobs waiting for one worker that the policy aims at.
    pub backlog_per_worker: f64,
    /// CPU that the policy aims at, in percent.
    pub cpu_percent: f64,
    /// From launch to serving, in seconds.
    pub boot_seconds: f64,
    /// Pause after scaling in before the next time, in seconds.
    pub scale_in_cooldown_seconds: f64,
    /// The least number.
    pub min: u32,
    /// Pictures a minute that the model's quota allows.
    pub model_quota_per_minute: f64,
}

/// How KEDA looks at the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KubernetesNumbers {
    /// Seconds between two looks whether none should become one, or one none (`pollingInterval`).
    pub polling_seconds: f64,
    /// Whether jobs that workers hold count as well (`scaleOnInFlight`).
    pub scale_on_in_flight: bool,
}

/// Where the file lies in the repository.
const PATH: &str = "terraform/scaling.json";
/// The file as it was when this was built.
const BUILT_WITH: &str = include_str!("../../../terraform/scaling.json");

impl Numbers {
    /// Terraform's file where this runs in the repository, else as it was at the build.
    ///
    /// # Errors
    /// As [`Numbers::read`].
    pub fn of_terraform() -> Result<Self, BadUsage> {
        match Path::new(PATH) {
            file if file.exists() => Self::read(file),
            _ => Self::parse(BUILT_WITH).map_err(|error| BadUsage(format!("{PATH}: {error}"))),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`BadUsage`] when it cannot be read, lacks a number or has one that makes no sense.
    pub fn read(path: &Path) -> Result<Self, BadUsage> {
        let named =
            |error: &dyn std::fmt::Display| BadUsage(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
        Self::parse(&text).map_err(|error| named(&error))
    }

    fn parse(text: &str) -> Result<Self, BadUsage> {
        let numbers: Self =
            serde_json::from_str(text).map_err(|error| BadUsage(error.to_string()))?;
        numbers.check()?;
        Ok(numbers)
    }

    /// Every number that divides or waits must be above 0.
    fn check(&self) -> Result<(), BadUsage> {
        let worker = &self.worker;
        for (name, number) in [
            ("metric_period_seconds", self.metric_period_seconds),
            (
                "scale_out_alarm_periods",
                self.scale_out_alarm_periods.into(),
            ),
            ("scale_in_alarm_periods", self.scale_in_alarm_periods.into()),
            (
                "high_resolution.metric_period_seconds",
                self.high_resolution.metric_period_seconds,
            ),
            ("worker.slots", worker.slots.into()),
            ("worker.seconds_per_picture", worker.seconds_per_picture),
            ("worker.backlog_per_worker", worker.backlog_per_worker),
            ("worker.cpu_percent", worker.cpu_percent),
            (
                "worker.model_quota_per_minute",
                worker.model_quota_per_minute,
            ),
            (
                "kubernetes.polling_seconds",
                self.kubernetes.polling_seconds,
            ),
        ] {
            if !(number > 0.0 && number.is_finite()) {
                return Err(BadUsage(format!("{name} must be above 0")));
            }
        }
        Ok(())
    }

    /// Seconds of too little work before anything scales in, on AWS and on Kubernetes.
    pub fn scale_in_after_seconds(&self) -> f64 {
        self.metric_period_seconds * f64::from(self.scale_in_alarm_periods)
    }

    /// The most workers: as many as the model's quota feeds, as Terraform reckons.
    pub fn max_workers(&self) -> u32 {
        let a_minute = f64::from(self.worker.slots) * 60.0 / self.worker.seconds_per_picture;
        let fed = (self.worker.model_quota_per_minute / a_minute).ceil() as u32;
        fed.max(self.worker.min).max(1)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The numbers that Terraform ships with.
    pub(crate) fn shipped() -> Numbers {
        Numbers::parse(BUILT_WITH).unwrap()
    }

    #[test]
    fn terraforms_own_file_is_read() {
        let numbers = shipped();
        let worker = &numbers.worker;
        let within_wait =
            f64::from(worker.slots) * worker.acceptable_wait_seconds / worker.seconds_per_picture;
        assert_eq!(worker.backlog_per_worker, within_wait);
    }

    #[test]
    fn the_quota_is_the_limit_as_in_terraform() {
        let mut numbers = shipped();
        let expect = |numbers: &Numbers, max| assert_eq!(numbers.max_workers(), max);
        expect(&numbers, 2);
        numbers.worker.model_quota_per_minute = 1000.0;
        expect(&numbers, 21);
        numbers.worker.model_quota_per_minute = 1.0;
        expect(&numbers, 1);
    }

    /// The values of the manifest's lines `key: value`, in their order.
    fn manifest(key: &str) -> Vec<&'static str> {
        let text = include_str!("../../../deploy/kubernetes/base/worker.yaml");
        let value = |line: &'static str| {
            let line = line.trim().trim_start_matches("- ");
            Some(
                line.strip_prefix(key)?
                    .strip_prefix(": ")?
                    .trim_matches('"'),
            )
        };
        let triggers = text
            .lines()
            .skip_while(|line| *line != "kind: ScaledObject");
        triggers.filter_map(value).collect()
    }

    #[test]
    fn the_manifest_for_kubernetes_is_what_is_replayed() {
        let numbers = shipped();
        let of = |key: &str| manifest(key).join(" ");
        let text = |number: f64| number.to_string();
        let (worker, kubernetes) = (&numbers.worker, &numbers.kubernetes);
        let patience = text(numbers.scale_in_after_seconds());
        assert_eq!(of("type"), "aws-sqs-queue cpu Pods");
        assert_eq!(of("pollingInterval"), text(kubernetes.polling_seconds));
        assert_eq!(
            of("scaleOnInFlight"),
            kubernetes.scale_on_in_flight.to_string()
        );
        assert_eq!(of("queueLength"), text(worker.backlog_per_worker));
        // Of the CPU trigger, and of the step inward.
        assert_eq!(of("value"), format!("{} 1", worker.cpu_percent));
        assert_eq!(of("periodSeconds"), text(worker.scale_in_cooldown_seconds));
        assert_eq!(of("cooldownPeriod"), patience);
        // Outward, then inward.
        assert_eq!(of("stabilizationWindowSeconds"), format!("0 {patience}"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Numbers::read(Path::new("no/such.json")).unwrap_err();
        assert!(error.0.starts_with("no/such.json: "), "{error}");
    }
}
