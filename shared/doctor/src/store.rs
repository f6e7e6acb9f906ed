//! The store: it answers, keeps its promises, and has its indexes.

use std::sync::Arc;

use atelier_store::config::StoreConfig;
use atelier_store::guarantees::{self, Broken};
use atelier_store::survey::{Nodes, Survey, survey};
use atelier_store::{Indexes, Store, StoreError};

use crate::finding::Finding;

/// Opens the store, and tries by writing whether it keeps its promises.
pub async fn examine(config: &StoreConfig) -> Vec<Finding> {
    let found = match open(config).await {
        Ok(found) => found,
        Err(error) => return vec![away(&error)],
    };
    let (store, survey) = found;
    vec![
        nodes(survey.nodes),
        promises(store.as_ref()).await,
        indexes(&survey.missing_indexes),
    ]
}

/// Asks the open `store` of `config` what it is made of, and writes nothing. Whoever makes the indexes
/// itself misses none.
pub async fn read(store: &dyn Store, config: &StoreConfig, makes_indexes: bool) -> Vec<Finding> {
    let surveyed = match store.ping().await {
        Ok(()) => survey(config).await,
        Err(error) => Err(error),
    };
    match surveyed {
        Ok(survey) if makes_indexes => vec![nodes(survey.nodes)],
        Ok(survey) => vec![nodes(survey.nodes), indexes(&survey.missing_indexes)],
        Err(error) => vec![away(&error)],
    }
}

fn away(error: &StoreError) -> Finding {
    let words = format!("{error}. Check STORE_URL, its user, and the network's rules");
    Finding::missing("store", words)
}

async fn open(config: &StoreConfig) -> Result<(Arc<dyn Store>, Survey), StoreError> {
    let store = atelier_store::open(config, Indexes::Leave).await?;
    store.ping().await?;
    Ok((store, survey(config).await?))
}

fn nodes(nodes: Nodes) -> Finding {
    let what = "store";
    match nodes {
        Nodes::File => Finding::good(what, "a SQLite file: for the processes of one machine"),
        Nodes::Sharded => Finding::good(what, "a sharded cluster answers"),
        Nodes::One => Finding::warning(
            what,
            "one server without a replica set: what it acknowledged is lost with its disk",
        ),
        Nodes::ReplicaSet { data, arbiters } if data < 3 || arbiters > 0 => {
            let words = format!(
                "a replica set with {data} members that hold data and {arbiters} that only vote: \
                 with one of them away nothing may be acknowledged"
            );
            Finding::warning(what, words)
        }
        Nodes::ReplicaSet { data, .. } => {
            Finding::good(what, format!("a replica set of {data} members answers"))
        }
    }
}

async fn promises(store: &dyn Store) -> Finding {
    let what = "store's promises";
    match guarantees::check(store).await {
        Ok(()) => Finding::good(
            what,
            "writes are atomic, unique and read after they are done",
        ),
        Err(Broken::Store(error)) => {
            let words = format!("{error}. Its user needs to find, insert and update (readWrite)");
            Finding::missing(what, words)
        }
        Err(broken) => Finding::missing(what, broken.to_string()),
    }
}

fn indexes(missing: &[&str]) -> Finding {
    let what = "store's indexes";
    match missing {
        [] => Finding::good(what, "all are there"),
        missing => {
            let names = missing.join(", ");
            let words =
                format!("these are missing: {names}. An API makes them, or `atelier indexes`");
            Finding::warning(what, words)
        }
    }
}
