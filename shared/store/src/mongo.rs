//! The store of a fleet: MongoDB, or a server that speaks its protocol.
//!
//! Acknowledged means that a majority has it in its journals, and every read sees what a majority
//! has. A write whose answer leaves open whether it was carried out ([`error`]) is decided by such a
//! read. Only operators on a single document are used, so that any server serves whose
//! `findAndModify` is atomic. Other programs read and write the same documents: fields that we do
//! not know stay as they are.

mod documents;
mod error;
mod indexes;

#[cfg(test)]
mod tests;

use std::future::IntoFuture;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::action::Find;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::Error;
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, ReturnDocument, SelectionCriteria,
    WriteConcern,
};
use mongodb::{Client, Collection, Database};
use tokio_util::task::AbortOnDropHandle;

use super::{Filter, Insert, Position, Store, StoreError};
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::heartbeat::Heartbeat;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::Transition;

use documents::{filter_of, readable, to_assignment, to_document, update_of};
use error::{Late, WriteFault, away};

/// The database where the URL names none.
const DATABASE: &str = "atelier";

/// The longest that a call may take, the search for the primary included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest that a write may wait for the journals of a majority.
const WRITE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a count is kept after its window began, and a heartbeat after it was written.
const KEEP: Duration = Duration::from_secs(3600);

/// Documents in MongoDB.
#[derive(Debug)]
pub struct MongoStore {
    database: Database,
    assignments: Collection<Document>,
    limits: Collection<Document>,
    workers: Collection<Document>,
    _indexing: AbortOnDropHandle<()>,
}

/// The result of a read; no answer within [`TIMEOUT`] counts as away.
async fn read<T>(call: impl IntoFuture<Output = Result<T, Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(TIMEOUT, call.into_future()).await {
        Ok(answer) => answer.map_err(away),
        Err(_) => Err(StoreError::Away(Late.into())),
    }
}

/// The result of a write; no answer within [`TIMEOUT`] leaves it unclear.
async fn write<T>(call: impl IntoFuture<Output = Result<T, Error>>) -> Result<T, WriteFault> {
    match tokio::time::timeout(TIMEOUT, call.into_future()).await {
        Ok(answer) => answer.map_err(WriteFault::of),
        Err(_) => Err(WriteFault::Unclear(Late.into())),
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
        options.read_concern = Some(ReadConcern::majority());
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
        let mut indexing = AbortOnDropHandle::new(tokio::spawn(indexes::make(database.clone())));
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
        read(async { call.await?.try_collect().await }).await
    }

    async fn count(&self, query: Document, cap: u32) -> Result<u32, StoreError> {
        if cap == 0 {
            return Ok(0);
        }
        // The driver's own count is a pipeline, and a bare command has no read concern by itself.
        let call = doc! {
            "count": self.assignments.name(),
            "query": query,
            "limit": cap,
            "readConcern": { "level": "majority" },
        };
        let answer = read(self.database.run_command(call)).await?;
        let count = answer.get("n").and_then(documents::whole_number);
        Ok(count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(cap))
    }

    async fn find(&self, id: &str) -> Result<Option<Assignment>, StoreError> {
        let found = read(self.assignments.find_one(doc! { "_id": id })).await?;
        found.map(to_assignment).transpose()
    }

    /// Whether an insert that was not acknowledged is done all the same.
    async fn decide_insert(
        &self,
        assignment: &Assignment,
        fault: WriteFault,
    ) -> Result<Insert, StoreError> {
        let id = &assignment.assignment_id;
        if let WriteFault::Refused(_) | WriteFault::NotSent(_) = fault {
            return Err(fault.give_up(id));
        }
        match self.find(id).await? {
            Some(stored) if assignment.is_stored_as(&stored) => Ok(Insert::Done),
            Some(stored) => Ok(Insert::Taken(Box::new(stored))),
            None => Err(fault.give_up(id)),
        }
    }

    /// Whether a transition that was not acknowledged is carried out all the same.
    async fn decide(
        &self,
        id: &str,
        transition: &Transition,
        fault: WriteFault,
    ) -> Result<Option<Assignment>, StoreError> {
        if !matches!(fault, WriteFault::Unclear(_)) {
            return Err(fault.give_up(id));
        }
        match self.find(id).await? {
            Some(now) if transition.is_made_in(&now) => Ok(Some(now)),
            Some(now) if !transition.guard.admits(&now) => Ok(None),
            _ => Err(fault.give_up(id)),
        }
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn insert(&self, assignment: &Assignment) -> Result<Insert, StoreError> {
        match write(self.assignments.insert_one(to_document(assignment))).await {
            Ok(_) => Ok(Insert::Done),
            Err(fault) => self.decide_insert(assignment, fault).await,
        }
    }

    async fn get(&self, id: &str) -> Result<Option<Assignment>, StoreError> {
        self.find(id).await
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
        let Some(update) = update_of(&transition.edits) else {
            let found = read(self.assignments.find_one(query)).await?;
            return found.map(to_assignment).transpose();
        };
        let call = self
            .assignments
            .find_one_and_update(query, update)
            .return_document(ReturnDocument::After);
        match write(call).await {
            Ok(changed) => changed.map(to_assignment).transpose(),
            Err(fault) => self.decide(id, transition, fault).await,
        }
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
            let result = write(self.assignments.update_one(query, update))
                .await
                .map_err(|fault| fault.give_up("-"))?;
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
        read(call).await?.map(to_assignment).transpose()
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
        // Two first counts race: the one that loses finds the id taken and adds to the other's. A
        // count whose answer is lost may be one too high, but never too low.
        let counted = match write(charged()).await {
            Err(WriteFault::Duplicate(_)) => write(charged()).await,
            answer => answer,
        };
        let counted = counted.map_err(|fault| fault.give_up(subject))?;
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
        let written = write(call).await.map(drop);
        written.map_err(|fault| fault.give_up(&heartbeat.worker))
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
        read(self.database.run_command(doc! { "ping": 1 }))
            .await
            .map(drop)
    }
}
