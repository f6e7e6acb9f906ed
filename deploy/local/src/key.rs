//! `atelier key`: makes, lists and revokes the API keys of programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use atelier_domain::api_key::{ApiKey, PREFIX, RANDOM_BYTES, hash};
use atelier_domain::audit::{Action, Entry, Outcome};
use atelier_domain::role::Role;
use atelier_domain::timestamp::Timestamp;
use atelier_embedded::cloud::DATABASE;
use atelier_runtime::config::{Environment, Setting};
use atelier_runtime::process;
use atelier_store::config::StoreConfig;
use atelier_store::{Indexes, Store, StoreError};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::flags::{Key, KeyCommand, KeyRole};
use crate::operator::operator;

/// The options that are read.
pub(crate) const SETTINGS: &[&[Setting]] = &[StoreConfig::SETTINGS];

/// The data directory where neither `--data` nor `STORE_URL` is set; that of `atelier`.
const DATA: &str = "data";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn main(flags: &Key) -> ExitCode {
    process::block_on(run(flags))
}

async fn run(flags: &Key) -> anyhow::Result<()> {
    let store = open(flags.data.as_deref()).await?;
    match &flags.command {
        KeyCommand::Create {
            name,
            role,
            expires_days,
        } => create(store, name, *role, *expires_days).await,
        KeyCommand::List { json } => list(store, *json).await,
        KeyCommand::Revoke { name } => revoke(store, name).await,
    }
}

/// The store that the environment names, or that of a data directory. It must be there: a key in a
/// new one would open nothing.
async fn open(data: Option<&Path>) -> anyhow::Result<Arc<dyn Store>> {
    let in_data = |data: &Path| {
        let url = format!("sqlite:{}", data.join(DATABASE).display());
        Environment::of([("STORE_URL", url)])
    };
    let mut environment = match data {
        Some(data) => in_data(data),
        None if std::env::var_os("STORE_URL").is_none() => in_data(Path::new(DATA)),
        None => Environment::of_process(),
    };
    let config = StoreConfig::read(&mut environment);
    let config = environment.finish(config)?;
    if let Some(path) = config.url.strip_prefix("sqlite:") {
        ensure!(Path::new(path).is_file(), "{path}: there is no store");
    }
    Ok(atelier_store::open(&config, Indexes::Make).await?)
}

/// Carries out `act` after its entry in the audit log; another entry says where it was not done.
async fn audited<T>(
    store: &dyn Store,
    action: Action,
    name: &str,
    act: impl Future<Output = Result<Option<T>, StoreError>>,
) -> anyhow::Result<Option<T>> {
    let entry = Entry::begun(&operator(), action, name);
    let begun = store.append_audit(&entry).await;
    begun.context("nothing was done, since the audit log takes no entry")?;
    let done = act.await;
    if !matches!(done, Ok(Some(_))) {
        let failed = entry.ended(Outcome::Failed, BTreeMap::new());
        let noted = store.append_audit(&failed).await;
        noted.context("the audit log does not say that it was not done")?;
    }
    Ok(done?)
}

async fn create(
    store: Arc<dyn Store>,
    name: &str,
    role: KeyRole,
    expires_days: Option<u32>,
) -> anyhow::Result<()> {
    let mut random = [0; RANDOM_BYTES];
    SystemRandom::new()
        .fill(&mut random)
        .ok()
        .context("the system has no random numbers")?;
    let key = format!(
        "{PREFIX}{}",
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(random)
    );
    let now = Timestamp::now();
    let stored = ApiKey {
        name: name.to_owned(),
        hash: hash(&key),
        role: match role {
            KeyRole::Portal => Role::Portal,
            KeyRole::Operator => Role::Operator,
        },
        created_at: now,
        expires_at: expires_days.map(|days| now + DAY * days),
        revoked_at: None,
        last_used_at: None,
    };
    let keys = store.api_keys();
    let add = async {
        keys.add_key(&stored)
            .await
            .map(|is_new| is_new.then_some(()))
    };
    if audited(&*store, Action::KeyIssued, name, add)
        .await?
        .is_none()
    {
        bail!("there is a key named `{name}`; no name is used twice, so take another");
    }
    println!("{key}");
    eprintln!(
        "This is the key `{name}` with the role {}{}. It is not shown again.",
        stored.role,
        until(&stored)
    );
    Ok(())
}

fn until(key: &ApiKey) -> String {
    match key.expires_at {
        Some(end) => format!(", until {}", end.rfc3339()),
        None => String::new(),
    }
}

async fn list(store: Arc<dyn Store>, json: bool) -> anyhow::Result<()> {
    let keys = store.api_keys().all_keys().await?;
    if json {
        let shown: Vec<_> = keys.iter().map(without_hash).collect();
        println!("{}", serde_json::to_string(&shown)?);
        return Ok(());
    }
    if keys.is_empty() {
        eprintln!("there are no keys");
    }
    let now = Timestamp::now();
    for key in &keys {
        let state = match (key.revoked_at, key.is_good(now)) {
            (Some(at), _) => format!("revoked {}", at.rfc3339()),
            (None, false) => "expired".to_owned(),
            (None, true) => "good".to_owned(),
        };
        let used = match key.last_used_at {
            Some(at) => format!("last used {}", at.rfc3339()),
            None => "never used".to_owned(),
        };
        println!(
            "{}  {}  {state}{}  made {}  {used}",
            key.name,
            key.role,
            until(key),
            key.created_at.rfc3339()
        );
    }
    Ok(())
}

fn without_hash(key: &ApiKey) -> serde_json::Value {
    let mut shown = serde_json::to_value(key).expect("a key is plain data");
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("hash");
    }
    shown
}

async fn revoke(store: Arc<dyn Store>, name: &str) -> anyhow::Result<()> {
    let keys = store.api_keys();
    let mut known = keys.all_keys().await?.into_iter();
    let Some(key) = known.find(|key| key.name == name) else {
        bail!("there is no key named `{name}`");
    };
    let revoked_at = match key.revoked_at {
        Some(at) => Some(at),
        None => {
            let revoke = keys.revoke_key(name, Timestamp::now());
            let revoked = audited(&*store, Action::KeyRevoked, name, revoke).await?;
            revoked.and_then(|key| key.revoked_at)
        }
    };
    let at = revoked_at.with_context(|| format!("the key `{name}` is not there any more"))?;
    println!("the key `{name}` is revoked since {}", at.rfc3339());
    Ok(())
}
