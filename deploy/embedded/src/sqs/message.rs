//! A message: its limits, its checksums, and its form on the wire.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::clock::Millis;
use super::error::Error;

/// The longest message, its attributes included, in bytes (an SQS limit since August 2025).
pub(super) const MAX_MESSAGE_BYTES: usize = 1_048_576;
/// The most attributes of a message (an SQS limit).
const MAX_ATTRIBUTES: usize = 10;
/// Who sent every message: the embedded cloud has one user.
const SENDER_ID: &str = "AIDATEST";
/// The one attribute that a sender may set among those of the system.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// What never changes about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// The id that senders and receivers see.
    pub message_id: String,
    /// The text.
    pub body: String,
    /// The sender's attributes, in the order of their names. A map would take a kilobyte for two.
    pub attributes: Box<[(String, Attribute)]>,
    /// The group of the message in fair delivery.
    pub group: Option<String>,
    /// The X-Ray trace that the sender was in.
    pub trace: Option<Attribute>,
    /// When it was sent.
    pub sent_at: Millis,
    /// ARN of the queue that it came from, for a dead letter.
    pub dead_letter_of: Option<String>,
}

/// The value of a message attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    data_type: String,
    value: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bytes {
    Text(String),
    Binary(Vec<u8>),
}

/// An attribute as it comes over the wire.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RawAttribute {
    data_type: Option<String>,
    string_value: Option<String>,
    binary_value: Option<String>,
}

/// A message as it is sent: one request, or one entry of a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Draft {
    message_body: Option<String>,
    /// Seconds until it can be received; the queue's setting if absent.
    pub delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: BTreeMap<String, RawAttribute>,
    #[serde(default)]
    message_system_attributes: BTreeMap<String, RawAttribute>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

impl Draft {
    /// The length that the limit of a batch is about: body and attributes, in bytes.
    pub(super) fn size(&self) -> usize {
        let attributes: usize = self
            .message_attributes
            .iter()
            .map(|(name, attribute)| name.len() + attribute.size())
            .sum();
        self.message_body.as_ref().map_or(0, String::len) + attributes
    }

    /// The message, if it keeps every limit that does not depend on the queue.
    ///
    /// # Errors
    /// The first limit that it does not keep.
    pub(super) fn check(self, sent_at: Millis) -> Result<Content, Error> {
        let body = self
            .message_body
            .filter(|body| !body.is_empty())
            .ok_or(Error::MissingParameter("MessageBody"))?;
        if !body.chars().all(allowed) {
            return Err(Error::InvalidMessageContents);
        }
        if let Some(id) = self.message_deduplication_id {
            return Err(Error::invalid(
                "MessageDeduplicationId",
                id,
                "The request includes a parameter that is not valid for this queue type.",
            ));
        }
        if let Some(group) = &self.message_group_id
            && !valid_group(group)
        {
            return Err(Error::invalid(
                "MessageGroupId",
                group,
                "MessageGroupId can only include alphanumeric and punctuation characters. \
                 1 to 128 in length.",
            ));
        }
        Ok(Content {
            message_id: uuid::Uuid::new_v4().to_string(),
            body,
            attributes: check_attributes(self.message_attributes)?,
            group: self.message_group_id,
            trace: check_system_attributes(self.message_system_attributes)?,
            sent_at,
            dead_letter_of: None,
        })
    }
}

fn valid_group(group: &str) -> bool {
    (1..=128).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_graphic())
}

/// XML 1.0's characters, which are all that SQS takes.
fn allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn check_attributes(
    raw: BTreeMap<String, RawAttribute>,
) -> Result<Box<[(String, Attribute)]>, Error> {
    if raw.len() > MAX_ATTRIBUTES {
        return Err(Error::invalid(
            "MessageAttributes",
            raw.len(),
            format!("At most {MAX_ATTRIBUTES} attributes per message."),
        ));
    }
    raw.into_iter()
        .map(|(name, attribute)| {
            if !valid_name(&name) {
                return Err(Error::invalid(
                    "MessageAttributes",
                    name,
                    "An attribute name is 1 to 256 of A-Z a-z 0-9 _ - and single inner periods, \
                     and does not start with AWS. or Amazon.",
                ));
            }
            let attribute = attribute.check(&name)?;
            Ok((name, attribute))
        })
        .collect()
}

