//! What the commands are told: flags and environment.

use atelier_cloud::config::{BucketConfig, CdnConfig, CloudConfig};
use atelier_runtime::config::{ConfigFaults, Setting};
use atelier_store::config::StoreConfig;

use crate::environment;
use crate::flags::Whose;

/// Where store, bucket and CDN are.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) cloud: CloudConfig,
    pub(crate) bucket: BucketConfig,
    pub(crate) cdn: CdnConfig,
    pub(crate) store: StoreConfig,
}

impl Config {
    /// The options that are read.
    pub(crate) const SETTINGS: &[&[Setting]] = &[
        StoreConfig::SETTINGS,
        BucketConfig::SETTINGS,
        CdnConfig::SETTINGS,
        CloudConfig::SETTINGS,
    ];

    /// Reads flags and environment.
    ///
    /// # Errors
    /// [`ConfigFaults`] where they cannot be used.
    pub(crate) fn read(whose: &Whose) -> anyhow::Result<Self> {
        let (mut environment, credentials) = environment::read(whose.data.as_deref())
            .map_err(|error| ConfigFaults(vec![format!("--data {error:#}")]))?;
        let read = Self {
            cloud: CloudConfig::read(&mut environment),
            bucket: BucketConfig::read(&mut environment),
            cdn: CdnConfig::read(&mut environment),
            store: StoreConfig::read(&mut environment),
        };
        let (mut config, ()) = ConfigFaults::both(environment.finish(read), check(whose))?;
        config.cloud.credentials = credentials;
        Ok(config)
    }
}

fn check(whose: &Whose) -> Result<(), ConfigFaults> {
    match whose.id.is_empty() {
        true => Err(ConfigFaults(vec!["ID must not be empty".to_owned()])),
        false => Ok(()),
    }
}
