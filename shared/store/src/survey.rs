//! What a store is made of, for those who look after it.

use crate::config::StoreConfig;
use crate::{MongoStore, StoreError};

/// The machines that hold the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// A SQLite file.
    File,
    /// One server: what it acknowledged is lost with its disk.
    One,
    /// A replica set.
    ReplicaSet {
        /// Members that hold data.
        data: usize,
        /// Members that only vote.
        arbiters: usize,
    },
    /// A sharded cluster, behind its router.
    Sharded,
}

/// The result of a survey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The machines that hold the documents.
    pub nodes: Nodes,
    /// Indexes that are not there, by name; without them queries read everything.
    pub missing_indexes: Vec<&'static str>,
}

/// Asks the store of `config` what it is made of. Changes nothing. A SQLite file is not opened: its
/// store is one file with all of its indexes.
///
/// # Errors
///
/// [`StoreError::Away`] where it does not answer.
pub async fn survey(config: &StoreConfig) -> Result<Survey, StoreError> {
    if config.url.starts_with("sqlite:") {
        return Ok(Survey {
            nodes: Nodes::File,
            missing_indexes: Vec::new(),
        });
    }
    let store = MongoStore::open(&config.url, config.pool).await?;
    Ok(Survey {
        nodes: store.nodes().await?,
        missing_indexes: store.missing_indexes().await?,
    })
}