fn valid_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (1..=256).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
}

fn check_system_attributes(
    raw: BTreeMap<String, RawAttribute>,
) -> Result<Option<Attribute>, Error> {
    let mut trace = None;
    for (name, attribute) in raw {
        if name != TRACE_HEADER {
            return Err(Error::invalid(
                "MessageSystemAttributes",
                name,
                "The only system attribute that can be sent is AWSTraceHeader.",
            ));
        }
        trace = Some(attribute.check(&name)?);
    }
    Ok(trace)
}

impl RawAttribute {
    fn size(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        // Base64 has four characters for three bytes.
        length(&self.data_type) + length(&self.string_value) + length(&self.binary_value) / 4 * 3
    }

    fn check(self, name: &str) -> Result<Attribute, Error> {
        let fail = |reason: &str| Error::invalid("MessageAttributes", name, reason);
        let data_type = self
            .data_type
            .ok_or_else(|| fail("The attribute must contain a DataType."))?;
        let value = match data_type.split('.').next() {
            Some("String" | "Number") => self
                .string_value
                .filter(|value| !value.is_empty())
                .filter(|value| value.chars().all(allowed))
                .map(Bytes::Text)
                .ok_or_else(|| fail("The attribute must contain a non-empty StringValue."))?,
            Some("Binary") => self
                .binary_value
                .and_then(|value| base64_simd::STANDARD.decode_to_vec(value).ok())
                .filter(|value| !value.is_empty())
                .map(Bytes::Binary)
                .ok_or_else(|| fail("The attribute must contain a non-empty BinaryValue."))?,
            _ => {
                return Err(fail(
                    "The DataType must start with String, Number or Binary.",
                ));
            }
        };
        if let ("Number", Bytes::Text(text)) = (data_type.as_str(), &value)
            && text.parse::<f64>().is_err()
        {
            return Err(fail(
                "The value of an attribute of type Number must be a number.",
            ));
        }
        Ok(Attribute { data_type, value })
    }
}

impl Attribute {
    fn bytes(&self) -> &[u8] {
        match &self.value {
            Bytes::Text(text) => text.as_bytes(),
            Bytes::Binary(bytes) => bytes,
        }
    }

    fn to_json(&self) -> Value {
        match &self.value {
            Bytes::Text(text) => json!({"DataType": self.data_type, "StringValue": text}),
            Bytes::Binary(bytes) => json!({
                "DataType": self.data_type,
                "BinaryValue": base64_simd::STANDARD.encode_to_string(bytes),
            }),
        }
    }
}

impl Content {
    /// The length that SQS's limits are about: body and attributes, in bytes.
    pub(super) fn size(&self) -> usize {
        let attributes: usize = self
            .attributes
            .iter()
            .map(|(name, attribute)| {
                name.len() + attribute.data_type.len() + attribute.bytes().len()
            })
            .sum();
        self.body.len() + attributes
    }

    /// The response to the sender.
    pub(super) fn sent(&self) -> Map<String, Value> {
        let mut answer = Map::new();
        answer.insert("MessageId".into(), json!(self.message_id));
        answer.insert("MD5OfMessageBody".into(), json!(md5(self.body.as_bytes())));
        if !self.attributes.is_empty() {
            let md5 = md5_of_attributes(self.attributes.iter().map(|(name, it)| (name, it)));
            answer.insert("MD5OfMessageAttributes".into(), json!(md5));
        }
        if let Some(trace) = &self.trace {
            let md5 = md5_of_attributes([(&TRACE_HEADER.to_owned(), trace)]);
            answer.insert("MD5OfMessageSystemAttributes".into(), json!(md5));
        }
        answer
    }
}

/// The attributes that a receive requests.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    system: Vec<String>,
    attributes: Vec<String>,
}

/// The system attributes of a message.
const SYSTEM_ATTRIBUTES: [&str; 9] = [
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "MessageGroupId",
    TRACE_HEADER,
    "DeadLetterQueueSourceArn",
    // Only FIFO queues have these two, but every receive may request them.
    "SequenceNumber",
    "MessageDeduplicationId",
];

