//! What every store must do. Each check runs against SQLite, and if asked for against the MongoDB that
//! `ATELIER_TEST_MONGODB_URI` names and the FerretDB that `ATELIER_TEST_FERRETDB_URI` names. FerretDB's
//! `findAndModify` is not atomic, so that races must be lost there: it cannot be used, and a check that
//! it passes proves nothing.

mod api_keys;
mod audit;
mod budgets;
mod foreign;
mod model;
mod reads;
mod search;
mod shares;
mod writes;

use std::sync::Arc;

use serde_json::{Value, json};

use atelier_domain::assignment::{Assignment, Claim, ImageMetadata, StageSeconds, Status, Token};
use atelier_domain::rendition::{Renditions, Variant};
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Finished, Imported};
use atelier_store::{MongoStore, SqliteStore, Store};

const MONGODB_URI: &str = "ATELIER_TEST_MONGODB_URI";
const FERRETDB_URI: &str = "ATELIER_TEST_FERRETDB_URI";

/// Races that a server may win by luck are run this often.
const RACES: usize = 20;

/// Makes a test for each store of each check named. A `race` of one is lost where findAndModify is
/// not atomic; a race of another kind is not run there.
macro_rules! for_every_store {
    (
        $($check:ident),* $(,)?
        $(; races: $($race:ident),* $(,)?)?
        $(; other_races: $($other_race:ident),* $(,)?)?
    ) => {
        crate::for_each!($($check),* $(, $($race),*)? $(, $($other_race),*)?);
        mod ferretdb {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs a FerretDB: conformance/run cargo test --workspace -- --include-ignored"]
            async fn $check() {
                let home = crate::mongodb(crate::FERRETDB_URI).await;
                super::$check(home.store.clone()).await;
                home.clear().await;
            })*
            $($(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs a FerretDB: conformance/run cargo test --workspace -- --include-ignored"]
            async fn $race() {
                for _ in 0..crate::RACES {
                    let home = crate::mongodb(crate::FERRETDB_URI).await;
                    let race = tokio::spawn(super::$race(home.store.clone()));
                    let lost = race.await.is_err();
                    home.clear().await;
                    if lost {
                        return;
                    }
                }
                panic!("every race was won: its findAndModify seems to be atomic now");
            })*)?
        }
    };
}
use for_every_store;

macro_rules! for_each {
    ($($check:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                let home = crate::sqlite();
                super::$check(home.store).await;
            })*
        }
        mod mongodb {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
            async fn $check() {
                let home = crate::mongodb(crate::MONGODB_URI).await;
                super::$check(home.store.clone()).await;
                home.clear().await;
            })*
        }
    };
}
use for_each;

/// An empty SQLite store.
struct SqliteHome {
    store: Arc<dyn Store>,
    folder: tempfile::TempDir,
}

fn sqlite() -> SqliteHome {
    let folder = tempfile::tempdir().unwrap();
    SqliteHome {
        store: Arc::new(SqliteStore::open(&folder.path().join("store.db")).unwrap()),
        folder,
    }
}

/// An empty database in the MongoDB of the tests.
struct MongoHome {
    store: Arc<dyn Store>,
    database: ::mongodb::Database,
}

async fn mongodb(named_by: &str) -> MongoHome {
    let url = std::env::var(named_by).unwrap_or_else(|_| panic!("{named_by} is not set"));
    let url = with_database(&url, &format!("test-{}", Token::random().as_str()));
    let client = ::mongodb::Client::with_uri_str(&url).await.unwrap();
    MongoHome {
        store: Arc::new(
            MongoStore::open(&url, 100)
                .await
                .unwrap()
                .with_indexes()
                .await,
        ),
        database: client.default_database().unwrap(),
    }
}

/// `url` with this database in place of its own.
fn with_database(url: &str, database: &str) -> String {
    let (address, options) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").unwrap();
    let hosts = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{hosts}/{database}?{options}")
}

impl MongoHome {
    async fn clear(self) {
        self.database.drop().await.unwrap();
    }
}

const NOW: Timestamp = Timestamp::from_seconds(1_000.0);

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn token(name: &str) -> Token {
    serde_json::from_value(json!(name)).unwrap()
}

fn claim_of(name: &str, until: f64) -> Claim {
    Claim {
        token: token(name),
        worker: "worker".to_owned(),
        until: at(until),
    }
}

/// A pending assignment with these fields changed.
fn assignment(id: &str, fields: Value) -> Assignment {
    let mut document = json!({
        "assignment_id": id,
        "prompt": "a red fox",
        "created_at": 900.5,
        "updated_at": 900.5,
        "s3_upload_status": "pending",
        "wake_at": 930.5,
        "give_up_at": 22_500.5,
        "correlation_id": "correlation",
    });
    document
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    serde_json::from_value(document).unwrap()
}

async fn put(store: &dyn Store, id: &str, fields: Value) -> Assignment {
    let assignment = assignment(id, fields);
    store.insert(&assignment).await.unwrap();
    assignment
}

fn ids(assignments: &[Assignment]) -> Vec<&str> {
    assignments
        .iter()
        .map(|assignment| assignment.assignment_id.as_str())
        .collect()
}

fn finished(reuse_key: &str) -> Finished {
    Finished {
        key: "generated_images/a.webp".to_owned(),
        url: Some("https://cdn.example/generated_images/a.webp".to_owned()),
        metadata: ImageMetadata::new(1_500_000, 90_000, "webp", "1024x1024".to_owned()),
        model: "stability.stable-image-core-v1:1".to_owned(),
        reuse_key: reuse_key.to_owned(),
        stage_seconds: StageSeconds {
            generate: Some(2.5),
            ..StageSeconds::default()
        },
        uploads: 1,
        cost_usd: 0.25,
        thumbhash: Some("1QcSHQRnh493V4dIh4eXh1h4kJUI".to_owned()),
    }
}

fn renditions() -> Renditions {
    Renditions {
        variants: vec![Variant {
            width: 320,
            height: 320,
            key: "generated_images/a/320.webp".to_owned(),
            size_bytes: 20_000,
            avif_size_bytes: Some(12_000),
        }],
        avif_size_bytes: Some(70_000),
        thumbhash: None,
    }
}

fn imported() -> Imported {
    let finished = finished("");
    Imported {
        key: finished.key,
        url: finished.url,
        metadata: finished.metadata,
        model: Some(finished.model),
        thumbhash: finished.thumbhash,
        renditions_at: Some(at(1030.0)),
    }
}

async fn status(store: &dyn Store, id: &str) -> Status {
    store.get(id).await.unwrap().unwrap().s3_upload_status
}

/// Leaves a tombstone of the assignment with this id.
async fn delete(store: &dyn Store, id: &str) {
    let tombstone = store
        .apply(id, &transition::delete(NOW, at(1030.0)))
        .await
        .unwrap();
    assert_eq!(tombstone.unwrap().s3_upload_status, Status::Deleted);
}
