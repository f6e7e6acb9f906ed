//! Opens the file.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use super::fault::{Fault, Reason};
use super::{integrity, schema};

/// How long to wait for the lock of another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements that a connection keeps: more than there are.
const PREPARED: usize = 64;

/// Pages of the write-ahead log (4 KiB each) at which a commit empties it. Most of them are in the
/// file by then, by the checkpoints between, so that no commit has much to do.
const LOG_PAGES: u32 = 4_000;

/// Opens the file for writing; makes it, its folder and its tables where they are missing, and
/// upgrades an older schema.
pub(super) fn create(path: &Path) -> Result<Connection, Fault> {
    create_with(path, OpenFlags::default())
}

/// As [`create`], with other `flags` for SQLite.
pub(super) fn create_with(path: &Path, flags: OpenFlags) -> Result<Connection, Fault> {
    let fault = |reason: Reason| Fault::new(path, reason);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| fault(Reason::NoFolder(error.to_string())))?;
    }
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        let mut connection = open_with(path, flags).map_err(|error| fault(error.into()))?;
        match ready(&mut connection) {
            Ok(()) => return Ok(connection),
            // Its connection has to be closed before another process can upgrade the file.
            Err(Reason::InUse { .. }) if Instant::now() < deadline => {
                drop(connection);
                std::thread::sleep(pause());
            }
            Err(reason) => return Err(fault(reason)),
        }
    }
}

/// Makes the file one that this program can work with.
fn ready(connection: &mut Connection) -> Result<(), Reason> {
    if connection.is_readonly(MAIN_DB)? {
        return Err(Reason::ReadOnly(
            "opened without the right to write".to_owned(),
        ));
    }
    integrity::check(connection, integrity::AT_START)?;
    schema::recognize(connection)?;
    schema::upgrade(connection)?;
    write_ahead(connection)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    // What is overwritten or deleted leaves no trace in the file.
    connection.pragma_update(None, "secure_delete", "ON")?;
    Ok(schema::make(connection)?)
}

/// Before another try; of different lengths, so that two processes do not disturb each other again.
fn pause() -> Duration {
    let spread = std::time::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .subsec_micros()
        % 50;
    Duration::from_millis(10 + u64::from(spread))
}

/// Opens a file that is there.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    open_with(path, OpenFlags::default())
}

/// As [`open`], with other `flags` for SQLite.
pub(super) fn open_with(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
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
