//! One document's way from top to bottom: look, fetch, optimize, put, write.
//!
//! The put comes before the write, so that a document never names a picture that is not there. What
//! a kill leaves between the two is a stored picture whose label says that it is this import's; the
//! next run finds it and writes.

use std::sync::Arc;

use atelier_cloud::clean_up;
use atelier_cloud::config::CdnConfig;
use atelier_cloud::error::CloudError;
use atelier_cloud::pictures::{Condition, Found, Pictures, key};
use atelier_domain::assignment::{Assignment, Status, is_valid_id, prompt_hash};
use atelier_domain::label::Label;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Transition};
use atelier_store::Store;
use atelier_worker::optimize::{Optimizer, Ready};

use super::old::{Old, OldPictures};
use super::outcome::{End, How, Imported, Obstacle, Outcome, Reason};
use super::source::{Candidate, Line};
use crate::patience::with_patience;

/// In place of a reuse key on the label of an imported picture. No worker looks for it: nobody knows
/// what the picture was made with.
const NO_REUSE: &str = "imported";

/// Stands for a model that nobody named.
const UNKNOWN_MODEL: &str = "unknown";

/// The longest name of a model that a label has room for, in bytes.
const MAX_MODEL_BYTES: usize = 256;

/// How often a put is tried whose condition does not hold.
const PUTS: usize = 3;

/// Imports documents.
#[derive(Debug)]
pub(crate) struct Importer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) pictures: Pictures,
    /// The name of the bucket.
    pub(crate) bucket: String,
    pub(crate) cdn: CdnConfig,
    pub(crate) optimizer: Optimizer,
    pub(crate) old: OldPictures,
    /// The model that made the pictures of documents that name none.
    pub(crate) model: Option<String>,
    /// Whether nothing is stored and nothing written.
    pub(crate) dry_run: bool,
}

/// What is needed to store a picture and to write that.
struct Picture<'a> {
    seen: &'a Assignment,
    ready: &'a Ready,
    label: &'a Label,
}

/// What lies under the new key now.
enum Stored {
    /// Our bytes, as this version.
    Put(Option<String>),
    /// The same, put by an import before this one.
    Found,
}

impl Importer {
    /// Brings the picture of a document over, and says what became of it.
    ///
    /// # Errors
    /// An [`Obstacle::End`] that every other document would meet, too; one of its own is an outcome.
    pub(crate) async fn import(&self, candidate: Candidate) -> Result<Outcome, End> {
        match self.bring_over(candidate).await {
            Ok(outcome) => Ok(outcome),
            Err(Obstacle::Skip(reason)) => Ok(Outcome::Skipped(reason)),
            Err(Obstacle::End(end)) => Err(end),
        }
    }

    async fn bring_over(&self, candidate: Candidate) -> Result<Outcome, Obstacle> {
        let (seen, name) = match candidate {
            Candidate::Stored(seen) => {
                let name = seen.s3_image_key.clone();
                (*seen, name)
            }
            Candidate::Listed(Line { id, name }) => {
                let seen = with_patience(|| self.store.get(&id)).await?;
                (seen.ok_or(Reason::NoAssignment)?, Some(name))
            }
        };
        if has_ours(&seen) {
            return Ok(Outcome::Already);
        }
        check(&seen)?;
        let name = name.unwrap_or_default();
        if name.is_empty() {
            return Err(Reason::BadName(name).into());
        }
        let key = key(&seen.assignment_id);
        let old = self.old.fetch(&name, &key, (&seen).into()).await?;
        if let Some(label) = left_in_place(&seen, &old) {
            return self.adopt(&seen, label).await;
        }
        let model = self.model_of(&seen);
        let ready = self.optimizer.import(old.bytes.clone(), model.clone());
        let ready = ready.await?;
        let label = label(&seen, &ready, model);
        let picture = Picture {
            seen: &seen,
            ready: &ready,
            label: &label,
        };
        let stored = match self.dry_run {
            true => self.would_store(&picture, &old).await?,
            false => self.store(&picture, &old).await?,
        };
        let how = match (&stored, ready.optimized) {
            (Stored::Found, _) => How::Found,
            (Stored::Put(_), true) => How::Optimized,
            (Stored::Put(_), false) => How::Copied,
        };
        self.write(&seen, &label, stored, how).await
    }

