//! The audit log. It is inserted into and searched, and nothing else: a role of the server can hold
//! this program to that.

use std::collections::HashMap;

use atelier_domain::audit::Entry;
use mongodb::bson::{Document, doc};

use super::documents::plain;
use crate::{AuditFilter, Position};

pub(super) fn to_document(entry: &Entry) -> Document {
    let mut document = doc! { "_id": &entry.id };
    document.extend(plain(entry));
    document
}

/// Finds the entries of a list that come after a place in it.
pub(super) fn query(filter: &AuditFilter, after: Option<&Position>) -> Document {
    let mut query = doc! {};
    let given = [
        ("actor", filter.actor.as_deref()),
        ("action", filter.action.map(|it| it.as_str())),
        ("what", filter.what.as_deref()),
    ];
    for (field, value) in given {
        if let Some(value) = value {
            query.insert(field, value);
        }
    }
    if let Some(Position {
        created_at,
        assignment_id,
    }) = after
    {
        let at = created_at.seconds();
        // The first lets the index start at the place, the second cuts exactly.
        query.insert("at", doc! { "$lte": at });
        query.insert(
            "$or",
            vec![
                doc! { "at": { "$lt": at } },
                doc! { "id": { "$lt": assignment_id } },
            ],
        );
    }
    query
}

/// Finds the names of the persons among the actors.
pub(super) fn names_of(entries: &[Entry]) -> Document {
    let mut actors: Vec<&str> = entries.iter().map(|it| it.actor.as_str()).collect();
    actors.sort_unstable();
    actors.dedup();
    doc! { "_id": { "$in": actors } }
}

/// With the names that are known.
pub(super) fn named(entries: Vec<Entry>, names: &[Document]) -> Vec<Entry> {
    let known: HashMap<&str, &str> = names
        .iter()
        .filter_map(|it| Some((it.get_str("_id").ok()?, it.get_str("name").ok()?)))
        .collect();
    let with_name = |entry: Entry| Entry {
        person: known.get(entry.actor.as_str()).map(|&it| it.to_owned()),
        ..entry
    };
    entries.into_iter().map(with_name).collect()
}
