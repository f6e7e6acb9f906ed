//! What callers send. An input is declared once, by [`input!`]: what reads it and what describes
//! it in the OpenAPI document come from the same types, so they cannot drift apart. Everything
//! that is wrong is reported at once.

pub(crate) mod field;
pub(crate) mod id;
mod json;
pub(crate) mod listing;
pub(crate) mod number;
pub(crate) mod text;

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::request::Parts;
use serde_json::{Map, Value};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema};
use utoipa::openapi::{RefOr, Required};

use atelier_domain::assignment::is_valid_id;

use crate::app::App;
use crate::body;
use crate::problem::{FieldFault, Problem};
use field::{Fault, Field};

/// Declares a struct of optional fields whose types are [`Field`]s, with its reader and its
/// description. Names after the struct's name are required fields.
macro_rules! input {
    ($(#[doc = $about:literal])+ $name:ident($($required:literal),*) {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ty,)+
    }) => {
        $(#[doc = $about])+
        #[derive(Debug)]
        pub(crate) struct $name {
            $($(#[doc = $doc])+ pub(crate) $field: Option<$type>,)+
        }

        impl $crate::input::Input for $name {
            const ABOUT: &[&str] = &[$($about),+];
            const REQUIRED: &[&str] = &[$($required),*];

            fn read(fields: &mut $crate::input::Fields) -> Self {
                Self { $($field: fields.take(stringify!($field)),)+ }
            }

            fn properties() -> Vec<$crate::input::Property> {
                vec![$($crate::input::property::<$type>(stringify!($field), &[$($doc),+]),)+]
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                $crate::input::schema::<Self>()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                $crate::input::query_parameters::<Self>()
            }
        }
    };
}
pub(crate) use input;

/// A struct that [`input!`] declares.
pub(crate) trait Input: Sized {
    /// The lines of its documentation.
    const ABOUT: &[&str];
    /// The fields that must be given.
    const REQUIRED: &[&str];

    /// Takes its fields out of `fields`.
    fn read(fields: &mut Fields) -> Self;

    /// Its fields for the OpenAPI document.
    fn properties() -> Vec<Property>;
}

/// A field for the OpenAPI document.
pub(crate) struct Property {
    name: &'static str,
    about: String,
    object: ObjectBuilder,
}

/// Describes a field of type `F`.
pub(crate) fn property<F: Field>(name: &'static str, doc: &[&str]) -> Property {
    Property {
        name,
        about: text_of(doc),
        object: F::schema(),
    }
}

fn text_of(doc: &[&str]) -> String {
    let lines: Vec<_> = doc.iter().map(|line| line.trim()).collect();
    lines.join("\n")
}

/// The schema of a body.
pub(crate) fn schema<I: Input>() -> RefOr<Schema> {
    object::<I>().into()
}

fn object<I: Input>() -> ObjectBuilder {
    let mut object = ObjectBuilder::new()
        .description(Some(text_of(I::ABOUT)))
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    for property in I::properties() {
        let required = I::REQUIRED.contains(&property.name);
        let described = property.object.description(Some(property.about));
        let schema = if required {
            described
        } else {
            field::or_null(described)
        };
        object = object.property(property.name, schema);
        if required {
            object = object.required(property.name);
        }
    }
    object
}

/// The parameters of a query.
pub(crate) fn query_parameters<I: Input>() -> Vec<Parameter> {
    let parameter = |property: Property| {
        ParameterBuilder::new()
            .name(property.name)
            .parameter_in(ParameterIn::Query)
            .description(Some(property.about))
            .required(Required::False)
            .schema(Some(property.object))
            .build()
    };
    I::properties().into_iter().map(parameter).collect()
}

/// The values of a request by name; each is taken by its field, and what is left is unknown.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    values: Map<String, Value>,
    faults: Vec<FieldFault>,
}

impl Fields {
    fn of_json(bytes: &[u8]) -> Result<Self, Problem> {
        let object = json::read_object(bytes)
            .map_err(|detail| Problem::bad_input(vec![FieldFault::new("body", detail)]))?;
        Ok(Self::of_pairs(object))
    }

    fn of_query(uri: &http::Uri) -> Self {
        match Query::<Vec<(String, String)>>::try_from_uri(uri) {
            Ok(Query(pairs)) => Self::of_pairs(
                pairs
                    .into_iter()
                    .map(|(name, value)| (name, Value::String(value))),
            ),
            Err(_) => Self {
                faults: vec![FieldFault::new("query", "The query cannot be read.")],
                ..Self::default()
            },
        }
    }

    /// A name that is given twice is a fault.
    fn of_pairs(pairs: impl IntoIterator<Item = (String, Value)>) -> Self {
        let mut fields = Self::default();
        for (name, value) in pairs {
            let shown = shortened(&name);
            if fields.values.insert(name, value).is_some() {
                let detail = format!("`{shown}` must be given once.");
                fields.faults.push(FieldFault::new(shown, detail));
            }
        }
        fields
    }

    /// The value of `field`; `null` counts as absent.
    pub(crate) fn take<F: Field>(&mut self, field: &str) -> Option<F> {
        let value = self.values.shift_remove(field).filter(|it| !it.is_null())?;
        match F::read(value) {
            Ok(read) => Some(read),
            Err(fault) => {
                self.faults.extend(fault.of(field));
                None
            }
        }
    }

    fn read<I: Input>(mut self) -> Checked<I> {
        for name in I::REQUIRED {
            if self.values.get(*name).is_none_or(Value::is_null) {
                let detail = format!("`{name}` must be given.");
                self.faults.push(FieldFault::new(*name, detail));
            }
        }
        let input = I::read(&mut self);
        for (name, _) in std::mem::take(&mut self.values) {
            let name = shortened(&name);
            let detail = format!("`{name}` is not known here.");
            self.faults.push(FieldFault::new(name, detail));
        }
        Checked {
            input,
            faults: self.faults,
        }
    }
}

/// An object in a field of a body.
#[derive(Debug)]
pub(crate) struct Nested<I>(pub(crate) I);

impl<I: Input> Field for Nested<I> {
    fn schema() -> ObjectBuilder {
        object::<I>()
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let Value::Object(fields) = value else {
            return Err(Fault::new("must be an object."));
        };
        let checked = Fields::of_pairs(fields).read::<I>();
        match checked.faults.is_empty() {
            true => Ok(Self(checked.input)),
            false => Err(Fault::inside(checked.faults)),
        }
    }
}

/// Names come from the caller and may be of any length.
fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

/// An input with everything that is wrong with it.
#[derive(Debug)]
pub(crate) struct Checked<I> {
    /// The input; a field that is wrong is absent.
    pub(crate) input: I,
    faults: Vec<FieldFault>,
}

impl<I> Checked<I> {
    /// The input.
    ///
    /// # Errors
    /// 400 with everything that is wrong.
    pub(crate) fn finish(self) -> Result<I, Problem> {
        if self.faults.is_empty() {
            Ok(self.input)
        } else {
            Err(Problem::bad_input(self.faults))
        }
    }
}

/// The input that these values are, by their names.
pub(crate) fn read_values<I: Input>(
    values: impl IntoIterator<Item = (String, Value)>,
) -> Checked<I> {
    Fields::of_pairs(values).read()
}

/// The parameters of a request's query.
#[derive(Debug)]
pub(crate) struct Parameters<I>(pub(crate) I);

impl<I: Input, S: Sync> FromRequestParts<S> for Parameters<I> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(Fields::of_query(&parts.uri).read().finish()?))
    }
}

