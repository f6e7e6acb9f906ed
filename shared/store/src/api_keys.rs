//! The keys of programs, in the same store as the documents.

use async_trait::async_trait;

use atelier_domain::api_key::ApiKey;
use atelier_domain::timestamp::Timestamp;

use crate::StoreError;

/// Stores the keys of programs. Writes are durable when their call returns, and every read sees
/// what is durable, as in [`crate::Store`]. Each write can be repeated without harm.
///
/// # Errors
///
/// Every method returns [`StoreError::Away`] where the store does not carry the call out.
#[async_trait]
pub trait ApiKeys: Send + Sync {
    /// Stores a new key unless its name is taken, which is told by `false`.
    async fn add_key(&self, key: &ApiKey) -> Result<bool, StoreError>;

    /// The key with this hash.
    async fn key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError>;

    /// All keys by name, those that are revoked or over included.
    async fn all_keys(&self) -> Result<Vec<ApiKey>, StoreError>;

    /// Revokes a key at `at`, unless it is revoked already. Returns it as it is after that; `None`
    /// where there is none.
    async fn revoke_key(&self, name: &str, at: Timestamp) -> Result<Option<ApiKey>, StoreError>;

    /// Notes that a key was used at `at`, unless a later use is noted.
    async fn note_key_use(&self, name: &str, at: Timestamp) -> Result<(), StoreError>;
}
