//! Whether this process is alive and ready.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::problem::{Problem, Refused};

/// How long the store may take to answer.
const PING: Duration = Duration::from_secs(2);

/// The answer of a healthy process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`
    status: &'static str,
}

const WELL: Json<Health> = Json(Health { status: "ok" });

/// Whether the process is alive: if not, it should be restarted.
#[utoipa::path(get, path = "/health/live", tag = "health", operation_id = "get_liveness", responses(
    (status = 200, description = "It lives.", body = Health), Refused<503>,
))]
pub(crate) async fn live(State(app): State<Arc<App>>) -> Result<Json<Health>, Problem> {
    if app.findings.loops.iter().all(|it| it.is_alive()) {
        Ok(WELL)
    } else {
        let detail = "A loop of the keeper hangs; this process should be restarted.";
        Err(Problem::away(detail, "a loop hangs"))
    }
}

/// Whether requests should be sent to this process.
#[utoipa::path(get, path = "/health/ready", tag = "health", operation_id = "get_readiness", responses(
    (status = 200, description = "It is ready.", body = Health), Refused<503>,
))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Health>, Problem> {
    if app.draining.is_cancelled() {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This process is stopping.",
        ));
    }
    let away = |cause: String| Problem::away("The store does not answer.", cause);
    match tokio::time::timeout(PING, app.store().ping()).await {
        Ok(Ok(())) => Ok(WELL),
        Ok(Err(error)) => Err(away(error.to_string())),
        Err(_) => Err(away(format!("no answer in {PING:?}"))),
    }
}
