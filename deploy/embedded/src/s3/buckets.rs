//! All buckets of the embedded S3.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use s3s::{S3Result, s3_error};

use super::bucket::Bucket;

/// All buckets, by name.
#[derive(Debug)]
pub(super) struct Buckets {
    folder: PathBuf,
    open: RwLock<BTreeMap<String, Arc<Bucket>>>,
}

impl Buckets {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut open = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && s3s::path::check_bucket_name(&name)
            {
                open.insert(name, Arc::new(Bucket::open(&entry.path())?));
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            open: RwLock::new(open),
        })
    }

    /// Whether the bucket is new.
    pub(super) fn create(&self, name: &str) -> io::Result<bool> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.contains_key(name) {
            return Ok(false);
        }
        let bucket = Bucket::open(&self.folder.join(name))?;
        open.insert(name.to_owned(), Arc::new(bucket));
        Ok(true)
    }

    pub(super) fn get(&self, name: &str) -> S3Result<Arc<Bucket>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.get(name)
            .cloned()
            .ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }

    pub(super) fn all(&self) -> Vec<(String, Arc<Bucket>)> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter()
            .map(|(name, bucket)| (name.clone(), bucket.clone()))
            .collect()
    }
}
