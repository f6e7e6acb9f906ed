//! Where the documents are stored: MongoDB for a fleet, SQLite for one machine.

pub mod config;
mod mongo;
mod sqlite;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::heartbeat::Heartbeat;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::Transition;

pub use mongo::MongoStore;
pub use sqlite::SqliteStore;

/// The store did not carry out a call, or it is unclear whether it did.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is away, too slow, or refused the call. A later retry may help.
    #[error("the store is away: {0}")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A document that this program cannot read.
    #[error("document `{id}` cannot be read: {source}")]
    Unreadable {
        /// Its id.
        id: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The result of an insert.
#[derive(Clone, Debug, PartialEq)]
pub enum Insert {
    /// The document is stored.
    Done,
    /// The id was taken already, by this document (a tombstone may be it).
    Taken(Box<Assignment>),
}

/// Which documents a list wants. Tombstones are in no list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this teacher's.
    pub teacher_id: Option<String>,
    /// Only those with this status.
    pub status: Option<Status>,
}

/// Where a list goes on: after this document, in the order newest first, then by id downwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// Its `created_at`.
    pub created_at: Timestamp,
    /// Its id.
    pub assignment_id: String,
}

/// One document at a time, by compare-and-set. Every write is durable when its call returns.
///
/// A document that cannot be read is left out of lists and said so in the log; so only an empty
/// page is the end of one.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Stores a new document unless its id is taken.
    async fn insert(&self, assignment: &Assignment) -> Result<Insert, StoreError>;

    /// The document with this id, tombstones included.
    async fn get(&self, id: &str) -> Result<Option<Assignment>, StoreError>;

    /// Those of `ids` that exist, in any order, in one query.
    async fn get_many(&self, ids: &[String]) -> Result<Vec<Assignment>, StoreError>;

    /// The statuses of those of `ids` that exist, in any order, in one query that takes no more of
    /// a document than that.
    async fn statuses(&self, ids: &[String]) -> Result<Vec<(String, Status)>, StoreError>;

    /// Carries out `transition` if its guard admits the document, and returns the document after
    /// it; `None` if the guard does not admit it or there is no such document.
    async fn apply(
        &self,
        id: &str,
        transition: &Transition,
    ) -> Result<Option<Assignment>, StoreError>;

    /// Newest first, at most `limit`, after `after`.
    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError>;

    /// Documents whose `wake_at` is at or before `now`, earliest first, at most `limit`.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Assignment>, StoreError>;

    /// Makes at most `limit` pending documents without a live claim due at `now`: those whose
    /// last send was noted before `sent_before` and which are not due yet. That send is no longer
    /// noted then, so that the next call need not pass them by. Returns how many.
    async fn make_due(
        &self,
        sent_before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// The latest `success` whose `reuse_key` is one of `keys`; only `teacher_id`'s, where given.
    async fn reusable(
        &self,
        keys: &[String],
        teacher_id: Option<&str>,
    ) -> Result<Option<Assignment>, StoreError>;

    /// How many are pending that were created before `created_at`; counting stops at `cap`.
    async fn pending_before(&self, created_at: Timestamp, cap: u32) -> Result<u32, StoreError>;

    /// When the oldest pending documents were created, earliest first, at most `limit`.
    async fn oldest_pending(&self, limit: u32) -> Result<Vec<Timestamp>, StoreError>;

    /// Documents that became final after `from` and at or before `to`, earliest first, at most
    /// `limit`.
    async fn finished_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError>;

    /// How many became final after `since`; counting stops at `cap`.
    async fn finished_since(&self, since: Timestamp, cap: u32) -> Result<u32, StoreError>;

    /// Adds one to the count of `subject` in the window that starts at `window` (seconds since
    /// the epoch) and returns the count. Counts of past windows are deleted in time.
    async fn charge(&self, subject: &str, window: i64) -> Result<u32, StoreError>;

    /// Every document, tombstones included, by id upwards, after `after`, at most `limit`.
    async fn scan(&self, after: Option<&str>, limit: u32) -> Result<Vec<Assignment>, StoreError>;

    /// Replaces a worker's last heartbeat. Old heartbeats are deleted in time.
    async fn record_heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError>;

    /// The heartbeats that were written after `since`.
    async fn heartbeats(&self, since: Timestamp) -> Result<Vec<Heartbeat>, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// Opens the store that `url` names (`mongodb://…`, `mongodb+srv://…`, `sqlite:PATH`) and makes
/// its indexes. A MongoDB that is away now is no error: its indexes are made when it is there.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    match url.strip_prefix("sqlite:") {
        Some(path) => Ok(Arc::new(SqliteStore::open(path.as_ref())?)),
        None => Ok(Arc::new(MongoStore::open(url).await?)),
    }
}
