//! Serves HTTP until the drain, and loses nothing that it has begun.

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::app::App;
use crate::{routes, server};

/// Serves on `listener` until the process drains; then takes nothing new, answers those who wait,
/// and returns when everything begun is done.
pub async fn serve(app: Arc<App>, listener: TcpListener) {
    let waiting = tokio::spawn({
        let app = app.clone();
        async move { app.waiters.run().await }
    });
    if let Some(provider) = app.gate.provider().cloned() {
        // The first request that needs the provider's keys should not have to wait for them.
        tokio::spawn(async move { provider.known().await });
    }
    let router = routes::router(app.clone());
    server::serve(listener, router, &app.config.serve, app.draining.clone()).await;
    let _ = waiting.await;
    app.background.close();
    app.background.wait().await;
}
