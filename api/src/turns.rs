//! Whoever does something to the same id in this process takes turns.

use std::hash::{BuildHasher as _, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// Enough that two ids rarely share one.
const LANES: usize = 256;

/// Locks by id; ids share them.
#[derive(Debug)]
pub struct Turns {
    lanes: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            lanes: (0..LANES).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Turns {
    /// Waits for the turn of `id`; it ends when the guard is dropped.
    pub async fn take(&self, id: &str) -> MutexGuard<'_, ()> {
        let lane = self.hasher.hash_one(id) as usize % LANES;
        self.lanes[lane].lock().await
    }
}
