//! Between our types and BSON: documents, guards as filters, edits as updates.

use mongodb::bson::{self, Bson, DateTime, Document, doc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::StoreError;
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::fairness::Pending;
use atelier_domain::foreign;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{ClaimGuard, Edit, Guard};

/// `value` as a document.
pub(super) fn plain(value: &impl Serialize) -> Document {
    bson::serialize_to_document(value).expect("plain data has a BSON form")
}

pub(super) fn to_document(assignment: &Assignment) -> Document {
    let mut document = doc! { "_id": &assignment.assignment_id };
    document.extend(plain(assignment));
    document
}

/// A document as it is stored, and what it is to be named by where it cannot be read.
pub(super) struct Stored {
    pub(super) id: String,
    fields: Map<String, Value>,
}

impl Stored {
    pub(super) fn new(document: Document) -> Self {
        let id = match (document.get("assignment_id"), document.get("_id")) {
            (Some(Bson::String(id)), _) | (_, Some(Bson::String(id))) => id.clone(),
            (_, Some(id)) => id.to_string(),
            (_, None) => String::new(),
        };
        let fields = document.into_iter().map(|(field, it)| (field, to_json(it)));
        Self {
            id,
            fields: fields.collect(),
        }
    }

    pub(super) fn read(self) -> Result<Assignment, StoreError> {
        foreign::read(self.fields).map_err(|source| StoreError::Unreadable {
            id: self.id,
            source: source.into(),
        })
    }

    /// What stands in for it where it cannot be read, and why it cannot.
    pub(super) fn read_or_stand_in(self) -> (Assignment, Option<serde_json::Error>) {
        let stand_in = foreign::stand_in(&self.id, &self.fields);
        match foreign::read(self.fields) {
            Ok(read) => (read, None),
            Err(error) => (stand_in, Some(error)),
        }
    }
}

/// The value in JSON: dates as seconds since the epoch, and an object for what no field of ours holds.
fn to_json(value: Bson) -> Value {
    match value {
        Bson::String(text) => Value::String(text),
        Bson::Boolean(it) => Value::Bool(it),
        Bson::Int32(number) => number.into(),
        Bson::Int64(number) => number.into(),
        Bson::Double(number) if number.is_finite() => json!(number),
        Bson::Null => Value::Null,
        Bson::DateTime(at) => json!(seconds(at)),
        Bson::Document(inner) => {
            let fields = inner.into_iter().map(|(field, it)| (field, to_json(it)));
            Value::Object(fields.collect())
        }
        Bson::Array(all) => all.into_iter().map(to_json).collect(),
        other => json!({ "unreadable": other.to_string() }),
    }
}

/// A date in seconds since the epoch.
pub(super) fn seconds(date: DateTime) -> f64 {
    date.timestamp_millis() as f64 / 1000.0
}

/// The id and the status in a part of a document.
pub(super) fn status(document: Document) -> Option<(String, Status)> {
    let read = Stored::new(document).read().ok()?;
    Some((read.assignment_id, read.s3_upload_status))
}

/// `created_at` in a part of a document.
pub(super) fn created_at(document: Document) -> Option<Timestamp> {
    let created_at = document.get("created_at").cloned().map(to_json)?;
    created_at.as_f64().map(Timestamp::from_exact_seconds)
}

/// What fairness looks at in a part of a document.
pub(super) fn pending(document: Document) -> Option<Pending> {
    let teacher_id = document.get_str("teacher_id").ok().map(str::to_owned);
    let claim = document.get_document("claim").ok();
    let until = claim.and_then(|claim| claim.get("until")).cloned();
    Some(Pending {
        teacher_id,
        created_at: created_at(document)?,
        claimed_until: until
            .and_then(|until| to_json(until).as_f64())
            .map(Timestamp::from_exact_seconds),
    })
}

/// A document that only we write.
pub(super) fn read<T: DeserializeOwned>(document: Document) -> Option<T> {
    let fields = document.into_iter().map(|(field, it)| (field, to_json(it)));
    serde_json::from_value(Value::Object(fields.collect())).ok()
}

/// The number in `value`, if it is a whole one.
pub(super) fn whole_number(value: &Bson) -> Option<i64> {
    match *value {
        Bson::Int32(number) => Some(number.into()),
        Bson::Int64(number) => Some(number),
        Bson::Double(number) if number.fract() == 0.0 => Some(number as i64),
        _ => None,
    }
}

/// Finds the document with this id if `guard` admits it. An absent field reads as its default, as
/// in [`foreign::read`]: other programs do not write all of ours.
pub(super) fn filter_of(id: &str, guard: &Guard) -> Document {
    let mut filter = doc! { "assignment_id": id };
    let mut all = vec![has_status(guard.statuses)];
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
            all.push(doc! { "$or": not_after("claim.until", *now) });
        }
        ClaimGuard::NotLive(now) => {
            let mut either = not_after("claim.until", *now);
            either.push(doc! { "claim": Bson::Null });
            all.push(doc! { "$or": either });
        }
    }
    if let Some(round) = guard.round {
        filter.insert("round", is(round, 1));
    }
    if let Some(at) = guard.wake_at {
        filter.insert("wake_at", doc! { "$in": [at.seconds(), date(at)] });
    }
    if let Some(permanent) = guard.permanent {
        filter.insert("permanent", is(permanent, false));
    }
    for (count, from) in &guard.counts {
        filter.insert(count.field(), is(*from, 0));
    }
    if let Some(shows) = &guard.shows {
        all.push(has_picture(shows.picture.as_deref()));
        filter.insert("prompt", is(shows.prompt.as_str(), ""));
    }
    filter.insert("$and", all);
    filter
}

