//! An API process: the HTTP API and a keeper beside it.

use std::sync::Arc;

use atelier_api::{ApiConfig, App, Services};
use atelier_keeper as keeper;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Serves on `listener` until `shutdown`; then drains, for as long as the grace allows.
///
/// # Errors
/// Where the listener or a loop of the keeper ends by itself.
pub async fn run(
    config: ApiConfig,
    services: Services,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let grace = config.drain.for_work();
    let findings = keeper::Findings::new(&services.queues);
    let mut loops = start_keeper(&config, &services, &findings, &stop);
    let app = App::new(config, services, shown(findings), stop.clone());
    let address = listener.local_addr()?;
    let mut serving = tokio::spawn(atelier_api::serve(app, listener));
    tracing::info!(%address, "listening");
    tokio::select! {
        () = shutdown => {}
        ended = &mut serving => anyhow::bail!("the listener ended by itself: {ended:?}"),
        ended = loops.join_next() => anyhow::bail!("a loop of the keeper ended by itself: {ended:?}"),
    }
    let end = Instant::now() + grace;
    tracing::info!("draining");
    stop.cancel();
    let drained = async {
        let _ = (&mut serving).await;
        while loops.join_next().await.is_some() {}
    };
    if timeout_at(end, drained).await.is_err() {
        tracing::warn!("the grace is over; the keepers finish what was not done");
        serving.abort();
    }
    Ok(())
}

fn start_keeper(
    config: &ApiConfig,
    services: &Services,
    findings: &keeper::Findings,
    stop: &CancellationToken,
) -> tokio::task::JoinSet<&'static str> {
    let services = keeper::Services {
        store: Arc::clone(&services.store),
        queues: services.queues.clone(),
        pictures: services.pictures.clone(),
        cdn: services.cdn.clone(),
    };
    let budgets = &config.budget.budgets;
    let backlog = config.backlog.then(|| {
        let (store, jobs) = (Arc::clone(&services.store), services.queues.jobs.clone());
        keeper::BacklogMeter::new(store, jobs, stop.clone())
    });
    let mut loops = keeper::start(
        services,
        findings,
        &config.job,
        budgets,
        config.sample,
        stop,
    );
    if let Some(backlog) = backlog {
        loops.spawn(async move {
            backlog.run().await;
            "backlog"
        });
    }
    loops
}

/// The keeper's findings, as the API shows them.
fn shown(findings: keeper::Findings) -> atelier_api::Findings {
    atelier_api::Findings {
        throughput: findings.throughput,
        history: findings.history,
        dead_letters: findings.dead_letters,
        loops: vec![findings.sweep, findings.meter],
    }
}
