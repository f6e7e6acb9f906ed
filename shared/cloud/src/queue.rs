//! The queue: send, receive, change the visibility, delete (SQS).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use hex_simd::AsciiCase;
use sha2::{Digest, Sha256};

use crate::client::{ATTEMPT_TIMEOUT, Aws, CONNECT_TIMEOUT};
use crate::config::QueueConfig;
use crate::error::CloudError;
use atelier_domain::assignment::Assignment;
use atelier_domain::job::Job;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Transition};
use atelier_runtime::config::JobConfig;
use atelier_runtime::telemetry::{span_failed, trace_parent};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

/// The most messages that one receive answers with (SQS's limit).
pub const MAX_RECEIVE: u32 = 10;

/// The longest that a receive waits for a message (SQS's limit).
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// The longest that a message can be hidden, from its receive on (SQS's limit).
pub const MAX_VISIBILITY: Duration = Duration::from_secs(43_200);

/// The shortest time that a receive which may wait takes to come back empty. A proxy or another
/// server may answer at once.
const EMPTY_RECEIVE_FLOOR: Duration = Duration::from_secs(1);

const CORRELATION_ID: &str = "correlation_id";
const TRACE_PARENT: &str = "traceparent";

/// What a call to the queue can fail with.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The message was received again or deleted since: its receipt handle is no longer valid.
    #[error("the receipt handle is stale: {0}")]
    StaleReceipt(String),
    /// The service's or the network's fault.
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

/// Sent along with a job, so that its log lines and spans can be found together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The id in the log lines of all processes.
    pub correlation_id: String,
    /// The W3C trace context of the sender's span, if there is one.
    pub trace_parent: Option<String>,
}

/// Names one delivery of a message; a later delivery of the same message has another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    handle: String,
    received_at: Instant,
}

impl Receipt {
    /// For how long the message can be hidden from now on.
    fn visibility_left(&self) -> Duration {
        // The queue counts whole seconds, from a moment before ours.
        let margin = Duration::from_secs(1);
        MAX_VISIBILITY.saturating_sub(self.received_at.elapsed() + margin)
    }
}

/// A message that was received and is hidden from others for a while.
#[derive(Clone, Debug)]
pub struct Message {
    /// The queue's name for the message.
    pub id: String,
    /// What its visibility is changed by, and what it is deleted by.
    pub receipt: Receipt,
    /// The job, if it is one.
    pub body: String,
    /// Correlation id and trace context.
    pub context: Context,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// How often it was received, this time included.
    pub receives: u32,
}

/// How much lies in a queue; SQS's figures are approximate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Depth {
    /// Waiting to be received.
    pub visible: u64,
    /// Received and hidden.
    pub in_flight: u64,
    /// Sent, but not to be received yet.
    pub delayed: u64,
    /// When the queue was made.
    pub created_at: Timestamp,
}

impl Depth {
    /// All messages, in whatever state.
    pub const fn total(&self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// One queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
    /// Whether the queue refuses message groups, as a server without fair queues does.
    no_groups: Arc<AtomicBool>,
}

/// The queue of the jobs and that of the dead letters.
#[derive(Clone, Debug)]
pub struct Queues {
    /// Jobs to do.
    pub jobs: Queue,
    /// Messages that no worker could read, or that SQS gave up on.
    pub dead_letters: Queue,
}

impl Queues {
    /// Both, as configured; makes no call yet.
    pub fn new(aws: &Aws, config: &QueueConfig) -> Self {
        let client = aws.sqs();
        Self {
            jobs: Queue::new(client.clone(), config.url.clone()),
            dead_letters: Queue::new(client, config.dead_letter_url.clone()),
        }
    }

    /// Moves a received message to the dead letters. If it ends between the two steps, the message
    /// is in both queues, never in none.
    ///
    /// # Errors
    /// Where a step was not done.
    pub async fn dead_letter(&self, message: &Message) -> Result<(), QueueError> {
        self.dead_letters
            .send_body(&message.body, None, &message.context)
            .await?;
        self.jobs.delete(&message.receipt).await
    }

    /// Moves a received dead letter back to the jobs, in the same order of steps.
    ///
    /// # Errors
    /// Where a step was not done.
    pub async fn redrive(&self, message: &Message) -> Result<(), QueueError> {
        self.jobs
            .send_body(&message.body, None, &message.context)
            .await?;
        self.dead_letters.delete(&message.receipt).await
    }
}

impl Queue {
    /// The queue at `url`.
    pub fn new(client: aws_sdk_sqs::Client, url: String) -> Self {
        Self {
            client,
            url,
            no_groups: Arc::default(),
        }
    }

