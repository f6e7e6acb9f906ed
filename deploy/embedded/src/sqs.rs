//! SQS over its wire protocol (AWS JSON 1.0): standard queues in memory. The cost of an operation
//! is logarithmic in the queue's depth.

mod account;
mod clock;
mod error;
mod message;
mod message_operations;
mod queue;
mod queue_operations;
mod ready;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use tokio_util::sync::CancellationToken;

use crate::counters::Counters;
use crate::faults::{Fault, Kind};
use crate::signature;
use account::{ACCOUNT_ID, Account};

pub use account::arn;
pub use error::Error;
pub use queue::Depth;

/// The content type of every answer.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
/// Prefix of `x-amz-target`; the operation follows.
const TARGET_PREFIX: &str = "AmazonSQS.";
/// A batch has at most 1 MiB of text, which JSON's escapes make up to six times as long.
const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// The members of an operation's result.
type Answer = Result<Value, Error>;

/// The queues of the embedded cloud; clones share them.
#[derive(Clone, Debug)]
pub struct Sqs {
    account: Arc<Account>,
    endpoint: Arc<str>,
    counters: Counters,
    /// Cancelled when no more messages will be sent.
    quiet: CancellationToken,
}

impl Sqs {
    /// An account without queues, whose queue URLs begin with `endpoint` (`http://HOST:PORT`).
    pub fn new(endpoint: &str, counters: Counters) -> Self {
        Self {
            account: Arc::new(Account::new()),
            endpoint: endpoint.trim_end_matches('/').into(),
            counters,
            quiet: CancellationToken::new(),
        }
    }

    /// From now on long polls end at once, since no more messages are sent.
    pub fn end_long_polls(&self) {
        self.quiet.cancel();
    }

    /// Creates a queue with these attributes (names and texts as in SQS) and returns its URL.
    ///
    /// # Errors
    /// As `CreateQueue`: a bad name or attribute, or a queue of this name that differs.
    pub fn create_queue(&self, name: &str, attributes: &[(&str, &str)]) -> Result<String, Error> {
        let attributes = attributes
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let now = self.account.clock.now();
        self.account
            .queues()
            .create(name, &attributes, BTreeMap::new(), now)?;
        Ok(self.url(name))
    }

    /// The number of messages of all queues in each state.
    pub fn depth(&self) -> Depth {
        let now = self.account.clock.now();
        let mut sum = Depth::default();
        for (_, hosted) in self.account.queues().iter_mut() {
            let depth = hosted.depth(now);
            sum.visible += depth.visible;
            sum.in_flight += depth.in_flight;
            sum.delayed += depth.delayed;
        }
        sum
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT_ID}/{name}", self.endpoint)
    }

    async fn answer(&self, operation: &str, input: Input, fault: Option<Kind>) -> Answer {
        match fault {
            Some(Kind::Throttle) => return Err(Error::RequestThrottled),
            Some(Kind::Denied) => return Err(Error::AccessDenied),
            Some(Kind::Missing) => return Err(Error::QueueDoesNotExist),
            _ => {}
        }
        match operation {
            "CreateQueue" => self.create(input),
            "DeleteQueue" => self.delete_queue(input),
            "ListQueues" => self.list(input),
            "GetQueueUrl" => self.queue_url(input),
            "GetQueueAttributes" => self.attributes(input),
            "SetQueueAttributes" => self.set_attributes(input),
            "PurgeQueue" => self.purge(input),
            "TagQueue" => self.tag(input),
            "UntagQueue" => self.untag(input),
            "ListQueueTags" => self.tags(input),
            "ListDeadLetterSourceQueues" => self.dead_letter_sources(input),
            "SendMessage" => self.send(input),
            "SendMessageBatch" => self.send_batch(input),
            "ReceiveMessage" => {
                let duplicate = matches!(fault, Some(Kind::Duplicate));
                self.receive(input, duplicate).await
            }
            "DeleteMessage" => self.delete(input),
            "DeleteMessageBatch" => self.delete_batch(input),
            "ChangeMessageVisibility" => self.change_visibility(input),
            "ChangeMessageVisibilityBatch" => self.change_visibility_batch(input),
            other => Err(Error::InvalidAction(other.to_owned())),
        }
    }
}

/// SQS at any path of an address.
pub fn router(sqs: Sqs) -> axum::Router {
    axum::Router::new().fallback(serve).with_state(sqs)
}

async fn serve(State(sqs): State<Sqs>, request: Request<Body>) -> Response {
    let mut response = match handle(&sqs, request).await {
        Ok(Value::Object(members)) if members.is_empty() => {
            ([(header::CONTENT_TYPE, CONTENT_TYPE)], "{}").into_response()
        }
        Ok(result) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], result.to_string()).into_response(),
        Err(error) => error.into_response(),
    };
    let id = uuid::Uuid::new_v4().to_string();
    if let Ok(id) = HeaderValue::from_str(&id) {
        let name = HeaderName::from_static("x-amzn-requestid");
        response.headers_mut().insert(name, id);
    }
    response
}

