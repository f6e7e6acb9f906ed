//! What the type of a field is: it says how it is read, with which limits, and how that is described.

use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use crate::problem::FieldFault;

/// The type of a field.
pub(crate) trait Field: Sized {
    /// Its description in the OpenAPI document.
    fn schema() -> ObjectBuilder;

    /// Reads a value that is not `null`.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(value: Value) -> Result<Self, Fault>;
}

/// What is wrong with a value, in words that follow the field's name.
#[derive(Debug)]
pub(crate) struct Fault {
    words: String,
    limit: Option<u64>,
    inner: Vec<FieldFault>,
}

impl Fault {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            limit: None,
            inner: Vec::new(),
        }
    }

    pub(crate) fn beyond(limit: u64, words: impl Into<String>) -> Self {
        Self {
            limit: Some(limit),
            ..Self::new(words)
        }
    }

    /// That of an object: all that is wrong with its fields.
    pub(crate) fn inside(inner: Vec<FieldFault>) -> Self {
        Self {
            inner,
            ..Self::new("")
        }
    }

    /// The faults of `field`; those inside of it are named as `field.inner`.
    pub(crate) fn of(self, field: &str) -> Vec<FieldFault> {
        if self.inner.is_empty() {
            return vec![FieldFault {
                field: field.to_owned(),
                detail: format!("`{field}` {}", self.words),
                limit: self.limit,
            }];
        }
        let named = |fault: FieldFault| FieldFault {
            field: format!("{field}.{}", fault.field),
            detail: format!("In `{field}`: {}", fault.detail),
            ..fault
        };
        self.inner.into_iter().map(named).collect()
    }
}

pub(crate) fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// The same value, or `null`. An object is described without: it is left out rather.
pub(crate) fn or_null(object: ObjectBuilder) -> ObjectBuilder {
    let built = object.build();
    let kind = match built.schema_type.clone() {
        kind @ SchemaType::Type(Type::Object) => kind,
        SchemaType::Type(kind) => SchemaType::Array(vec![kind, Type::Null]),
        SchemaType::Array(mut kinds) => {
            kinds.push(Type::Null);
            SchemaType::Array(kinds)
        }
        kind => kind,
    };
    ObjectBuilder::from(built).schema_type(kind)
}

pub(crate) fn text(value: Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Fault::new("must be a string.")),
    }
}
