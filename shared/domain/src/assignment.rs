//! The document: an assignment and what is known of its picture.
//!
//! Field names are the portal's, since other programs read them. [`crate::transition`] has the moves
//! from one status to the next. Points in time are seconds since 1970-01-01T00:00:00Z.

use std::fmt;

use hex_simd::AsciiCase;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::rendition::{Variant, or_absent};
use crate::timestamp::Timestamp;

/// The longest prompt that every model takes, in characters after trimming (Amazon's request
/// family: `textToImageParams.text`, 1 to 1024).
pub const MAX_PROMPT_CHARACTERS: usize = 1024;

/// The longest title, in characters.
pub const MAX_TITLE_CHARACTERS: usize = 120;

/// The longest assignment id, in characters.
pub const MAX_ID_CHARACTERS: usize = 64;

/// Where an assignment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A picture is to be made.
    Pending,
    /// The picture is stored and visible.
    Success,
    /// No picture will be made in this round.
    Failed,
    /// There was no prompt.
    NoImage,
    /// A tombstone: the assignment is deleted, and late workers must see that.
    Deleted,
}

impl Status {
    /// The status as the document holds it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::NoImage => "no_image",
            Self::Deleted => "deleted",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A fencing token: a random number in the filter of each write of the claim's holder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// A new token of 128 random bits.
    pub fn random() -> Self {
        Self(format!("{:032x}", fastrand::u128(..)))
    }

    /// As the document holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A worker's lease on an assignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The fencing token.
    pub token: Token,
    /// Which worker holds it, for the log.
    pub worker: String,
    /// When it expires.
    pub until: Timestamp,
}

impl Claim {
    /// Whether it has not expired at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.until > now
    }
}

/// What optimizing did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImageMetadata {
    /// Bytes that the model returned.
    pub original_size_bytes: u64,
    /// Bytes that are stored.
    pub optimized_size_bytes: u64,
    /// Share of the bytes saved, to four digits: 0.5 for half of them; below 0 where they grew.
    pub compression_ratio: f64,
    /// `webp`, or the original's format where optimizing failed.
    pub format: String,
    /// Width and height in pixels, as in `1024x1024`; empty where an unreadable original is stored.
    pub dimensions: String,
}

impl ImageMetadata {
    /// With the ratio worked out from the two sizes.
    pub fn new(original: u64, optimized: u64, format: &str, dimensions: String) -> Self {
        let saved = 1.0 - optimized as f64 / (original.max(1)) as f64;
        Self {
            original_size_bytes: original,
            optimized_size_bytes: optimized,
            compression_ratio: (saved * 10_000.0).round() / 10_000.0,
            format: format.to_owned(),
            dimensions,
        }
    }
}

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Failure)]
pub struct FailureNote {
    /// What went wrong: one of the codes of failures.
    pub code: String,
    /// The message for people; ends with the correlation id.
    pub message: String,
    /// The correlation id in the log lines of the cause.
    pub correlation_id: String,
}

/// Where the time went, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StageSeconds {
    /// From the last send of the job to its claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_wait: Option<f64>,
    /// The model's answer; absent where no model was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generate: Option<f64>,
    /// Decoding, fitting and encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimize: Option<f64>,
    /// The put of the picture, retries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<f64>,
}

impl StageSeconds {
    /// Seconds that a worker spent on it; `None` where no stage was measured.
    pub fn work(&self) -> Option<f64> {
        let stages = [self.generate, self.optimize, self.upload];
        stages
            .into_iter()
            .flatten()
            .reduce(|sum, stage| sum + stage)
    }
}

