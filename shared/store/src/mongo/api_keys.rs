//! The keys of programs in MongoDB.

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReturnDocument;

use atelier_domain::api_key::ApiKey;
use atelier_domain::timestamp::Timestamp;

use super::error::WriteFault;
use super::{MongoStore, documents, read, write};
use crate::StoreError;
use crate::api_keys::ApiKeys;

impl MongoStore {
    async fn api_key(&self, query: Document) -> Result<Option<ApiKey>, StoreError> {
        let found = read(self.api_keys.find_one(query)).await?;
        Ok(found.and_then(documents::read))
    }
}

#[async_trait]
impl ApiKeys for MongoStore {
    async fn add_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let mut document = doc! { "_id": &key.name };
        document.extend(documents::plain(key));
        match write(self.api_keys.insert_one(document)).await {
            Ok(_) => Ok(true),
            // The driver may have repeated a write whose first answer was lost.
            Err(WriteFault::Duplicate(_)) => {
                let present = self.api_key(doc! { "_id": &key.name }).await?;
                Ok(present.is_some_and(|present| present.hash == key.hash))
            }
            Err(fault) => Err(fault.give_up(&key.name)),
        }
    }

    async fn key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError> {
        self.api_key(doc! { "hash": hash }).await
    }

    async fn all_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        // No name is empty, so all come after the empty one.
        let all = doc! { "_id": { "$gt": "" } };
        let call = self.api_keys.find(all).sort(doc! { "_id": 1 });
        let found = self.documents(call).await?;
        Ok(found.into_iter().filter_map(documents::read).collect())
    }

    async fn revoke_key(&self, name: &str, at: Timestamp) -> Result<Option<ApiKey>, StoreError> {
        let call = self
            .api_keys
            .find_one_and_update(
                doc! { "_id": name, "revoked_at": Bson::Null },
                doc! { "$set": { "revoked_at": at.seconds() } },
            )
            .return_document(ReturnDocument::After);
        match write(call).await.map_err(|fault| fault.give_up(name))? {
            Some(revoked) => Ok(documents::read(revoked)),
            None => self.api_key(doc! { "_id": name }).await,
        }
    }

    async fn note_key_use(&self, name: &str, at: Timestamp) -> Result<(), StoreError> {
        let call = self.api_keys.update_one(
            doc! { "_id": name },
            doc! { "$max": { "last_used_at": at.seconds() } },
        );
        let noted = write(call).await.map(drop);
        noted.map_err(|fault| fault.give_up(name))
    }
}
