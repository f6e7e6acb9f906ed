//! The keys of programs, looked up in the store and kept for half a second.

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::api_key::{ApiKey, PREFIX, hash};
use atelier_domain::role::Roles;
use atelier_domain::timestamp::Timestamp;
use atelier_store::{Store, StoreError};
use moka::future::Cache;

use crate::identity::caller::{Caller, Proof};

/// How long a key is taken without another look: what is left of a second after a revocation is for
/// the look itself.
const KEPT: Duration = Duration::from_millis(500);

/// Keys that are kept at most.
const MAX_KEPT: u64 = 10_000;

/// Between two notes of a use.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Looks up keys.
#[derive(Debug)]
pub(crate) struct KnownApiKeys {
    store: Arc<dyn Store>,
    kept: Cache<String, Option<Arc<ApiKey>>>,
    /// Keys whose use was noted within [`NOTE_EVERY`].
    noted: Cache<String, ()>,
}

impl KnownApiKeys {
    /// None is looked up yet.
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            kept: Cache::builder()
                .max_capacity(MAX_KEPT)
                .time_to_live(KEPT)
                .build(),
            noted: Cache::builder()
                .max_capacity(MAX_KEPT)
                .time_to_live(NOTE_EVERY)
                .build(),
        }
    }

    /// Whether `token` looks like a key.
    pub(crate) fn is_key(token: &str) -> bool {
        token.starts_with(PREFIX)
    }

    /// The caller whose key `token` is; `None` where it is nobody's, over or revoked.
    ///
    /// # Errors
    /// Where the store is away.
    pub(crate) async fn caller(&self, token: &str) -> Result<Option<Caller>, Arc<StoreError>> {
        let hash = hash(token);
        let found = self.kept.try_get_with_by_ref(&hash, async {
            let found = self.store.api_keys().key_by_hash(&hash).await?;
            Ok::<_, StoreError>(found.map(Arc::new))
        });
        let now = Timestamp::now();
        let Some(key) = found.await?.filter(|key| key.is_good(now)) else {
            return Ok(None);
        };
        self.note_use(&key, now).await;
        Ok(Some(Caller {
            subject: format!("key:{}", key.name),
            roles: Roles::from_iter([key.role]),
            teacher: None,
            name: Some(key.name.clone()),
            proof: Proof::Key,
        }))
    }

    /// Notes that `key` is used, once a minute, without the caller waiting for it.
    async fn note_use(&self, key: &ApiKey, now: Timestamp) {
        let entry = self.noted.entry_by_ref(&key.name).or_insert(()).await;
        if !entry.is_fresh() {
            return;
        }
        let (store, name) = (self.store.clone(), key.name.clone());
        tokio::spawn(async move {
            if let Err(error) = store.api_keys().note_key_use(&name, now).await {
                tracing::debug!(key = name, %error, "the use of an API key is not noted");
            }
        });
    }
}
