//! What the derived OpenAPI document cannot say by itself.

use atelier_domain::failure::Failure;
use atelier_domain::foreign::UNREADABLE;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, OneOf, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{KnownFormat, OpenApi, RefOr, Required, Response};

/// Completes the description of every operation, and of failures.
pub(crate) fn complete(document: &mut OpenApi) {
    enumerate_codes(document);
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                let_be_absent(body);
            }
            describe_bytes(operation);
            describe_refusal_of_any(operation);
        }
    }
}

/// The document holds a failure's code as a text, since another version may have written it.
fn enumerate_codes(document: &mut OpenApi) {
    let components = document.components.as_mut();
    let failure = components.and_then(|it| it.schemas.get_mut("Failure"));
    if let Some(RefOr::T(Schema::Object(failure))) = failure
        && let Some(RefOr::T(Schema::Object(code))) = failure.properties.get_mut("code")
    {
        let codes = Failure::ALL.map(Failure::code).into_iter();
        code.enum_values = Some(codes.chain([UNREADABLE]).map(Into::into).collect());
    }
}

/// The operations of an address.
pub(crate) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        delete,
        options,
        head,
        patch,
        trace,
        ..
    } = item;
    [get, put, post, delete, options, head, patch, trace]
        .into_iter()
        .flatten()
}

/// A body that need not be sent is described as an object that may be left out. Generators would
/// send the alternative to it, `null`, which tells nobody anything.
fn let_be_absent(body: &mut RequestBody) {
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else {
            continue;
        };
        let Some(RefOr::T(Schema::OneOf(OneOf { items, .. }))) = &mut content.schema else {
            continue;
        };
        let null = SchemaType::Type(Type::Null);
        let is_null = |item: &RefOr<Schema>| matches!(item, RefOr::T(Schema::Object(it)) if it.schema_type == null);
        if items.len() == 2 && items.iter().any(is_null) {
            items.retain(|item| !is_null(item));
            content.schema = items.pop();
            body.required = Some(Required::False);
        }
    }
}

/// Pictures are bytes, not lists of numbers.
fn describe_bytes(operation: &mut Operation) {
    let responses = operation.responses.responses.values_mut();
    for response in responses {
        let RefOr::T(Response { content, .. }) = response else {
            continue;
        };
        for (kind, content) in content {
            let is_picture = kind.starts_with("image/") || kind == "application/octet-stream";
            if let (true, RefOr::T(content)) = (is_picture, content) {
                let bytes = ObjectBuilder::new()
                    .schema_type(Type::String)
                    .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
                content.schema = Some(bytes.into());
            }
        }
    }
}

/// Any request can be such that nobody reads it.
fn describe_refusal_of_any(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    if !responses.keys().any(|status| status.starts_with('4')) {
        let too_long = ResponseBuilder::new().description("The request's headers are too long.");
        responses.insert("431".to_owned(), too_long.build().into());
    }
}
