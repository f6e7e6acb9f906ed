//! The operations on queues: create, look up, set, purge, delete.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::account::{Hosted, arn};
use super::clock::Millis;
use super::error::Error;
use super::queue::Queue;
use super::settings::Settings;
use super::{Answer, Input, Sqs, within};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateInput {
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default, rename = "tags")]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetInput {
    attributes: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributesInput {
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    #[serde(default)]
    queue_name_prefix: String,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagInput {
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

impl Sqs {
    pub(super) fn create(&self, input: Input) -> Answer {
        let name = input.required("QueueName")?.to_owned();
        let input: CreateInput = input.parse()?;
        let now = self.account.clock.now();
        self.account
            .queues()
            .create(&name, &input.attributes, input.labels, now)?;
        Ok(json!({"QueueUrl": self.url(&name)}))
    }

    pub(super) fn delete_queue(&self, input: Input) -> Answer {
        self.account.queues().delete(&input.queue()?)?;
        Ok(json!({}))
    }

    pub(super) fn list(&self, input: Input) -> Answer {
        let input: ListInput = input.parse()?;
        let mut queues = self.account.queues();
        let names = queues
            .iter_mut()
            .map(|(name, _)| name.as_str())
            .filter(|name| name.starts_with(&input.queue_name_prefix));
        let (urls, next) = self.page(names, input.max_results, input.next_token)?;
        Ok(paged("QueueUrls", urls, next))
    }

    pub(super) fn queue_url(&self, input: Input) -> Answer {
        let name = input.required("QueueName")?;
        self.account.queues().get(name)?;
        Ok(json!({"QueueUrl": self.url(name)}))
    }

    pub(super) fn attributes(&self, input: Input) -> Answer {
        let name = input.queue()?;
        let input: AttributesInput = input.parse()?;
        let now = self.account.clock.now();
        let mut queues = self.account.queues();
        let hosted = queues.get(&name)?;
        let known = known_attributes(&name, hosted, now)?;
        let mut found = Map::new();
        for wanted in &input.attribute_names {
            if wanted == "All" {
                found.extend(known.clone());
            } else if let Some(value) = known.get(wanted) {
                found.insert(wanted.clone(), value.clone());
            } else {
                // Not set, or not an attribute at all: the latter is an error.
                hosted.settings.get(wanted)?;
            }
        }
        if found.is_empty() {
            return Ok(json!({}));
        }
        Ok(json!({"Attributes": found}))
    }

    pub(super) fn set_attributes(&self, input: Input) -> Answer {
        let name = input.queue()?;
        let input: SetInput = input.parse()?;
        let attributes = input
            .attributes
            .ok_or(Error::MissingParameter("Attributes"))?;
        let now = self.account.clock.now();
        self.account.queues().set(&name, &attributes, now)?;
        Ok(json!({}))
    }

    pub(super) fn purge(&self, input: Input) -> Answer {
        let now = self.account.clock.now();
        let mut queues = self.account.queues();
        queues.get(&input.queue()?)?.change(now, Queue::purge);
        Ok(json!({}))
    }

    pub(super) fn tag(&self, input: Input) -> Answer {
        let name = input.queue()?;
        let input: TagInput = input.parse()?;
        self.account.queues().get(&name)?.labels.extend(input.tags);
        Ok(json!({}))
    }

    pub(super) fn untag(&self, input: Input) -> Answer {
        let name = input.queue()?;
        let input: TagInput = input.parse()?;
        let mut queues = self.account.queues();
        let labels = &mut queues.get(&name)?.labels;
        labels.retain(|label, _| !input.tag_keys.contains(label));
        Ok(json!({}))
    }

    pub(super) fn tags(&self, input: Input) -> Answer {
        let mut queues = self.account.queues();
        let labels = &queues.get(&input.queue()?)?.labels;
        Ok(json!({"Tags": labels}))
    }

    pub(super) fn dead_letter_sources(&self, input: Input) -> Answer {
        let name = input.queue()?;
        let input: ListInput = input.parse()?;
        let mut queues = self.account.queues();
        queues.get(&name)?;
        let names = queues.sources_of(&arn(&name)).into_iter();
        let (urls, next) = self.page(names, input.max_results, input.next_token)?;
        // The only list of SQS whose name begins in lower case.
        Ok(paged("queueUrls", urls, next))
    }

    /// The URLs of one page of `names`, which are in order, and the token of the next page.
    fn page<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        max: Option<i64>,
        after: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), Error> {
        let max = within("MaxResults", max.unwrap_or(1000), 1, 1000)?;
        let max = usize::try_from(max).unwrap_or(1000);
        let names: Vec<&str> = names
            .filter(|name| after.as_deref().is_none_or(|after| *name > after))
            .take(max + 1)
            .collect();
        let next = (names.len() > max).then(|| names[max - 1].to_owned());
        let urls = names.iter().take(max).map(|name| self.url(name)).collect();
        Ok((urls, next))
    }
}

fn paged(member: &str, urls: Vec<String>, next: Option<String>) -> Value {
    match next {
        Some(next) => json!({member: urls, "NextToken": next}),
        None => json!({member: urls}),
    }
}

fn known_attributes(
    name: &str,
    hosted: &mut Hosted,
    now: Millis,
) -> Result<Map<String, Value>, Error> {
    let depth = hosted.depth(now);
    let mut known = Map::new();
    let mut set = |name: &str, value: String| known.insert(name.to_owned(), json!(value));
    set("QueueArn", arn(name));
    set("ApproximateNumberOfMessages", depth.visible.to_string());
    set(
        "ApproximateNumberOfMessagesNotVisible",
        depth.in_flight.to_string(),
    );
    set(
        "ApproximateNumberOfMessagesDelayed",
        depth.delayed.to_string(),
    );
    set("CreatedTimestamp", (hosted.created_at / 1000).to_string());
    set(
        "LastModifiedTimestamp",
        (hosted.modified_at / 1000).to_string(),
    );
    for name in Settings::names() {
        if let Some(value) = hosted.settings.get(name)? {
            set(name, value);
        }
    }
    Ok(known)
}
