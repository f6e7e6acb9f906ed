//! Reads documents that other programs write into the same collection: without our fields, or with
//! theirs in place of ours.

use serde_json::{Map, Value, json};

use crate::assignment::{Assignment, Status};

/// The failure's code of what stands in for a document that cannot be read.
pub const UNREADABLE: &str = "unreadable";

/// The latest time that is one, in seconds since the epoch, some 285,000 years on. Numbers beyond it,
/// and before its negative, read as if there were none.
pub const LATEST: f64 = 9_000_000_000_000.0;

/// A float holds every whole number up to this one exactly.
const EXACT_FLOATS: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

/// Reads a document of any writer.
///
/// An absent field and null are the same. `updated_at` is `created_at` where it is absent, and that
/// is 0 (1970). `s3_image_name` is the picture's key where `s3_image_key` is absent. A picture's key
/// without a status reads as `success`, neither as `no_image`. Whole numbers may be floats.
///
/// # Errors
/// A field of ours holds something else than ours would.
pub fn read(fields: Map<String, Value>) -> Result<Assignment, serde_json::Error> {
    let mut fields = normal(fields);
    let has_key = fields.contains_key("s3_image_key");
    if let Some(name) = fields.remove("s3_image_name") {
        match has_key {
            false => drop(fields.insert("s3_image_key".to_owned(), name)),
            // Beside a picture of ours it is no field that must be right.
            true if name.is_string() => drop(fields.insert("s3_image_name".to_owned(), name)),
            true => {}
        }
    }
    if !fields.contains_key("s3_upload_status") {
        let status = status_without(fields.contains_key("s3_image_key"));
        fields.insert("s3_upload_status".to_owned(), json!(status));
    }
    let created_at = fields.get("created_at");
    let is_no_time = |it: &Value| it.as_f64().is_some_and(|at| at.abs() > LATEST);
    if created_at.is_none_or(is_no_time) {
        fields.insert("created_at".to_owned(), json!(0));
    }
    if !fields.contains_key("updated_at") {
        let created_at = fields["created_at"].clone();
        fields.insert("updated_at".to_owned(), created_at);
    }
    serde_json::from_value(Value::Object(fields))
}

/// The status of a document without one.
const fn status_without(has_picture: bool) -> Status {
    match has_picture {
        true => Status::Success,
        false => Status::NoImage,
    }
}

/// What lists show in place of a document that cannot be read: `failed`, with words, and what can
/// be read of it.
pub fn stand_in(id: &str, fields: &Map<String, Value>) -> Assignment {
    let created_at = fields.get("created_at").and_then(Value::as_f64);
    let created_at = created_at.filter(|at| at.abs() <= LATEST);
    let created_at = created_at.unwrap_or_default();
    let teacher_id = fields.get("teacher_id").and_then(Value::as_str);
    let document = json!({
        "assignment_id": id,
        "teacher_id": teacher_id,
        "created_at": created_at,
        "updated_at": created_at,
        "s3_upload_status": Status::Failed,
        "failure": {
            "code": UNREADABLE,
            "message": "This assignment cannot be read. Please ask an operator.",
            "correlation_id": "",
        },
    });
    serde_json::from_value(document).expect("it has what a document needs")
}

impl Assignment {
    /// Whether it stands in for a document that cannot be read.
    pub fn is_stand_in(&self) -> bool {
        let failure = self.failure.as_ref();
        failure.is_some_and(|failure| failure.code == UNREADABLE)
    }
}

/// Without nulls, and with whole numbers as integers.
fn normal(fields: Map<String, Value>) -> Map<String, Value> {
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(field, value)| match value {
            Value::Object(inner) => (field, Value::Object(normal(inner))),
            Value::Number(number) => match number.as_f64() {
                Some(float) if number.is_f64() && is_whole(float) => (field, json!(float as i64)),
                _ => (field, Value::Number(number)),
            },
            value => (field, value),
        })
        .collect()
}

fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() <= EXACT_FLOATS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;
    use crate::transition::{self, Edit};

    fn read_json(document: Value) -> Result<Assignment, serde_json::Error> {
        let Value::Object(fields) = document else {
            unreachable!("a document is an object")
        };
        read(fields)
    }

    #[test]
    fn a_document_of_the_portal_reads_with_defaults() {
        let read = read_json(json!({
            "assignment_id": "a", "teacher_id": "t", "prompt": "a fox", "created_at": 900.5,
            "s3_image_name": "pictures/fox.png", "s3_image_key": null, "of_others": [1],
        }))
        .unwrap();
        assert_eq!(read.s3_upload_status, Status::Success);
        assert_eq!(read.s3_image_key.as_deref(), Some("pictures/fox.png"));
        assert_eq!(read.updated_at, Timestamp::from_seconds(900.5));
        assert_eq!((read.round, read.attempts), (1, 0));
    }

    #[test]
    fn a_retry_shows_in_a_document_whose_picture_another_program_named() {
        let lost = json!({"assignment_id": "a", "s3_image_name": "pictures/fox.png"});
        let at = Timestamp::from_seconds;
        let seen = read_json(lost.clone()).unwrap();
        let retry = transition::retry(&seen, None, "c", at(1.0), at(2.0), at(3.0));
        assert!(!retry.is_made_in(&seen));
        let mut stored = lost;
        for edit in &retry.edits {
            match edit {
                Edit::Set(field, to) => stored[*field] = to.clone(),
                Edit::Unset(field) => drop(stored.as_object_mut().unwrap().remove(*field)),
            }
        }
        assert!(retry.is_made_in(&read_json(stored).unwrap()));
    }

    #[test]
    fn a_document_with_nothing_but_an_id_has_no_image() {
        let read = read_json(json!({"assignment_id": "a"})).unwrap();
        assert_eq!(read.s3_upload_status, Status::NoImage);
        assert_eq!(read.created_at, Timestamp::from_seconds(0.0));
    }

    #[test]
    fn what_cannot_be_read_has_a_stand_in() {
        let document =
            json!({"assignment_id": "a", "prompt": 7, "created_at": 900, "teacher_id": "t"});
        assert!(read_json(document.clone()).is_err());
        let stand_in = stand_in("a", document.as_object().unwrap());
        assert!(stand_in.is_stand_in());
        assert_eq!(stand_in.created_at, Timestamp::from_seconds(900.0));
        assert_eq!(stand_in.teacher_id.as_deref(), Some("t"));
    }
}
