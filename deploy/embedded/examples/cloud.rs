//! Starts the embedded cloud in the directory that is given and prints its environment.

use std::path::PathBuf;

use anyhow::Context as _;
use atelier_embedded::cloud::{Cloud, Options};
use atelier_embedded::model::Behavior;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let data = std::env::args().nth(1).context("usage: cloud DIRECTORY")?;
    let cloud = Cloud::start(Options {
        data: PathBuf::from(data),
        behavior: Behavior::default(),
    })
    .await?;
    print!("{}", cloud.environment_lines());
    tokio::signal::ctrl_c().await?;
    cloud.stop().await;
    Ok(())
}
