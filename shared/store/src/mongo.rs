//! The store of a fleet: MongoDB, or a server that speaks its protocol.
//!
//! Only operators on a single document are used, so that any compatible server serves. Other
//! programs read and write the same documents: fields that we do not know stay as they are.

mod documents;

#[cfg(test)]
mod tests;

use std::future::IntoFuture;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::action::Find;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{
    Acknowledgment, ClientOptions, IndexOptions, ReadPreference, ReturnDocument, SelectionCriteria,
    WriteConcern,
};
use mongodb::{Client, Collection, Database, IndexModel};
use tokio_util::task::AbortOnDropHandle;

use super::{Filter, Insert, Position, Store, StoreError};
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::heartbeat::Heartbeat;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::Transition;

use documents::{filter_of, readable, to_assignment, to_document, update_of};

/// The database where the URL names none.
const DATABASE: &str = "atelier";

/// The longest that a call may take, the search for the primary included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest that a write may wait for the journals of a majority.
const WRITE_TIMEOUT: Duration = Duration::from_secs(4);

/// Waits between tries to make the indexes: doubled from the first to the last.
const INDEX_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How long a count is kept after its window began, and a heartbeat after it was written.
const KEEP: Duration = Duration::from_secs(3600);

/// The server's code for an id that is taken.
const DUPLICATE_KEY: i32 = 11000;

/// Documents in MongoDB.
#[derive(Debug)]
pub struct MongoStore {
    database: Database,
    assignments: Collection<Document>,
    limits: Collection<Document>,
    workers: Collection<Document>,
    _indexing: AbortOnDropHandle<()>,
}

/// No answer in time.
#[derive(Debug, thiserror::Error)]
#[error("MongoDB did not answer in {} s", TIMEOUT.as_secs())]
struct Late;

/// The result of `call`; no answer within [`TIMEOUT`] counts as away.
async fn run<T>(call: impl IntoFuture<Output = Result<T, Error>>) -> Result<T, StoreError> {
    try_run(call).await?.map_err(away)
}

/// As [`run`], but leaves the server's errors to the caller.
async fn try_run<T>(
    call: impl IntoFuture<Output = Result<T, Error>>,
) -> Result<Result<T, Error>, StoreError> {
    tokio::time::timeout(TIMEOUT, call.into_future())
        .await
        .map_err(|_| StoreError::Away(Late.into()))
}

fn away(error: Error) -> StoreError {
    StoreError::Away(error.into())
}

fn is_duplicate(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.code == DUPLICATE_KEY,
        ErrorKind::Command(command) => command.code == DUPLICATE_KEY,
        _ => false,
    }
}

impl MongoStore {
    /// Connects to the server that `url` names, in its database or else in `atelier`, and makes
    /// the indexes. After 5 s, or while the server is away, that goes on in the background.
    ///
    /// # Errors
    ///
    /// [`StoreError::Away`] where the URL is malformed, or its `mongodb+srv` name cannot be
    /// resolved.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let mut options = ClientOptions::parse(url).await.map_err(away)?;
        options.server_selection_timeout.get_or_insert(TIMEOUT);
        options.connect_timeout.get_or_insert(TIMEOUT);
        options.selection_criteria =
            Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        options.write_concern = Some(
            WriteConcern::builder()
                .w(Acknowledgment::Majority)
                .journal(true)
                .w_timeout(WRITE_TIMEOUT)
                .build(),
        );
        options.app_name.get_or_insert_with(|| "atelier".to_owned());
        let client = Client::with_options(options).map_err(away)?;
        let database = client
            .default_database()
            .unwrap_or_else(|| client.database(DATABASE));
        let mut indexing = AbortOnDropHandle::new(tokio::spawn(make_indexes(database.clone())));
        let _ = tokio::time::timeout(TIMEOUT, &mut indexing).await;
        Ok(Self {
            assignments: database.collection("assignments"),
            limits: database.collection("limits"),
            workers: database.collection("workers"),
            _indexing: indexing,
            database,
        })
    }

    async fn documents(&self, call: Find<'_, Document>) -> Result<Vec<Document>, StoreError> {
        run(async { call.await?.try_collect().await }).await
    }

    async fn count(&self, query: Document, cap: u32) -> Result<u32, StoreError> {
        if cap == 0 {
            return Ok(0);
        }
        // The driver's own count is a pipeline.
        let call = doc! { "count": self.assignments.name(), "query": query, "limit": cap };
        let answer = run(self.database.run_command(call)).await?;
        let count = answer.get("n").and_then(documents::whole_number);
        Ok(count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(cap))
    }

    async fn change(
        &self,
        query: Document,
        update: Document,
    ) -> Result<Option<Document>, StoreError> {
        let call = self
            .assignments
            .find_one_and_update(query, update)
            .return_document(ReturnDocument::After);
        run(call).await
    }
}

