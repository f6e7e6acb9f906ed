//! An assignment as the API shows it: the document without claim, token and the keeper's notes.

use std::sync::Arc;

use atelier_cloud::config::CdnConfig;
use atelier_cloud::pictures::{key, variant_key};
use atelier_domain::assignment::{Assignment, FailureNote, ImageMetadata, StageSeconds, Status};
use atelier_domain::throughput::Throughput;
use atelier_store::Store;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

/// Assignments ahead are counted up to here; beyond, the queue's own depth is near enough.
const MAX_COUNTED: u32 = 1_000;

/// Makes views.
#[derive(Debug)]
pub(crate) struct Views {
    store: Arc<dyn Store>,
    throughput: Arc<Throughput>,
    cdn: CdnConfig,
}

impl Views {
    pub(crate) fn new(store: Arc<dyn Store>, throughput: Arc<Throughput>, cdn: CdnConfig) -> Self {
        Self {
            store,
            throughput,
            cdn,
        }
    }

    /// `document`, with its expected wait while it is pending.
    pub(crate) async fn of(&self, document: &Assignment) -> View {
        let counted = if self.has_wait(document) {
            let counted = self.store.pending_before(document.created_at, MAX_COUNTED);
            counted.await.ok()
        } else {
            None
        };
        self.view(document, counted)
    }

    /// As [`Self::of`] for each of `documents`, with one query for all their expected waits.
    pub(crate) async fn of_all(&self, documents: &[Assignment]) -> Vec<View> {
        let oldest = if documents.iter().any(|document| self.has_wait(document)) {
            self.store.oldest_pending(MAX_COUNTED).await.ok()
        } else {
            None
        };
        self.sign_ahead(documents).await;
        let view = |document: &Assignment| {
            let counted = oldest.as_ref().filter(|_| self.has_wait(document));
            let counted =
                counted.map(|oldest| oldest.partition_point(|at| *at < document.created_at) as u32);
            self.view(document, counted)
        };
        documents.iter().map(view).collect()
    }

    /// Signs the pictures' addresses, each of which takes most of a millisecond once a day, where
    /// it holds up no other request.
    async fn sign_ahead(&self, documents: &[Assignment]) {
        if self.cdn.signer.is_none() {
            return;
        }
        let (cdn, documents) = (self.cdn.clone(), documents.to_vec());
        let signing = tokio::task::spawn_blocking(move || {
            for document in &documents {
                picture_url(document, &cdn);
                VariantView::at_cdn(document, &cdn);
            }
        });
        // What was not signed is signed when it is needed.
        let _ = signing.await;
    }

    /// `document`, which was posted just now.
    pub(crate) fn of_new(&self, document: &Assignment) -> View {
        let pending = document.s3_upload_status == Status::Pending;
        let wait = self.throughput.latest().wait_at_the_end();
        View {
            expected_wait_seconds: wait.filter(|_| pending),
            ..View::new(document, &self.cdn)
        }
    }

    fn has_wait(&self, document: &Assignment) -> bool {
        let pending = document.s3_upload_status == Status::Pending;
        let measured = self.throughput.latest();
        let known = measured.jobs_per_second.or(measured.making_seconds);
        pending && known.is_some()
    }

    /// `document`, before which `counted` are pending, at most [`MAX_COUNTED`].
    fn view(&self, document: &Assignment, counted: Option<u32>) -> View {
        let measured = self.throughput.latest();
        let wait = counted.and_then(|counted| {
            let counted = u64::from(counted);
            measured.wait_behind(if counted < MAX_COUNTED.into() {
                counted
            } else {
                measured.queued.max(counted)
            })
        });
        View {
            expected_wait_seconds: wait,
            ..View::new(document, &self.cdn)
        }
    }
}

/// An assignment. Points in time are seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Assignment)]
pub(crate) struct View {
    /// Its id.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    pub assignment_id: String,
    /// The teacher that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_id: Option<String>,
    /// What the picture shows, trimmed; empty where there is no image.
    #[schema(max_length = 1024)]
    pub prompt: String,
    /// What students see above the questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Questions and answers, a JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_answers: Option<String>,
    /// When it was posted.
    pub created_at: f64,
    /// Where it stands.
    pub s3_upload_status: Status,
    /// Puts tried.
    pub s3_upload_attempts: u32,
    /// Where the picture lies in the bucket; with `success`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_image_key: Option<String>,
    /// Where readers get the picture; with `success` where there is a CDN. Where pictures are
    /// private it is signed, and valid until the end of the next day in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudfront_url: Option<String>,
    /// With `success`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_metadata: Option<ImageMetadata>,
    /// Smaller pictures of the same, by width upwards; absent where there are none, or none yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantView>,
    /// The picture's ThumbHash in base64: some 25 bytes to paint before it is loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbhash: Option<String>,
    /// 1, and one more at each retry by a person.
    pub round: u32,
    /// Attempts in this round that count against the budget.
    pub attempts: u32,
    /// Calls to a model.
    pub model_calls: u32,
    /// With `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureNote>,
    /// When it last changed.
    pub updated_at: f64,
    /// When it became `success` or `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<f64>,
    /// Where the time went.
    pub stage_seconds: StageSeconds,
    /// The model that made the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the models' answers that became its pictures cost, in US dollars by list price; absent
    /// where nothing was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// While pending: the day's budget is used up, and it waits for the next day.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_budget: bool,
    /// Whether a stored picture of the same prompt may not serve again.
    pub fresh: bool,
    /// Whether the picture is kept from the lifecycle.
    pub permanent: bool,
    /// The log lines of this round bear it.
    pub correlation_id: String,
    /// While pending: seconds until its picture is expected, the wait for a free slot and the making
    /// together, as measured of the jobs before it, and the rest of an operator's pause; absent while
    /// nothing was measured, and in a pause without an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_wait_seconds: Option<f64>,
}

