//! What an erasure asks of the documents.

use atelier_domain::assignment::Assignment;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::queries::{self, Row};

const ERASE: &str = "UPDATE assignments SET document = ?3 WHERE id = ?1 AND teacher_id = ?2";

pub(super) const ERASING: &str = "SELECT id, document FROM assignments INDEXED BY erasing
    WHERE document ->> '$.erasing_for' IS NOT NULL AND document ->> '$.erasing_for' = ?1 LIMIT ?2";

pub(super) const NAMED_BY_OTHERS: &str = "SELECT 1 FROM assignments INDEXED BY named_by_others
    WHERE document ->> '$.s3_image_name' IS NOT NULL AND document ->> '$.s3_image_name' = ?1
        AND id <> ?2 LIMIT 1";

/// Empties the log into the file, as far as others let it, so that nothing overwritten stays in it.
const EMPTY_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// Replaces the whole document by its tombstone, if it is the teacher's.
pub(super) fn erase(
    connection: &Connection,
    teacher_id: &str,
    tombstone: &Assignment,
) -> rusqlite::Result<bool> {
    let text = serde_json::to_string(tombstone).expect("a document is plain data");
    let changed = connection.prepare_cached(ERASE)?.execute(params![
        tombstone.assignment_id,
        teacher_id,
        text
    ])?;
    Ok(changed > 0)
}

/// The tombstones of an erasure that is not done.
pub(super) fn erasing(
    connection: &Connection,
    teacher_id: &str,
    limit: u32,
) -> rusqlite::Result<Vec<Row>> {
    queries::rows(connection, ERASING, params![teacher_id, limit])
}

/// Whether another document names the picture.
pub(super) fn is_named_by_others(
    connection: &Connection,
    picture: &str,
    id: &str,
) -> rusqlite::Result<bool> {
    let found: Option<u32> = connection
        .prepare_cached(NAMED_BY_OTHERS)?
        .query_row([picture, id], |row| row.get(0))
        .optional()?;
    Ok(found.is_some())
}

/// Leaves nothing of what was overwritten in the files.
pub(super) fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row(EMPTY_LOG, [], |_| Ok(()))
}
