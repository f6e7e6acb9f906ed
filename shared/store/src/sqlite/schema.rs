//! The tables, and how a file of an older version gets them.

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::fault::Reason;

/// What each version adds to the one before. Never change one that was released: files have it.
const STEPS: [&str; 2] = [include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// The version that this program works with, in the file's `user_version`.
pub(super) const VERSION: u32 = STEPS.len() as u32;

/// Refuses a file of a newer version, and one of another program.
pub(super) fn recognize(connection: &Connection) -> Result<(), Reason> {
    // Both are read at one moment: another process may be making the tables.
    let transaction = connection.unchecked_transaction()?;
    let found = version(&transaction)?;
    let known = VERSION;
    let (tables, ours): (u32, bool) = transaction.query_row(
        "SELECT count(*), total(name = 'assignments') = 1 FROM sqlite_schema",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    match found {
        0 if tables == 0 => Ok(()),
        0 => Err(Reason::Damaged("it has tables, but no version".to_owned())),
        _ if !ours => Err(Reason::Damaged("it has no assignments".to_owned())),
        _ if found > known => Err(Reason::Newer { found, known }),
        _ => Ok(()),
    }
}

/// Brings a file of an older version to this one, in one transaction. A new file stays as it is.
///
/// Another process would go on with the tables that it knows, so nobody else may have the file open:
/// [`Reason::InUse`].
pub(super) fn upgrade(connection: &mut Connection) -> Result<(), Reason> {
    let found = version(connection)?;
    if found == 0 || found == VERSION {
        return Ok(());
    }
    let in_use = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => {
            let known = VERSION;
            Reason::InUse { found, known }
        }
        _ => error.into(),
    };
    // The write-ahead log can be left only by the last that has the file open, whatever its version.
    connection
        .pragma_update(None, "journal_mode", "DELETE")
        .map_err(in_use)?;
    take(connection, TransactionBehavior::Exclusive, &STEPS).map_err(in_use)?;
    tracing::info!(
        from = found,
        to = VERSION,
        "the SQLite file's schema is upgraded"
    );
    Ok(())
}

/// Makes the tables in a new file.
pub(super) fn make(connection: &mut Connection) -> rusqlite::Result<()> {
    match version(connection)? {
        0 => take(connection, TransactionBehavior::Immediate, &STEPS),
        _ => Ok(()),
    }
}

/// Takes those of `steps` that the file lacks, all or none. Another process may do that too, so the
/// version is read with the lock held.
pub(super) fn take(
    connection: &mut Connection,
    lock: TransactionBehavior,
    steps: &[&str],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(lock)?;
    let found = version(&transaction)?;
    for (step, version) in steps.iter().zip(1..).skip(found as usize) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
    }
    transaction.commit()
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
