//! The store of one machine: a SQLite file that several processes may share.
//!
//! A document is a JSON text in one column. What queries filter and sort by are generated columns
//! over that text. Writes go through one thread that commits many in one transaction, so that they
//! share one sync of the disk.

mod api_keys;
mod audit;
pub(crate) mod backup;
mod budgets;
mod condition;
mod connection;
mod erasure;
mod fault;
mod integrity;
mod list;
mod pool;
mod queries;
mod schema;
mod shares;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, named_params, params};
use serde_json::{Map, Value};

use super::{AuditFilter, Filter, Insert, Position, Store, StoreError};
use crate::api_keys::ApiKeys;
use crate::shares::Shares;
use crate::unreadable::{LOOK_AGAIN, Unreadable};
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::audit::{Actor, Entry};
use atelier_domain::budget::{Account, Charged, MicroUsd};
use atelier_domain::fairness::Pending;
use atelier_domain::foreign;
use atelier_domain::heartbeat::Heartbeat;
use atelier_domain::pause::Pause;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::Transition;

use condition::Condition;
use fault::Fault;
use pool::Readers;
use queries::Row;
use writer::Writer;

/// How long counts of a limit are kept after their window began, in seconds.
const KEEP_COUNTS_SECONDS: i64 = 3600;

/// How long a heartbeat is kept after it was written, in seconds.
const KEEP_HEARTBEATS_SECONDS: f64 = 3600.0;

/// What a write is tried with while others fail: as much as a large document.
const PROBE_BYTES: u32 = 32 * 1024;

/// Documents in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    condition: Arc<Condition>,
    readers: Arc<Readers>,
    writer: Writer,
    unreadable: Unreadable,
}

impl SqliteStore {
    /// Opens the file at `path`, or makes it, with its folder. Looks for damage, for 2 s at most.
    /// Upgrades an older schema, for which nobody else may have the file open.
    ///
    /// # Errors
    ///
    /// [`StoreError::Away`] where the file cannot be opened, is no SQLite file, is damaged, stays
    /// locked for 5 s, is read-only, was written by a newer version, or was written by an older one
    /// and is in use.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::over(connection::create(path)?, path)
    }

    /// The store of the file at `path`, which `connection` writes.
    fn over(connection: Connection, path: &Path) -> Result<Self, StoreError> {
        let condition = Arc::new(Condition::new(path.into()));
        Ok(Self {
            readers: Arc::new(Readers::new(Arc::clone(&condition))),
            writer: Writer::start(connection, Arc::clone(&condition))?,
            unreadable: Unreadable::default(),
            condition,
        })
    }

    /// Those that can be read; the others are reported.
    fn readable(&self, rows: &[Row]) -> Vec<Assignment> {
        let read = rows.iter().map(|row| self.read_row(row));
        read.filter_map(Result::ok).collect()
    }

    /// All of them, with something in the place of those that cannot be read.
    fn shown(&self, rows: &[Row]) -> Vec<Assignment> {
        let read = rows.iter().map(|row| {
            let known = fields(row).unwrap_or_default();
            self.read_row(row)
                .unwrap_or_else(|_| foreign::stand_in(&row.id, &known))
        });
        read.collect()
    }

    /// Moves a due document that cannot be read out of the way of the others, for a while.
    async fn look_later(&self, id: String, now: Timestamp) -> Result<(), StoreError> {
        let later = (now + LOOK_AGAIN).seconds();
        self.write(move |connection| {
            connection
                .prepare_cached(queries::LOOK_LATER)?
                .execute(params![id, later])
        })
        .await
        .map(drop)
    }

    /// Reads a row; one that cannot be read is reported.
    fn read_row(&self, row: &Row) -> Result<Assignment, StoreError> {
        let read = parse(row);
        if let Err(StoreError::Unreadable { id, source }) = &read {
            self.unreadable.report(id, &source.to_string());
        }
        read
    }

    /// Runs `query` on a connection of the pool, on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(Readers::run(&self.readers, query).await?)
    }

    /// Runs `work` inside the writer's next transaction and returns once that is on the disk.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.writer.run(work).await?)
    }

    /// Succeeds if there is room for a document. Leaves that room free in the file.
    async fn probe(&self) -> Result<(), StoreError> {
        self.write(|connection| connection.execute(queries::PROBE, [PROBE_BYTES]))
            .await?;
        self.write(|connection| connection.execute(queries::END_PROBE, []))
            .await
            .map(drop)
    }
}

