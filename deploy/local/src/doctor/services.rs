//! Queues, bucket, models and clock.

use std::time::{Duration, SystemTime};

use atelier_cloud::client::Aws;
use atelier_cloud::config::{BucketConfig, QueueConfig};
use atelier_cloud::pictures::Pictures;
use atelier_cloud::queue::Queues;
use atelier_worker::Config;
use atelier_worker::generate::Models;

use super::report::Finding;
use crate::flags::Role;

/// AWS refuses a request whose time is further off.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html>
const MAX_SKEW: Duration = Duration::from_secs(300);

/// Leases and sweeps compare clocks; they allow for this much.
const GOOD_SKEW: Duration = Duration::from_secs(2);

/// Reads both queues, and tries for a worker whether it may hide and delete a message.
pub(super) async fn queues(aws: &Aws, config: &QueueConfig, role: Option<Role>) -> Vec<Finding> {
    let queues = Queues::new(aws, config);
    let mut findings = Vec::new();
    for (what, queue) in [
        ("queue", &queues.jobs),
        ("dead-letter queue", &queues.dead_letters),
    ] {
        let tried = match role {
            Some(Role::Api) => queue.depth().await.map(drop),
            _ => queue.check().await,
        };
        findings.push(match tried {
            Ok(()) => Finding::good(what, "it answers, and lets us do what was tried"),
            Err(error) => Finding::missing(what, format!("{error}")),
        });
    }
    findings
}

/// Puts, reads and deletes a small object.
pub(super) async fn bucket(aws: &Aws, config: &BucketConfig) -> Finding {
    match Pictures::new(aws, config).probe().await {
        Ok(()) => Finding::good("bucket", "it takes, shows and deletes an object"),
        Err(error) => Finding::missing("bucket", error.to_string()),
    }
}

/// Sends each model a request without a prompt, which it refuses at no cost, and applies the
/// guardrail, if there is one, to one word.
pub(super) async fn models(aws: &Aws, config: &Config) -> Vec<Finding> {
    let models = Models::new(aws, &config.worker);
    let guardrail = models.check_guardrail().await.map(guardrail);
    let tried = models.check().await;
    let some_work = tried.iter().any(|(_, tried)| tried.is_ok());
    let finding = |(id, tried): (String, Result<(), String>)| {
        let what = format!("model {id}");
        match tried {
            Ok(()) => Finding::good(what, "it lets us call it"),
            Err(why) if some_work => Finding::warning(what, format!("{why}. Others are called")),
            Err(why) => Finding::missing(what, why),
        }
    };
    tried.into_iter().map(finding).chain(guardrail).collect()
}

/// Without it no model is called.
fn guardrail((id, tried): (String, Result<(), String>)) -> Finding {
    let what = format!("guardrail {id}");
    match tried {
        Ok(()) => Finding::good(what, "it lets us apply it"),
        Err(why) => Finding::missing(
            what,
            format!(
                "{why}. Check GUARDRAIL_ID, GUARDRAIL_VERSION, BEDROCK_REGION and the permission bedrock:ApplyGuardrail"
            ),
        ),
    }
}

/// Compares our clock with that of the queue's service.
pub(super) async fn clock(config: &Config) -> Finding {
    let what = "clock";
    let theirs = match their_time(&config.queue.url).await {
        Ok(theirs) => theirs,
        Err(error) => {
            return Finding::warning(what, format!("the queue's service does not tell: {error}"));
        }
    };
    let now = SystemTime::now();
    let skew = now
        .duration_since(theirs)
        .or_else(|_| theirs.duration_since(now))
        .unwrap_or_default();
    // Theirs is in whole seconds.
    let words = format!("{} s off the queue's service", skew.as_secs());
    if skew >= MAX_SKEW {
        Finding::missing(
            what,
            format!("{words}: AWS refuses our requests. Is NTP on?"),
        )
    } else if skew > GOOD_SKEW {
        Finding::warning(what, format!("{words}. Is NTP on?"))
    } else {
        Finding::good(what, words)
    }
}

async fn their_time(url: &str) -> anyhow::Result<SystemTime> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let answer = client.head(url).send().await?;
    let date = answer.headers().get("date");
    let date = date.ok_or_else(|| anyhow::anyhow!("its answer has no Date"))?;
    Ok(httpdate::parse_http_date(date.to_str()?)?)
}