    /// Its name, the last part of its address.
    pub fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// Sends the job of a pending `assignment`. Returns the transition that notes it, for the
    /// caller to apply; without the note the keeper sends once more.
    ///
    /// # Errors
    /// Where the queue did not take it, or it is unclear whether it did.
    pub async fn send_job_of(
        &self,
        assignment: &Assignment,
        config: &JobConfig,
    ) -> Result<Transition, QueueError> {
        let job = Job {
            assignment_id: assignment.assignment_id.clone(),
            round: assignment.round,
        };
        let span = tracing::info_span!(
            "send",
            otel.name = format!("send {}", self.name()),
            otel.kind = "producer",
            messaging.system = "aws_sqs",
        );
        let context = Context {
            correlation_id: assignment.correlation_id.clone(),
            trace_parent: trace_parent(&span),
        };
        let sent = self.send(&job, assignment.teacher_id.as_deref(), &context);
        let sent = sent.instrument(span.clone()).await;
        sent.inspect_err(|error| span_failed(&span, error))?;
        let now = Timestamp::now();
        let wake_at = config.wake_at_after_send(now, assignment.give_up_at);
        Ok(transition::note_sent(assignment.round, now, wake_at))
    }

    /// Sends a job. Jobs of one `teacher` form a message group: a fair queue bounds how long
    /// anybody waits behind the jobs of somebody else.
    ///
    /// # Errors
    /// Where the queue did not take it, or it is unclear whether it did.
    pub async fn send(
        &self,
        job: &Job,
        teacher: Option<&str>,
        context: &Context,
    ) -> Result<(), QueueError> {
        let group = fair_group(teacher.unwrap_or(&job.assignment_id));
        self.send_body(&job.to_body(), Some(group), context).await
    }

    async fn send_body(
        &self,
        body: &str,
        group: Option<String>,
        context: &Context,
    ) -> Result<(), QueueError> {
        let group = group.filter(|_| !self.no_groups.load(Ordering::Relaxed));
        let grouped = group.is_some();
        match self.try_send(body, group, context).await {
            Err(refused @ CloudError::Refused { .. }) if grouped => {
                // Without a group jobs are not shared out fairly, but they are done.
                self.try_send(body, None, context).await?;
                self.no_groups.store(true, Ordering::Relaxed);
                tracing::warn!(%refused, "this queue takes no message groups: sending without");
                Ok(())
            }
            sent => Ok(sent?),
        }
    }

    async fn try_send(
        &self,
        body: &str,
        group: Option<String>,
        context: &Context,
    ) -> Result<(), CloudError> {
        let mut call = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .set_message_group_id(group);
        let attributes = [
            (CORRELATION_ID, Some(&context.correlation_id)),
            (TRACE_PARENT, context.trace_parent.as_ref()),
        ];
        for (name, value) in attributes {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                call = call.message_attributes(name, text_attribute(value));
            }
        }
        call.send().await?;
        Ok(())
    }

    /// Receives up to `max` messages (1 to [`MAX_RECEIVE`]), waiting up to `wait` for the first,
    /// and hides them for `visibility`. Where it may wait, it takes at least
    /// a second to come back empty, whatever the queue does.
    ///
    /// # Errors
    /// Where the queue does not answer, or refuses.
    pub async fn receive(
        &self,
        max: u32,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        let started = Instant::now();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(wait + ATTEMPT_TIMEOUT)
            .build();
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(whole(max.into()))
            .wait_time_seconds(whole(wait.as_secs()))
            .visibility_timeout(whole_seconds(visibility))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .customize()
            .config_override(aws_sdk_sqs::Config::builder().timeout_config(timeouts))
            .send()
            .await
            .map_err(CloudError::from)?;
        let messages = answer.messages.unwrap_or_default();
        if messages.is_empty() {
            sleep_until(started + wait.min(EMPTY_RECEIVE_FLOOR)).await;
        }
        Ok(messages
            .into_iter()
            .filter_map(|message| read_message(message, started))
            .collect())
    }

