//! Ids of assignments.

use std::collections::HashSet;

use atelier_domain::assignment::{MAX_ID_CHARACTERS, is_valid_id};
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::field::{Fault, Field, string, text};

/// What an id looks like, as a regular expression.
const ID_PATTERN: &str = "^[A-Za-z0-9_-]{1,64}$";

fn id_fault() -> Fault {
    let words = "must have 1 to 64 characters of A-Z, a-z, 0-9, `_` and `-`.";
    Fault::beyond(MAX_ID_CHARACTERS as u64, words)
}

/// The id of an assignment.
#[derive(Debug)]
pub(crate) struct Id(pub(crate) String);

impl Field for Id {
    fn schema() -> ObjectBuilder {
        string().pattern(Some(ID_PATTERN))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let id = text(value)?;
        if is_valid_id(&id) {
            Ok(Self(id))
        } else {
            Err(id_fault())
        }
    }
}

/// 1 to `MAX` different ids, separated by commas.
#[derive(Debug)]
pub(crate) struct Ids<const MAX: usize>(pub(crate) Vec<String>);

impl<const MAX: usize> Field for Ids<MAX> {
    fn schema() -> ObjectBuilder {
        let one = "[A-Za-z0-9_-]{1,64}";
        string().pattern(Some(format!("^{one}(,{one}){{0,{}}}$", MAX - 1)))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let mut ids: Vec<String> = text(value)?.split(',').map(str::to_owned).collect();
        ids.sort();
        ids.dedup();
        if !ids.iter().all(|id| is_valid_id(id)) {
            return Err(id_fault());
        }
        if ids.len() > MAX {
            let words = format!("must name at most {MAX} assignments, not {}.", ids.len());
            return Err(Fault::beyond(MAX as u64, words));
        }
        Ok(Self(ids))
    }
}

/// A list of 1 to `MAX` ids in a body; one that stands in it twice counts once.
#[derive(Debug)]
pub(crate) struct IdList<const MAX: usize>(pub(crate) Vec<String>);

impl<const MAX: usize> Field for IdList<MAX> {
    fn schema() -> ObjectBuilder {
        // utoipa's builder of objects has no word for these.
        let items = serde_json::json!({ "type": "string", "pattern": ID_PATTERN });
        let of_lists = [
            ("items", items),
            ("minItems", 1.into()),
            ("maxItems", MAX.into()),
        ];
        ObjectBuilder::new()
            .schema_type(Type::Array)
            .extensions(Some(of_lists.into_iter().collect()))
            .examples([serde_json::json!(["a-castle-by-the-sea"])])
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let Value::Array(entries) = value else {
            return Err(Fault::new("must be a list of ids."));
        };
        if !(1..=MAX).contains(&entries.len()) {
            let words = format!("must have 1 to {MAX} ids, not {}.", entries.len());
            let limit = if entries.is_empty() { 1 } else { MAX };
            return Err(Fault::beyond(limit as u64, words));
        }
        let mut ids: Vec<String> = Vec::new();
        let mut known = HashSet::new();
        for entry in entries {
            let Id(id) = Id::read(entry)?;
            if known.insert(id.clone()) {
                ids.push(id);
            }
        }
        Ok(Self(ids))
    }
}
