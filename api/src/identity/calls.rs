//! Calls, each declared together with who may make it. What lets callers in and what the OpenAPI
//! document says of them both come from that declaration.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use utoipa::IntoResponses as _;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::app::App;
use crate::description::operations;
use crate::identity::access::Access;
use crate::identity::gate::Gate;
use crate::problem::{Problem, Refused};

/// The name of the security scheme of tokens and API keys.
const BEARER: &str = "bearer";

/// Calls, each open to somebody: there is no way to add one without saying to whom.
pub(crate) struct Calls(OpenApiRouter<Arc<App>>);

impl Calls {
    /// None.
    pub(crate) fn none() -> Self {
        Self(OpenApiRouter::new())
    }

    /// With the operations of `routes`.
    #[must_use]
    pub(crate) fn open_to(self, access: Access, routes: UtoipaMethodRouter<Arc<App>>) -> Self {
        let (schemas, mut paths, router) = routes;
        for item in paths.paths.values_mut() {
            operations(item).for_each(|operation| declare(operation, access));
        }
        Self(self.0.routes((schemas, paths, guarded(router, access))))
    }

    /// With operations that the OpenAPI document does not tell of.
    #[must_use]
    pub(crate) fn hidden(self, access: Access, path: &str, router: MethodRouter<Arc<App>>) -> Self {
        Self(self.0.route(path, guarded(router, access)))
    }

    /// Behind the gate of `app`.
    pub(crate) fn behind_gate(self, app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
        self.0
            .layer(from_fn_with_state(app.gate.clone(), show_gate))
    }

    /// For their description alone: without a gate, a call with a guard refuses everybody.
    pub(crate) fn described(self) -> OpenApiRouter<Arc<App>> {
        self.0
    }
}

fn declare(operation: &mut Operation, access: Access) {
    if operation.description.as_deref().is_none_or(str::is_empty) {
        operation.description = Some(access.words());
    }
    let names = ExtensionsBuilder::new().add("x-roles", access.names());
    let mut extensions = operation.extensions.take().unwrap_or_default();
    extensions.merge(names.build());
    operation.extensions = Some(extensions);
    if let Access::Roles(_) = access {
        operation.security = Some(vec![SecurityRequirement::new(BEARER, [] as [&str; 0])]);
        let mut refusals = Refused::<401>::responses();
        refusals.extend(Refused::<403>::responses());
        // Nobody can tell who calls.
        refusals.extend(Refused::<503>::responses());
        let described = &mut operation.responses.responses;
        for (status, response) in refusals {
            described.entry(status).or_insert(response);
        }
    } else {
        operation.security = Some(Vec::new());
    }
}

/// Adds how callers show who they are.
pub(crate) fn describe_schemes(description: &mut OpenApi) {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT, or an API key")
        .description(Some(
            "A token of the identity provider, or an API key (`atl_…`). Not needed where the service has no sign-in.",
        ))
        .build();
    let components = description.components.get_or_insert_with(Components::new);
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
}

fn guarded(router: MethodRouter<Arc<App>>, access: Access) -> MethodRouter<Arc<App>> {
    let admit = move |request: Request, next: Next| guard(access, request, next);
    router.route_layer(from_fn(admit))
}

async fn show_gate(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(gate);
    next.run(request).await
}

async fn guard(access: Access, mut request: Request, next: Next) -> Response {
    let Some(gate) = request.extensions().get::<Arc<Gate>>().cloned() else {
        return Problem::internal("a guarded call without a gate").into_response();
    };
    match gate.admit(access, request.headers()).await {
        Err(problem) => problem.into_response(),
        Ok(None) => next.run(request).await,
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            if gate.knows_callers() {
                keep_private(&mut response);
            }
            response
        }
    }
}

/// Nobody but the caller's own browser may keep the answer, and that asks each time: the next
/// person at the same machine may be another.
fn keep_private(response: &mut Response) {
    let headers = response.headers_mut();
    let said = headers.get(CACHE_CONTROL).and_then(|it| it.to_str().ok());
    if !said.is_some_and(|said| said.contains("no-store")) {
        let private = HeaderValue::from_static("private, no-cache");
        headers.insert(CACHE_CONTROL, private);
    }
}
