//! The environment of a running embedded cloud: endpoints and credentials.

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use atelier_cloud::config::StaticCredentials;
use atelier_runtime::config::Environment;

/// The file in the data directory that has it; `atelier audit --data` reads it.
pub(crate) const ENVIRONMENT: &str = "environment";

/// How long a cloud may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process's environment with that of the cloud over `data` in its place, and that cloud's
/// access key.
///
/// # Errors
/// No cloud runs over `data`.
pub(crate) fn read(
    data: Option<&Path>,
) -> anyhow::Result<(Environment, Option<StaticCredentials>)> {
    let pairs = data.map(of_running).transpose()?.unwrap_or_default();
    let credentials = credentials_in(&pairs);
    Ok((Environment::of_process().with(pairs), credentials))
}

/// The environment of the cloud that runs over `data`.
fn of_running(data: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let pairs = environment_of(data).with_context(|| advice(data))?;
    let control = pairs.iter().find(|(name, _)| name == "ATELIER_CONTROL_URL");
    let address = control.and_then(|(_, url)| url.strip_prefix("http://")?.parse().ok());
    let runs = |address| TcpStream::connect_timeout(&address, PATIENCE).is_ok();
    if address.is_some_and(|address| !runs(address)) {
        bail!("{}", advice(data));
    }
    Ok(pairs)
}

/// What has to be started.
fn advice(data: &Path) -> String {
    let data = data.display().to_string();
    let data = shlex::try_quote(&data).unwrap_or_default();
    format!(
        "nothing runs over the data directory {data}, so its bucket cannot be read: start \
         `atelier --data {data}` or `atelier cloud --data {data}`, then do this again"
    )
}

/// The environment of the cloud that was last started over `data`.
fn environment_of(data: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let path = data.join(ENVIRONMENT);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let words = shlex::split(&text)
        .with_context(|| format!("{} has a quote without end", path.display()))?;
    let pairs = words.iter().filter_map(|word| word.split_once('='));
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