impl Wanted {
    /// The names of system attributes, and names, prefixes (`x.*`) or `All` of the sender's own.
    ///
    /// # Errors
    /// [`Error::InvalidAttributeName`] for a system attribute that does not exist.
    pub(super) fn new(system: Vec<String>, attributes: Vec<String>) -> Result<Self, Error> {
        for name in &system {
            if name != "All" && !SYSTEM_ATTRIBUTES.contains(&name.as_str()) {
                return Err(Error::InvalidAttributeName(name.clone()));
            }
        }
        Ok(Self { system, attributes })
    }

    fn system(&self, name: &str) -> bool {
        self.system
            .iter()
            .any(|wanted| wanted == "All" || wanted == name)
    }

    fn attribute(&self, name: &str) -> bool {
        self.attributes.iter().any(|wanted| {
            wanted == "All"
                || wanted == name
                || wanted
                    .strip_suffix(".*")
                    .is_some_and(|prefix| prefix.is_empty() || name.starts_with(prefix))
        })
    }
}

/// How often, and since when, a message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receives {
    /// Deliveries so far, this one included.
    pub count: u32,
    /// When it was first delivered.
    pub first_at: Millis,
}

/// A delivery as the receiver reads it.
pub(super) fn delivered(
    content: &Content,
    receives: Receives,
    handle: &str,
    wanted: &Wanted,
) -> Value {
    let mut message = Map::new();
    message.insert("MessageId".into(), json!(content.message_id));
    message.insert("ReceiptHandle".into(), json!(handle));
    message.insert("MD5OfBody".into(), json!(md5(content.body.as_bytes())));
    message.insert("Body".into(), json!(content.body));
    let system: Map<String, Value> = SYSTEM_ATTRIBUTES
        .into_iter()
        .filter(|name| wanted.system(name))
        .filter_map(|name| {
            Some((
                name.to_owned(),
                system_value(name, content, receives)?.into(),
            ))
        })
        .collect();
    if !system.is_empty() {
        message.insert("Attributes".into(), Value::Object(system));
    }
    let attributes: Vec<(&String, &Attribute)> = content
        .attributes
        .iter()
        .filter(|(name, _)| wanted.attribute(name))
        .map(|(name, attribute)| (name, attribute))
        .collect();
    if !attributes.is_empty() {
        let md5 = md5_of_attributes(attributes.iter().copied());
        message.insert("MD5OfMessageAttributes".into(), json!(md5));
        let attributes = attributes
            .into_iter()
            .map(|(name, attribute)| (name.clone(), attribute.to_json()))
            .collect();
        message.insert("MessageAttributes".into(), Value::Object(attributes));
    }
    Value::Object(message)
}

fn system_value(name: &str, content: &Content, receives: Receives) -> Option<String> {
    match name {
        "SenderId" => Some(SENDER_ID.to_owned()),
        "SentTimestamp" => Some(content.sent_at.to_string()),
        "ApproximateReceiveCount" => Some(receives.count.to_string()),
        "ApproximateFirstReceiveTimestamp" => Some(receives.first_at.to_string()),
        "MessageGroupId" => content.group.clone(),
        "DeadLetterQueueSourceArn" => content.dead_letter_of.clone(),
        TRACE_HEADER => content
            .trace
            .as_ref()
            .map(|trace| String::from_utf8_lossy(trace.bytes()).into_owned()),
        _ => None,
    }
}

fn md5(bytes: &[u8]) -> String {
    hex_simd::encode_to_string(Md5::digest(bytes), hex_simd::AsciiCase::Lower)
}

/// The checksum that SDKs compare, over the attributes in the order of their names:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>.
fn md5_of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>,
) -> String {
    fn add(md5: &mut Md5, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        md5.update(length.to_be_bytes());
        md5.update(bytes);
    }
    let mut md5 = Md5::new();
    for (name, attribute) in attributes {
        add(&mut md5, name.as_bytes());
        add(&mut md5, attribute.data_type.as_bytes());
        md5.update(match attribute.value {
            Bytes::Text(_) => [1],
            Bytes::Binary(_) => [2],
        });
        add(&mut md5, attribute.bytes());
    }
    hex_simd::encode_to_string(md5.finalize(), hex_simd::AsciiCase::Lower)
}
