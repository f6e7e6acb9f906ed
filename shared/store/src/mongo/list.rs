//! The queries that make up a list.
//!
//! Other programs write `created_at` as a date, or not at all, and a server never compares a date with
//! a number. So a list is merged from its documents with a number, with a date, and with neither,
//! which read as 0, as do numbers that are no time.

use mongodb::bson::{DateTime, Document, doc};

use super::documents::{date, has_status, seconds};
use crate::{Filter, Position};
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::foreign::LATEST;
use atelier_domain::search::Word;

/// How `created_at` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Number,
    Date,
    /// Nothing, or something else.
    Otherwise,
}

/// Newest first, then by id downwards.
pub(super) fn order() -> Document {
    doc! { "created_at": -1, "assignment_id": -1 }
}

/// Finds the documents of a list that come after a place in it and have `created_at` written so.
pub(super) fn query(filter: &Filter, after: Option<&Position>, written: Written) -> Document {
    let mut query = doc! {};
    if let Some(teacher_id) = &filter.teacher_id {
        query.insert("teacher_id", teacher_id);
    }
    let chosen = match filter.status {
        Some(status) => has_status(&[status]),
        None => doc! { "s3_upload_status": { "$ne": Status::Deleted.as_str() } },
    };
    let mut all = vec![chosen];
    all.extend(created_between(filter, written));
    let words = filter.search.words().iter();
    all.extend(words.map(|word| doc! { "prompt": { "$regex": pattern(word) } }));
    match after {
        None => all.push(any(written)),
        Some(position) => all.extend(older(position, written)),
    }
    query.insert("$and", all);
    query
}

fn any(written: Written) -> Document {
    let latest = DateTime::from_millis((LATEST * 1000.0) as i64);
    let earliest = DateTime::from_millis((-LATEST * 1000.0) as i64);
    // A comparison finds arrays by what is in them.
    let no_array = doc! { "$type": "array" };
    match written {
        Written::Number => {
            doc! { "created_at": { "$gte": -LATEST, "$lte": LATEST, "$not": no_array } }
        }
        Written::Date => {
            doc! { "created_at": { "$gte": earliest, "$lte": latest, "$not": no_array } }
        }
        Written::Otherwise => doc! { "$nor": [any(Written::Number), any(Written::Date)] },
    }
}

/// What is written so and was created in the filter's time.
fn created_between(filter: &Filter, written: Written) -> Vec<Document> {
    let mut all = Vec::new();
    match written {
        Written::Number => {
            let from = filter.from.map(|at| doc! { "$gte": at.seconds() });
            let before = filter.before.map(|at| doc! { "$lt": at.seconds() });
            all.extend(from.into_iter().chain(before));
        }
        Written::Date => {
            // A time between two dates is cut to the earlier.
            let is_exact = |at| seconds(date(at)) == at.seconds();
            let from = filter.from.map(|at| match is_exact(at) {
                true => doc! { "$gte": date(at) },
                false => doc! { "$gt": date(at) },
            });
            let before = filter.before.map(|at| match is_exact(at) {
                true => doc! { "$lt": date(at) },
                false => doc! { "$lte": date(at) },
            });
            all.extend(from.into_iter().chain(before));
        }
        Written::Otherwise => {}
    }
    let bound = |bound| doc! { "created_at": bound };
    all.into_iter().map(bound).collect()
}

/// Whether documents that are written otherwise, and so read as of 0, are of the filter's time.
pub(super) fn has_others(filter: &Filter) -> bool {
    filter.from.is_none_or(|from| from.seconds() <= 0.0)
        && filter.before.is_none_or(|before| before.seconds() > 0.0)
}

/// For `$regex`: the word anywhere in a text, whatever its case. What is no letter or digit is
/// written by its number, so that nothing of it is an operator.
fn pattern(word: &Word) -> String {
    let mut pattern = String::new();
    for letter in word.letters() {
        match letter.forms() {
            [one] if one.is_alphanumeric() => pattern.push(*one),
            forms => {
                let forms = forms
                    .iter()
                    .map(|it| format!("\\x{{{:x}}}", u32::from(*it)));
                pattern.push('[');
                pattern.extend(forms);
                pattern.push(']');
            }
        }
    }
    pattern
}

fn older(position: &Position, written: Written) -> Vec<Document> {
    let (at, id) = (position.created_at, &position.assignment_id);
    let by_id = doc! { "assignment_id": { "$lt": id } };
    // The first line lets the index start at the place, the second cuts exactly.
    match written {
        Written::Number => {
            let at = at.seconds();
            vec![
                any(written),
                doc! { "created_at": { "$lte": at } },
                doc! { "$or": [{ "created_at": { "$lt": at } }, by_id] },
            ]
        }
        Written::Date => {
            let mut all = vec![any(written), doc! { "created_at": { "$lte": date(at) } }];
            let is_exact = seconds(date(at)) == at.seconds();
            if is_exact {
                all.push(doc! { "$or": [{ "created_at": { "$lt": date(at) } }, by_id] });
            }
            all
        }
        Written::Otherwise => match at.seconds() {
            seconds if seconds > 0.0 => vec![any(written)],
            _ => vec![any(written), by_id],
        },
    }
}

/// Whether documents that are written otherwise, and so read as of 0, may come before this one.
pub(super) fn may_come_after_others(last: &Assignment) -> bool {
    last.created_at.seconds() <= 0.0
}

/// Puts the first `limit` documents in order.
pub(super) fn merge(mut all: Vec<Assignment>, limit: u32) -> Vec<Assignment> {
    all.sort_by(|one, other| {
        let by_time = other
            .created_at
            .seconds()
            .total_cmp(&one.created_at.seconds());
        by_time.then_with(|| other.assignment_id.cmp(&one.assignment_id))
    });
    all.truncate(limit as usize);
    all
}
