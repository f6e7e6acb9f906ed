//! A versioned bucket in a folder.
//!
//! ```text
//! latest/SHARD/NAME            the latest version of each key, an object or a delete marker
//! older/SHARD/NAME/VERSION     the versions before it
//! aside/                       files being written; emptied at the start
//! ```
//!
//! A version is written aside and appears with one `link` (where no version is) or one `rename`
//! (over the latest, which was linked into `older` before). So a reader sees a whole version or
//! none, and the process may be killed at any point. The only possible trace is a latest version
//! that is among the older ones too; readers of the older versions skip it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use s3s::dto::ETagCondition;
use time::OffsetDateTime;
use uuid::Uuid;

use super::names;
use super::version::{self, Head, Kind, Object, Opened};

/// Why a bucket refuses an operation.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The key has no object; with the version of its delete marker, if it has one.
    #[error("the key does not exist")]
    NoSuchKey(Option<String>),
    /// The key has no version of this id.
    #[error("the version does not exist")]
    NoSuchVersion,
    /// The version is a delete marker, which has no bytes, metadata or tags.
    #[error("the version is a delete marker")]
    IsDeleteMarker(String),
    /// The key's latest version does not meet the condition.
    #[error("the condition does not hold")]
    PreconditionFailed,
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// The precondition of a write on the key's latest version.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// Nothing.
    Unconditional,
    /// There is no object.
    Absent,
    /// There is an object, and its ETag is this one.
    Matches(ETagCondition),
}

impl Condition {
    fn check(&self, latest: Option<&Head>) -> Result<(), Refusal> {
        let object = latest.and_then(Head::object);
        match (self, object) {
            (Self::Unconditional, _) | (Self::Absent, None) => Ok(()),
            (Self::Matches(ETagCondition::Any), Some(_)) => Ok(()),
            (Self::Matches(ETagCondition::ETag(etag)), Some(object))
                if etag.as_strong() == Some(&object.etag) =>
            {
                Ok(())
            }
            (Self::Matches(_), None) => {
                Err(Refusal::NoSuchKey(latest.map(|head| head.version.clone())))
            }
            _ => Err(Refusal::PreconditionFailed),
        }
    }
}

/// A versioned bucket. Its methods block.
#[derive(Debug)]
pub(super) struct Bucket {
    folder: PathBuf,
    /// When the bucket was created.
    pub created: OffsetDateTime,
    /// All keys that have a version, delete markers included.
    keys: RwLock<BTreeSet<String>>,
    /// Held, by the key's shard, while the versions of a key change or are looked at together.
    locks: Vec<Mutex<()>>,
}

