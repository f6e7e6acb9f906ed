//! Every statement. Each query uses an index and sorts nothing, so that its cost does not grow with
//! the number of documents; a test checks SQLite's query plans.

use rusqlite::{Connection, OptionalExtension as _, Params};

use atelier_domain::assignment::Status;
use atelier_domain::fairness::Pending;
use atelier_domain::timestamp::Timestamp;

pub(super) const INSERT: &str =
    "INSERT INTO assignments (id, document) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";

pub(super) const REPLACE: &str = "UPDATE assignments SET document = ?2 WHERE id = ?1";

pub(super) const LOOK_LATER: &str =
    "UPDATE assignments SET document = json_set(document, '$.wake_at', ?2) WHERE id = ?1";

pub(super) const GET: &str = "SELECT id, document FROM assignments WHERE id = ?1";

const STATUS: &str = "SELECT status FROM assignments WHERE id = ?1";

pub(super) const DUE: &str = "SELECT id, document FROM assignments
    WHERE wake_at <= ?1 ORDER BY wake_at LIMIT ?2";

pub(super) const NOT_DUE_YET: &str = "SELECT id, document FROM assignments INDEXED BY sent
    WHERE status = 'pending' AND sent_at < :sent_before
        AND ifnull(wake_at > :now, TRUE) AND ifnull(claimed_until <= :now, TRUE)
    ORDER BY sent_at LIMIT :limit";

const LATEST: &str = "SELECT id, document FROM assignments
    WHERE status = 'success' AND reuse_key = ?1 ORDER BY finished_at DESC LIMIT 1";

const LATEST_OF_TEACHER: &str = "SELECT id, document FROM assignments
    WHERE status = 'success' AND reuse_key = ?1 AND teacher_id = ?2
    ORDER BY finished_at DESC LIMIT 1";

pub(super) const PENDING_BEFORE: &str = "SELECT count(*) FROM (SELECT 1 FROM assignments
    WHERE status = 'pending' AND created_at < ?1 LIMIT ?2)";

pub(super) const OLDEST_PENDING: &str = "SELECT created_at FROM assignments
    WHERE status = 'pending' AND created_at >= 0 ORDER BY created_at LIMIT ?1";

const PENDING: &str = "SELECT teacher_id, created_at, claimed_until FROM assignments
    WHERE status = 'pending' AND created_at >= 0 ORDER BY created_at LIMIT ?1";

pub(super) const FINISHED_BETWEEN: &str = "SELECT id, document FROM assignments
    WHERE finished_at > ?1 AND finished_at <= ?2 ORDER BY finished_at LIMIT ?3";

pub(super) const FINISHED_SINCE: &str = "SELECT count(*) FROM (SELECT 1 FROM assignments
    WHERE finished_at > ?1 LIMIT ?2)";

pub(super) const SCAN: &str =
    "SELECT id, document FROM assignments WHERE id > ?1 ORDER BY id LIMIT ?2";

pub(super) const OF_OTHERS: &str = "SELECT id, document FROM assignments
    WHERE id > ?1 AND document ->> '$.s3_image_name' IS NOT NULL ORDER BY id LIMIT ?2";

pub(super) const COUNT_OF_OTHERS: &str = "SELECT count(*) FROM (SELECT 1 FROM assignments
    WHERE id > '' AND document ->> '$.s3_image_name' IS NOT NULL LIMIT ?1)";

pub(super) const CHARGE: &str = "INSERT INTO limits (subject, window, count) VALUES (?1, ?2, 1)
    ON CONFLICT (subject, window) DO UPDATE SET count = count + 1 RETURNING count";

pub(super) const DELETE_OLD_COUNTS: &str = "DELETE FROM limits WHERE window < ?1";

pub(super) const BALANCE: &str = "SELECT charged, open FROM budgets WHERE account = ?1";

pub(super) const PUT_BALANCE: &str =
    "INSERT INTO budgets (account, day, charged, open) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (account) DO UPDATE SET charged = excluded.charged, open = excluded.open";

pub(super) const DELETE_OLD_BUDGETS: &str = "DELETE FROM budgets WHERE day < ?1";

pub(super) const RECORD_HEARTBEAT: &str =
    "INSERT INTO workers (worker, at, heartbeat) VALUES (?1, ?2, ?3)
    ON CONFLICT (worker) DO UPDATE SET at = excluded.at, heartbeat = excluded.heartbeat";

pub(super) const DELETE_OLD_HEARTBEATS: &str = "DELETE FROM workers WHERE at < ?1";

pub(super) const HEARTBEATS: &str = "SELECT heartbeat FROM workers WHERE at > ?1 ORDER BY at";

pub(super) const PAUSE: &str = "SELECT pause FROM fleet_pause WHERE id = 1";

pub(super) const PUT_PAUSE: &str = "INSERT INTO fleet_pause (id, pause) VALUES (1, ?1)
    ON CONFLICT (id) DO UPDATE SET pause = excluded.pause";

pub(super) const DELETE_PAUSE: &str = "DELETE FROM fleet_pause WHERE id = 1";