    /// Hides a received message for `time` from now; zero shows it at once. Where that would be more
    /// than [`MAX_VISIBILITY`] after its receive, until then.
    ///
    /// # Errors
    /// Where the receipt is stale, or the queue does not answer, or refuses.
    pub async fn change_visibility(
        &self,
        receipt: &Receipt,
        time: Duration,
    ) -> Result<(), QueueError> {
        let answer = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(&receipt.handle)
            .visibility_timeout(whole_seconds(time.min(receipt.visibility_left())))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) => {
                let stale = error.as_service_error().is_some_and(|error| {
                    error.is_message_not_inflight()
                        || error.is_receipt_handle_is_invalid()
                        || is_of_a_deleted_message(error)
                });
                Err(sort(stale, error.into()))
            }
        }
    }

    /// Makes received messages visible to every receiver at once. One that cannot be becomes
    /// visible when its visibility timeout ends.
    pub async fn show(&self, messages: &[Message]) {
        for message in messages {
            if let Err(error) = self
                .change_visibility(&message.receipt, Duration::ZERO)
                .await
            {
                tracing::debug!(message = message.id, %error, "visible after its timeout");
            }
        }
    }

    /// Deletes a received message for good.
    ///
    /// # Errors
    /// Where the receipt is stale, or the queue does not answer, or refuses.
    pub async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let answer = self
            .client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(&receipt.handle)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) => {
                let stale = error
                    .as_service_error()
                    .is_some_and(|error| error.is_receipt_handle_is_invalid());
                Err(sort(stale, error.into()))
            }
        }
    }

    /// Tries whether the queue lets us read its attributes, and hide and delete a message, without
    /// one: a receipt that names no message is refused after the permission was looked at. What
    /// cannot be tried without a message: to send and to receive.
    ///
    /// # Errors
    /// Where it does not answer, or refuses.
    pub async fn check(&self) -> Result<(), QueueError> {
        self.depth().await?;
        let no_message = Receipt {
            handle: "no message".to_owned(),
            received_at: Instant::now(),
        };
        for tried in [
            self.change_visibility(&no_message, Duration::ZERO).await,
            self.delete(&no_message).await,
        ] {
            match tried {
                Ok(()) | Err(QueueError::StaleReceipt(_)) => {}
                Err(QueueError::Cloud(CloudError::Refused { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// When SQS itself moves a message to which dead letters, as JSON; `None` where it never does.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
    ///
    /// # Errors
    /// Where the queue does not answer, or refuses.
    pub async fn redrive_policy(&self) -> Result<Option<String>, QueueError> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send()
            .await
            .map_err(CloudError::from)?;
        let mut attributes = answer.attributes.unwrap_or_default();
        Ok(attributes.remove(&QueueAttributeName::RedrivePolicy))
    }

    /// How much lies in the queue.
    ///
    /// # Errors
    /// Where the queue does not answer, or refuses.
    pub async fn depth(&self) -> Result<Depth, QueueError> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesDelayed)
            .attribute_names(QueueAttributeName::CreatedTimestamp)
            .send()
            .await
            .map_err(CloudError::from)?;
        let attributes = answer.attributes.unwrap_or_default();
        let number = |name| {
            attributes
                .get(&name)
                .and_then(|text| text.parse::<f64>().ok())
                .unwrap_or_default()
        };
        Ok(Depth {
            visible: number(QueueAttributeName::ApproximateNumberOfMessages) as u64,
            in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible) as u64,
            delayed: number(QueueAttributeName::ApproximateNumberOfMessagesDelayed) as u64,
            created_at: Timestamp::from_seconds(number(QueueAttributeName::CreatedTimestamp)),
        })
    }
}

fn sort(stale: bool, error: CloudError) -> QueueError {
    if stale {
        QueueError::StaleReceipt(error.to_string())
    } else {
        QueueError::Cloud(error)
    }
}

/// SQS has no error of its own for this, though its documents promise `MessageNotInflight`.
fn is_of_a_deleted_message(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("InvalidParameterValue")
        && error
            .message()
            .is_some_and(|words| words.contains("Message does not exist"))
}

fn text_attribute(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .expect("the data type is set")
}

/// A group's name may be 1 to 128 letters, digits and punctuation; a teacher's may be anything.
fn fair_group(of: &str) -> String {
    hex_simd::encode_to_string(&Sha256::digest(of)[..16], AsciiCase::Lower)
}

fn whole(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// SQS counts whole seconds; part of one must not become zero, which means "visible at once".
fn whole_seconds(time: Duration) -> i32 {
    whole(time.as_millis().div_ceil(1000) as u64)
}

fn read_message(message: aws_sdk_sqs::types::Message, received_at: Instant) -> Option<Message> {
    let attribute = |name: &str| {
        message
            .message_attributes
            .as_ref()?
            .get(name)?
            .string_value
            .clone()
    };
    let system = |name| message.attributes.as_ref()?.get(&name)?.parse::<f64>().ok();
    Some(Message {
        context: Context {
            correlation_id: attribute(CORRELATION_ID).unwrap_or_default(),
            trace_parent: attribute(TRACE_PARENT),
        },
        sent_at: system(MessageSystemAttributeName::SentTimestamp)
            .map(|milliseconds| Timestamp::from_seconds(milliseconds / 1000.0)),
        receives: system(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1.0) as u32,
        id: message.message_id.unwrap_or_default(),
        receipt: Receipt {
            handle: message.receipt_handle?,
            received_at,
        },
        body: message.body.unwrap_or_default(),
    })
}
