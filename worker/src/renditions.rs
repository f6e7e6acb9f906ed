//! The variants and AVIFs of a picture, and its preview: best effort, after the picture is visible and
//! its slot is free. They are made under a claim of their own, and noted in the document at the end.
//! What a worker leaves undone, the keeper sends another worker for.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atelier_cloud::clean_up;
use atelier_cloud::error::CloudError;
use atelier_cloud::pictures::{
    Condition, Found, Rendition, avif_key, key, variant_avif_key, variant_key,
};
use atelier_domain::assignment::{Assignment, Claim, Status, Token};
use atelier_domain::rendition::{self, Variant};
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;
use atelier_optimize::{Fitted, OptimizeError, Provenance};
use atelier_runtime::telemetry::metrics;
use atelier_store::StoreError;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::error::chain;
use crate::lane::{Panicked, Room};
use crate::lease::SWEEP_AFTER;
use crate::worker::Worker;

/// When the keeper sends for a worker where this one has no room, or could not make them.
const LATER: Duration = Duration::from_secs(60);

/// How often a put is tried whose condition does not hold.
const PUTS: usize = 3;

/// How often a claim is tried while the document changes.
const CLAIMS: usize = 5;

/// How often what was made is noted while the document changes.
const NOTES: usize = 5;

/// What they are made of: the pixels in memory, else the file in memory, else the stored one.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) room: Option<Room>,
    pub(crate) pixels: Option<Fitted>,
    pub(crate) file: Option<Bytes>,
}

/// What a success says of them.
#[derive(Debug)]
pub(crate) struct Due {
    /// A worker's claim; none where the keeper is to send for one.
    pub(crate) claim: Option<Claim>,
    pub(crate) wake_at: Timestamp,
}

/// The renditions of one picture, under a claim.
#[derive(Debug)]
pub(crate) struct Renditions {
    assignment: Box<Assignment>,
    claim: Claim,
    source: Source,
    _room: Room,
    /// Keys that were put, or found to be there.
    keys: Vec<String>,
}