pub(super) const LINKS: &str = "SELECT *, (SELECT count(*) FROM results
        WHERE results.assignment_id = shares.assignment_id AND results.link = shares.link) AS results
    FROM shares WHERE assignment_id = ?1 ORDER BY link DESC";

pub(super) const LINK_OF_TOKEN: &str = "SELECT * FROM shares WHERE token = ?1";

pub(super) const IS_LINK: &str =
    "SELECT 1 FROM shares WHERE assignment_id = ?1 AND link = ?2 AND token = ?3";

pub(super) const ADD_LINK: &str =
    "INSERT INTO shares (assignment_id, link, token, created_at, expires_at)
    VALUES (:assignment_id, :link, :token, :created_at, :expires_at)";

pub(super) const REVOKE_LINKS: &str = "UPDATE shares SET token = NULL, revoked_at = ?2
    WHERE assignment_id = ?1 AND token IS NOT NULL";

pub(super) const FORGET_ENDED_LINKS: &str = "DELETE FROM shares
    WHERE assignment_id = ?1 AND revoked_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM results
        WHERE results.assignment_id = shares.assignment_id AND results.link = shares.link)";

pub(super) const ERASE_LINKS: &str = "DELETE FROM shares WHERE assignment_id = ?1";

pub(super) const RESULTS: &str = "SELECT result FROM results
    WHERE assignment_id = ?1 AND link = ?2 ORDER BY id";

pub(super) const COUNT_RESULTS: &str =
    "SELECT count(*) FROM results WHERE assignment_id = ?1 AND link = ?2";

pub(super) const HAS_RESULT: &str =
    "SELECT count(*) FROM results WHERE assignment_id = ?1 AND link = ?2 AND id = ?3";

pub(super) const ADD_RESULT: &str = "INSERT INTO results (assignment_id, link, id, result)
    VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";

pub(super) const ERASE_RESULT: &str =
    "DELETE FROM results WHERE assignment_id = ?1 AND link = ?2 AND id = ?3";

pub(super) const ERASE_RESULTS: &str = "DELETE FROM results WHERE assignment_id = ?1";

pub(super) const PROBE: &str = "INSERT INTO probes (room) VALUES (zeroblob(?1))";

pub(super) const END_PROBE: &str = "DELETE FROM probes";

/// Every query of this file but the lists, for the test of the query plans.
#[cfg(test)]
pub(super) const READS: &[&str] = &[
    GET,
    STATUS,
    DUE,
    NOT_DUE_YET,
    LATEST,
    LATEST_OF_TEACHER,
    PENDING_BEFORE,
    OLDEST_PENDING,
    PENDING,
    FINISHED_BETWEEN,
    FINISHED_SINCE,
    SCAN,
    OF_OTHERS,
    COUNT_OF_OTHERS,
    DELETE_OLD_COUNTS,
    BALANCE,
    DELETE_OLD_BUDGETS,
    DELETE_OLD_HEARTBEATS,
    HEARTBEATS,
    PAUSE,
    DELETE_PAUSE,
    LINKS,
    LINK_OF_TOKEN,
    IS_LINK,
    REVOKE_LINKS,
    FORGET_ENDED_LINKS,
    ERASE_LINKS,
    RESULTS,
    COUNT_RESULTS,
    HAS_RESULT,
    ERASE_RESULT,
    ERASE_RESULTS,
];

/// A document as it is stored.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) document: String,
}

pub(super) fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        document: row.get(1)?,
    })
}

pub(super) fn rows(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare_cached(sql)?
        .query_map(parameters, row)?
        .collect()
}

pub(super) fn number(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> rusqlite::Result<u32> {
    connection
        .prepare_cached(sql)?
        .query_row(parameters, |row| row.get(0))
}

/// The oldest pending documents, as far as fairness is concerned.
pub(super) fn pending(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<Pending>> {
    let mut statement = connection.prepare_cached(PENDING)?;
    let mut rows = statement.query([limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        // Another program may have written anything: what is no time is left out.
        let time = |column| row.get(column).ok().map(Timestamp::from_exact_seconds);
        found.extend(time(1).map(|created_at| Pending {
            teacher_id: row.get(0).ok(),
            created_at,
            claimed_until: time(2),
        }));
    }
    Ok(found)
}

/// The statuses of those of `ids` that exist.
pub(super) fn statuses(
    connection: &Connection,
    ids: Vec<String>,
) -> rusqlite::Result<Vec<(String, Status)>> {
    let mut statement = connection.prepare_cached(STATUS)?;
    let mut found = Vec::new();
    for id in ids {
        let status: Option<String> = statement
            .query_row([&id], |row| row.get(0))
            .optional()?
            .flatten();
        let status = status.and_then(|it| serde_json::from_value(it.into()).ok());
        found.extend(status.map(|status| (id, status)));
    }
    Ok(found)
}

/// The latest `success` with this reuse key.
pub(super) fn latest(
    connection: &Connection,
    key: &str,
    teacher_id: Option<&str>,
) -> rusqlite::Result<Option<Row>> {
    match teacher_id {
        None => connection.prepare_cached(LATEST)?.query_row([key], row),
        Some(teacher) => connection
            .prepare_cached(LATEST_OF_TEACHER)?
            .query_row([key, teacher], row),
    }
    .optional()
}