    /// Finishes what an import has put in the place of the old picture.
    async fn adopt(&self, seen: &Assignment, label: &Label) -> Result<Outcome, Obstacle> {
        if !self.dry_run {
            self.tag(seen).await?;
        }
        self.write(seen, label, Stored::Found, How::Found).await
    }

    /// The model for the label: ASCII, as headers are.
    fn model_of(&self, seen: &Assignment) -> String {
        let fits = |it: &&String| is_model(it);
        let model = seen.model.as_ref().filter(fits).or(self.model.as_ref());
        model.map_or(UNKNOWN_MODEL, String::as_str).to_owned()
    }

    /// What [`Self::store`] would do.
    async fn would_store(&self, picture: &Picture<'_>, old: &Old) -> Result<Stored, Obstacle> {
        match self.find(picture).await? {
            None => Ok(Stored::Put(None)),
            Some(found) if is_stored(&found, picture) => Ok(Stored::Found),
            Some(found) => replaceable(&found, picture, old).map(|_| Stored::Put(None)),
        }
    }

    /// Puts the picture under its new key, unless something lies there that no import put there.
    async fn store(&self, picture: &Picture<'_>, old: &Old) -> Result<Stored, Obstacle> {
        let mut condition = match &old.in_place {
            None => Condition::IfAbsent,
            Some(found) => Condition::IfMatch(found.etag.clone()),
        };
        let mut tries = 0;
        for _ in 0..PUTS {
            let ready = picture.ready;
            let put = self.pictures.put(
                ready.bytes.clone(),
                ready.content_type,
                picture.label,
                picture.seen.permanent,
                &condition,
                &mut tries,
            );
            match put.await {
                Ok(version) => return Ok(Stored::Put(version)),
                Err(CloudError::PreconditionFailed(_)) => {}
                Err(error) => return Err(Obstacle::of_bucket(&self.bucket, error)),
            }
            condition = match self.find(picture).await? {
                None => Condition::IfAbsent,
                Some(found) if is_stored(&found, picture) => {
                    self.tag(picture.seen).await?;
                    return Ok(Stored::Found);
                }
                Some(found) => Condition::IfMatch(replaceable(&found, picture, old)?),
            };
        }
        Err(Reason::Changed.into())
    }

    async fn find(&self, picture: &Picture<'_>) -> Result<Option<Found>, Obstacle> {
        let key = key(&picture.seen.assignment_id);
        let found = self.pictures.find(&key, picture.seen.into()).await;
        found.map_err(|error| Obstacle::of_bucket(&self.bucket, error))
    }

    /// Sets the tag of a picture that was stored before; `permanent` may have changed since.
    async fn tag(&self, seen: &Assignment) -> Result<(), Obstacle> {
        let tagged = self.pictures.tag(seen).await;
        tagged.map_err(|error| Obstacle::of_bucket(&self.bucket, error))?;
        Ok(())
    }

    /// Writes that the picture is stored, except in a dry run.
    async fn write(
        &self,
        seen: &Assignment,
        label: &Label,
        stored: Stored,
        how: How,
    ) -> Result<Outcome, Obstacle> {
        let imported = Ok(Outcome::Imported(Imported {
            how,
            before: label.metadata.original_size_bytes,
            after: label.metadata.optimized_size_bytes,
        }));
        if self.dry_run {
            return imported;
        }
        let id = &seen.assignment_id;
        let import = self.transition(seen, label);
        if with_patience(|| self.store.apply(id, &import))
            .await?
            .is_some()
        {
            return imported;
        }
        match with_patience(|| self.store.get(id)).await? {
            // The answer to this very write was lost.
            Some(now) if import.is_made_in(&now) => imported,
            Some(now) if has_ours(&now) => Ok(Outcome::Already),
            Some(now) if now.s3_upload_status != Status::Deleted => Err(Reason::Changed.into()),
            gone => {
                self.erase(seen, stored).await?;
                Err(match gone {
                    Some(_) => Reason::Deleted.into(),
                    None => Reason::NoAssignment.into(),
                })
            }
        }
    }