/// Why they are not complete.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error("the worker is stopping")]
    Stopping,
    #[error("the claim was taken over, or the assignment has changed")]
    Fenced(Option<Box<Assignment>>),
    #[error(transparent)]
    Bucket(#[from] CloudError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the document changed too often")]
    Contended,
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// What becomes of a job whose assignment has its picture, but not all that is made of it.
#[derive(Debug)]
pub(crate) enum Turn {
    /// They are ours to make.
    Mine(Box<Renditions>),
    /// Another worker makes them, or there is no room, for this long.
    Later(Duration),
    /// They are made, or are of an earlier round.
    Over,
}

/// Claims the renditions of a `success` that are due.
pub(crate) async fn claim(worker: &Worker, seen: &Assignment) -> Result<Turn, StoreError> {
    let Some(room) = worker.lane.room() else {
        return Ok(Turn::Later(later()));
    };
    let (id, round) = (&seen.assignment_id, seen.round);
    let mut seen = seen.clone();
    for _ in 0..CLAIMS {
        let now = Timestamp::now();
        if let Some(other) = seen.claim.as_ref().filter(|claim| claim.is_live(now)) {
            return Ok(Turn::Later(other.until.since(now)));
        }
        let claim = new_claim(worker, Token::random(), now);
        let wake_at = claim.until + SWEEP_AFTER;
        let take = transition::claim_renditions(&seen, &claim, now, wake_at);
        if let Some(assignment) = worker.store.apply(id, &take).await? {
            let source = Source::default();
            let ours = Renditions::new(assignment.into(), claim, source, room);
            return Ok(Turn::Mine(ours.into()));
        }
        // Another worker was faster, or the keeper has tagged it.
        match worker.store.get(id).await? {
            Some(now) if now.renditions_due && now.round == round => seen = now,
            _ => return Ok(Turn::Over),
        }
    }
    Ok(Turn::Later(later()))
}

fn later() -> Duration {
    LATER.mul_f64(0.5 + 0.5 * fastrand::f64())
}

fn new_claim(worker: &Worker, token: Token, now: Timestamp) -> Claim {
    Claim {
        token,
        worker: worker.name.clone(),
        until: now + worker.config.job.claim,
    }
}

impl Source {
    /// What a success with a picture made of this says of its renditions. The claim goes on under the
    /// same `token`, if there is room.
    pub(crate) fn due(&mut self, worker: &Worker, token: &Token, now: Timestamp) -> Due {
        self.room = self.room.take().or_else(|| worker.lane.room());
        let claim = self.room.as_ref();
        let claim = claim.map(|_| new_claim(worker, token.clone(), now));
        Due {
            wake_at: claim
                .as_ref()
                .map_or(now + LATER, |claim| claim.until + SWEEP_AFTER),
            claim,
        }
    }

    /// What is to be made of it under `claim` for the assignment, which is a success now.
    pub(crate) fn renditions(
        mut self,
        assignment: Box<Assignment>,
        claim: Claim,
    ) -> Option<Renditions> {
        let room = self.room.take()?;
        Some(Renditions::new(assignment, claim, self, room))
    }
}

impl Renditions {
    fn new(assignment: Box<Assignment>, claim: Claim, source: Source, room: Room) -> Self {
        Self {
            assignment,
            claim,
            source,
            _room: room,
            keys: Vec::new(),
        }
    }

    /// Makes them. Says nothing more where that fails: the keeper sends for another worker.
    pub(crate) async fn make(self, worker: &Worker) {
        let span = tracing::info_span!(
            "renditions",
            assignment = self.assignment.assignment_id,
            correlation_id = self.assignment.correlation_id,
        );
        self.make_or_leave(worker).instrument(span).await;
    }

    async fn make_or_leave(mut self, worker: &Worker) {
        let start = Instant::now();
        let made = tokio::select! {
            biased;
            () = worker.stopping.cancelled() => Err(Unfinished::Stopping),
            made = self.make_all(worker) => made,
        };
        match made {
            Ok(()) => {
                metrics::get().renditions("made");
                let duration_ms = start.elapsed().as_millis() as u64;
                tracing::info!(files = self.keys.len(), duration_ms, "renditions made");
            }
            Err(unfinished) => self.leave(worker, unfinished).await,
        }
    }

    async fn make_all(&mut self, worker: &Worker) -> Result<(), Unfinished> {
        let mut made = rendition::Renditions {
            thumbhash: self.assignment.thumbhash.clone(),
            ..rendition::Renditions::default()
        };
        let Some((fitted, made_from)) = self.pixels(worker).await? else {
            return self.note(worker, &made, true).await;
        };
        let own = (fitted.width(), self.picture_size());
        if made.thumbhash.is_none() {
            let fitted = Arc::clone(&fitted);
            let hash = worker.lane.run(move || fitted.thumbhash().ok());
            let hash = self.held(worker, hash).await?;
            made.thumbhash = hash.map(|hash| base64_simd::STANDARD.encode_to_string(hash));
        }
        let encoder = Encoder {
            worker,
            fitted,
            model: self.assignment.model.clone().unwrap_or_default().into(),
            made_from,
        };
        for width in worker.optimizer.widths_below(own.0) {
            made.variants.extend(self.variant(&encoder, width).await?);
        }
        if worker.optimizer.makes_avif() {
            // Readers need not wait for what takes longest.
            if !made.variants.is_empty() {
                self.note(worker, &made, false).await?;
            }
            let id = self.assignment.assignment_id.clone();
            made.avif_size_bytes = self.avif(&encoder, avif_key(&id), own.0, own.1).await?;
            for variant in &mut made.variants {
                let (width, size) = (variant.width, variant.size_bytes);
                let key = variant_avif_key(&id, width);
                variant.avif_size_bytes = self.avif(&encoder, key, width, size).await?;
            }
        }
        self.note(worker, &made, true).await
    }

    /// The pixels, and the name of the file that is stored; `None` where that cannot be read, or is
    /// not of the assignment any more: nothing can be made of it then.
    async fn pixels(
        &mut self,
        worker: &Worker,
    ) -> Result<Option<(Arc<Fitted>, String)>, Unfinished> {
        let file = match self.source.file.take() {
            Some(file) => file,
            None => match self.stored(worker).await? {
                Some(file) => file,
                None => return Ok(None),
            },
        };
        let pixels = self.source.pixels.take();
        let settings = worker.optimizer.settings().clone();
        let decoded = worker.lane.run(move || {
            let digest = Sha256::digest(&file);
            let name: String = digest[..16].iter().map(|it| format!("{it:02x}")).collect();
            let pixels = pixels.map_or_else(|| Fitted::decode(&file, &settings), Ok);
            (pixels, name)
        });
        match self.held(worker, decoded).await? {
            (Ok(fitted), name) => Ok(Some((Arc::new(fitted), name))),
            (Err(error), _) => {
                tracing::warn!(cause = chain(&error), "no renditions can be made of it");
                Ok(None)
            }
        }
    }

    async fn stored(&self, worker: &Worker) -> Result<Option<Bytes>, Unfinished> {
        let assignment = self.assignment.as_ref();
        let key = key(&assignment.assignment_id);
        let found = worker.pictures.read(&key, assignment.into()).await?;
        let is_its = |found: &Found| found.label.as_ref().is_some_and(|it| it.is_of(assignment));
        Ok(found
            .filter(|(_, found)| is_its(found))
            .map(|(bytes, _)| bytes))
    }

    fn picture_size(&self) -> u64 {
        let metadata = self.assignment.image_metadata.as_ref();
        metadata.map_or(u64::MAX, |it| it.optimized_size_bytes)
    }

    async fn variant(
        &mut self,
        encoder: &Encoder<'_>,
        width: u32,
    ) -> Result<Option<Variant>, Unfinished> {
        let webp = encoder.webp(width);
        let Some(picture) = self.held(encoder.worker, webp).await? else {
            return Ok(None);
        };
        let key = variant_key(&self.assignment.assignment_id, width);
        let height = picture.height;
        let rendition = encoder.rendition(&key, picture.bytes, "image/webp");
        let size_bytes = self.put(encoder.worker, rendition).await?;
        Ok(Some(Variant {
            width,
            height,
            key,
            size_bytes,
            avif_size_bytes: None,
        }))
    }

    /// Stores an AVIF of this width, if it is smaller than the WebP. Returns its size.
    async fn avif(
        &mut self,
        encoder: &Encoder<'_>,
        key: String,
        width: u32,
        webp_size: u64,
    ) -> Result<Option<u64>, Unfinished> {
        let avif = encoder.avif(width);
        let made = self.held(encoder.worker, avif).await?;
        match made.filter(|it| (it.len() as u64) < webp_size) {
            Some(bytes) => {
                let rendition = encoder.rendition(&key, bytes, "image/avif");
                self.put(encoder.worker, rendition).await.map(Some)
            }
            None => self.left(encoder, key).await,
        }
    }

    /// What is there under the key of a file that is not to be stored. What a worker before made of
    /// the same picture stays: its pixels may have been better ones. What is of an earlier round goes.
    async fn left(
        &mut self,
        encoder: &Encoder<'_>,
        key: String,
    ) -> Result<Option<u64>, Unfinished> {
        let pictures = &encoder.worker.pictures;
        match pictures.find(&key, self.assignment.as_ref().into()).await? {
            None => Ok(None),
            Some(found) if found.made_from.as_ref() == Some(&encoder.made_from) => {
                self.keep(encoder.worker, key, &found).await.map(Some)
            }
            Some(_) => {
                // Half a claim is longer than the bucket may take: nobody else puts one meanwhile.
                self.renew(encoder.worker).await?;
                let now = self.still_ours(encoder.worker).await?;
                pictures.erase_object(&key, (&now).into()).await?;
                Ok(None)
            }
        }
    }

    /// Counts what was put before as made. Returns its size.
    async fn keep(
        &mut self,
        worker: &Worker,
        key: String,
        found: &Found,
    ) -> Result<u64, Unfinished> {
        let assignment = self.assignment.as_ref();
        let key = [key];
        // `permanent` may have changed since it was put.
        let tag = worker
            .pictures
            .tag_keys(&key, assignment.into(), assignment.permanent);
        tag.await?;
        self.keys.extend(key);
        Ok(found.size)
    }

    /// Puts a rendition, unless the same is there; what is of an earlier round is replaced. Returns
    /// the size of what is there then.
    async fn put(&mut self, worker: &Worker, rendition: Rendition) -> Result<u64, Unfinished> {
        self.renew(worker).await?;
        let (pictures, assignment) = (&worker.pictures, self.assignment.as_ref());
        let permanent = assignment.permanent;
        let mut condition = Condition::IfAbsent;
        for _ in 0..PUTS {
            let put = pictures.put_rendition(&rendition, assignment.into(), permanent, &condition);
            match put.await {
                Ok(()) => {
                    let size = rendition.bytes.len() as u64;
                    self.keys.push(rendition.key);
                    return Ok(size);
                }
                Err(CloudError::PreconditionFailed(_)) => {}
                Err(error) => return Err(error.into()),
            }
            condition = match pictures.find(&rendition.key, assignment.into()).await? {
                None => Condition::IfAbsent,
                Some(found) if found.made_from.as_ref() == Some(&rendition.made_from) => {
                    return self.keep(worker, rendition.key, &found).await;
                }
                Some(other) => {
                    // Read after that HEAD: who wrote those bytes later than us has taken our claim.
                    self.still_ours(worker).await?;
                    Condition::IfMatch(other.etag)
                }
            };
        }
        let cause = format!("{}: other writers are faster", rendition.key);
        Err(CloudError::Conflict(cause).into())
    }

    /// Holds the claim until `work` on the lane is done, which may wait there for long.
    async fn held<T>(
        &mut self,
        worker: &Worker,
        work: impl Future<Output = Result<T, Panicked>>,
    ) -> Result<T, Unfinished> {
        let mut work = pin!(work);
        loop {
            match timeout(worker.config.job.claim / 4, work.as_mut()).await {
                Ok(done) => return Ok(done?),
                Err(_) => self.renew(worker).await?,
            }
        }
    }

    /// Extends the claim, if half of it is over.
    async fn renew(&mut self, worker: &Worker) -> Result<(), Unfinished> {
        for _ in 0..NOTES {
            let now = Timestamp::now();
            if self.claim.until.since(now) > worker.config.job.claim / 2 {
                return Ok(());
            }
            let claim = new_claim(worker, self.claim.token.clone(), now);
            let seen = self.assignment.as_ref();
            let renew = transition::renew_renditions(seen, &claim, claim.until + SWEEP_AFTER);
            match worker.store.apply(&seen.assignment_id, &renew).await? {
                Some(after) => (*self.assignment, self.claim) = (after, claim),
                None => self.look_again(worker).await?,
            }
        }
        Err(Unfinished::Contended)
    }

    /// Reads the document again, which has changed. Where `permanent` has, what was put is tagged: who
    /// changed it did not know these objects.
    async fn look_again(&mut self, worker: &Worker) -> Result<(), Unfinished> {
        let now = self.still_ours(worker).await?;
        if now.permanent != self.assignment.permanent {
            let pictures = &worker.pictures;
            let tag = pictures.tag_keys(&self.keys, (&now).into(), now.permanent);
            tag.await?;
        }
        *self.assignment = now;
        Ok(())
    }

    async fn still_ours(&self, worker: &Worker) -> Result<Assignment, Unfinished> {
        let now = worker.store.get(&self.assignment.assignment_id).await?;
        match now {
            Some(now) if self.holds(&now) => Ok(now),
            now => Err(Unfinished::Fenced(now.map(Box::new))),
        }
    }

    fn holds(&self, now: &Assignment) -> bool {
        now.is_held_by(&self.claim.token) && now.s3_upload_status == Status::Success
    }

    /// Notes what was made.
    async fn note(
        &mut self,
        worker: &Worker,
        made: &rendition::Renditions,
        complete: bool,
    ) -> Result<(), Unfinished> {
        for _ in 0..NOTES {
            let (seen, token) = (self.assignment.as_ref(), &self.claim.token);
            let note = transition::note_renditions(token, seen, made, complete, Timestamp::now());
            if let Some(after) = worker.store.apply(&seen.assignment_id, &note).await? {
                *self.assignment = after;
                return Ok(());
            }
            self.look_again(worker).await?;
        }
        Err(Unfinished::Contended)
    }

    async fn leave(&self, worker: &Worker, unfinished: Unfinished) {
        let wake_at = match &unfinished {
            Unfinished::Fenced(now) => {
                tracing::info!(error = %unfinished, "renditions are left to others");
                let deleted = |now: &Assignment| now.s3_upload_status == Status::Deleted;
                if now.as_deref().is_some_and(deleted) {
                    self.erase(worker).await;
                }
                return;
            }
            Unfinished::Stopping => Timestamp::now(),
            _ => {
                metrics::get().renditions("failed");
                tracing::warn!(error = %unfinished, "renditions were not made; the keeper sends for a worker");
                Timestamp::now() + LATER
            }
        };
        let release = transition::release_renditions(&self.claim.token, &self.assignment, wake_at);
        let id = &self.assignment.assignment_id;
        if let Err(error) = worker.store.apply(id, &release).await {
            tracing::warn!(%error, "the claim on renditions is left until it expires");
        }
    }

    async fn erase(&self, worker: &Worker) {
        let erased = clean_up::erase_late_put(&worker.pictures, &self.assignment, None);
        if let Err(error) = erased.await {
            tracing::warn!(%error, "a deleted assignment's renditions were not erased; the keeper will");
        }
    }
}

/// Encodes on the worker's lane.
struct Encoder<'a> {
    worker: &'a Worker,
    fitted: Arc<Fitted>,
    model: Arc<str>,
    /// Names the file that the pixels are those of.
    made_from: String,
}