/// The document. Its id is the idempotency key of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// 1 to 64 of `[A-Za-z0-9_-]`.
    pub assignment_id: String,
    /// The teacher that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_id: Option<String>,
    /// What the picture shows, trimmed; empty where there is no image.
    #[serde(default)]
    pub prompt: String,
    /// What students see above the questions.
    #[serde(
        default,
        deserialize_with = "or_absent",
        skip_serializing_if = "Option::is_none"
    )]
    pub title: Option<String>,
    /// A JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_answers: Option<String>,
    /// When it was posted.
    pub created_at: Timestamp,
    /// Where it stands.
    pub s3_upload_status: Status,
    /// Puts tried.
    #[serde(default)]
    pub s3_upload_attempts: u32,
    /// Where the picture lies in the bucket; set with `success`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_image_key: Option<String>,
    /// Where readers get the picture; set with `success` where a CDN is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudfront_url: Option<String>,
    /// Set with `success`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_metadata: Option<ImageMetadata>,
    /// Smaller pictures beside it, by width upwards.
    #[serde(
        default,
        deserialize_with = "or_absent",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub variants: Vec<Variant>,
    /// Bytes of the AVIF beside the picture; absent where none is stored.
    #[serde(
        default,
        deserialize_with = "or_absent",
        skip_serializing_if = "Option::is_none"
    )]
    pub avif_size_bytes: Option<u64>,
    /// See [`crate::rendition::Renditions::thumbhash`].
    #[serde(
        default,
        deserialize_with = "or_absent",
        skip_serializing_if = "Option::is_none"
    )]
    pub thumbhash: Option<String>,

    /// A worker's lease; never leaves through the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Attempts that count against the budget.
    #[serde(default)]
    pub attempts: u32,
    /// How often a claim was taken over from one that ran out.
    #[serde(default)]
    pub takeovers: u32,
    /// Calls to a model, each counted before it is made.
    #[serde(default)]
    pub model_calls: u32,
    /// 1, and one more at each retry by a person.
    #[serde(default = "first_round")]
    pub round: u32,
    /// When the sweep reads it next; absent when there is nothing left to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
    /// When it fails if it is still pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub give_up_at: Option<Timestamp>,
    /// When its job was last sent; absent before that, or where the queue lost it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// Set with `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureNote>,
    /// When the document last changed.
    pub updated_at: Timestamp,
    /// When it became `success` or `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Where the time went.
    #[serde(default)]
    pub stage_seconds: StageSeconds,
    /// The model that made the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the picture cost in US dollars, by the model's list price; answers that did not become
    /// the picture are in the metrics alone.
    #[serde(default)]
    pub cost_usd: f64,
    /// [`prompt_hash`] of the prompt.
    #[serde(default)]
    pub prompt_hash: String,
    /// [`post_hash`] of what was posted.
    #[serde(default)]
    pub post_hash: String,
    /// Prompt, model and parameters of the stored picture in one hash: what reuse looks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse_key: Option<String>,
    /// Skip reuse.
    #[serde(default)]
    pub fresh: bool,
    /// Keep the picture from the lifecycle.
    #[serde(default)]
    pub permanent: bool,
    /// The object's tag may differ from `permanent`; the keeper repairs it.
    #[serde(default)]
    pub tag_due: bool,
    /// With `success`: variants or AVIFs may be missing. The keeper has a worker make them at
    /// `wake_at`, unless one has a claim for that.
    #[serde(default, skip_serializing_if = "is_false")]
    pub renditions_due: bool,
    /// How often the keeper had a worker make them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rendition_sends: u32,
    /// While pending: it was given back because the day's budget is used up.
    #[serde(default, skip_serializing_if = "is_false")]
    pub waits_for_budget: bool,
    /// The id in the logs of all processes for this round.
    #[serde(default)]
    pub correlation_id: String,
    /// On a tombstone: how often the object was erased and its path invalidated at the CDN.
    #[serde(default)]
    pub erasures: u32,
    /// On a tombstone of a teacher's erasure that is not done yet: the teacher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erasing_for: Option<String>,
    /// Another program's name for its picture, beside a picture of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_image_name: Option<String>,
}

fn first_round() -> u32 {
    1
}

const fn is_false(it: &bool) -> bool {
    !*it
}

const fn is_zero(it: &u32) -> bool {
    *it == 0
}

/// What a person posts. Everything else in a new document follows from it.
#[derive(Clone, Debug, Default)]
pub struct Post {
    /// The caller's id, or a new one.
    pub assignment_id: String,
    /// The teacher that the assignment belongs to.
    pub teacher_id: Option<String>,
    /// What the picture shows, trimmed; empty for an assignment without a picture.
    pub prompt: String,
    /// What students see above the questions.
    pub title: Option<String>,
    /// A JSON text.
    pub question_answers: Option<String>,
    /// Keep the picture from the lifecycle.
    pub permanent: bool,
    /// Skip reuse.
    pub fresh: bool,
    /// The id in the logs of all processes for the first round.
    pub correlation_id: String,
}

impl Assignment {
    /// The document of a post that arrived at `now`: `pending` in its first round, or `no_image`
    /// without a prompt. A pending one is swept at `wake_at` and fails at `give_up_at`.
    pub fn new(post: Post, now: Timestamp, wake_at: Timestamp, give_up_at: Timestamp) -> Self {
        let pending = !post.prompt.is_empty();
        let mut document = Self {
            assignment_id: post.assignment_id,
            teacher_id: post.teacher_id,
            prompt_hash: prompt_hash(&post.prompt),
            prompt: post.prompt,
            title: post.title,
            question_answers: post.question_answers,
            created_at: now,
            s3_upload_status: if pending {
                Status::Pending
            } else {
                Status::NoImage
            },
            s3_upload_attempts: 0,
            s3_image_key: None,
            cloudfront_url: None,
            image_metadata: None,
            variants: Vec::new(),
            avif_size_bytes: None,
            thumbhash: None,
            claim: None,
            attempts: 0,
            takeovers: 0,
            model_calls: 0,
            round: 1,
            wake_at: pending.then_some(wake_at),
            give_up_at: pending.then_some(give_up_at),
            sent_at: None,
            failure: None,
            updated_at: now,
            finished_at: None,
            stage_seconds: StageSeconds::default(),
            model: None,
            cost_usd: 0.0,
            post_hash: String::new(),
            reuse_key: None,
            fresh: post.fresh,
            permanent: post.permanent,
            tag_due: false,
            renditions_due: false,
            rendition_sends: 0,
            waits_for_budget: false,
            correlation_id: post.correlation_id,
            erasures: 0,
            erasing_for: None,
            s3_image_name: None,
        };
        document.post_hash = post_hash(&document);
        document
    }