/// A time as a date: the one that reads as it, or else the last one before it.
pub(super) fn date(at: Timestamp) -> DateTime {
    let milliseconds = at.seconds() * 1000.0;
    let nearest = milliseconds.round();
    let exact = nearest / 1000.0 == at.seconds();
    DateTime::from_millis(if exact { nearest } else { milliseconds.floor() } as i64)
}

/// A time that is not after this one, however it is written.
fn not_after(field: &str, at: Timestamp) -> Vec<Document> {
    vec![
        doc! { field: { "$lte": at.seconds() } },
        doc! { field: { "$lte": date(at) } },
    ]
}

/// Finds documents that read as one of `statuses`: without a status, a picture's name makes the
/// difference.
pub(super) fn has_status(statuses: &[Status]) -> Document {
    let mut written: Vec<Bson> = statuses.iter().map(|it| it.as_str().into()).collect();
    let named = [Status::Success, Status::NoImage].map(|it| statuses.contains(&it));
    if named == [false, false] {
        return doc! { "s3_upload_status": { "$in": written } };
    }
    let told = written.clone();
    written.push(Bson::Null);
    let mut filter = doc! { "s3_upload_status": { "$in": written } };
    let by_picture = match named {
        [true, true] => return filter,
        [true, false] => vec![
            doc! { "s3_image_key": { "$ne": Bson::Null } },
            doc! { "s3_image_name": { "$ne": Bson::Null } },
        ],
        _ => vec![doc! { "s3_image_key": Bson::Null, "s3_image_name": Bson::Null }],
    };
    let mut either = vec![doc! { "s3_upload_status": { "$in": told } }];
    either.extend(by_picture);
    filter.insert("$or", either);
    filter
}

/// Finds documents whose picture another program named, by their ids.
pub(super) fn of_others_after(id: &str) -> Document {
    doc! {
        "assignment_id": { "$gt": id },
        "s3_image_name": { "$exists": true, "$ne": Bson::Null },
    }
}

/// Finds documents whose picture reads as this one.
fn has_picture(picture: Option<&str>) -> Document {
    match picture {
        None => doc! { "s3_image_key": Bson::Null, "s3_image_name": Bson::Null },
        Some(name) => doc! { "$or": [
            { "s3_image_key": name },
            { "s3_image_key": Bson::Null, "s3_image_name": name },
        ] },
    }
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
