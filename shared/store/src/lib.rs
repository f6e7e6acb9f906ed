//! Stores the documents: in MongoDB for a fleet, in SQLite for one machine. `tests/contract` says
//! what both must do.

pub mod api_keys;
pub mod config;
pub mod guarantees;
mod mongo;
pub mod shares;
mod sqlite;
pub mod survey;
mod unreadable;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::audit::{Action, Entry};
use atelier_domain::budget::{Account, Charged, MicroUsd};
use atelier_domain::fairness::Pending;
use atelier_domain::heartbeat::Heartbeat;
use atelier_domain::pause::Pause;
use atelier_domain::search::Search;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::Transition;

use api_keys::ApiKeys;
use config::StoreConfig;
pub use mongo::MongoStore;
use shares::Shares;
pub use sqlite::SqliteStore;
pub use sqlite::backup::{Backup, BackupError, Existing};

/// The store did not carry out a call, or it is unclear whether it did.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, did not answer within seconds, or refused the call. A later retry may
    /// help. A write may have been carried out all the same: on a MongoDB that means that a
    /// majority did not have it when we looked, but may have it later.
    #[error("the store is away: {0}")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A document that this program cannot read, or that the store does not let it write. No retry
    /// helps.
    #[error("document `{id}` cannot be read or written: {source}")]
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
    /// The document is stored, by this call or by an earlier one with the same document.
    Done,
    /// The id was taken already, by this document (a tombstone may be it).
    Taken(Box<Assignment>),
}

/// Which documents are in a list. Tombstones are in none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Only this teacher's.
    pub teacher_id: Option<String>,
    /// Only those with this status.
    pub status: Option<Status>,
    /// Only those whose prompt it finds. The documents that the other conditions choose are looked
    /// through from the newest on, in an index that has their prompts.
    pub search: Search,
    /// Only those created at this time or after it.
    pub from: Option<Timestamp>,
    /// Only those created before this time.
    pub before: Option<Timestamp>,
}

/// Which entries of the audit log are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only this actor's, as entries have it.
    pub actor: Option<String>,
    /// Only of this action.
    pub action: Option<Action>,
    /// Only what was done to this.
    pub what: Option<String>,
}

/// The document after which a list goes on. Lists are newest first, then by id downwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// Its `created_at`.
    pub created_at: Timestamp,
    /// Its id.
    pub assignment_id: String,
}

