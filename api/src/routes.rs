//! Every address, and the OpenAPI document of the calls among them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tower_http::compression::CompressionLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::admission::admit;
use crate::app::App;
use crate::correlation::correlate;
use crate::description::complete;
use crate::fleet::{self, control, dead_letters, pause};
use crate::identity::access::Access;
use crate::identity::calls::{Calls, describe_schemes};
use crate::notice::Notice;
use crate::origin::refuse_other_sites;
use crate::problem::{Problem, ProblemDocument};
use crate::{
    audit_log, auth, batch, budget, change, create, delete, health, image, list, page, read, retry,
    share, shared,
};

/// The longest that any answer may take: a long poll takes 20 s, a picture from the bucket 30 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Atelier",
        description = "Makes the pictures of an education portal. Every answer bears `x-correlation-id`; problems are RFC 9457 documents.",
        contact(name = "The operators of this service"),
    ),
    servers((url = "/", description = "Where this document comes from")),
    components(schemas(ProblemDocument)),
    tags(
        (name = "assignments", description = "Assignments and their pictures"),
        (name = "students", description = "Links for students, and their answers"),
        (name = "session", description = "Who is signed in"),
        (name = "fleet", description = "What the operator sees"),
        (name = "health", description = "Whether the process lives and is ready"),
    ),
)]
struct Description;

/// The calls of users; an overloaded process refuses some of them.
fn users_calls() -> Calls {
    Calls::none()
        .open_to(Access::USERS, routes!(create::create, list::list))
        .open_to(
            Access::USERS,
            routes!(read::read_one, change::patch, delete::delete),
        )
        .open_to(Access::USERS, routes!(image::image))
        .open_to(Access::USERS, routes!(retry::retry))
        .open_to(Access::USERS, routes!(batch::batch))
        .open_to(Access::USERS, routes!(budget::read_budget))
        .open_to(Access::USERS, routes!(share::share, share::revoke))
        .open_to(Access::USERS, routes!(share::qr))
        .open_to(Access::USERS, routes!(share::results, share::erase_results))
}

/// The calls of whoever has a link.
fn students_calls() -> Calls {
    Calls::none()
        .open_to(Access::Link, routes!(shared::shared))
        .open_to(Access::Link, routes!(shared::shared_image))
        .open_to(Access::Link, routes!(shared::check_answers))
}

/// The calls of operators and load balancers, which are always answered.
fn operators_calls() -> Calls {
    Calls::none()
        .open_to(Access::OPERATORS, routes!(fleet::fleet_json))
        .open_to(Access::OPERATORS, routes!(pause::pause))
        .open_to(Access::OPERATORS, routes!(pause::resume))
        .open_to(Access::OPERATORS, routes!(dead_letters::list))
        .open_to(Access::OPERATORS, routes!(dead_letters::redrive_all))
        .open_to(Access::OPERATORS, routes!(dead_letters::drop_dead_letter))
        .open_to(Access::OPERATORS, routes!(dead_letters::redrive))
        .open_to(Access::OPERATORS, routes!(audit_log::read))
        .open_to(Access::Nobody, routes!(auth::me))
        .open_to(Access::Nobody, routes!(auth::sign_out))
        .open_to(Access::Nobody, routes!(health::live))
        .open_to(Access::Nobody, routes!(health::ready))
        .hidden(
            Access::OPERATORS,
            "/fleet/faults",
            get(control::faults)
                .put(control::faults)
                .delete(control::faults),
        )
        .hidden(Access::Nobody, "/auth/sign-in", get(auth::sign_in))
        .hidden(Access::Nobody, "/auth/callback", get(auth::callback))
        .hidden(Access::Nobody, "/auth/signed-out", get(auth::signed_out))
        .hidden(
            Access::OPERATORS,
            "/fleet/temper",
            get(control::behavior).put(control::behavior),
        )
}

fn calls(
    users: OpenApiRouter<Arc<App>>,
    operators: OpenApiRouter<Arc<App>>,
) -> OpenApiRouter<Arc<App>> {
    let mut calls = OpenApiRouter::with_openapi(Description::openapi())
        .merge(users)
        .merge(operators);
    describe_schemes(calls.get_openapi_mut());
    complete(calls.get_openapi_mut());
    calls
}

/// The OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let users = users_calls().described();
    let users = users.merge(students_calls().described());
    calls(users, operators_calls().described()).into_openapi()
}

/// Every address of the API and its page.
pub fn router(app: Arc<App>) -> Router {
    let students = students_calls().behind_gate(&app);
    let students = students.layer(from_fn(shared::keep_private));
    let users = users_calls().behind_gate(&app).merge(students);
    let users = users.layer(from_fn_with_state(app.clone(), admit));
    let operators = operators_calls().behind_gate(&app);
    let (calls, description) = calls(users, operators).split_for_parts();
    let description = Arc::new(description);
    let docs = Router::new()
        .merge(SwaggerUi::new("/docs").config(Config::from("/openapi.json").validator_url("none")))
        .layer(from_fn(confine_docs));
    calls
        .route(
            "/openapi.json",
            get(move || std::future::ready(Json(description.clone()))),
        )
        .route("/fleet", get(fleet::fleet))
        .route("/", get(page::create))
        .route("/show", get(page::show))
        .route("/complete", get(page::complete))
        .route("/complete/{id}", get(page::complete))
        .route(
            "/s/{token}",
            get(shared::page)
                .post(shared::submit)
                .layer(from_fn(shared::keep_private))
                .layer(from_fn_with_state(app.clone(), admit)),
        )
        .route("/fleet/", get(page::without_slash))
        .route("/show/", get(page::without_slash))
        .route("/complete/", get(page::without_slash))
        .route("/complete/{id}/", get(page::without_slash))
        .route("/s/{token}/", get(page::without_slash))
        .route("/favicon.ico", get(page::favicon))
        .route("/assets/{*path}", get(page::asset))
        .with_state(app.clone())
        .merge(docs)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), refuse_other_sites))
        .layer(from_fn(in_time))
        .layer(from_fn(correlate))
        .layer(from_fn(harden))
        .layer(CompressionLayer::new())
}

/// Browsers get a page, programs a problem document.
async fn unknown(uri: Uri, headers: HeaderMap) -> Response {
    const WORDS: &str = "There is nothing at this address.";
    const TITLE: &str = "Nothing here";
    // Whoever follows a broken link for students has no other page to go to.
    let by_link = uri.path().starts_with("/s/");
    let mut answer = match (page::is_wanted(&headers), by_link) {
        (true, true) => Notice::new(StatusCode::NOT_FOUND, TITLE, WORDS).into_response(),
        (true, false) => Notice::new(StatusCode::NOT_FOUND, TITLE, WORDS)
            .with_link("/", "To the start")
            .into_response(),
        (false, _) => Problem::new(StatusCode::NOT_FOUND, WORDS).into_response(),
    };
    let accept = HeaderValue::from_static("accept");
    answer.headers_mut().insert(VARY, accept);
    answer
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "There is no such call at this address; `Allow` names those that there are.",
    )
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::away(
            "The answer takes too long. Please try again in a moment.",
            format!("no answer in {ANSWER_TIMEOUT:?}"),
        )
        .into_response(),
    }
}

/// Headers that keep browsers from guessing media types and from running anything we serve.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    response
}

/// Swagger UI sets styles inline and draws its icons from data.
async fn confine_docs(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
             connect-src 'self'; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
        ),
    );
    response
}