/// A smaller picture of the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Variant)]
pub(crate) struct VariantView {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Where readers get it: at the CDN, or here where there is none. Those that accept `image/avif` get
    /// that where it is stored.
    pub url: String,
    /// Bytes of the WebP.
    pub size_bytes: u64,
}

impl VariantView {
    /// Those of `document`, whose addresses are made of a width and whether there is an AVIF.
    pub(crate) fn of(document: &Assignment, url: impl Fn(u32, bool) -> String) -> Vec<Self> {
        let variants = document.variants.iter().map(|it| Self {
            width: it.width,
            height: it.height,
            url: url(it.width, it.avif_size_bytes.is_some()),
            size_bytes: it.size_bytes,
        });
        let is_success = document.s3_upload_status == Status::Success;
        variants.filter(|_| is_success).collect()
    }

    /// With their addresses at the CDN, if there is one.
    fn at_cdn(document: &Assignment, cdn: &CdnConfig) -> Vec<Self> {
        let id = &document.assignment_id;
        Self::of(document, |width, has_avif| {
            cdn.picture_url(&variant_key(id, width), has_avif)
                .unwrap_or_else(|| format!("/assignments/{id}/image?width={width}"))
        })
    }
}

/// Where readers get the picture, at today's domain of the CDN.
fn picture_url(document: &Assignment, cdn: &CdnConfig) -> Option<String> {
    let stored = document.s3_image_key.as_deref()?;
    let is_ours = stored == key(&document.assignment_id);
    cdn.picture_url(stored, is_ours && document.avif_size_bytes.is_some())
}

impl View {
    /// `document` as the API shows it. Readers get the picture at today's domain of the CDN.
    fn new(document: &Assignment, cdn: &CdnConfig) -> Self {
        let it = document.clone();
        Self {
            cloudfront_url: picture_url(document, cdn),
            variants: VariantView::at_cdn(document, cdn),
            thumbhash: it.thumbhash,
            assignment_id: it.assignment_id,
            teacher_id: it.teacher_id,
            prompt: it.prompt,
            title: it.title,
            question_answers: it.question_answers,
            created_at: it.created_at.seconds(),
            s3_upload_status: it.s3_upload_status,
            s3_upload_attempts: it.s3_upload_attempts,
            s3_image_key: it.s3_image_key,
            image_metadata: it.image_metadata,
            round: it.round,
            attempts: it.attempts,
            model_calls: it.model_calls,
            failure: it.failure,
            updated_at: it.updated_at.seconds(),
            finished_at: it.finished_at.map(|at| at.seconds()),
            stage_seconds: it.stage_seconds,
            model: it.model,
            cost_usd: (it.cost_usd > 0.0).then_some(it.cost_usd),
            waits_for_budget: it.waits_for_budget && it.claim.is_none(),
            fresh: it.fresh,
            permanent: it.permanent,
            correlation_id: it.correlation_id,
            expected_wait_seconds: None,
        }
    }

    /// Names this state of the assignment; the expected wait is not part of it. Weak, since a
    /// compressed answer bears it too.
    pub(crate) fn etag(&self) -> String {
        let state = Self {
            expected_wait_seconds: None,
            ..self.clone()
        };
        let json = serde_json::to_vec(&state).expect("a view is plain data");
        weak_etag(&json)
    }
}

/// A weak ETag of `bytes`.
pub(crate) fn weak_etag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!(
        "W/\"{}\"",
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(&digest[..16])
    )
}

#[cfg(test)]
mod tests {
    use atelier_runtime::config::Environment;

    use super::*;

    #[test]
    fn the_etag_changes_with_the_address_so_that_no_304_keeps_one_that_expired() {
        let document = serde_json::json!({
            "assignment_id": "a", "created_at": 0.0, "updated_at": 0.0,
            "s3_upload_status": "success", "s3_image_key": "generated_images/a.webp",
        });
        let document: Assignment = serde_json::from_value(document).unwrap();
        let domain = [("CLOUDFRONT_DOMAIN", "d1.cloudfront.net")];
        let cdn = CdnConfig::read(&mut Environment::of(domain));
        let today = View::new(&document, &cdn);
        let mut tomorrow = today.clone();
        let signed = today.cloudfront_url.clone().map(|url| url + "?Expires=1");
        assert_eq!(today.etag(), tomorrow.etag());
        tomorrow.cloudfront_url = signed;
        assert_ne!(today.etag(), tomorrow.etag());
    }
}