/// Changes one document at a time, by compare-and-set. Every write is durable when its call returns:
/// whichever machine fails next, it is not undone. Every read sees what is durable.
///
/// Other programs write documents too ([`atelier_domain::foreign`]). One that cannot be read is
/// reported once. [`Store::list`], [`Store::scan`] and [`Store::of_others`] show something in its
/// place; the other lists leave it out, so that they may have fewer than `limit` documents.
///
/// # Errors
///
/// Every method returns [`StoreError::Away`] where the store does not carry the call out. Those that
/// return one document return [`StoreError::Unreadable`] where it cannot be read.
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

    /// Sets `wake_at` to `now` in at most `limit` pending documents without a live claim: those
    /// whose last send was noted before `sent_before` and which are not due yet. Removes that note,
    /// so that the next call does not find them again. Returns how many it changed.
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

    /// The oldest pending documents, as far as fairness is concerned, earliest first, at most `limit`.
    async fn pending(&self, limit: u32) -> Result<Vec<Pending>, StoreError>;

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
    /// the epoch) and returns the count. A count is deleted an hour or more after its window began.
    async fn charge(&self, subject: &str, window: i64) -> Result<u32, StoreError>;

    /// Charges a call to a model to an account, once: a call that is open there is charged already.
    /// Refused where more than `limit` would be charged then. An account is deleted some time after
    /// [`Account::expires_at`].
    async fn charge_call(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
        limit: MicroUsd,
    ) -> Result<Charged, StoreError>;

    /// Returns the price of a call that was not billed. Where it is not open in the account, because it
    /// is returned already or was never charged, this changes nothing.
    async fn refund_call(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
    ) -> Result<(), StoreError>;

    /// Notes that the price of a call stays charged: it is not open any more.
    async fn settle_call(&self, account: &Account, call: &str) -> Result<(), StoreError>;

    /// What is charged to each of `accounts`, in their order, in one query.
    async fn charged(&self, accounts: &[Account]) -> Result<Vec<MicroUsd>, StoreError>;

    /// Every document, tombstones included, by id upwards, after `after`, at most `limit`.
    async fn scan(&self, after: Option<&str>, limit: u32) -> Result<Vec<Assignment>, StoreError>;

    /// Documents whose picture another program named (`s3_image_name`), by id upwards, after
    /// `after`, at most `limit`. Those that have a picture of ours by now are among them.
    async fn of_others(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError>;

    /// How many documents [`Store::of_others`] has in all its pages; counting stops at `cap`.
    async fn count_of_others(&self, cap: u32) -> Result<u32, StoreError>;

    /// Replaces the worker's last heartbeat. A heartbeat is deleted when it is an hour old or more.
    async fn record_heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError>;

    /// The heartbeats that were written after `since`.
    async fn heartbeats(&self, since: Timestamp) -> Result<Vec<Heartbeat>, StoreError>;

    /// The pause of the fleet that was written last; it may have ended.
    async fn pause(&self) -> Result<Option<Pause>, StoreError>;

    /// Writes the pause of the fleet in place of the one before, or that there is none.
    async fn set_pause(&self, pause: Option<&Pause>) -> Result<(), StoreError>;

    /// The keys of programs, which are in the same store.
    fn api_keys(&self) -> &dyn ApiKeys;

    /// Links for students, and what students answered there.
    fn shares(&self) -> &dyn Shares;

    /// Appends to the audit log. No call changes or deletes an entry. The name of its person, if it
    /// has one, is kept beside the log.
    async fn append_audit(&self, entry: &Entry) -> Result<(), StoreError>;

    /// Entries of the audit log, newest first, then by id downwards, at most `limit`, after the one
    /// whose time and id `after` has. With the names of persons that are still known.
    async fn audit_log(
        &self,
        filter: &AuditFilter,
        after: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Replaces the whole document with the id of `tombstone` by it, if that is `teacher_id`'s: no
    /// field of any program stays, and it need not be readable. Returns whether it did.
    async fn erase(&self, teacher_id: &str, tombstone: &Assignment) -> Result<bool, StoreError>;

    /// Tombstones of [`Store::erase`] for this teacher that are not noted as erased, in any order, at
    /// most `limit`.
    async fn erasing(&self, teacher_id: &str, limit: u32) -> Result<Vec<Assignment>, StoreError>;

    /// Whether a document other than `assignment_id` names this as its picture by another program
    /// (`s3_image_name`).
    async fn is_named_by_others(
        &self,
        picture: &str,
        assignment_id: &str,
    ) -> Result<bool, StoreError>;

    /// Ends an erasure: forgets the name of the person with this id that is beside the audit log, and
    /// leaves nothing in the store's files of what was overwritten, as far as that is in its hands.
    async fn forget_person(&self, id: &str) -> Result<(), StoreError>;

    /// Succeeds if the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// Whether whoever opens a store makes its indexes, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexes {
    /// It does: an API, and `atelier indexes`.
    Make,
    /// It leaves that to others: workers, of which there are many.
    Leave,
}

/// Opens the store of `config`. A SQLite file has its indexes from the start. A MongoDB that is away
/// is no error: its indexes are made once it answers.
///
/// # Errors
///
/// [`StoreError::Away`] as [`SqliteStore::open`] and [`MongoStore::open`] say.
pub async fn open(config: &StoreConfig, indexes: Indexes) -> Result<Arc<dyn Store>, StoreError> {
    if let Some(path) = config.url.strip_prefix("sqlite:") {
        return Ok(Arc::new(SqliteStore::open(path.as_ref())?));
    }
    let store = MongoStore::open(&config.url, config.pool).await?;
    Ok(match indexes {
        Indexes::Make => Arc::new(store.with_indexes().await),
        Indexes::Leave => Arc::new(store),
    })
}

/// Makes the indexes of the store of `config`, and returns when they are made.
///
/// # Errors
///
/// [`StoreError::Away`] where the store is away, or one cannot be made.
pub async fn make_indexes(config: &StoreConfig) -> Result<(), StoreError> {
    match config.url.strip_prefix("sqlite:") {
        Some(path) => SqliteStore::open(path.as_ref()).map(drop),
        None => {
            let store = MongoStore::open(&config.url, config.pool).await?;
            store.make_indexes().await
        }
    }
}