    /// What an erasure of all that is kept of `teacher_id` leaves in place of the document with this
    /// id: nothing of what it held. Its pictures are erased at `wake_at` if not before.
    pub fn tombstone_of(
        assignment_id: &str,
        teacher_id: &str,
        now: Timestamp,
        wake_at: Timestamp,
    ) -> Self {
        let post = Post {
            assignment_id: assignment_id.to_owned(),
            ..Post::default()
        };
        Self {
            s3_upload_status: Status::Deleted,
            wake_at: Some(wake_at),
            prompt_hash: String::new(),
            post_hash: String::new(),
            erasing_for: Some(teacher_id.to_owned()),
            ..Self::new(post, now, wake_at, wake_at)
        }
    }

    /// Whether `stored` comes from this very post: an insert whose answer was lost, and was repeated.
    pub fn is_stored_as(&self, stored: &Self) -> bool {
        self.assignment_id == stored.assignment_id
            && self.created_at == stored.created_at
            && self.correlation_id == stored.correlation_id
            && self.post_hash == stored.post_hash
            && self.prompt == stored.prompt
            && self.teacher_id == stored.teacher_id
    }

    /// Whether a worker holds it at `now`.
    pub fn is_claimed(&self, now: Timestamp) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.is_live(now))
    }

    /// Whether `token` is its claim's.
    pub fn is_held_by(&self, token: &Token) -> bool {
        self.claim
            .as_ref()
            .is_some_and(|claim| claim.token == *token)
    }
}

/// A hash of what was posted, in 64 hexadecimal digits (SHA-256), by which a repeated post is
/// recognised whatever was changed since. `question_answers` is compared as parsed JSON, or as text
/// where it is nested too deeply, or has too large a number, to be parsed.
pub fn post_hash(posted: &Assignment) -> String {
    let text = posted.question_answers.as_deref();
    let mut question_answers: Option<serde_json::Value> =
        text.and_then(|text| serde_json::from_str(text).ok());
    if let Some(value) = &mut question_answers {
        value.sort_all_objects();
    }
    let as_text = text.filter(|_| question_answers.is_none());
    let mut chosen = serde_json::json!([
        posted.prompt,
        posted.teacher_id,
        question_answers,
        as_text,
        posted.permanent,
        posted.fresh,
    ]);
    // Posts of before there were titles have the hash that they had.
    if let (Some(title), Some(all)) = (&posted.title, chosen.as_array_mut()) {
        all.push(title.as_str().into());
    }
    sha256_hex(&chosen.to_string())
}

/// The prompt's SHA-256 in 64 hexadecimal digits.
pub fn prompt_hash(prompt: &str) -> String {
    sha256_hex(prompt)
}

fn sha256_hex(text: &str) -> String {
    hex_simd::encode_to_string(Sha256::digest(text), AsciiCase::Lower)
}

/// Whether `id` may name an assignment: 1 to 64 of `[A-Za-z0-9_-]`.
pub fn is_valid_id(id: &str) -> bool {
    (1..=MAX_ID_CHARACTERS).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(question_answers: Option<&str>) -> String {
        let posted = serde_json::from_value(serde_json::json!({
            "assignment_id": "a", "created_at": 0.0, "updated_at": 0.0,
            "s3_upload_status": "no_image", "question_answers": question_answers,
        }));
        post_hash(&posted.expect("a document"))
    }

    #[test]
    fn posts_are_the_same_if_their_json_says_the_same() {
        assert_eq!(
            hash(Some(r#"{"a": 1, "b": 2}"#)),
            hash(Some(r#"{"b":2,"a":1}"#))
        );
        assert_ne!(hash(Some("[]")), hash(None));
    }

    #[test]
    fn a_title_is_part_of_a_post_and_what_is_no_text_is_none() {
        let read = |title: serde_json::Value| -> Assignment {
            let document = serde_json::json!({
                "assignment_id": "a", "created_at": 0.0, "updated_at": 0.0,
                "s3_upload_status": "no_image", "title": title,
            });
            serde_json::from_value(document).expect("a document")
        };
        let none = read(serde_json::Value::Null);
        assert_eq!(post_hash(&none), hash(None));
        assert_ne!(post_hash(&read("The sea".into())), hash(None));
        assert_eq!(read(7.into()).title, None);
        assert_eq!(read(serde_json::json!({"en": "The sea"})).title, None);
    }

    #[test]
    fn json_that_cannot_be_parsed_is_compared_as_text() {
        let deep = |levels: usize| Some("[".repeat(levels) + &"]".repeat(levels));
        assert_eq!(hash(deep(200).as_deref()), hash(deep(200).as_deref()));
        assert_ne!(hash(deep(200).as_deref()), hash(deep(201).as_deref()));
        assert_ne!(hash(Some("1e999")), hash(None));
        assert_ne!(hash(Some("1e999")), hash(Some("\"1e999\"")));
    }
}
