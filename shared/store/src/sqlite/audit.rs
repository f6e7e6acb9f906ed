//! The audit log. The tables' triggers refuse every change of an entry.

use atelier_domain::audit::{Action, Entry};
use rusqlite::{Connection, ToSql, params};

use crate::{AuditFilter, Position};

const APPEND: &str = "INSERT INTO audit_log (id, entry) VALUES (?1, ?2)";

const NAME: &str =
    "INSERT INTO audit_names (actor, name) VALUES (?1, ?2) ON CONFLICT (actor) DO NOTHING";

const FORGET: &str = "DELETE FROM audit_names WHERE actor = ?1";

/// Appends an entry, and the name of its person beside it.
pub(super) fn append(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    if let Some(person) = &entry.person {
        connection
            .prepare_cached(NAME)?
            .execute([&entry.actor, person])?;
    }
    let text = serde_json::to_string(entry).expect("an entry is plain data");
    connection
        .prepare_cached(APPEND)?
        .execute(params![entry.id, text])
        .map(drop)
}

/// Forgets the name of an actor.
pub(super) fn forget(connection: &Connection, actor: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(FORGET)?
        .execute([actor])
        .map(drop)
}

/// Entries, newest first.
pub(super) fn list(
    connection: &Connection,
    filter: &AuditFilter,
    after: Option<&Position>,
    limit: u32,
) -> rusqlite::Result<Vec<Entry>> {
    let action = filter.action.map(Action::as_str);
    let at = after.map(|position| position.created_at.seconds());
    let id = after.map(|position| position.assignment_id.as_str());
    let mut parameters: Vec<(&str, &dyn ToSql)> = vec![(":limit", &limit)];
    if filter.actor.is_some() {
        parameters.push((":actor", &filter.actor));
    }
    if action.is_some() {
        parameters.push((":action", &action));
    }
    if filter.what.is_some() {
        parameters.push((":what", &filter.what));
    }
    if after.is_some() {
        parameters.extend([(":at", &at as &dyn ToSql), (":id", &id)]);
    }
    let rows: Vec<(String, Option<String>)> = connection
        .prepare_cached(&statement(filter, after.is_some()))?
        .query_map(&*parameters, |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let read = |(text, person): (String, _)| {
        let entry: Option<Entry> = serde_json::from_str(&text).ok();
        entry.map(|entry| Entry { person, ..entry })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

pub(super) fn statement(filter: &AuditFilter, goes_on: bool) -> String {
    let chosen: String = [
        (filter.actor.is_some(), " AND log.actor = :actor"),
        (filter.action.is_some(), " AND log.action = :action"),
        (filter.what.is_some(), " AND log.what = :what"),
        (goes_on, " AND (log.at, log.id) < (:at, :id)"),
    ]
    .into_iter()
    .filter_map(|(is_given, condition)| is_given.then_some(condition))
    .collect();
    format!(
        "SELECT log.entry, names.name FROM audit_log AS log
            LEFT JOIN audit_names AS names ON names.actor = log.actor
            WHERE TRUE{chosen} ORDER BY log.at DESC, log.id DESC LIMIT :limit"
    )
}
