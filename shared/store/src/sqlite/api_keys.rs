//! The keys of programs in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Params, params};

use atelier_domain::api_key::ApiKey;
use atelier_domain::timestamp::Timestamp;

use super::SqliteStore;
use crate::StoreError;
use crate::api_keys::ApiKeys;

pub(super) const INSERT: &str = "INSERT INTO api_keys (name, hash, document) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO NOTHING";

pub(super) const FIND: &str = "SELECT document FROM api_keys WHERE hash = ?1";

pub(super) const GET: &str = "SELECT document FROM api_keys WHERE name = ?1";

pub(super) const LIST: &str = "SELECT document FROM api_keys WHERE name > '' ORDER BY name";

pub(super) const REVOKE: &str =
    "UPDATE api_keys SET document = json_set(document, '$.revoked_at', ?2)
    WHERE name = ?1 AND document ->> '$.revoked_at' IS NULL";

pub(super) const NOTE_USE: &str =
    "UPDATE api_keys SET document = json_set(document, '$.last_used_at', ?2)
    WHERE name = ?1 AND ifnull(document ->> '$.last_used_at' < ?2, TRUE)";

fn one(
    connection: &Connection,
    query: &str,
    values: impl Params,
) -> rusqlite::Result<Option<ApiKey>> {
    let mut statement = connection.prepare_cached(query)?;
    let text: Option<String> = statement.query_row(values, |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

#[async_trait]
impl ApiKeys for SqliteStore {
    async fn add_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let (name, hash) = (key.name.clone(), key.hash.clone());
        let text = serde_json::to_string(key).expect("a key is plain data");
        self.write(move |connection| {
            let mut insert = connection.prepare_cached(INSERT)?;
            Ok(insert.execute(params![name, hash, text])? == 1)
        })
        .await
    }

    async fn key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError> {
        let hash = hash.to_owned();
        self.read(move |connection| one(connection, FIND, [hash]))
            .await
    }

    async fn all_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let texts: Vec<String> = self
            .read(move |connection| {
                connection
                    .prepare_cached(LIST)?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })
            .await?;
        let read = texts.iter().map(|text| serde_json::from_str(text).ok());
        Ok(read.flatten().collect())
    }

    async fn revoke_key(&self, name: &str, at: Timestamp) -> Result<Option<ApiKey>, StoreError> {
        let (name, at) = (name.to_owned(), at.seconds());
        self.write(move |connection| {
            connection
                .prepare_cached(REVOKE)?
                .execute(params![name, at])?;
            one(connection, GET, [name])
        })
        .await
    }

    async fn note_key_use(&self, name: &str, at: Timestamp) -> Result<(), StoreError> {
        let (name, at) = (name.to_owned(), at.seconds());
        self.write(move |connection| {
            let mut note = connection.prepare_cached(NOTE_USE)?;
            note.execute(params![name, at])
        })
        .await
        .map(drop)
    }
}