impl Bucket {
    /// Opens the bucket in `folder`; creates it if it is missing.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let aside = folder.join("aside");
        fs::create_dir_all(&aside)?;
        for left_over in fs::read_dir(&aside)? {
            fs::remove_file(left_over?.path())?;
        }
        let mut keys = BTreeSet::new();
        for shard in (0..names::SHARDS).map(names::shard_name) {
            let shard = folder.join("latest").join(shard);
            fs::create_dir_all(&shard)?;
            names::keys_below(&shard, &mut |key| {
                keys.insert(key);
            })?;
        }
        let metadata = fs::metadata(folder)?;
        let created = metadata.created().or_else(|_| metadata.modified())?;
        Ok(Self {
            folder: folder.to_owned(),
            created: created.into(),
            keys: RwLock::new(keys),
            locks: (0..names::SHARDS).map(|_| Mutex::new(())).collect(),
        })
    }

    /// Puts an object as the latest version of `key`, if `condition` holds.
    pub(super) fn put(
        &self,
        key: String,
        object: Object,
        body: &[u8],
        condition: &Condition,
    ) -> Result<Head, Refusal> {
        self.add(
            Head::new(key, Kind::Object(Box::new(object))),
            body,
            condition,
        )
    }

    /// Puts a delete marker as the latest version of `key`, if `condition` holds.
    pub(super) fn delete(&self, key: String, condition: &Condition) -> Result<Head, Refusal> {
        self.add(Head::new(key, Kind::DeleteMarker), &[], condition)
    }

    fn add(&self, head: Head, body: &[u8], condition: &Condition) -> Result<Head, Refusal> {
        let aside = self.aside();
        let added = version::write(&aside, &head, body)
            .map_err(Refusal::from)
            .and_then(|()| self.publish(&head, &aside, condition));
        // Absent already if it was renamed.
        let _ = fs::remove_file(&aside);
        added.map(|()| head)
    }

    fn publish(&self, head: &Head, aside: &Path, condition: &Condition) -> Result<(), Refusal> {
        let _lock = self.lock(&head.key);
        let latest = self.latest(&head.key);
        let before = version::open(&latest)?.map(|opened| opened.head);
        condition.check(before.as_ref())?;
        match before {
            None => {
                make_parent(&latest)?;
                fs::hard_link(aside, &latest)?;
                self.keys
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(head.key.clone());
            }
            Some(before) => {
                let older = self.older(&head.key).join(&before.version);
                make_parent(&older)?;
                match fs::hard_link(&latest, older) {
                    // Left by a put that was killed before its rename.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    linked => linked?,
                }
                fs::rename(aside, &latest)?;
            }
        }
        sync_parent(&latest)?;
        Ok(())
    }

    /// The object of `key`: its latest version, or the one with the id `version`.
    pub(super) fn head(&self, key: &str, version: Option<&str>) -> Result<(Head, Object), Refusal> {
        let head = self.open_object(key, version)?.head;
        let object = head.object().cloned().unwrap_or_default();
        Ok((head, object))
    }

    /// As [`Self::head`], with the bytes.
    pub(super) fn read(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<(Head, Object, Bytes), Refusal> {
        let opened = self.open_object(key, version)?;
        let head = opened.head.clone();
        let object = head.object().cloned().unwrap_or_default();
        Ok((head, object, opened.body()?))
    }

    fn open_object(&self, key: &str, version: Option<&str>) -> Result<Opened, Refusal> {
        let opened = match version {
            None => version::open(&self.latest(key))?.ok_or(Refusal::NoSuchKey(None))?,
            Some(version) => {
                let _lock = self.lock(key);
                let path = self.find(key, version)?.ok_or(Refusal::NoSuchVersion)?;
                version::open(&path)?.ok_or(Refusal::NoSuchVersion)?
            }
        };
        match (&opened.head.kind, version) {
            (Kind::Object(_), _) => Ok(opened),
            (Kind::DeleteMarker, None) => Err(Refusal::NoSuchKey(Some(opened.head.version))),
            (Kind::DeleteMarker, Some(_)) => Err(Refusal::IsDeleteMarker(opened.head.version)),
        }
    }

    /// Replaces the tags of an object; nothing else of it changes. Returns the version's id.
    pub(super) fn tag(
        &self,
        key: &str,
        version: Option<&str>,
        tags: BTreeMap<String, String>,
    ) -> Result<String, Refusal> {
        let _lock = self.lock(key);
        let id = match version {
            Some(id) => id.to_owned(),
            None => match version::open(&self.latest(key))? {
                Some(opened) => opened.head.version,
                None => return Err(Refusal::NoSuchKey(None)),
            },
        };
        let path = self.find(key, &id)?.ok_or(Refusal::NoSuchVersion)?;
        let opened = version::open(&path)?.ok_or(Refusal::NoSuchVersion)?;
        let mut head = opened.head.clone();
        match &mut head.kind {
            Kind::Object(object) => object.tags = tags,
            Kind::DeleteMarker => return Err(Refusal::IsDeleteMarker(id)),
        }
        let aside = self.aside();
        version::write(&aside, &head, &opened.body()?)?;
        fs::rename(&aside, &path)?;
        sync_parent(&path)?;
        Ok(id)
    }

    /// Removes one version, an object or a delete marker, for good; `None` if there is none. If it
    /// was the latest, the one before it becomes the latest.
    pub(super) fn delete_version(&self, key: &str, version: &str) -> Result<Option<Head>, Refusal> {
        let _lock = self.lock(key);
        let Some(path) = self.find(key, version)? else {
            return Ok(None);
        };
        let Some(Opened { head, .. }) = version::open(&path)? else {
            return Ok(None);
        };
        let latest = self.latest(key);
        let older = self.older_versions(key)?;
        if path != latest {
            fs::remove_file(&path)?;
        } else if let Some(before) = older.iter().find(|id| *id != version) {
            remove_if_there(&self.older(key).join(version))?;
            fs::rename(self.older(key).join(before), &latest)?;
        } else {
            remove_if_there(&self.older(key).join(version))?;
            fs::remove_file(&latest)?;
            self.keys
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(key);
        }
        // Stays where it still holds versions.
        let _ = fs::remove_dir(self.older(key));
        sync_parent(&latest)?;
        Ok(Some(head))
    }

    /// All versions of `key`, the latest first; none if the key has none.
    pub(super) fn versions(&self, key: &str) -> io::Result<Vec<Head>> {
        let _lock = self.lock(key);
        let Some(Opened { head: latest, .. }) = version::open(&self.latest(key))? else {
            return Ok(Vec::new());
        };
        let mut versions = vec![latest];
        for id in self.older_versions(key)? {
            if id == versions[0].version {
                continue;
            }
            if let Some(opened) = version::open(&self.older(key).join(id))? {
                versions.push(opened.head);
            }
        }
        Ok(versions)
    }

    /// The head of the latest version of `key`, a delete marker too.
    pub(super) fn latest_head(&self, key: &str) -> io::Result<Option<Head>> {
        Ok(version::open(&self.latest(key))?.map(|opened| opened.head))
    }

    /// The first key from `start` on.
    pub(super) fn next_key(&self, start: Bound<&str>) -> Option<String> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .range::<str, _>((start, Bound::Unbounded))
            .next()
            .cloned()
    }

    fn find(&self, key: &str, version: &str) -> io::Result<Option<PathBuf>> {
        let latest = self.latest(key);
        if let Some(opened) = version::open(&latest)?
            && opened.head.version == version
        {
            return Ok(Some(latest));
        }
        let older = self.older_versions(key)?;
        Ok(older
            .contains(&version.to_owned())
            .then(|| self.older(key).join(version)))
    }

    /// Ids of the versions in `older`, the newest first.
    fn older_versions(&self, key: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.older(key)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut ids = Vec::new();
        for entry in entries {
            ids.extend(entry?.file_name().into_string());
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// A new name for a file being written.
    fn aside(&self) -> PathBuf {
        let name = Uuid::now_v7().simple().to_string();
        self.folder.join("aside").join(name)
    }

    fn latest(&self, key: &str) -> PathBuf {
        self.folder.join("latest").join(names::path(key))
    }

    fn older(&self, key: &str) -> PathBuf {
        self.folder.join("older").join(names::path(key))
    }

    fn lock(&self, key: &str) -> MutexGuard<'_, ()> {
        self.locks[names::shard(key)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn make_parent(path: &Path) -> io::Result<()> {
    fs::create_dir_all(parent(path))
}

/// Makes a new directory entry durable.
fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
