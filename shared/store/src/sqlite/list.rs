//! Lists, and the search in them.

use rusqlite::{Connection, ToSql};

use super::queries::{Row, rows};
use crate::{Filter, Position};
use atelier_domain::assignment::Status;
use atelier_domain::search::Word;

pub(super) fn list(
    connection: &Connection,
    filter: &Filter,
    after: Option<&Position>,
    limit: u32,
) -> rusqlite::Result<Vec<Row>> {
    if filter.status == Some(Status::Deleted) {
        return Ok(Vec::new());
    }
    let status = filter.status.map(Status::as_str);
    let (from, before) = (filter.from, filter.before);
    let [from, before] = [from, before].map(|at| at.map(|at| at.seconds()));
    let created_at = after.map(|position| position.created_at.seconds());
    let id = after.map(|position| position.assignment_id.as_str());
    let patterns: Vec<(String, String)> = named_patterns(filter).collect();
    let mut parameters: Vec<(&str, &dyn ToSql)> = vec![(":limit", &limit)];
    if filter.teacher_id.is_some() {
        parameters.push((":teacher_id", &filter.teacher_id));
    }
    if status.is_some() {
        parameters.push((":status", &status));
    }
    if from.is_some() {
        parameters.push((":from", &from));
    }
    if before.is_some() {
        parameters.push((":before", &before));
    }
    for (name, pattern) in &patterns {
        parameters.push((name, pattern));
    }
    if after.is_some() {
        parameters.extend([(":created_at", &created_at as &dyn ToSql), (":id", &id)]);
    }
    rows(
        connection,
        &statement(filter, after.is_some()),
        &*parameters,
    )
}

/// The statement of a list; of a search, in an index that has the prompts.
pub(super) fn statement(filter: &Filter, goes_on: bool) -> String {
    let of_teacher = filter.teacher_id.is_some();
    let index = match (filter.search.is_empty(), of_teacher) {
        (true, _) => "",
        (false, true) => "INDEXED BY newest_of_teacher",
        (false, false) => "INDEXED BY newest",
    };
    let mut chosen = Vec::new();
    if of_teacher {
        chosen.push("teacher_id = :teacher_id".to_owned());
    }
    if filter.status.is_some() {
        chosen.push("status = :status".to_owned());
    }
    // A tombstone has no teacher. Of a parameter SQLite does not know that it is no tombstone.
    if !of_teacher && (filter.status.is_none() || !filter.search.is_empty()) {
        chosen.push("status <> 'deleted'".to_owned());
    }
    if filter.from.is_some() {
        chosen.push("created_at >= :from".to_owned());
    }
    if filter.before.is_some() {
        chosen.push("created_at < :before".to_owned());
    }
    if goes_on {
        chosen.push("(created_at, id) < (:created_at, :id)".to_owned());
    }
    chosen.extend(named_patterns(filter).map(|(name, _)| format!("prompt GLOB {name}")));
    format!(
        "SELECT id, document FROM assignments {index} WHERE {}
            ORDER BY created_at DESC, id DESC LIMIT :limit",
        chosen.join(" AND ")
    )
}

/// The patterns of a search's words, each with the name of its parameter.
fn named_patterns(filter: &Filter) -> impl Iterator<Item = (String, String)> {
    let words = filter.search.words().iter().enumerate();
    words.map(|(place, word)| (format!(":word{place}"), pattern(word)))
}

/// For `GLOB`: the word anywhere in a text, whatever its case.
fn pattern(word: &Word) -> String {
    let mut pattern = "*".to_owned();
    for letter in word.letters() {
        match letter.forms() {
            [one] if !"*?[".contains(*one) => pattern.push(*one),
            forms => {
                pattern.push('[');
                pattern.extend(forms);
                pattern.push(']');
            }
        }
    }
    pattern + "*"
}
