//! `atelier-api`: configuration, telemetry, run, drain.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use atelier_api::{ApiConfig, Services};
use atelier_doctor::Options;
use atelier_doctor::start::Start;
use atelier_runtime::config::{Environment, describe};
use atelier_runtime::{process, telemetry};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    process::install_tls();
    let about = "Stores assignments, queues their jobs, serves the page.";
    let command = clap::Command::new("atelier-api").version(env!("CARGO_PKG_VERSION"));
    process::parse_flags(
        command
            .about(about)
            .after_help(describe(ApiConfig::SETTINGS, &[])),
    );
    process::block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let config = ApiConfig::read(Environment::of_process())?;
    let telemetry = telemetry::start(&config.telemetry, "atelier-api")?;
    let stop = process::stop_on_signal();
    let over = process::grace_over(&stop, config.drain.grace);
    let outcome = listen(config, stop).await;
    telemetry.stop(&over).await;
    outcome
}

async fn listen(config: ApiConfig, stop: CancellationToken) -> anyhow::Result<()> {
    let services = Services::connect(&config).await?;
    start(&config, &services).check(stop.clone());
    let address = config.http.listen.context("LISTEN_ADDR is not set")?;
    let listener =
        process::listen(address).with_context(|| format!("cannot listen on {address}"))?;
    atelier_server::run(config, services, listener, stop.cancelled_owned()).await
}

fn start(config: &ApiConfig, services: &Services) -> Start {
    Start {
        store: Arc::clone(&services.store),
        queues: services.queues.clone(),
        pictures: services.pictures.clone(),
        options: Options {
            cloud: config.cloud.clone(),
            queue: config.queue.clone(),
            store: config.store.clone(),
            models: Vec::new(),
        },
        makes_indexes: true,
    }
}
