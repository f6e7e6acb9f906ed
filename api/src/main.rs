//! `atelier-api`: one API process.

use std::process::ExitCode;

use atelier_api::{ApiConfig, Services, run};
use atelier_shared::config::{EXIT_CODE, Environment, describe};
use atelier_shared::telemetry;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell says of a process that SIGTERM ended.
const ENDED_BY_SIGTERM: i32 = 128 + 15;

fn main() -> ExitCode {
    let command = clap::Command::new("atelier-api")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Atelier's API: stores assignments, queues their jobs, serves the page")
        .after_help(describe(ApiConfig::SETTINGS));
    if let Err(error) = command.try_get_matches() {
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { EXIT_CODE } else { 0 });
    }
    let config = match ApiConfig::read(Environment::of_process()) {
        Ok(config) => config,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::from(EXIT_CODE);
        }
    };
    // Fails only if somebody was faster, which does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the system gives threads");
    let outcome = runtime.block_on(serve(config));
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: ApiConfig) -> anyhow::Result<()> {
    let telemetry = telemetry::start(&config.telemetry, "atelier-api")?;
    let mut stop = StopSignals::watch()?;
    let services = Services::connect(&config).await?;
    let address = config
        .http
        .listen
        .ok_or_else(|| anyhow::anyhow!("LISTEN_ADDR is not set"))?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| anyhow::anyhow!("cannot listen on {address}: {error}"))?;
    let outcome = run(config, services, listener, async move {
        stop.next().await;
        tokio::spawn(async move {
            stop.next().await;
            std::process::exit(ENDED_BY_SIGTERM);
        });
    })
    .await;
    telemetry.stop().await;
    outcome
}

/// SIGTERM and SIGINT.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn watch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
