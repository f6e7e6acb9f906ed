//! The environment of a running embedded cloud: endpoints and credentials.

use std::path::Path;

use anyhow::Context as _;
use atelier_cloud::config::StaticCredentials;
use atelier_runtime::config::Environment;

/// The file in the data directory that has it; `atelier audit --data` reads it.
pub(crate) const ENVIRONMENT: &str = "environment";

/// The process's environment with that of the cloud over `data` in its place, and that cloud's
/// access key.
///
/// # Errors
/// No cloud was started over `data`.
pub(crate) fn read(
    data: Option<&Path>,
) -> anyhow::Result<(Environment, Option<StaticCredentials>)> {
    let pairs = data.map(environment_of).transpose()?.unwrap_or_default();
    let credentials = credentials_in(&pairs);
    Ok((Environment::of_process().with(pairs), credentials))
}

/// The environment of the cloud that was last started over `data`.
fn environment_of(data: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let path = data.join(ENVIRONMENT);
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "{}: no cloud was started over this directory",
            path.display()
        )
    })?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// The access key in an embedded cloud's environment.
pub(crate) fn credentials_in(pairs: &[(String, String)]) -> Option<StaticCredentials> {
    let value = |name| {
        pairs
            .iter()
            .find(|(it, _)| it == name)
            .map(|(_, value)| value.clone())
    };
    Some(StaticCredentials {
        access_key_id: value("AWS_ACCESS_KEY_ID")?,
        secret_access_key: value("AWS_SECRET_ACCESS_KEY")?,
    })
}