    fn transition(&self, seen: &Assignment, label: &Label) -> Transition {
        let (key, now) = (key(&seen.assignment_id), Timestamp::now());
        let wanted = self.optimizer.makes_renditions(&label.metadata);
        let imported = transition::Imported {
            url: self.cdn.url(&key),
            key,
            metadata: label.metadata.clone(),
            model: self.model.clone(),
            thumbhash: label.thumbhash.clone(),
            renditions_at: wanted.then_some(now),
        };
        transition::import(seen, &imported, now)
    }

    /// The assignment was deleted while its picture was imported: that must go.
    async fn erase(&self, seen: &Assignment, stored: Stored) -> Result<(), Obstacle> {
        let version = match &stored {
            Stored::Put(version) => version.as_deref(),
            Stored::Found => None,
        };
        let erased = clean_up::erase_late_put(&self.pictures, seen, version).await;
        erased.map_err(|error| Obstacle::of_bucket(&self.bucket, error))
    }
}

/// Whether `model` can be the name of a model on a label.
pub(crate) fn is_model(model: &str) -> bool {
    (1..=MAX_MODEL_BYTES).contains(&model.len()) && model.bytes().all(|it| it.is_ascii_graphic())
}

/// Whether a picture of ours, or an imported one, is in the document.
fn has_ours(document: &Assignment) -> bool {
    document.image_metadata.is_some()
        && document.s3_image_key.as_ref() == Some(&key(&document.assignment_id))
}

/// Whether the document can be imported.
fn check(seen: &Assignment) -> Result<(), Reason> {
    if seen.is_stand_in() {
        return Err(Reason::Unreadable("see `atelier audit`".to_owned()));
    }
    if !is_valid_id(&seen.assignment_id) {
        return Err(Reason::BadId);
    }
    match seen.s3_upload_status {
        Status::Deleted => Err(Reason::Deleted),
        Status::Pending => Err(Reason::Pending),
        Status::Success | Status::Failed | Status::NoImage => Ok(()),
    }
}

/// The label of the picture that an import put in the place of the old one and did not write yet.
fn left_in_place<'a>(seen: &Assignment, old: &'a Old) -> Option<&'a Label> {
    let label = old.in_place.as_ref()?.label.as_ref()?;
    let is_current = label.prompt_hash == prompt_hash_of(seen);
    (is_current && is_of_import(label, seen)).then_some(label)
}

/// Whether an import stored this for the assignment.
fn is_of_import(label: &Label, seen: &Assignment) -> bool {
    label.assignment_id == seen.assignment_id && label.reuse_key == NO_REUSE
}

fn prompt_hash_of(seen: &Assignment) -> String {
    match seen.prompt_hash.as_str() {
        "" => prompt_hash(&seen.prompt),
        known => known.to_owned(),
    }
}

fn label(seen: &Assignment, ready: &Ready, model: String) -> Label {
    Label {
        assignment_id: seen.assignment_id.clone(),
        teacher_id: seen.teacher_id.clone(),
        created_at: seen.created_at.rfc3339(),
        original_format: ready.original_format.clone(),
        optimized: ready.optimized,
        prompt_hash: prompt_hash_of(seen),
        metadata: ready.metadata.clone(),
        model,
        reuse_key: NO_REUSE.to_owned(),
        thumbhash: ready.thumbhash.clone(),
    }
}

/// Whether what was found is this very picture. Optimizing the same picture makes the same bytes, so
/// sizes and dimensions tell.
fn is_stored(found: &Found, picture: &Picture<'_>) -> bool {
    found.label.as_ref() == Some(picture.label)
}

/// Names what was found, where it may be replaced: the old picture itself, or what an import stored
/// for this assignment before its document, the old picture or the options changed.
fn replaceable(found: &Found, picture: &Picture<'_>, old: &Old) -> Result<String, Obstacle> {
    let is_old = old
        .in_place
        .as_ref()
        .is_some_and(|it| it.etag == found.etag);
    let label = found.label.as_ref();
    match is_old || label.is_some_and(|label| is_of_import(label, picture.seen)) {
        true => Ok(found.etag.clone()),
        false => Err(Reason::KeyTaken.into()),
    }
}
