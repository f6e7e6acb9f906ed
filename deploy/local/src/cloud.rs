//! `atelier cloud`: the embedded cloud alone.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use atelier_embedded::cloud::Cloud;
use atelier_runtime::config::Environment;
use atelier_runtime::process;
use atelier_runtime::telemetry::{self, TelemetryConfig};
use tokio_util::sync::CancellationToken;

use crate::environment::ENVIRONMENT;
use crate::flags::Here;

pub(crate) fn main(here: &Here) -> ExitCode {
    process::block_on(run(here))
}

async fn run(here: &Here) -> anyhow::Result<()> {
    let mut environment = Environment::of_process();
    let telemetry = TelemetryConfig::read(&mut environment);
    let telemetry = telemetry::start(&environment.finish(telemetry)?, "atelier-cloud")?;
    let stop = process::stop_on_signal();
    let cloud = start(here).await?;
    print_environment(&cloud)?;
    stop.cancelled().await;
    cloud.stop().await;
    telemetry.stop(&CancellationToken::new()).await;
    Ok(())
}

/// Starts the cloud and writes its environment to the data directory.
pub(crate) async fn start(here: &Here) -> anyhow::Result<Cloud> {
    let cloud = Cloud::start_guarded(here.options(), here.guards()).await?;
    let path = here.data.join(ENVIRONMENT);
    std::fs::write(&path, cloud.environment_lines())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(cloud)
}

/// Scripts read stdout: nothing else may be printed there.
fn print_environment(cloud: &Cloud) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(cloud.environment_lines().as_bytes())?;
    out.flush()?;
    Ok(())
}
