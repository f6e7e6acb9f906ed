//! `atelier-worker`: configuration, telemetry, run, drain.

use std::process::ExitCode;
use std::sync::Arc;

use atelier_cloud::client::Aws;
use atelier_doctor::Options;
use atelier_doctor::start::Start;
use atelier_runtime::config::{Environment, describe};
use atelier_runtime::{process, telemetry};
use atelier_worker::{Config, Services, Worker, health, run};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    process::install_tls();
    let about = "Takes jobs from the queue, has a model make their pictures, stores them.";
    let command = clap::Command::new("atelier-worker").version(env!("CARGO_PKG_VERSION"));
    process::parse_flags(
        command
            .about(about)
            .after_help(describe(Config::SETTINGS, &[])),
    );
    process::block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let config = Config::read(Environment::of_process())?;
    let telemetry = telemetry::start(&config.telemetry, "atelier-worker")?;
    let stop = process::stop_on_signal();
    let over = process::grace_over(&stop, config.drain.grace);
    let outcome = work(config, stop).await;
    telemetry.stop(&over).await;
    outcome
}

async fn work(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    let aws = Aws::connect(&config.cloud).await;
    let store = atelier_store::open(&config.store, atelier_store::Indexes::Leave).await?;
    let listen = config.health.listen;
    let services = Services::new(&config, store, &aws);
    start(&config, &services).check(stop.clone());
    let worker = Worker::new(config, services);
    let health_stop = CancellationToken::new();
    if let Some(address) = listen {
        let listener = process::listen(address)?;
        tokio::spawn(health::serve(worker.clone(), listener, health_stop.clone()));
    }
    let outcome = run(worker, stop).await;
    health_stop.cancel();
    outcome
}

fn start(config: &Config, services: &Services) -> Start {
    Start {
        store: Arc::clone(&services.store),
        queues: services.queues.clone(),
        pictures: services.pictures.clone(),
        options: Options {
            cloud: config.cloud.clone(),
            queue: config.queue.clone(),
            store: config.store.clone(),
            models: config.worker.models.clone(),
        },
        makes_indexes: false,
    }
}
