//! What an import is told: flags and environment.

use atelier_cloud::config::{BucketConfig, CdnConfig, CloudConfig};
use atelier_runtime::config::{ConfigFaults, Setting};
use atelier_store::config::StoreConfig;
use atelier_worker::config::OptimizeConfig;

use super::importer::is_model;
use crate::environment;
use crate::flags::Import;

/// The configuration of an import.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) cloud: CloudConfig,
    pub(crate) bucket: BucketConfig,
    pub(crate) cdn: CdnConfig,
    pub(crate) store: StoreConfig,
    pub(crate) optimize: OptimizeConfig,
}

impl Config {
    /// The options that are read.
    pub(crate) const SETTINGS: &[&[Setting]] = &[
        StoreConfig::SETTINGS,
        BucketConfig::SETTINGS,
        CdnConfig::SETTINGS,
        CloudConfig::SETTINGS,
        OptimizeConfig::SETTINGS,
    ];

    /// Reads flags and environment.
    ///
    /// # Errors
    /// [`ConfigFaults`] where they cannot be used.
    pub(crate) fn read(flags: &Import) -> anyhow::Result<Self> {
        let (mut environment, credentials) = environment::read(flags.data.as_deref())
            .map_err(|error| ConfigFaults(vec![format!("--data {error:#}")]))?;
        let read = Self {
            cloud: CloudConfig::read(&mut environment),
            bucket: BucketConfig::read(&mut environment),
            cdn: CdnConfig::read(&mut environment),
            store: StoreConfig::read(&mut environment),
            optimize: OptimizeConfig::read(&mut environment),
        };
        let (mut config, ()) = ConfigFaults::both(environment.finish(read), check(flags))?;
        config.cloud.credentials = credentials;
        Ok(config)
    }
}

fn check(flags: &Import) -> Result<(), ConfigFaults> {
    let mut faults = Vec::new();
    if let Some(folder) = flags.from_dir.as_ref().filter(|it| !it.is_dir()) {
        faults.push(format!(
            "--from-dir {}: there is no such folder",
            folder.display()
        ));
    }
    if let Some(model) = flags.model.as_ref().filter(|it| !is_model(it)) {
        faults.push(format!(
            "--model must be 1 to 256 visible ASCII characters, not `{model}`"
        ));
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(ConfigFaults(faults)),
    }
}
