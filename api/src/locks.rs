//! Requests of this process that create the same id run one after the other.

use std::hash::{BuildHasher as _, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// Enough that two ids rarely share one.
const SHARDS: usize = 256;

/// Locks by id; several ids share one lock.
#[derive(Debug)]
pub(crate) struct IdLocks {
    shards: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for IdLocks {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl IdLocks {
    /// Waits for the lock of `id`.
    pub(crate) async fn lock(&self, id: &str) -> MutexGuard<'_, ()> {
        let shard = self.hasher.hash_one(id) as usize % SHARDS;
        self.shards[shard].lock().await
    }
}