async fn handle(sqs: &Sqs, request: Request<Body>) -> Answer {
    let (head, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, MAX_REQUEST_BYTES)
        .await
        .map_err(|error| Error::Serialization(error.to_string()))?;
    signature::verify(&head, &body)?;
    let target = head
        .headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let operation = target
        .strip_prefix(TARGET_PREFIX)
        .ok_or_else(|| Error::InvalidAction(target.to_owned()))?;
    let fault = head.extensions.get::<Fault>().map(|fault| fault.kind);
    sqs.answer(operation, Input::read(&body)?, fault).await
}

/// The members of a request.
#[derive(Debug)]
struct Input(Map<String, Value>);

impl Input {
    fn read(body: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(body)
            .map(Self)
            .map_err(|error| Error::Serialization(error.to_string()))
    }

    /// The name of the queue that `QueueUrl` points at: the last part of its path.
    fn queue(&self) -> Result<String, Error> {
        let url = self.required("QueueUrl")?;
        match url.trim_end_matches('/').rsplit('/').next() {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => Err(Error::QueueDoesNotExist),
        }
    }

    /// A text that must be there.
    fn required(&self, name: &'static str) -> Result<&str, Error> {
        match self.0.get(name) {
            None | Some(Value::Null) => Err(Error::MissingParameter(name)),
            Some(Value::String(text)) if text.is_empty() => Err(Error::MissingParameter(name)),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(Error::Serialization(format!("{name} must be a string"))),
        }
    }

    /// All members at once.
    fn parse<T: DeserializeOwned>(self) -> Result<T, Error> {
        serde_json::from_value(Value::Object(self.0))
            .map_err(|error| Error::Serialization(error.to_string()))
    }
}

/// A number within the limits of its parameter.
fn within(parameter: &'static str, value: i64, least: i64, most: i64) -> Result<u64, Error> {
    if !(least..=most).contains(&value) {
        let reason = format!("Must be between {least} and {most}, if provided.");
        return Err(Error::invalid(parameter, value, reason));
    }
    Ok(value.unsigned_abs())
}

/// The most entries of a batch (an SQS limit).
const MAX_BATCH: usize = 10;

/// One entry of a batch.
#[derive(Debug, Deserialize)]
struct Entry<T> {
    #[serde(rename = "Id", default)]
    id: String,
    #[serde(flatten)]
    ask: T,
}

/// The entries of a batch.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Batch<T> {
    #[serde(rename = "Entries", default = "Vec::new")]
    entries: Vec<Entry<T>>,
}

impl<T> Batch<T> {
    /// Checks the limits of the batch as a whole; `entry` names its entries in the error.
    fn check(self, entry: &'static str) -> Result<Vec<Entry<T>>, Error> {
        let count = self.entries.len();
        if count == 0 {
            return Err(Error::EmptyBatchRequest(entry));
        }
        if count > MAX_BATCH {
            return Err(Error::TooManyEntriesInBatchRequest(count));
        }
        for (index, Entry { id, .. }) in self.entries.iter().enumerate() {
            let characters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if !(1..=80).contains(&id.len()) || !id.bytes().all(characters) {
                return Err(Error::InvalidBatchEntryId);
            }
            if self.entries[..index].iter().any(|before| before.id == *id) {
                return Err(Error::BatchEntryIdsNotDistinct(id.clone()));
            }
        }
        Ok(self.entries)
    }
}

/// Applies `act` to each entry: one that fails does not fail the others.
fn each<T>(
    entries: Vec<Entry<T>>,
    mut act: impl FnMut(T) -> Result<Map<String, Value>, Error>,
) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for Entry { id, ask } in entries {
        match act(ask) {
            Ok(mut members) => {
                members.insert("Id".into(), json!(id));
                successful.push(Value::Object(members));
            }
            Err(error) => failed.push(json!({
                "Id": id,
                "SenderFault": true,
                "Code": error.code(),
                "Message": error.to_string(),
            })),
        }
    }
    json!({"Successful": successful, "Failed": failed})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Service;

    #[tokio::test]
    async fn every_operation_that_a_fault_can_name_is_served() {
        let sqs = Sqs::new("http://localhost", Counters::default());
        for operation in Service::Sqs.operations() {
            let answer = sqs.answer(operation, Input(Map::new()), None).await;
            assert!(
                !matches!(answer, Err(Error::InvalidAction(_))),
                "{operation}"
            );
        }
    }
}
