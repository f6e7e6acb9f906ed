//! The health endpoint. Live: a poll finished lately. Ready: jobs are taken.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::worker::Worker;

/// Answers `/health/live` and `/health/ready` on `listener` until `stop`.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    worker: Arc<Worker>,
    listener: TcpListener,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let live = Arc::clone(&worker);
    let router = Router::new()
        .route(
            "/health/live",
            get(async move || answer(live.is_alive(), "no poll finished lately")),
        )
        .route(
            "/health/ready",
            get(async move || answer(worker.is_ready(), "no jobs are taken now")),
        );
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn answer(good: bool, otherwise: &'static str) -> (StatusCode, &'static str) {
    if good {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, otherwise)
    }
}
