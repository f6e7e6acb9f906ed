//! Hands the page's switches on to the embedded cloud's control address, where one is configured.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};

use crate::app::App;
use crate::body;
use crate::problem::Problem;

/// `GET`, `PUT` and `DELETE` of the faults.
pub(crate) async fn faults(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    forward(&app, "/faults", request).await
}

/// `GET` and `PUT` of the model's behavior.
pub(crate) async fn behavior(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    forward(&app, "/temper", request).await
}

async fn forward(app: &App, path: &str, request: Request) -> Result<Response, Problem> {
    let Some(base) = &app.config.control else {
        let detail = "There is no embedded cloud behind this service.";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    };
    let (parts, body) = request.into_parts();
    let bytes = body::read(&parts.headers, body, app.config.serve.body_timeout).await?;
    if parts.method == Method::PUT && !body::is_json(&parts.headers) {
        return Err(body::not_json());
    }
    let method = if parts.method == Method::HEAD {
        Method::GET
    } else {
        parts.method
    };
    let mut call = app.http.request(method, format!("{base}{path}"));
    if !bytes.is_empty() {
        call = call.header(CONTENT_TYPE, "application/json").body(bytes);
    }
    let away = |error: reqwest::Error| {
        Problem::away(
            "The embedded cloud's control address does not answer.",
            error,
        )
    };
    let answer = call.send().await.map_err(away)?;
    let status = answer.status();
    let bytes = answer.bytes().await.map_err(away)?;
    if status.is_client_error() || status.is_server_error() {
        return Err(Problem::new(status, words_of(&bytes)));
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
    }
    Ok(response)
}

/// The control address answers problem documents too.
fn words_of(problem: &[u8]) -> String {
    let problem: serde_json::Value = serde_json::from_slice(problem).unwrap_or_default();
    problem["detail"]
        .as_str()
        .unwrap_or("The embedded cloud refuses this.")
        .to_owned()
}