fn unreadable(id: &str, source: serde_json::Error) -> StoreError {
    StoreError::Unreadable {
        id: id.to_owned(),
        source: source.into(),
    }
}

fn fields(row: &Row) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_str(&row.document).map_err(|error| unreadable(&row.id, error))
}

fn parse(row: &Row) -> Result<Assignment, StoreError> {
    foreign::read(fields(row)?).map_err(|error| unreadable(&row.id, error))
}

fn document(connection: &Connection, id: &str) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached(queries::GET)?
        .query_row([id], queries::row)
        .optional()
}

fn replace(
    connection: &Connection,
    id: &str,
    document: &Map<String, Value>,
) -> rusqlite::Result<()> {
    let text = serde_json::to_string(document).expect("JSON has a text");
    connection
        .prepare_cached(queries::REPLACE)?
        .execute([id, &text])?;
    Ok(())
}

/// `transition` on the document with this id, if its guard admits it.
fn change(
    connection: &Connection,
    id: &str,
    transition: &Transition,
) -> rusqlite::Result<Result<Option<Assignment>, StoreError>> {
    let Some(row) = document(connection, id)? else {
        return Ok(Ok(None));
    };
    let (before, mut fields) = match read_both(&row) {
        Ok(both) => both,
        Err(error) => return Ok(Err(error)),
    };
    if !transition.guard.admits(&before) {
        return Ok(Ok(None));
    }
    transition.edit(&mut fields);
    replace(connection, id, &fields)?;
    let after = foreign::read(fields);
    Ok(after.map(Some).map_err(|error| unreadable(id, error)))
}

/// The document as its type and, with fields that the type does not know, as plain JSON.
fn read_both(row: &Row) -> Result<(Assignment, Map<String, Value>), StoreError> {
    Ok((parse(row)?, fields(row)?))
}

#[async_trait]
impl Store for SqliteStore {
    async fn insert(&self, assignment: &Assignment) -> Result<Insert, StoreError> {
        let id = assignment.assignment_id.clone();
        let text = serde_json::to_string(assignment).expect("a document is plain data");
        let taken = self
            .write(move |connection| {
                let inserted = connection
                    .prepare_cached(queries::INSERT)?
                    .execute([&id, &text])?;
                match inserted {
                    0 => document(connection, &id),
                    _ => Ok(None),
                }
            })
            .await?;
        match taken {
            None => Ok(Insert::Done),
            Some(row) => match parse(&row)? {
                stored if assignment.is_stored_as(&stored) => Ok(Insert::Done),
                stored => Ok(Insert::Taken(Box::new(stored))),
            },
        }
    }

    async fn get(&self, id: &str) -> Result<Option<Assignment>, StoreError> {
        let id = id.to_owned();
        let row = self
            .read(move |connection| document(connection, &id))
            .await?;
        row.as_ref().map(|row| self.read_row(row)).transpose()
    }

    async fn get_many(&self, ids: &[String]) -> Result<Vec<Assignment>, StoreError> {
        let ids = ids.to_owned();
        let rows: Vec<Row> = self
            .read(move |connection| {
                ids.iter()
                    .filter_map(|id| document(connection, id).transpose())
                    .collect()
            })
            .await?;
        Ok(self.readable(&rows))
    }

    async fn statuses(&self, ids: &[String]) -> Result<Vec<(String, Status)>, StoreError> {
        let ids = ids.to_owned();
        self.read(move |connection| queries::statuses(connection, ids))
            .await
    }

