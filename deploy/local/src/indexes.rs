//! `atelier indexes`: makes the indexes of a store.

use std::process::ExitCode;

use anyhow::Context as _;
use atelier_runtime::config::{Environment, Setting};
use atelier_runtime::process;
use atelier_store::config::StoreConfig;

/// The options that are read.
pub(crate) const SETTINGS: &[&[Setting]] = &[StoreConfig::SETTINGS];

pub(crate) fn main() -> ExitCode {
    process::block_on(async {
        let mut environment = Environment::of_process();
        let store = StoreConfig::read(&mut environment);
        let store = environment.finish(store)?;
        atelier_store::make_indexes(&store)
            .await
            .context("not all indexes are made")?;
        println!("all indexes are made");
        Ok(())
    })
}
