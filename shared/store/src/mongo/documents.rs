//! Between our types and BSON: documents, guards as filters, edits as updates.

use mongodb::bson::{self, Bson, Document, doc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{ClaimGuard, Edit, Guard};

/// A float holds every whole number up to this one exactly.
const EXACT_FLOATS: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

/// `value` as a document.
pub(super) fn plain(value: &impl Serialize) -> Document {
    bson::serialize_to_document(value).expect("plain data has a BSON form")
}

pub(super) fn to_document(assignment: &Assignment) -> Document {
    let mut document = doc! { "_id": &assignment.assignment_id };
    document.extend(plain(assignment));
    document
}

/// Reads a document of any writer: numbers of any type, and null for an absent field.
pub(super) fn to_assignment(document: Document) -> Result<Assignment, StoreError> {
    let id = match document.get("_id") {
        Some(Bson::String(id)) => id.clone(),
        Some(id) => id.to_string(),
        None => String::new(),
    };
    try_read(document).map_err(|source| StoreError::Unreadable {
        id,
        source: source.into(),
    })
}

/// Those that can be read; the others are logged and left out.
pub(super) fn readable(documents: Vec<Document>) -> Vec<Assignment> {
    documents
        .into_iter()
        .filter_map(|document| {
            to_assignment(document)
                .inspect_err(|error| tracing::error!(%error, "left a document out"))
                .ok()
        })
        .collect()
}

/// The id and the status in a part of a document.
pub(super) fn status(document: Document) -> Option<(String, Status)> {
    #[derive(Deserialize)]
    struct Part {
        _id: String,
        s3_upload_status: Status,
    }
    read(document).map(|it: Part| (it._id, it.s3_upload_status))
}

/// `created_at` in a part of a document.
pub(super) fn created_at(document: Document) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Part {
        created_at: Timestamp,
    }
    read(document).map(|it: Part| it.created_at)
}

pub(super) fn read<T: DeserializeOwned>(document: Document) -> Option<T> {
    try_read(document).ok()
}

fn try_read<T: DeserializeOwned>(document: Document) -> bson::error::Result<T> {
    bson::deserialize_from_document(normal(document))
}

/// Without nulls, and with whole numbers as integers, which every number field of ours reads.
fn normal(document: Document) -> Document {
    document
        .into_iter()
        .filter(|(_, value)| *value != Bson::Null)
        .map(|(field, value)| match value {
            Bson::Document(inner) => (field, normal(inner).into()),
            Bson::Double(_) => match whole_number(&value) {
                Some(number) => (field, number.into()),
                None => (field, value),
            },
            value => (field, value),
        })
        .collect()
}

/// The number in `value`, if it is a whole one.
pub(super) fn whole_number(value: &Bson) -> Option<i64> {
    match *value {
        Bson::Int32(number) => Some(number.into()),
        Bson::Int64(number) => Some(number),
        Bson::Double(number) if number.fract() == 0.0 && number.abs() <= EXACT_FLOATS => {
            Some(number as i64)
        }
        _ => None,
    }
}

/// Finds the document with this id if `guard` admits it. An absent field reads as its default, as
/// in [`Assignment`]: other programs do not write all of ours.
pub(super) fn filter_of(id: &str, guard: &Guard) -> Document {
    let statuses: Vec<&str> = guard
        .statuses
        .iter()
        .map(|status| status.as_str())
        .collect();
    let mut filter = doc! { "_id": id, "s3_upload_status": { "$in": statuses } };
    match &guard.claim {
        ClaimGuard::Any => {}
        ClaimGuard::Absent => {
            filter.insert("claim", Bson::Null);
        }
        ClaimGuard::Held(token) => {
            filter.insert("claim.token", token.as_str());
        }
        ClaimGuard::RunOut(token, now) => {
            filter.insert("claim.token", token.as_str());
            filter.insert("claim.until", doc! { "$lte": now.seconds() });
        }
        ClaimGuard::NotLive(now) => {
            let run_out = doc! { "claim.until": { "$lte": now.seconds() } };
            filter.insert("$or", vec![doc! { "claim": Bson::Null }, run_out]);
        }
    }
    if let Some(round) = guard.round {
        filter.insert("round", is(round, 1));
    }
    if let Some(at) = guard.wake_at {
        filter.insert("wake_at", at.seconds());
    }
    if let Some(permanent) = guard.permanent {
        filter.insert("permanent", is(permanent, false));
    }
    for (count, from) in &guard.counts {
        filter.insert(count.field(), is(*from, 0));
    }
    filter
}

/// Matches `wanted`; where that is the default, an absent field too.
fn is<T: PartialEq + Into<Bson>>(wanted: T, default: T) -> Bson {
    match wanted == default {
        true => doc! { "$in": [wanted.into(), Bson::Null] }.into(),
        false => wanted.into(),
    }
}

/// The edits as an update; `None` where there is none, which MongoDB refuses as an update.
pub(super) fn update_of(edits: &[Edit]) -> Option<Document> {
    let (mut set, mut unset) = (doc! {}, doc! {});
    for edit in edits {
        match edit {
            Edit::Set(field, to) => {
                let value = bson::serialize_to_bson(to).expect("JSON has a BSON form");
                set.insert(*field, value)
            }
            Edit::Unset(field) => unset.insert(*field, true),
        };
    }
    let update: Document = [("$set", set), ("$unset", unset)]
        .into_iter()
        .filter(|(_, fields)| !fields.is_empty())
        .map(|(operator, fields)| (operator.to_owned(), fields.into()))
        .collect();
    (!update.is_empty()).then_some(update)
}
