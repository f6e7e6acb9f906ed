//! What is kept of a teacher, and where.

use std::ops::RangeInclusive;
use std::sync::Arc;

use atelier_cloud::cdn::Cdn;
use atelier_cloud::client::Aws;
use atelier_cloud::config::BucketConfig;
use atelier_cloud::pictures::{self, PictureRef, Pictures, assignment_of};
use atelier_domain::assignment::Assignment;
use atelier_domain::audit::{Action, Entry, pseudonym};
use atelier_store::{Indexes, Store, StoreError};
use serde::{Deserialize, Serialize};

use super::config::Config;
use crate::flags::Whose;
use crate::operator::operator;
use crate::patience::with_patience;

/// Documents in one query.
pub(super) const PAGE: u32 = 100;

/// S3's keys. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const KEY_BYTES: RangeInclusive<usize> = 1..=1024;

/// What is kept of a teacher, in the order in which it is exported and erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Belonging {
    /// The assignments, with their pictures, their links for students, and what students answered.
    Assignments,
    /// The entries of the audit log whose actor it is: exported whole; of an erased teacher only a
    /// pseudonym stays in them.
    AuditLog,
}

impl Belonging {
    pub(super) const ALL: [Self; 2] = [Self::Assignments, Self::AuditLog];
}

/// Where all that is.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) store: Arc<dyn Store>,
    pub(super) pictures: Pictures,
    pub(super) cdn: Cdn,
    /// The bucket of the pictures that other programs named.
    pub(super) old: Pictures,
    /// What stands before their names.
    old_prefix: String,
}

/// A picture that another program named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OldPicture {
    /// As the document has it.
    pub(super) name: String,
    /// Where it lies in the old bucket.
    pub(super) key: String,
}

impl Places {
    pub(super) async fn open(whose: &Whose) -> anyhow::Result<Self> {
        let config = Config::read(whose)?;
        let aws = Aws::connect(&config.cloud).await;
        let old = whose
            .from_bucket
            .clone()
            .unwrap_or(config.bucket.name.clone());
        Ok(Self {
            store: atelier_store::open(&config.store, Indexes::Leave).await?,
            pictures: Pictures::new(&aws, &config.bucket),
            cdn: Cdn::new(&aws, &config.cloud, &config.cdn),
            old: Pictures::new(&aws, &BucketConfig { name: old }),
            old_prefix: whose.from_prefix.clone(),
        })
    }

    /// The pictures of a document that another program put into the old bucket. A name that is the key
    /// of an assignment's picture of ours is none, whosever document has it.
    pub(super) fn old_pictures(&self, document: &Assignment) -> Vec<OldPicture> {
        let own = pictures::keys(document);
        let named = [&document.s3_image_key, &document.s3_image_name];
        let names = named
            .into_iter()
            .flatten()
            .filter(|name| !own.contains(name));
        let mut old: Vec<_> = names
            .map(|name| OldPicture {
                name: name.clone(),
                key: format!("{}{name}", self.old_prefix),
            })
            .filter(|old| KEY_BYTES.contains(&old.key.len()))
            .filter(|old| assignment_of(&old.key).is_none())
            .collect();
        old.dedup();
        old
    }

    /// Writes to the audit log.
    pub(super) async fn note(&self, entry: &Entry) -> Result<(), StoreError> {
        with_patience(|| self.store.append_audit(entry)).await
    }
}

/// The entry of what begins now: by whom the system says that it is, about a teacher's pseudonym.
pub(super) fn entry(action: Action, teacher_id: &str) -> Entry {
    Entry::begun(&operator(), action, pseudonym(teacher_id))
}

pub(super) fn picture<'a>(assignment_id: &'a str, teacher_id: &'a str) -> PictureRef<'a> {
    PictureRef {
        assignment_id,
        teacher_id: Some(teacher_id),
    }
}