    async fn apply(
        &self,
        id: &str,
        transition: &Transition,
    ) -> Result<Option<Assignment>, StoreError> {
        let (id, transition) = (id.to_owned(), transition.clone());
        self.write(move |connection| change(connection, &id, &transition))
            .await?
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        let (filter, after) = (filter.clone(), after.cloned());
        let rows = self
            .read(move |connection| list::list(connection, &filter, after.as_ref(), limit))
            .await?;
        Ok(self.shown(&rows))
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        let rows = self
            .read(move |connection| {
                queries::rows(connection, queries::DUE, params![now.seconds(), limit])
            })
            .await?;
        let mut due = Vec::new();
        for row in rows {
            match self.read_row(&row) {
                Ok(assignment) => due.push(assignment),
                Err(_) => self.look_later(row.id, now).await?,
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
        self.write(move |connection| {
            let rows = queries::rows(
                connection,
                queries::NOT_DUE_YET,
                named_params! {
                    ":sent_before": sent_before.seconds(),
                    ":now": now.seconds(),
                    ":limit": limit,
                },
            )?;
            let mut changed = 0;
            for row in rows {
                let Ok((_, mut fields)) = read_both(&row) else {
                    continue;
                };
                fields.insert("wake_at".to_owned(), now.seconds().into());
                fields.remove("sent_at");
                replace(connection, &row.id, &fields)?;
                changed += 1;
            }
            Ok(changed)
        })
        .await
    }

    async fn reusable(
        &self,
        keys: &[String],
        teacher_id: Option<&str>,
    ) -> Result<Option<Assignment>, StoreError> {
        let (keys, teacher_id) = (keys.to_owned(), teacher_id.map(str::to_owned));
        let rows: Vec<Row> = self
            .read(move |connection| {
                keys.iter()
                    .filter_map(|key| {
                        queries::latest(connection, key, teacher_id.as_deref()).transpose()
                    })
                    .collect()
            })
            .await?;
        Ok(self.readable(&rows).into_iter().max_by(|one, other| {
            let finished = |it: &Assignment| it.finished_at.map_or(0.0, Timestamp::seconds);
            finished(one).total_cmp(&finished(other))
        }))
    }

    async fn pending_before(&self, created_at: Timestamp, cap: u32) -> Result<u32, StoreError> {
        self.read(move |connection| {
            queries::number(
                connection,
                queries::PENDING_BEFORE,
                params![created_at.seconds(), cap],
            )
        })
        .await
    }

    async fn oldest_pending(&self, limit: u32) -> Result<Vec<Timestamp>, StoreError> {
        self.read(move |connection| {
            connection
                .prepare_cached(queries::OLDEST_PENDING)?
                .query_map([limit], |row| row.get(0).map(Timestamp::from_exact_seconds))?
                .collect()
        })
        .await
    }

    async fn pending(&self, limit: u32) -> Result<Vec<Pending>, StoreError> {
        self.read(move |connection| queries::pending(connection, limit))
            .await
    }

    async fn finished_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        let rows = self
            .read(move |connection| {
                queries::rows(
                    connection,
                    queries::FINISHED_BETWEEN,
                    params![from.seconds(), to.seconds(), limit],
                )
            })
            .await?;
        Ok(self.readable(&rows))
    }

    async fn finished_since(&self, since: Timestamp, cap: u32) -> Result<u32, StoreError> {
        self.read(move |connection| {
            queries::number(
                connection,
                queries::FINISHED_SINCE,
                params![since.seconds(), cap],
            )
        })
        .await
    }

    async fn charge(&self, subject: &str, window: i64) -> Result<u32, StoreError> {
        let subject = subject.to_owned();
        self.write(move |connection| {
            connection
                .prepare_cached(queries::DELETE_OLD_COUNTS)?
                .execute([window - KEEP_COUNTS_SECONDS])?;
            queries::number(connection, queries::CHARGE, params![subject, window])
        })
        .await
    }

    async fn charge_call(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
        limit: MicroUsd,
    ) -> Result<Charged, StoreError> {
        let (account, call) = (account.clone(), call.to_owned());
        self.write(move |connection| budgets::charge(connection, &account, &call, price, limit))
            .await
    }

    async fn refund_call(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
    ) -> Result<(), StoreError> {
        let (account, call) = (account.clone(), call.to_owned());
        self.write(move |connection| budgets::refund(connection, &account, &call, price))
            .await
    }

    async fn settle_call(&self, account: &Account, call: &str) -> Result<(), StoreError> {
        let (account, call) = (account.clone(), call.to_owned());
        self.write(move |connection| budgets::settle(connection, &account, &call))
            .await
    }

    async fn charged(&self, accounts: &[Account]) -> Result<Vec<MicroUsd>, StoreError> {
        let accounts = accounts.to_owned();
        self.read(move |connection| budgets::charged(connection, &accounts))
            .await
    }

    async fn scan(&self, after: Option<&str>, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        // No id is empty, so all come after the empty one.
        let after = after.unwrap_or_default().to_owned();
        let rows = self
            .read(move |connection| queries::rows(connection, queries::SCAN, params![after, limit]))
            .await?;
        Ok(self.shown(&rows))
    }

    async fn of_others(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        let rows = self
            .read(move |connection| {
                queries::rows(connection, queries::OF_OTHERS, params![after, limit])
            })
            .await?;
        Ok(self.shown(&rows))
    }

    async fn count_of_others(&self, cap: u32) -> Result<u32, StoreError> {
        self.read(move |connection| {
            queries::number(connection, queries::COUNT_OF_OTHERS, params![cap])
        })
        .await
    }

    async fn record_heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        let (worker, at) = (heartbeat.worker.clone(), heartbeat.at.seconds());
        let text = serde_json::to_string(heartbeat).expect("a heartbeat is plain data");
        self.write(move |connection| {
            connection
                .prepare_cached(queries::DELETE_OLD_HEARTBEATS)?
                .execute([at - KEEP_HEARTBEATS_SECONDS])?;
            connection
                .prepare_cached(queries::RECORD_HEARTBEAT)?
                .execute(params![worker, at, text])?;
            Ok(())
        })
        .await
    }

