//! Opens the file.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::StoreError;

/// How long to wait for the lock of another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements that a connection keeps: more than there are.
const PREPARED: usize = 64;

/// Pages of the write-ahead log (4 KiB each) at which a commit empties it. Most of them are in the
/// file by then, by the checkpoints between, so that no commit has much to do.
const LOG_PAGES: u32 = 4_000;

/// The version of [`SCHEMA`], in the file's `user_version`.
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE assignments (
    id TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    status TEXT AS (document ->> '$.s3_upload_status') VIRTUAL,
    teacher_id TEXT AS (document ->> '$.teacher_id') VIRTUAL,
    created_at REAL AS (document ->> '$.created_at') VIRTUAL,
    wake_at REAL AS (document ->> '$.wake_at') VIRTUAL,
    sent_at REAL AS (document ->> '$.sent_at') VIRTUAL,
    claimed_until REAL AS (document ->> '$.claim.until') VIRTUAL,
    finished_at REAL AS (document ->> '$.finished_at') VIRTUAL,
    reuse_key TEXT AS (document ->> '$.reuse_key') VIRTUAL
);
CREATE INDEX due ON assignments (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX newest ON assignments (created_at, id) WHERE status <> 'deleted';
CREATE INDEX newest_of_status ON assignments (status, created_at, id);
CREATE INDEX newest_of_teacher ON assignments (teacher_id, created_at, id)
    WHERE teacher_id IS NOT NULL;
CREATE INDEX newest_of_teacher_and_status ON assignments (teacher_id, status, created_at, id)
    WHERE teacher_id IS NOT NULL;
CREATE INDEX sent ON assignments (sent_at, wake_at, claimed_until)
    WHERE status = 'pending' AND sent_at IS NOT NULL;
CREATE INDEX finished ON assignments (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX reusable ON assignments (reuse_key, finished_at)
    WHERE status = 'success' AND reuse_key IS NOT NULL;
CREATE INDEX reusable_of_teacher ON assignments (teacher_id, reuse_key, finished_at)
    WHERE status = 'success' AND teacher_id IS NOT NULL AND reuse_key IS NOT NULL;

CREATE TABLE limits (
    subject TEXT NOT NULL,
    window INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (subject, window)
) WITHOUT ROWID;
CREATE INDEX windows ON limits (window);

CREATE TABLE workers (
    worker TEXT NOT NULL PRIMARY KEY,
    at REAL NOT NULL,
    heartbeat TEXT NOT NULL
);
CREATE INDEX beats ON workers (at);
";

/// An index that files of before it lack. It changes no table, so it is no version of its own.
const OF_OTHERS: &str = "CREATE INDEX IF NOT EXISTS of_others ON assignments (id)
    WHERE document ->> '$.s3_image_name' IS NOT NULL";

/// An operation on the file that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the SQLite file `{path}`: {reason}")]
pub(super) struct Fault {
    path: String,
    reason: String,
}

impl Fault {
    pub(super) fn new(path: &Path, reason: impl ToString) -> Self {
        Self {
            path: path.display().to_string(),
            reason: reason.to_string(),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::Away(fault.into())
    }
}

/// Opens the file for writing; makes it, its folder and its tables where they are missing.
pub(super) fn create(path: &Path) -> Result<Connection, Fault> {
    let fault = |reason: &dyn ToString| Fault::new(path, reason.to_string());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| fault(&format!("its folder cannot be made: {error}")))?;
    }
    let mut connection = open(path).map_err(|error| fault(&error))?;
    write_ahead(&connection).map_err(|error| fault(&error))?;
    connection
        .pragma_update(None, "wal_autocheckpoint", LOG_PAGES)
        .map_err(|error| fault(&error))?;
    let version = migrate(&mut connection).map_err(|error| fault(&error))?;
    if version != VERSION {
        return Err(fault(&format!(
            "its schema is version {version}, this program knows version {VERSION}"
        )));
    }
    connection
        .execute_batch(OF_OTHERS)
        .map_err(|error| fault(&error))?;
    Ok(connection)
}

/// Opens a file that is there.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    // In WAL mode FULL syncs at each commit: what is acknowledged survives a loss of power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Turns on the write-ahead log, so that readers and a writer do not wait for each other. SQLite
/// does not wait for the lock that this needs, so we do.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

/// Makes the tables in a new file. Returns the version of the file's schema.
fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get(0))
    };
    if version(connection)? != 0 {
        return version(connection);
    }
    // Another process may make the tables too: check again with the lock held.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if version(&transaction)? == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    version(connection)
}