impl Encoder<'_> {
    async fn webp(&self, width: u32) -> Result<Option<atelier_optimize::Picture>, Panicked> {
        self.encode("variant", move |fitted, settings, provenance| {
            fitted.webp(width, settings, provenance)
        })
        .await
    }

    async fn avif(&self, width: u32) -> Result<Option<Vec<u8>>, Panicked> {
        self.encode("avif", move |fitted, settings, provenance| {
            fitted.avif(width, settings, provenance)
        })
        .await
    }

    /// `None` where the encoder fails: it would again.
    async fn encode<T: Send + 'static>(
        &self,
        stage: &'static str,
        encode: impl FnOnce(
            &Fitted,
            &atelier_optimize::Settings,
            &Provenance<'_>,
        ) -> Result<T, OptimizeError>
        + Send
        + 'static,
    ) -> Result<Option<T>, Panicked> {
        let settings = self.worker.optimizer.settings().clone();
        let (fitted, model) = (Arc::clone(&self.fitted), Arc::clone(&self.model));
        let encoded = self.worker.lane.run(move || {
            let start = Instant::now();
            let encoded = encode(&fitted, &settings, &Provenance { model: &model });
            metrics::get().stage(stage, start.elapsed());
            encoded
        });
        let encoded = encoded.await?;
        Ok(encoded
            .inspect_err(|error| tracing::warn!(cause = chain(error), stage, "left out"))
            .ok())
    }

    fn rendition(&self, key: &str, bytes: Vec<u8>, content_type: &'static str) -> Rendition {
        Rendition {
            key: key.to_owned(),
            bytes: bytes.into(),
            content_type,
            made_from: self.made_from.clone(),
        }
    }
}
