//! Numbers and flags.

use serde_json::Value;
use utoipa::openapi::KnownFormat;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};

use super::field::{Fault, Field, text};

impl Field for bool {
    fn schema() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(Type::Boolean)
    }

    fn read(value: Value) -> Result<Self, Fault> {
        value
            .as_bool()
            .ok_or_else(|| Fault::new("must be true or false."))
    }
}

/// `true` or `false` in a query.
#[derive(Debug)]
pub(crate) struct Flag(pub(crate) bool);

impl Field for Flag {
    fn schema() -> ObjectBuilder {
        bool::schema()
    }

    fn read(value: Value) -> Result<Self, Fault> {
        match text(value)?.parse() {
            Ok(flag) => Ok(Self(flag)),
            Err(_) => Err(Fault::new("must be true or false.")),
        }
    }
}

/// A whole number from `MIN` to `MAX` in a query.
#[derive(Debug)]
pub(crate) struct Number<const MIN: u32, const MAX: u32>(pub(crate) u32);

impl<const MIN: u32, const MAX: u32> Field for Number<MIN, MAX> {
    fn schema() -> ObjectBuilder {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(MIN))
            .maximum(Some(MAX))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        text(value)?
            .parse()
            .ok()
            .filter(|number| (MIN..=MAX).contains(number))
            .map(Self)
            .ok_or_else(|| {
                let words = format!("must be a whole number from {MIN} to {MAX}.");
                Fault::beyond(MAX.into(), words)
            })
    }
}

/// A whole number from `MIN` to `MAX` in a body.
#[derive(Debug)]
pub(crate) struct Whole<const MIN: u32, const MAX: u32>(pub(crate) u32);

impl<const MIN: u32, const MAX: u32> Field for Whole<MIN, MAX> {
    fn schema() -> ObjectBuilder {
        Number::<MIN, MAX>::schema()
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let number = value.as_u64().and_then(|it| u32::try_from(it).ok());
        number
            .filter(|it| (MIN..=MAX).contains(it))
            .map(Self)
            .ok_or_else(|| {
                let words = format!("must be a whole number from {MIN} to {MAX}.");
                Fault::beyond(MAX.into(), words)
            })
    }
}
