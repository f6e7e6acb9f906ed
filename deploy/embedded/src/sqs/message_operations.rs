//! The operations on messages: send, receive, delete, change the visibility; and their batches.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::account::Hosted;
use super::clock::Millis;
use super::error::Error;
use super::message::{self, Content, Draft, MAX_MESSAGE_BYTES, Wanted};
use super::queue::{Parcel, Receipt};
use super::{Answer, Batch, Input, Sqs, each, within};
use crate::faults::Service;

/// The longest visibility timeout (an SQS limit), in seconds.
const MAX_VISIBILITY: i64 = 43_200;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveInput {
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteInput {
    receipt_handle: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeInput {
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

impl Sqs {
    pub(super) fn send(&self, input: Input) -> Answer {
        let name = input.queue()?;
        let draft: Draft = input.parse()?;
        let now = self.account.clock.now();
        let mut queues = self.account.queues();
        let sent = self.send_one(queues.get(&name)?, draft, now)?;
        Ok(Value::Object(sent))
    }

    pub(super) fn send_batch(&self, input: Input) -> Answer {
        let name = input.queue()?;
        let batch: Batch<Draft> = input.parse()?;
        let now = self.account.clock.now();
        let mut queues = self.account.queues();
        let hosted = queues.get(&name)?;
        let entries = batch.check("SendMessageBatchRequestEntry")?;
        let total = entries.iter().map(|entry| entry.ask.size()).sum();
        if total > MAX_MESSAGE_BYTES {
            return Err(Error::BatchRequestTooLong(total));
        }
        Ok(each(entries, |draft| self.send_one(hosted, draft, now)))
    }

    fn send_one(
        &self,
        hosted: &mut Hosted,
        draft: Draft,
        now: Millis,
    ) -> Result<Map<String, Value>, Error> {
        let delay = match draft.delay_seconds {
            Some(seconds) => within("DelaySeconds", seconds, 0, 900)?,
            None => u64::from(hosted.settings.delay),
        };
        let content: Content = draft.check(now)?;
        let most = hosted.settings.max_message_size;
        if content.size() > most as usize {
            return Err(Error::invalid(
                "MessageBody",
                format!("of {} bytes", content.size()),
                format!("Message must be shorter than {most} bytes."),
            ));
        }
        let sent = content.sent();
        let visible_at = now + delay * 1000;
        hosted.change(now, |queue| {
            queue.put(Parcel::new(content), visible_at, now)
        });
        self.counters.add(Service::Sqs, "sent");
        Ok(sent)
    }

    pub(super) async fn receive(&self, input: Input, duplicate: bool) -> Answer {
        let name = input.queue()?;
        let input: ReceiveInput = input.parse()?;
        let max = input.max_number_of_messages.unwrap_or(1);
        let max = usize::try_from(within("MaxNumberOfMessages", max, 1, 10)?).unwrap_or(1);
        let visibility = match input.visibility_timeout {
            Some(seconds) => Some(within("VisibilityTimeout", seconds, 0, MAX_VISIBILITY)? * 1000),
            None => None,
        };
        let wait = match input.wait_time_seconds {
            Some(seconds) => within("WaitTimeSeconds", seconds, 0, 20)?,
            None => u64::from(self.account.queues().get(&name)?.settings.receive_wait),
        };
        let mut system = input.message_system_attribute_names;
        system.extend(input.attribute_names);
        let wanted = Wanted::new(system, input.message_attribute_names)?;

        let clock = self.account.clock;
        let deadline = clock.now() + wait * 1000;
        let received = loop {
            let wake = self.account.queues().wake(&name)?;
            let woken = wake.notified();
            tokio::pin!(woken);
            // Registered from here on, so that no notification between poll and wait is missed.
            woken.as_mut().enable();
            let now = clock.now();
            let received = self
                .account
                .queues()
                .receive(&name, max, visibility, duplicate, now)?;
            if !received.deliveries.is_empty() || now >= deadline || self.quiet.is_cancelled() {
                break received;
            }
            let alarm = received.next_due.map_or(deadline, |due| due.min(deadline));
            tokio::select! {
                () = woken => {}
                () = self.quiet.cancelled() => {}
                () = tokio::time::sleep_until(clock.instant(alarm)) => {}
            }
        };
        let count = received.deliveries.len();
        self.counters
            .add_many(Service::Sqs, "received", count as u64);
        if count == 0 {
            return Ok(json!({}));
        }
        let messages: Vec<Value> = received
            .deliveries
            .iter()
            .map(|delivery| {
                let handle = handle(received.tag, delivery.receipt);
                message::delivered(&delivery.content, delivery.receives, &handle, &wanted)
            })
            .collect();
        Ok(json!({"Messages": messages}))
    }

    pub(super) fn delete(&self, input: Input) -> Answer {
        let name = input.queue()?;
        let mut queues = self.account.queues();
        let hosted = queues.get(&name)?;
        self.delete_one(hosted, input.parse()?).map(Value::Object)
    }

    pub(super) fn delete_batch(&self, input: Input) -> Answer {
        let name = input.queue()?;
        let mut queues = self.account.queues();
        let hosted = queues.get(&name)?;
        let batch: Batch<DeleteInput> = input.parse()?;
        let entries = batch.check("DeleteMessageBatchRequestEntry")?;
        Ok(each(entries, |entry| self.delete_one(hosted, entry)))
    }

    fn delete_one(
        &self,
        hosted: &mut Hosted,
        input: DeleteInput,
    ) -> Result<Map<String, Value>, Error> {
        let receipt = receipt(hosted.tag, input.receipt_handle)?;
        let now = self.account.clock.now();
        if hosted.change(now, |queue| queue.delete(receipt)) {
            self.counters.add(Service::Sqs, "deleted");
        }
        Ok(Map::new())
    }

    pub(super) fn change_visibility(&self, input: Input) -> Answer {
        let name = input.queue()?;
        let mut queues = self.account.queues();
        let hosted = queues.get(&name)?;
        self.change_one(hosted, input.parse()?).map(Value::Object)
    }

    pub(super) fn change_visibility_batch(&self, input: Input) -> Answer {
        let name = input.queue()?;
        let mut queues = self.account.queues();
        let hosted = queues.get(&name)?;
        let batch: Batch<ChangeInput> = input.parse()?;
        let entries = batch.check("ChangeMessageVisibilityBatchRequestEntry")?;
        Ok(each(entries, |entry| self.change_one(hosted, entry)))
    }

    fn change_one(
        &self,
        hosted: &mut Hosted,
        input: ChangeInput,
    ) -> Result<Map<String, Value>, Error> {
        let seconds = input
            .visibility_timeout
            .ok_or(Error::MissingParameter("VisibilityTimeout"))?;
        let visibility = within("VisibilityTimeout", seconds, 0, MAX_VISIBILITY)? * 1000;
        let receipt = receipt(hosted.tag, input.receipt_handle)?;
        let now = self.account.clock.now();
        hosted.change(now, |queue| {
            queue.change_visibility(receipt, visibility, now)
        })?;
        Ok(Map::new())
    }
}

/// A receipt as receivers see it: the queue's tag, the message and the nonce.
fn handle(tag: u64, receipt: Receipt) -> String {
    let parts = [tag, receipt.message, receipt.nonce].map(u64::to_be_bytes);
    base64_simd::STANDARD.encode_to_string(parts.concat())
}

fn receipt(tag: u64, handle: Option<String>) -> Result<Receipt, Error> {
    let handle = handle
        .filter(|handle| !handle.is_empty())
        .ok_or(Error::MissingParameter("ReceiptHandle"))?;
    let bytes = base64_simd::STANDARD
        .decode_to_vec(handle)
        .map_err(|_| Error::ReceiptHandleIsInvalid)?;
    let (parts, rest) = bytes.as_chunks::<8>();
    match *parts {
        [of, message, nonce] if rest.is_empty() && u64::from_be_bytes(of) == tag => Ok(Receipt {
            message: u64::from_be_bytes(message),
            nonce: u64::from_be_bytes(nonce),
        }),
        _ => Err(Error::ReceiptHandleIsInvalid),
    }
}
