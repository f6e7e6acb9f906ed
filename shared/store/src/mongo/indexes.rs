//! The indexes, each named after the query that it serves.
//!
//! A pending document is in seven of them, `_id` included, a finished one in eight. No query could do
//! with another's: those of the newest end with status and prompt, so that a teacher's list of one
//! status needs none of its own, and a search reads no document that it does not find.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};

/// Waits between tries to make the indexes: doubled from the first to the last.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// `IndexOptionsConflict` and `IndexKeySpecsConflict`: an older version has made it otherwise.
const MADE_OTHERWISE: [i32; 2] = [85, 86];

/// `NamespaceNotFound`.
const NO_COLLECTION: i32 = 26;

/// Made by an older version; no query uses them.
const RETIRED: [&str; 3] = [
    "newest_of_teacher_and_status",
    "newest_of_teacher",
    "newest",
];

/// An index on a collection.
#[derive(Clone, Debug)]
pub(super) struct Index {
    collection: &'static str,
    pub(super) name: &'static str,
    pub(super) keys: Document,
    options: IndexOptions,
}

impl Index {
    fn on(collection: &'static str, name: &'static str, keys: Document) -> Self {
        let options = IndexOptions::builder().name(name.to_owned()).build();
        Self {
            collection,
            name,
            keys,
            options,
        }
    }

    fn unique(mut self) -> Self {
        self.options.unique = Some(true);
        self
    }

    /// Without the documents that lack the field.
    fn sparse(mut self) -> Self {
        self.options.sparse = Some(true);
        self
    }

    /// With the documents of this status alone.
    fn of_status(mut self, status: &str) -> Self {
        self.options.partial_filter_expression = Some(doc! { "s3_upload_status": status });
        self
    }

    /// With the documents that have the field alone.
    fn with(mut self, field: &str) -> Self {
        self.options.partial_filter_expression = Some(doc! { field: { "$exists": true } });
        self
    }

    /// Its documents are deleted when their time has come.
    fn expiring(mut self) -> Self {
        self.options.expire_after = Some(Duration::ZERO);
        self
    }
}

/// All of them.
pub(super) fn all() -> Vec<Index> {
    let assignments = |name, keys| Index::on("assignments", name, keys);
    vec![
        // Sparse, since a document of others may lack it.
        assignments("id", doc! { "assignment_id": 1 })
            .unique()
            .sparse(),
        assignments("due", doc! { "wake_at": 1 }).sparse(),
        assignments(
            "newest_with_prompt",
            doc! { "created_at": -1, "assignment_id": -1, "s3_upload_status": 1, "prompt": 1 },
        ),
        assignments(
            "newest_of_status",
            doc! { "s3_upload_status": 1, "created_at": -1, "assignment_id": -1 },
        ),
        assignments(
            "newest_of_teacher_with_prompt",
            doc! {
                "teacher_id": 1, "created_at": -1, "assignment_id": -1, "s3_upload_status": 1,
                "prompt": 1,
            },
        ),
        assignments("sent", doc! { "sent_at": 1 }).of_status("pending"),
        assignments("finished", doc! { "finished_at": 1 }).sparse(),
        assignments("reusable", doc! { "reuse_key": 1, "finished_at": -1 }).of_status("success"),
        assignments(
            "reusable_of_teacher",
            doc! { "teacher_id": 1, "reuse_key": 1, "finished_at": -1 },
        )
        .of_status("success"),
        // A second field, since not every server makes two indexes of the same fields.
        assignments("of_others", doc! { "assignment_id": 1, "s3_image_name": 1 })
            .with("s3_image_name"),
        assignments("named_by_others", doc! { "s3_image_name": 1 }).sparse(),
        assignments("erasing", doc! { "erasing_for": 1 }).sparse(),
        Index::on("audit_log", "newest_entries", doc! { "at": -1, "id": -1 }),
        Index::on(
            "audit_log",
            "newest_entries_of_actor",
            doc! { "actor": 1, "at": -1, "id": -1 },
        ),
        Index::on(
            "audit_log",
            "newest_entries_of_action",
            doc! { "action": 1, "at": -1, "id": -1 },
        ),
        Index::on(
            "audit_log",
            "newest_entries_of_what",
            doc! { "what": 1, "at": -1, "id": -1 },
        ),
        Index::on("limits", "expiry", doc! { "expires_at": 1 }).expiring(),
        Index::on("workers", "expiry", doc! { "expires_at": 1 }).expiring(),
        Index::on("budgets", "expiry", doc! { "expires_at": 1 }).expiring(),
        Index::on("workers", "beats", doc! { "at": 1 }),
        Index::on("api_keys", "by_hash", doc! { "hash": 1 }).unique(),
        Index::on("shares", "token", doc! { "token": 1 })
            .unique()
            .sparse(),
        Index::on("shares", "links", doc! { "assignment_id": 1, "link": -1 }),
    ]
}

/// Makes the indexes; tries until all are made.
pub(super) async fn keep_trying(database: Database) {
    let (mut wait, longest) = AGAIN;
    while let Err(error) = make(&database).await {
        tracing::warn!(%error, "the indexes of the store are not made yet");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

/// Names of those that are not there, or are made of other fields.
pub(super) async fn missing(database: &Database) -> Result<Vec<&'static str>, Error> {
    let mut missing = Vec::new();
    for index in all() {
        let collection = database.collection::<Document>(index.collection);
        let there: Vec<IndexModel> = match collection.list_indexes().await {
            Ok(cursor) => cursor.try_collect().await?,
            Err(error) if has_code(&error, &[NO_COLLECTION]) => Vec::new(),
            Err(error) => return Err(error),
        };
        if !there.iter().any(|it| it.keys == index.keys) {
            missing.push(index.name);
        }
    }
    Ok(missing)
}

/// Makes those that are missing, each by a command of its own, so that one that cannot be made keeps
/// no other from it.
pub(super) async fn make(database: &Database) -> Result<(), Error> {
    let mut outcome: Result<(), Error> = Ok(());
    for index in all() {
        outcome = outcome.and(make_one(database, index).await);
    }
    // What is retired may still serve in place of what could not be made.
    outcome?;
    for name in RETIRED {
        // It is not there, or costs its writes for a while longer.
        let assignments = database.collection::<Document>("assignments");
        let _ = assignments.drop_index(name).await;
    }
    Ok(())
}

async fn make_one(database: &Database, index: Index) -> Result<(), Error> {
    let collection = database.collection::<Document>(index.collection);
    let model = IndexModel::builder()
        .keys(index.keys)
        .options(index.options)
        .build();
    match collection.create_index(model.clone()).await {
        Err(error) if has_code(&error, &MADE_OTHERWISE) => {
            collection.drop_index(index.name).await?;
            collection.create_index(model).await.map(drop)
        }
        made => made.map(drop),
    }
}

fn has_code(error: &Error, codes: &[i32]) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => codes.contains(&command.code),
        _ => false,
    }
}