/// The parameters of a request's query; others may be beside them. The address of a picture may have
/// some that only make it another one.
#[derive(Debug)]
pub(crate) struct AmongParameters<I>(pub(crate) I);

impl<I: Input, S: Sync> FromRequestParts<S> for AmongParameters<I> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut fields = Fields::of_query(&parts.uri);
        let input = I::read(&mut fields);
        let faults = fields.faults;
        Ok(Self(Checked { input, faults }.finish()?))
    }
}

/// A JSON object as the body, with what is wrong with its fields.
#[derive(Debug)]
pub(crate) struct JsonBody<I>(pub(crate) Checked<I>);

impl<I: Input> FromRequest<Arc<App>> for JsonBody<I> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = body::read_json(&parts.headers, body, app.config.serve.body_timeout).await?;
        Ok(Self(Fields::of_json(&bytes)?.read()))
    }
}

/// A JSON object as the body, or none: no body, or `null`.
#[derive(Debug)]
pub(crate) struct OptionalJsonBody<I>(pub(crate) I);

impl<I: Input> FromRequest<Arc<App>> for OptionalJsonBody<I> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let timeout = app.config.serve.body_timeout;
        let fields = match body::read_optional_json(&parts.headers, body, timeout).await? {
            Some(bytes) => Fields::of_json(&bytes)?,
            None => Fields::default(),
        };
        Ok(Self(fields.read().finish()?))
    }
}

/// The id in the path; one that no assignment can have is unknown.
#[derive(Debug)]
pub(crate) struct IdInPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for IdInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) if is_valid_id(&id) => Ok(Self(id)),
            _ => Err(Problem::unknown_assignment()),
        }
    }
}
