//! Reads a JSON object without losing anything: a name that stands in it twice is kept twice.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;

/// The members of the JSON object in `bytes`, in their order; else what is wrong. A byte order
/// mark before it is ignored (RFC 8259, section 8.1).
pub(super) fn read_object(bytes: &[u8]) -> Result<Vec<(String, Value)>, String> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let not_json = |error: serde_json::Error| {
        if error.is_data() {
            return "The body must be a JSON object.".to_owned();
        }
        let (line, column) = (error.line(), error.column());
        format!("The body is not JSON (line {line}, column {column}).")
    };
    let mut reader = serde_json::Deserializer::from_slice(text);
    let members = reader.deserialize_any(Members).map_err(not_json)?;
    reader.end().map_err(not_json)?;
    Ok(members)
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