    async fn heartbeats(&self, since: Timestamp) -> Result<Vec<Heartbeat>, StoreError> {
        let texts: Vec<String> = self
            .read(move |connection| {
                connection
                    .prepare_cached(queries::HEARTBEATS)?
                    .query_map([since.seconds()], |row| row.get(0))?
                    .collect()
            })
            .await?;
        Ok(texts
            .iter()
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect())
    }

    async fn pause(&self) -> Result<Option<Pause>, StoreError> {
        let text: Option<String> = self
            .read(|connection| {
                connection
                    .prepare_cached(queries::PAUSE)?
                    .query_row([], |row| row.get(0))
                    .optional()
            })
            .await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    async fn set_pause(&self, pause: Option<&Pause>) -> Result<(), StoreError> {
        let text = pause.map(|it| serde_json::to_string(it).expect("a pause is plain data"));
        self.write(move |connection| {
            match text {
                Some(text) => connection
                    .prepare_cached(queries::PUT_PAUSE)?
                    .execute([text])?,
                None => connection
                    .prepare_cached(queries::DELETE_PAUSE)?
                    .execute([])?,
            };
            Ok(())
        })
        .await
    }

    fn api_keys(&self) -> &dyn ApiKeys {
        self
    }

    fn shares(&self) -> &dyn Shares {
        self
    }

    async fn append_audit(&self, entry: &Entry) -> Result<(), StoreError> {
        let entry = entry.clone();
        self.write(move |connection| audit::append(connection, &entry))
            .await
    }

    async fn audit_log(
        &self,
        filter: &AuditFilter,
        after: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.read(move |connection| audit::list(connection, &filter, after.as_ref(), limit))
            .await
    }

    async fn erase(&self, teacher_id: &str, tombstone: &Assignment) -> Result<bool, StoreError> {
        let (teacher_id, tombstone) = (teacher_id.to_owned(), tombstone.clone());
        self.write(move |connection| erasure::erase(connection, &teacher_id, &tombstone))
            .await
    }

    async fn erasing(&self, teacher_id: &str, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        let teacher_id = teacher_id.to_owned();
        let rows = self
            .read(move |connection| erasure::erasing(connection, &teacher_id, limit))
            .await?;
        Ok(self.shown(&rows))
    }

    async fn is_named_by_others(
        &self,
        picture: &str,
        assignment_id: &str,
    ) -> Result<bool, StoreError> {
        let (picture, id) = (picture.to_owned(), assignment_id.to_owned());
        self.read(move |connection| erasure::is_named_by_others(connection, &picture, &id))
            .await
    }

    async fn forget_person(&self, id: &str) -> Result<(), StoreError> {
        let actor = Actor::Person(id.to_owned()).recorded();
        self.write(move |connection| audit::forget(connection, &actor))
            .await?;
        self.read(erasure::empty_log).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // SQLite goes on writing to a file that was removed, and all of that would be lost.
        let path = self.condition.path();
        if !path.exists() {
            return Err(Fault::other(path, "the file is gone").into());
        }
        if self.condition.refuses_writes() {
            self.probe().await?;
        }
        self.condition.check_space()?;
        self.read(|connection| connection.query_row("SELECT 1", [], |_| Ok(())))
            .await
    }
}
