//! The store of a fleet: MongoDB, or a server that speaks its protocol.
//!
//! Acknowledged means that a majority has it in its journals, and every read sees what a majority
//! has. A write whose answer leaves open whether it was carried out ([`error`]) is decided by such a
//! read. Only operators on a single document are used, so that any server serves whose
//! `findAndModify` is atomic. Other programs read and write the same documents: fields that we do
//! not know stay as they are.

mod api_keys;
mod audit;
mod budgets;
mod documents;
mod error;
mod indexes;
mod list;
mod pause;
mod shares;

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

use super::{AuditFilter, Filter, Insert, Position, Store, StoreError};
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::audit::{Actor, Entry};
use atelier_domain::budget::{Account, Charged, MicroUsd};
use atelier_domain::fairness::Pending;
use atelier_domain::heartbeat::Heartbeat;
use atelier_domain::pause::Pause;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::Transition;

use crate::api_keys::ApiKeys;
use crate::shares::Shares;
use crate::survey::Nodes;
use crate::unreadable::{LOOK_AGAIN, Unreadable};
use budgets::Budgets;
use documents::{Stored, filter_of, to_document, update_of};
use error::{Late, WriteFault, away};
use list::Written;
use pause::FleetPause;

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
    fleet_pause: FleetPause,
    api_keys: Collection<Document>,
    budgets: Budgets,
    shares: Collection<Document>,
    audit_log: Collection<Document>,
    audit_names: Collection<Document>,
    unreadable: Unreadable,
    /// Makes the indexes, where that takes longer.
    indexing: Option<AbortOnDropHandle<()>>,
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
    /// For the server that `url` names, in its database or else in `atelier`, on at most `pool`
    /// connections. Makes no indexes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Away`] where the URL is malformed, or its `mongodb+srv` name cannot be
    /// resolved.
    pub async fn open(url: &str, pool: u32) -> Result<Self, StoreError> {
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
        options.max_pool_size = Some(pool);
        options.app_name.get_or_insert_with(|| "atelier".to_owned());
        let client = Client::with_options(options).map_err(away)?;
        let database = client
            .default_database()
            .unwrap_or_else(|| client.database(DATABASE));
        Ok(Self {
            assignments: database.collection("assignments"),
            limits: database.collection("limits"),
            workers: database.collection("workers"),
            fleet_pause: FleetPause(database.collection("fleet")),
            api_keys: database.collection("api_keys"),
            budgets: Budgets(database.collection("budgets")),
            shares: database.collection("shares"),
            audit_log: database.collection("audit_log"),
            audit_names: database.collection("audit_names"),
            unreadable: Unreadable::default(),
            indexing: None,
            database,
        })
    }

    /// Makes the indexes. After 5 s, or while the server is away, that goes on in the background.
    pub async fn with_indexes(mut self) -> Self {
        let making = tokio::spawn(indexes::keep_trying(self.database.clone()));
        let mut making = AbortOnDropHandle::new(making);
        let _ = tokio::time::timeout(TIMEOUT, &mut making).await;
        self.indexing = Some(making);
        self
    }

    /// The machines behind the address.
    pub(crate) async fn nodes(&self) -> Result<Nodes, StoreError> {
        let hello = match read(self.database.run_command(doc! { "hello": 1 })).await {
            Ok(hello) => hello,
            // The name of the same command in older servers.
            Err(_) => read(self.database.run_command(doc! { "isMaster": 1 })).await?,
        };
        let members = |of: &str| hello.get_array(of).map_or(0, Vec::len);
        Ok(if hello.get_str("msg").is_ok_and(|it| it == "isdbgrid") {
            Nodes::Sharded
        } else if hello.contains_key("setName") {
            Nodes::ReplicaSet {
                data: members("hosts") + members("passives"),
                arbiters: members("arbiters"),
            }
        } else {
            Nodes::One
        })
    }

    /// Names of the indexes that are not there.
    pub(crate) async fn missing_indexes(&self) -> Result<Vec<&'static str>, StoreError> {
        read(indexes::missing(&self.database)).await
    }

    /// Makes the indexes that are missing, however long that takes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Away`] where one cannot be made, such as the unique one of the ids where two
    /// documents have the same. The others are made all the same.
    pub async fn make_indexes(&self) -> Result<(), StoreError> {
        indexes::make(&self.database).await.map_err(away)
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
        let found = read(self.assignments.find_one(doc! { "assignment_id": id })).await?;
        found.map(|it| self.read(it)).transpose()
    }

    /// Reads a document; one that cannot be read is reported.
    fn read(&self, document: Document) -> Result<Assignment, StoreError> {
        let read = Stored::new(document).read();
        if let Err(StoreError::Unreadable { id, source }) = &read {
            self.unreadable.report(id, &source.to_string());
        }
        read
    }

    /// Those that can be read.
    fn readable(&self, documents: Vec<Document>) -> Vec<Assignment> {
        let read = documents.into_iter().map(|document| self.read(document));
        read.filter_map(Result::ok).collect()
    }

    /// All of them, with something in the place of those that cannot be read.
    fn shown(&self, documents: Vec<Document>) -> Vec<Assignment> {
        let read = documents.into_iter().map(|document| {
            let (shown, error) = Stored::new(document).read_or_stand_in();
            if let Some(error) = error {
                let id = &shown.assignment_id;
                self.unreadable.report(id, &error.to_string());
            }
            shown
        });
        read.collect()
    }

    /// The first of a list's documents whose `created_at` is written so.
    async fn part(
        &self,
        filter: &Filter,
        after: Option<&Position>,
        written: Written,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        let query = list::query(filter, after, written);
        let call = self.assignments.find(query).sort(list::order());
        let found = self.documents(call.limit(limit.into())).await?;
        Ok(self.shown(found))
    }

    /// Moves a due document that cannot be read out of the way of the others, for a while.
    async fn look_later(&self, key: Option<Bson>, now: Timestamp) -> Result<(), StoreError> {
        let later = (now + LOOK_AGAIN).seconds();
        let update = doc! { "$set": { "wake_at": later } };
        let moved = write(self.assignments.update_one(doc! { "_id": key }, update)).await;
        moved.map(drop).map_err(|fault| fault.give_up("-"))
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

    /// Inserts a document of ours whose `_id` is its own. It is done if one with that id is there:
    /// by this call, or by an earlier one with the same.
    async fn insert_once(
        &self,
        into: &Collection<Document>,
        document: Document,
    ) -> Result<(), StoreError> {
        let id = document.get("_id").cloned();
        match write(into.insert_one(document)).await {
            Ok(_) | Err(WriteFault::Duplicate(_)) => Ok(()),
            Err(fault @ WriteFault::Unclear(_)) => {
                match read(into.find_one(doc! { "_id": id })).await? {
                    Some(_) => Ok(()),
                    None => Err(fault.give_up("-")),
                }
            }
            Err(fault) => Err(fault.give_up("-")),
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
        let call = self
            .assignments
            .find(doc! { "assignment_id": { "$in": ids } });
        Ok(self.readable(self.documents(call).await?))
    }

    async fn statuses(&self, ids: &[String]) -> Result<Vec<(String, Status)>, StoreError> {
        let call = self
            .assignments
            .find(doc! { "assignment_id": { "$in": ids } })
            .projection(doc! {
                "assignment_id": 1, "s3_upload_status": 1, "s3_image_key": 1, "s3_image_name": 1,
            });
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
            return found.map(|it| self.read(it)).transpose();
        };
        let call = self
            .assignments
            .find_one_and_update(query, update)
            .return_document(ReturnDocument::After);
        match write(call).await {
            Ok(changed) => changed.map(|it| self.read(it)).transpose(),
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
        let part = |written| self.part(filter, after, written, limit);
        let (numbers, dates) = tokio::try_join!(part(Written::Number), part(Written::Date))?;
        let mut all = list::merge([numbers, dates].concat(), limit);
        let is_full = all.len() == limit as usize;
        let may_have_others = !is_full || all.last().is_some_and(list::may_come_after_others);
        if may_have_others && list::has_others(filter) {
            all.extend(part(Written::Otherwise).await?);
        }
        Ok(list::merge(all, limit))
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
        let mut due = Vec::new();
        for document in self.documents(call).await? {
            let key = document.get("_id").cloned();
            match self.read(document) {
                Ok(assignment) => due.push(assignment),
                Err(_) => self.look_later(key, now).await?,
            }
        }
        Ok(due)
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
        let found = read(call).await?;
        Ok(found.and_then(|it| self.read(it).ok()))
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

    async fn pending(&self, limit: u32) -> Result<Vec<Pending>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let query = doc! {
            "s3_upload_status": Status::Pending.as_str(),
            "created_at": { "$gte": 0.0 },
        };
        let call = self
            .assignments
            .find(query)
            .projection(doc! { "_id": 0, "teacher_id": 1, "created_at": 1, "claim.until": 1 })
            .sort(doc! { "created_at": 1 })
            .limit(limit.into());
        let found = self.documents(call).await?.into_iter();
        Ok(found.filter_map(documents::pending).collect())
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
        Ok(self.readable(self.documents(call).await?))
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

    async fn charge_call(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
        limit: MicroUsd,
    ) -> Result<Charged, StoreError> {
        self.budgets.charge(account, call, price, limit).await
    }

    async fn refund_call(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
    ) -> Result<(), StoreError> {
        self.budgets.refund(account, call, price).await
    }

    async fn settle_call(&self, account: &Account, call: &str) -> Result<(), StoreError> {
        self.budgets.settle(account, call).await
    }

    async fn charged(&self, accounts: &[Account]) -> Result<Vec<MicroUsd>, StoreError> {
        self.budgets.charged(accounts).await
    }

    async fn scan(&self, after: Option<&str>, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        // No id is empty, so all come after the empty one.
        let call = self
            .assignments
            .find(doc! { "assignment_id": { "$gt": after.unwrap_or_default() } })
            .sort(doc! { "assignment_id": 1 })
            .limit(limit.into());
        Ok(self.shown(self.documents(call).await?))
    }

    async fn of_others(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let call = self
            .assignments
            .find(documents::of_others_after(after.unwrap_or_default()))
            .sort(doc! { "assignment_id": 1 })
            .limit(limit.into());
        Ok(self.shown(self.documents(call).await?))
    }

    async fn count_of_others(&self, cap: u32) -> Result<u32, StoreError> {
        self.count(documents::of_others_after(""), cap).await
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

    async fn pause(&self) -> Result<Option<Pause>, StoreError> {
        self.fleet_pause.get().await
    }

    async fn set_pause(&self, pause: Option<&Pause>) -> Result<(), StoreError> {
        self.fleet_pause.set(pause).await
    }

    fn api_keys(&self) -> &dyn ApiKeys {
        self
    }

    fn shares(&self) -> &dyn Shares {
        self
    }

    async fn append_audit(&self, entry: &Entry) -> Result<(), StoreError> {
        if let Some(person) = &entry.person {
            let name = doc! { "_id": &entry.actor, "name": person };
            self.insert_once(&self.audit_names, name).await?;
        }
        self.insert_once(&self.audit_log, audit::to_document(entry))
            .await
    }

    async fn audit_log(
        &self,
        filter: &AuditFilter,
        after: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let call = self
            .audit_log
            .find(audit::query(filter, after))
            .sort(doc! { "at": -1, "id": -1 })
            .limit(limit.into());
        let found = self.documents(call).await?.into_iter();
        let entries: Vec<Entry> = found.filter_map(documents::read).collect();
        let names = self.audit_names.find(audit::names_of(&entries));
        Ok(audit::named(entries, &self.documents(names).await?))
    }

    async fn erase(&self, teacher_id: &str, tombstone: &Assignment) -> Result<bool, StoreError> {
        let id = &tombstone.assignment_id;
        let query = doc! { "assignment_id": id, "teacher_id": teacher_id };
        // Without an `_id`: that of another program's document stays.
        let call = self
            .assignments
            .replace_one(query, documents::plain(tombstone));
        match write(call).await {
            Ok(replaced) => Ok(replaced.matched_count > 0),
            Err(fault @ WriteFault::Unclear(_)) => match self.find(id).await? {
                Some(now) if now.erasing_for == tombstone.erasing_for => Ok(true),
                _ => Err(fault.give_up(id)),
            },
            Err(fault) => Err(fault.give_up(id)),
        }
    }

    async fn erasing(&self, teacher_id: &str, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let call = self
            .assignments
            .find(doc! { "erasing_for": teacher_id })
            .limit(limit.into());
        Ok(self.shown(self.documents(call).await?))
    }

    async fn is_named_by_others(
        &self,
        picture: &str,
        assignment_id: &str,
    ) -> Result<bool, StoreError> {
        let query = doc! { "s3_image_name": picture, "assignment_id": { "$ne": assignment_id } };
        Ok(read(self.assignments.find_one(query)).await?.is_some())
    }

    async fn forget_person(&self, id: &str) -> Result<(), StoreError> {
        let actor = Actor::Person(id.to_owned()).recorded();
        let call = self.audit_names.delete_one(doc! { "_id": actor });
        let forgotten = write(call).await.map(drop);
        forgotten.map_err(|fault| fault.give_up("-"))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        read(self.database.run_command(doc! { "ping": 1 }))
            .await
            .map(drop)
    }
}
