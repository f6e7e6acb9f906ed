//! Starts an API process, and stops it without losing anything.

use std::future::Future;

use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};

use crate::app::{App, Services};
use crate::config::ApiConfig;
use crate::fleet::samples;
use crate::{pace, routes, server, sweep, wait};

/// The answers alone, without a listener and without loops, for a caller in the same process. Each
/// request must bear its peer's address as the extension `ConnectInfo<SocketAddr>`.
pub fn service(config: ApiConfig, services: Services) -> axum::Router {
    routes::router(App::new(config, services))
}

/// Serves on `listener` until `shutdown`; then takes nothing new, answers those who wait, finishes
/// what is on its way inside the grace, and returns.
pub async fn run(
    config: ApiConfig,
    services: Services,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let app = App::new(config, services);
    let loops = &app.background;
    loops.spawn(wait::run(app.clone()));
    loops.spawn(pace::run(app.clone()));
    loops.spawn(samples::run(app.clone()));
    loops.spawn(sweep::run(app.clone()));
    loops.spawn(sweep::run_dead_letters(app.clone()));
    let address = listener.local_addr()?;
    tracing::info!(%address, "listening");
    let serving = server::serve(listener, routes::router(app.clone()), app.draining.clone());
    let mut serving = tokio::spawn(serving);
    tokio::select! {
        () = shutdown => {}
        ended = &mut serving => anyhow::bail!("the listener ended by itself: {ended:?}"),
    }
    let end = Instant::now() + app.config.drain.grace;
    tracing::info!("draining");
    app.draining.cancel();
    let drained = async {
        let _ = (&mut serving).await;
        app.background.close();
        app.background.wait().await;
    };
    if timeout_at(end, drained).await.is_err() {
        tracing::warn!("the grace is over; the sweep mends what was not finished");
        serving.abort();
    }
    Ok(())
}
