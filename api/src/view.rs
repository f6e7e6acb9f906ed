//! An assignment as the API shows it: the document without claim, tokens and the sweep's notes.

use atelier_shared::assignment::{self, Assignment, Status};
use atelier_shared::config::CdnConfig;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

/// Where an assignment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Status)]
pub enum StatusView {
    /// A picture is to be made.
    Pending,
    /// The picture is stored and visible.
    Success,
    /// No picture will be made in this round.
    Failed,
    /// There was no prompt.
    NoImage,
    /// It is gone.
    Deleted,
}

impl From<Status> for StatusView {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Success => Self::Success,
            Status::Failed => Self::Failed,
            Status::NoImage => Self::NoImage,
            Status::Deleted => Self::Deleted,
        }
    }
}

/// What optimizing did.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ImageMetadata)]
pub struct ImageMetadataView {
    /// Bytes that the model returned.
    pub original_size_bytes: u64,
    /// Bytes that are stored.
    pub optimized_size_bytes: u64,
    /// Share of the bytes saved: 0.50 = half of them.
    pub compression_ratio: f64,
    /// `webp`, or the original's format where optimizing failed.
    pub format: String,
    /// Width and height in pixels, as in `1024x1024`.
    pub dimensions: String,
}

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Failure)]
pub struct FailureView {
    /// The word for programs.
    pub code: String,
    /// Words for people; end with the correlation id.
    pub message: String,
    /// The log lines of the cause bear it.
    pub correlation_id: String,
}

/// Where the time went, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = StageSeconds)]
pub struct StageSecondsView {
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

/// An assignment. Points in time are seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Assignment)]
pub struct View {
    /// Its id.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    pub assignment_id: String,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_id: Option<String>,
    /// What the picture shows, trimmed; empty where there is no image.
    #[schema(max_length = 1024)]
    pub prompt: String,
    /// Questions and answers, a JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_answers: Option<String>,
    /// When it was posted.
    pub created_at: f64,
    /// Where it stands.
    pub s3_upload_status: StatusView,
    /// Puts tried.
    pub s3_upload_attempts: u32,
    /// Where the picture lies in the bucket; with `success`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_image_key: Option<String>,
    /// Where readers get the picture; with `success` where there is a CDN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudfront_url: Option<String>,
    /// With `success`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_metadata: Option<ImageMetadataView>,
    /// 1, and one more at each retry by a person.
    pub round: u32,
    /// Tries in this round that count against the budget.
    pub attempts: u32,
    /// Calls to a model.
    pub model_calls: u32,
    /// With `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView>,
    /// When it last changed.
    pub updated_at: f64,
    /// When it became `success` or `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<f64>,
    /// Where the time went.
    pub stage_seconds: StageSecondsView,
    /// The model that made the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the models' answers cost, in US dollars by list price.
    pub cost_usd: f64,
    /// Whether a stored picture of the same prompt may not serve again.
    pub fresh: bool,
    /// Whether the picture is kept from the lifecycle.
    pub permanent: bool,
    /// The log lines of this round bear it.
    pub correlation_id: String,
    /// While pending: jobs before it / jobs finished a second, as measured; absent while nothing
    /// was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_wait_seconds: Option<f64>,
}

impl View {
    /// `document` as the API shows it. Readers get the picture at today's domain of the CDN.
    pub fn of(document: &Assignment, cdn: &CdnConfig) -> Self {
        let it = document.clone();
        let stages = it.stage_seconds;
        Self {
            cloudfront_url: it.s3_image_key.as_deref().and_then(|key| cdn.url(key)),
            assignment_id: it.assignment_id,
            teacher_id: it.teacher_id,
            prompt: it.prompt,
            question_answers: it.question_answers,
            created_at: it.created_at.seconds(),
            s3_upload_status: it.s3_upload_status.into(),
            s3_upload_attempts: it.s3_upload_attempts,
            s3_image_key: it.s3_image_key,
            image_metadata: it.image_metadata.map(Into::into),
            round: it.round,
            attempts: it.attempts,
            model_calls: it.model_calls,
            failure: it.failure.map(Into::into),
            updated_at: it.updated_at.seconds(),
            finished_at: it.finished_at.map(|at| at.seconds()),
            stage_seconds: StageSecondsView {
                queue_wait: stages.queue_wait,
                generate: stages.generate,
                optimize: stages.optimize,
                upload: stages.upload,
            },
            model: it.model,
            cost_usd: it.cost_usd,
            fresh: it.fresh,
            permanent: it.permanent,
            correlation_id: it.correlation_id,
            expected_wait_seconds: None,
        }
    }

    /// Names this state of the assignment; the expected wait is not part of it. Weak, since a
    /// compressed answer bears it too.
    pub fn etag(&self) -> String {
        let state = Self {
            expected_wait_seconds: None,
            ..self.clone()
        };
        let json = serde_json::to_vec(&state).expect("a view is plain data");
        weak_etag(&json)
    }
}

/// A weak ETag of `bytes`.
pub fn weak_etag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!(
        "W/\"{}\"",
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(&digest[..16])
    )
}

impl From<assignment::ImageMetadata> for ImageMetadataView {
    fn from(it: assignment::ImageMetadata) -> Self {
        Self {
            original_size_bytes: it.original_size_bytes,
            optimized_size_bytes: it.optimized_size_bytes,
            compression_ratio: it.compression_ratio,
            format: it.format,
            dimensions: it.dimensions,
        }
    }
}

impl From<assignment::FailureNote> for FailureView {
    fn from(it: assignment::FailureNote) -> Self {
        Self {
            code: it.code,
            message: it.message,
            correlation_id: it.correlation_id,
        }
    }
}