/// Makes the indexes, each named after the query that it serves; tries until all are made.
async fn make_indexes(database: Database) {
    let (mut wait, longest) = INDEX_RETRY;
    while let Err(error) = try_make_indexes(&database).await {
        tracing::warn!(%error, "the indexes of the store are not made yet");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

async fn try_make_indexes(database: &Database) -> Result<(), Error> {
    let index = |name: &str, keys: Document| {
        let options = IndexOptions::builder().name(name.to_owned()).build();
        IndexModel::builder().keys(keys).options(options).build()
    };
    let expiry = || {
        let options = IndexOptions::builder()
            .name("expiry".to_owned())
            .expire_after(Duration::ZERO)
            .build();
        IndexModel::builder()
            .keys(doc! { "expires_at": 1 })
            .options(options)
            .build()
    };
    database
        .collection::<Document>("assignments")
        .create_indexes([
            index("due", doc! { "wake_at": 1 }),
            index("newest", doc! { "created_at": -1, "_id": -1 }),
            index(
                "newest_of_status",
                doc! { "s3_upload_status": 1, "created_at": -1, "_id": -1 },
            ),
            index(
                "newest_of_teacher",
                doc! { "teacher_id": 1, "created_at": -1, "_id": -1 },
            ),
            index(
                "newest_of_teacher_and_status",
                doc! { "teacher_id": 1, "s3_upload_status": 1, "created_at": -1, "_id": -1 },
            ),
            index("sent", doc! { "s3_upload_status": 1, "sent_at": 1 }),
            index("finished", doc! { "finished_at": 1 }),
            index("reusable", doc! { "reuse_key": 1, "finished_at": -1 }),
            index(
                "reusable_of_teacher",
                doc! { "teacher_id": 1, "reuse_key": 1, "finished_at": -1 },
            ),
        ])
        .await?;
    database
        .collection::<Document>("limits")
        .create_index(expiry())
        .await?;
    database
        .collection::<Document>("workers")
        .create_indexes([expiry(), index("beats", doc! { "at": 1 })])
        .await?;
    Ok(())
}

#[async_trait]
impl Store for MongoStore {
    async fn insert(&self, assignment: &Assignment) -> Result<Insert, StoreError> {
        match try_run(self.assignments.insert_one(to_document(assignment))).await? {
            Ok(_) => Ok(Insert::Done),
            Err(error) if is_duplicate(&error) => {
                match self.get(&assignment.assignment_id).await? {
                    Some(taken) => Ok(Insert::Taken(Box::new(taken))),
                    None => Err(away(error)),
                }
            }
            Err(error) => Err(away(error)),
        }
    }

    async fn get(&self, id: &str) -> Result<Option<Assignment>, StoreError> {
        let found = run(self.assignments.find_one(doc! { "_id": id })).await?;
        found.map(to_assignment).transpose()
    }

    async fn get_many(&self, ids: &[String]) -> Result<Vec<Assignment>, StoreError> {
        let call = self.assignments.find(doc! { "_id": { "$in": ids } });
        Ok(readable(self.documents(call).await?))
    }

    async fn statuses(&self, ids: &[String]) -> Result<Vec<(String, Status)>, StoreError> {
        let call = self
            .assignments
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "s3_upload_status": 1 });
        let found = self.documents(call).await?.into_iter();
        Ok(found.filter_map(documents::status).collect())
    }

    async fn apply(
        &self,
        id: &str,
        transition: &Transition,
    ) -> Result<Option<Assignment>, StoreError> {
        let query = filter_of(id, &transition.guard);
        let changed = match update_of(&transition.edits) {
            Some(update) => self.change(query, update).await?,
            None => run(self.assignments.find_one(query)).await?,
        };
        changed.map(to_assignment).transpose()
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        if limit == 0 || filter.status == Some(Status::Deleted) {
            return Ok(Vec::new());
        }
        let mut query = doc! {};
        if let Some(teacher_id) = &filter.teacher_id {
            query.insert("teacher_id", teacher_id);
        }
        match filter.status {
            Some(status) => query.insert("s3_upload_status", status.as_str()),
            None => query.insert("s3_upload_status", doc! { "$ne": Status::Deleted.as_str() }),
        };
        if let Some(Position {
            created_at,
            assignment_id,
        }) = after
        {
            let created_at = created_at.seconds();
            // The first line lets the index start at the place, the second cuts exactly.
            query.insert("created_at", doc! { "$lte": created_at });
            query.insert(
                "$or",
                vec![
                    doc! { "created_at": { "$lt": created_at } },
                    doc! { "_id": { "$lt": assignment_id } },
                ],
            );
        }
        let call = self
            .assignments
            .find(query)
            .sort(doc! { "created_at": -1, "_id": -1 })
            .limit(limit.into());
        Ok(readable(self.documents(call).await?))
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let call = self
            .assignments
            .find(doc! { "wake_at": { "$lte": now.seconds() } })
            .sort(doc! { "wake_at": 1 })
            .limit(limit.into());
        Ok(readable(self.documents(call).await?))
    }

    async fn make_due(
        &self,
        sent_before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        if limit == 0 {
            return Ok(0);
        }
        let now = now.seconds();
        let wanted = doc! {
            "s3_upload_status": Status::Pending.as_str(),
            "sent_at": { "$lt": sent_before.seconds() },
            "$or": [{ "claim": Bson::Null }, { "claim.until": { "$lte": now } }],
            "$nor": [{ "wake_at": { "$lte": now } }],
        };
        let call = self
            .assignments
            .find(wanted.clone())
            .projection(doc! { "_id": 1 })
            .sort(doc! { "sent_at": 1 })
            .limit(limit.into());
        let mut changed = 0;
        for found in self.documents(call).await? {
            let mut query = wanted.clone();
            query.extend(found);
            let update = doc! { "$set": { "wake_at": now }, "$unset": { "sent_at": true } };
            let result = run(self.assignments.update_one(query, update)).await?;
            changed += result.modified_count;
        }
        Ok(changed)
    }

    async fn reusable(
        &self,
        keys: &[String],
        teacher_id: Option<&str>,
    ) -> Result<Option<Assignment>, StoreError> {
        let mut query = doc! {
            "s3_upload_status": Status::Success.as_str(),
            "reuse_key": { "$in": keys },
        };
        if let Some(teacher_id) = teacher_id {
            query.insert("teacher_id", teacher_id);
        }
        let call = self
            .assignments
            .find_one(query)
            .sort(doc! { "finished_at": -1 });
        run(call).await?.map(to_assignment).transpose()
    }

    async fn pending_before(&self, created_at: Timestamp, cap: u32) -> Result<u32, StoreError> {
        let query = doc! {
            "s3_upload_status": Status::Pending.as_str(),
            "created_at": { "$lt": created_at.seconds() },
        };
        self.count(query, cap).await
    }

    async fn oldest_pending(&self, limit: u32) -> Result<Vec<Timestamp>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let query = doc! {
            "s3_upload_status": Status::Pending.as_str(),
            "created_at": { "$gte": 0.0 },
        };
        // The index alone answers this.
        let call = self
            .assignments
            .find(query)
            .projection(doc! { "_id": 0, "created_at": 1 })
            .sort(doc! { "created_at": 1 })
            .limit(limit.into());
        let found = self.documents(call).await?.into_iter();
        Ok(found.filter_map(documents::created_at).collect())
    }

    async fn finished_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let call = self
            .assignments
            .find(doc! { "finished_at": { "$gt": from.seconds(), "$lte": to.seconds() } })
            .sort(doc! { "finished_at": 1 })
            .limit(limit.into());
        Ok(readable(self.documents(call).await?))
    }

    async fn finished_since(&self, since: Timestamp, cap: u32) -> Result<u32, StoreError> {
        self.count(doc! { "finished_at": { "$gt": since.seconds() } }, cap)
            .await
    }

    async fn charge(&self, subject: &str, window: i64) -> Result<u32, StoreError> {
        let expires_at = (window.saturating_mul(1000)).saturating_add(KEEP.as_millis() as i64);
        let charged = || {
            self.limits
                .find_one_and_update(
                    doc! { "_id": format!("{window} {subject}") },
                    doc! {
                        "$inc": { "count": 1 },
                        "$setOnInsert": { "expires_at": DateTime::from_millis(expires_at) },
                    },
                )
                .upsert(true)
                .return_document(ReturnDocument::After)
        };
        // Two first counts race: the one that loses finds the id taken and adds to the other's.
        let counted = match try_run(charged()).await? {
            Err(error) if is_duplicate(&error) => run(charged()).await?,
            answer => answer.map_err(away)?,
        };
        let count = counted
            .as_ref()
            .and_then(|counted| counted.get("count"))
            .and_then(documents::whole_number);
        Ok(count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(u32::MAX))
    }

    async fn scan(&self, after: Option<&str>, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        // No id is empty, so all come after the empty one.
        let call = self
            .assignments
            .find(doc! { "_id": { "$gt": after.unwrap_or_default() } })
            .sort(doc! { "_id": 1 })
            .limit(limit.into());
        Ok(readable(self.documents(call).await?))
    }

    async fn record_heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        let mut document = documents::plain(heartbeat);
        let expires_at = heartbeat.at + KEEP;
        document.insert(
            "expires_at",
            DateTime::from_millis((expires_at.seconds() * 1000.0) as i64),
        );
        let call = self
            .workers
            .replace_one(doc! { "_id": &heartbeat.worker }, document)
            .upsert(true);
        run(call).await.map(drop)
    }

    async fn heartbeats(&self, since: Timestamp) -> Result<Vec<Heartbeat>, StoreError> {
        let call = self
            .workers
            .find(doc! { "at": { "$gt": since.seconds() } })
            .sort(doc! { "at": 1 });
        let found = self.documents(call).await?;
        Ok(found.into_iter().filter_map(documents::read).collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        run(self.database.run_command(doc! { "ping": 1 }))
            .await
            .map(drop)
    }
}
