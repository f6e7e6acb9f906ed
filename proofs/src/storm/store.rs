//! The storm's store: SQLite, or a MongoDB behind a proxy.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use atelier_mongodb_proxy::{Fault, Kind, Proxy};
use rusqlite::Connection;
use tokio::time::sleep;

/// Commands that each of the proxy's faults strikes.
const STRIKES: u32 = 20;

/// Faults between two spells: a minute's storm has them all.
const FAULTS: usize = 4;

/// Where the documents are, and how it fails.
#[derive(Debug)]
pub(super) enum Store {
    /// The path of the file; empty until the cloud has said it.
    Sqlite(String),
    /// Behind a proxy; and which of its faults is next.
    MongoDb(Proxy, AtomicUsize),
}

impl Store {
    /// In a new database of the MongoDB at `url`; without one, in the cloud's SQLite file.
    pub(super) async fn of(url: Option<&str>) -> anyhow::Result<Self> {
        let Some(url) = url else {
            return Ok(Self::Sqlite(String::new()));
        };
        let (server, options) = url.split_once('?').unwrap_or((url, ""));
        let server = server.trim_end_matches('/');
        let url = format!("{server}/storm_{:016x}?{options}", fastrand::u64(..));
        Ok(Self::MongoDb(
            Proxy::before(&url).await?,
            AtomicUsize::new(0),
        ))
    }

    /// Its address, where it is not the cloud's.
    pub(super) fn url(&self) -> &str {
        match self {
            Self::Sqlite(_) => "",
            Self::MongoDb(proxy, _) => proxy.url(),
        }
    }

    /// The same, whose address is known.
    pub(super) fn at(self, url: &str) -> anyhow::Result<Self> {
        Ok(match self {
            Self::Sqlite(_) => {
                let path = url.strip_prefix("sqlite:");
                Self::Sqlite(path.context("the cloud's store is SQLite")?.to_owned())
            }
            mongodb => mongodb,
        })
    }

    /// What a spell of it is.
    pub(super) const fn spell(&self) -> &str {
        match self {
            Self::Sqlite(_) => "no writes",
            Self::MongoDb(..) => "no majority, every write is rolled back",
        }
    }

    /// Takes no writes for this time.
    pub(super) async fn take_writes(&self, length: Duration) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || hold(&path, length)).await??;
            }
            Self::MongoDb(proxy, _) => {
                proxy.order(Kind::Write, u32::MAX, Fault::RolledBack(64));
                sleep(length).await;
                proxy.clear();
            }
        }
        Ok(())
    }

    /// Has a MongoDB's next commands meet the next faults of those that a server or a network has.
    pub(super) fn disturb(&self, tell: fn(&str)) {
        let Self::MongoDb(proxy, next) = self else {
            return;
        };
        let first = next.fetch_add(FAULTS, Ordering::Relaxed);
        for (name, fault) in Fault::ALL.into_iter().cycle().skip(first).take(FAULTS) {
            let kind = match fault {
                // A taken id is an answer to an insert alone.
                Fault::Interrupted(11000) => Kind::Insert,
                _ => Kind::Any,
            };
            tell(&format!("store: {name}, {STRIKES} commands"));
            proxy.order(kind, STRIKES, fault);
        }
    }

    /// Ends all faults.
    pub(super) fn repair(&self) {
        if let Self::MongoDb(proxy, _) = self {
            proxy.clear();
        }
    }
}

/// Locks the SQLite file at `database` against writes for this time. Blocks.
///
/// # Errors
/// The file cannot be locked.
pub fn hold(database: &str, length: Duration) -> rusqlite::Result<()> {
    let connection = Connection::open(database)?;
    connection.busy_timeout(length)?;
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    std::thread::sleep(length);
    connection.execute_batch("ROLLBACK")
}
