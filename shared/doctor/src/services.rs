//! Queues and bucket.

use atelier_cloud::error::CloudError;
use atelier_cloud::pictures::Pictures;
use atelier_cloud::queue::{Queue, QueueError, Queues};
use serde_json::Value;

use crate::finding::Finding;

/// A job is received again each time that it waits for a model, a budget or a service, for hours; SQS
/// must not give it up before Atelier does. Terraform's queue has 1000.
const LEAST_RECEIVES: u64 = 100;

/// Reads both queues' attributes.
pub async fn read_queues(queues: &Queues) -> Vec<Finding> {
    let needs = "sqs:GetQueueAttributes";
    vec![
        queue("queue", needs, queues.jobs.depth().await.map(drop)),
        queue(
            "dead-letter queue",
            needs,
            queues.dead_letters.depth().await.map(drop),
        ),
    ]
    .into_iter()
    .chain(redrive(&queues.jobs).await)
    .collect()
}

/// Reads both queues' attributes, and tries whether a message may be hidden and deleted.
pub async fn try_queues(queues: &Queues) -> Vec<Finding> {
    let needs = "sqs:GetQueueAttributes, sqs:ChangeMessageVisibility and sqs:DeleteMessage";
    vec![
        queue("queue", needs, queues.jobs.check().await),
        queue(
            "dead-letter queue",
            needs,
            queues.dead_letters.check().await,
        ),
    ]
    .into_iter()
    .chain(redrive(&queues.jobs).await)
    .collect()
}

fn queue(what: &str, needs: &str, tried: Result<(), QueueError>) -> Finding {
    match tried {
        Ok(()) => Finding::good(what, "it answers, and lets us do what was tried"),
        Err(error @ QueueError::StaleReceipt(_)) => Finding::missing(what, error.to_string()),
        Err(QueueError::Cloud(error)) => {
            let place = "SQS_QUEUE_URL, SQS_DEAD_LETTER_QUEUE_URL and AWS_REGION";
            Finding::missing(what, advised(&error, needs, place))
        }
    }
}

/// What is wrong with the queue's own dead-lettering, if it can be read.
async fn redrive(jobs: &Queue) -> Option<Finding> {
    // A queue that does not answer has a finding already.
    let policy = jobs.redrive_policy().await.ok()?;
    let words = match policy {
        None => {
            "it has no redrive policy: a message that kills its workers comes back until it is 14 days old"
                .to_owned()
        }
        Some(policy) => {
            let most = max_receives(&policy).filter(|most| *most < LEAST_RECEIVES)?;
            format!(
                "SQS gives a message up after {most} receives (maxReceiveCount), but a job that waits \
                 for a model or a budget is received more often; set it to 1000"
            )
        }
    };
    Some(Finding::warning("queue", words))
}

/// SQS shows the number as a number or as text.
fn max_receives(policy: &str) -> Option<u64> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let most = &policy["maxReceiveCount"];
    most.as_u64().or_else(|| most.as_str()?.parse().ok())
}

/// Looks for an object that is not there.
pub async fn read_bucket(pictures: &Pictures) -> Finding {
    bucket(
        "s3:GetObject and s3:ListBucket",
        "it answers",
        pictures.look().await,
    )
}

/// Puts, reads and deletes a small object.
pub async fn try_bucket(pictures: &Pictures) -> Finding {
    bucket(
        "s3:GetObject, s3:ListBucket, s3:PutObject and s3:PutObjectTagging",
        "it takes, shows and deletes an object",
        pictures.probe().await,
    )
}

fn bucket(needs: &str, good: &str, tried: Result<(), CloudError>) -> Finding {
    match tried {
        Ok(()) => Finding::good("bucket", good),
        Err(error) => Finding::missing(
            "bucket",
            advised(&error, needs, "S3_BUCKET_NAME and AWS_REGION"),
        ),
    }
}

/// The error with what to do about it: `needs` are the permissions, `place` the options that say
/// where the service is.
fn advised(error: &CloudError, needs: &str, place: &str) -> String {
    let advice = match error {
        CloudError::Credentials(_) => {
            "Give the process a role (instance profile, task role, service account), or \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY that are valid"
                .to_owned()
        }
        CloudError::Denied(_) => {
            format!("The role needs {needs}; look at the resource's own policy too")
        }
        CloudError::Missing(_) | CloudError::Misconfigured(_) | CloudError::Refused { .. } => {
            format!("Check {place}")
        }
        CloudError::Away(_) => {
            format!("Check {place}, and the network's routes, security groups and endpoints")
        }
        CloudError::Throttled(_) | CloudError::Conflict(_) | CloudError::PreconditionFailed(_) => {
            return error.to_string();
        }
    };
    format!("{error}. {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receives_of_a_policy_are_read_in_both_of_its_forms() {
        assert_eq!(max_receives(r#"{"maxReceiveCount": 5}"#), Some(5));
        assert_eq!(max_receives(r#"{"maxReceiveCount": "1000"}"#), Some(1000));
        assert_eq!(max_receives("{}"), None);
        assert_eq!(max_receives("no JSON"), None);
    }

    #[test]
    fn the_advice_names_what_has_to_change() {
        let words = |error| advised(&error, "s3:GetObject", "S3_BUCKET_NAME");
        assert!(words(CloudError::Denied("403".to_owned())).contains("s3:GetObject"));
        assert!(words(CloudError::Missing("404".to_owned())).contains("S3_BUCKET_NAME"));
        assert!(words(CloudError::Away("timeout".to_owned())).contains("security groups"));
        assert!(words(CloudError::Credentials("none".to_owned())).contains("role"));
    }
}
