//! The audit log: operators read it, and every call that it is about writes its entry first.

use std::collections::BTreeMap;
use std::sync::Arc;

use atelier_domain::audit::{Action, Actor, Entry, Outcome};
use atelier_store::{AuditFilter, Position};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CACHE_CONTROL;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::correlation::CorrelationId;
use crate::cursor;
use crate::identity::caller::Caller;
use crate::input::listing::{AuditedAction, Cursor};
use crate::input::number::Number;
use crate::input::text::Trimmed;
use crate::input::{Parameters, input};
use crate::problem::{Problem, Refused};

const MAX_PAGE: u32 = 100;
const DEFAULT_PAGE: u32 = 20;

/// The longest name or id to filter by, in characters.
const MAX_TEXT: usize = 512;

/// Entries of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditLog)]
pub(crate) struct Page {
    /// Newest first.
    entries: Vec<EntryView>,
    /// What `after` takes for the next page; `null` at the end.
    next: Option<String>,
}

/// Who did what to what.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry, example = json!({
    "id": "9f2c4e0c5d8b4a7e9a1b2c3d4e5f6071",
    "at": 1_764_381_603.25,
    "actor": "person:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "name": "frau.mueller",
    "action": "assignment.deleted",
    "what": "a-castle-by-the-sea",
    "outcome": "begun",
    "counts": {},
    "correlation_id": "019a9f5e-3d6b-7c6e-8b1a-2f4d6c8e0a12",
}))]
struct EntryView {
    /// The entry's own.
    id: String,
    /// When, in seconds since 1970-01-01T00:00:00Z.
    at: f64,
    /// Who: `nobody` (there is no sign-in), `cli:` and a user of the command line, `key:` and the
    /// name of an API key, or `person:` and the SHA-256 of the person's id: the teacher's id where it
    /// has one, else the identity provider's subject.
    actor: String,
    /// The person's id; `null` for others, and where it was erased.
    name: Option<String>,
    /// What was done.
    action: Action,
    /// To what: the id of an assignment (also for its links and results) or a dead letter, the cause of
    /// several, the name of a key, or the SHA-256 of a teacher's id. Empty where the action says it
    /// all.
    what: String,
    /// `begun` is written before the action. Another entry follows where it failed, or where it took
    /// long and is done.
    outcome: Outcome,
    /// How much of what.
    counts: BTreeMap<String, u64>,
    /// The id in the logs, where there is one.
    correlation_id: Option<String>,
}

impl From<Entry> for EntryView {
    fn from(it: Entry) -> Self {
        Self {
            id: it.id,
            at: it.at.seconds(),
            actor: it.actor,
            name: it.person,
            action: it.action,
            what: it.what,
            outcome: it.outcome,
            counts: it.counts,
            correlation_id: (!it.correlation_id.is_empty()).then_some(it.correlation_id),
        }
    }
}

input! {
    /// Which entries.
    AuditQuery() {
        /// Only this actor's, as `actor` has it; or a person's id.
        actor: Trimmed<MAX_TEXT>,
        /// Only of this action.
        action: AuditedAction,
        /// Only what was done to this, as `what` has it.
        what: Trimmed<MAX_TEXT>,
        /// How many at most; 20 where it is not given.
        limit: Number<1, MAX_PAGE>,
        /// `next` of the page before.
        after: Cursor,
    }
}

/// Reads a page of the audit log, newest first.
#[utoipa::path(
    get,
    path = "/audit-log",
    tag = "fleet",
    operation_id = "list_audit_entries",
    params(AuditQuery),
    responses(
        (status = 200, description = "The entries.", body = Page, example = json!({
            "entries": [{
                "id": "9f2c4e0c5d8b4a7e9a1b2c3d4e5f6071",
                "at": 1_764_381_603.25,
                "actor": "cli:root",
                "name": null,
                "action": "teacher.erased",
                "what": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
                "outcome": "done",
                "counts": { "assignments": 12, "versions": 14 },
                "correlation_id": null,
            }],
            "next": null,
        })),
        Refused<400>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Response, Problem> {
    let filter = AuditFilter {
        actor: query.actor.map(|actor| Actor::asked_for(&actor.0)),
        action: query.action.map(|action| action.0),
        what: query.what.map(|what| what.0),
    };
    let after = query.after.map(|cursor| cursor.0);
    let limit = query.limit.map_or(DEFAULT_PAGE, |limit| limit.0);
    let store = app.store();
    let mut entries = store.audit_log(&filter, after.as_ref(), limit + 1).await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next = entries.last().filter(|_| more).map(|last| {
        cursor::of(&Position {
            created_at: last.at,
            assignment_id: last.id.clone(),
        })
    });
    let page = Page {
        entries: entries.into_iter().map(Into::into).collect(),
        next,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(page)).into_response())
}

/// An action whose entry is written: it may be done now.
#[derive(Debug)]
pub(crate) struct Noted(Entry);

/// Writes the entry of an action that is about to be done. Where that fails, it must not be done: no
/// action lacks its entry.
///
/// # Errors
/// The store is away.
pub(crate) async fn note(
    app: &App,
    caller: &Caller,
    action: Action,
    what: &str,
    correlation_id: &CorrelationId,
) -> Result<Noted, Problem> {
    let entry = Entry::begun(&caller.actor(), action, what).under(&correlation_id.0);
    app.store().append_audit(&entry).await?;
    Ok(Noted(entry))
}

impl Noted {
    /// Writes that the action was not done, as far as that can be written.
    pub(crate) async fn failed(self, app: &App) {
        let failed = self.0.ended(Outcome::Failed, BTreeMap::new());
        if let Err(error) = app.store().append_audit(&failed).await {
            let action = failed.action.as_str();
            tracing::warn!(%error, action, "the audit log does not say that it was not done");
        }
    }

    /// Writes that the action is done, with how much of what, as far as that can be written.
    pub(crate) async fn done(self, app: &App, counts: BTreeMap<String, u64>) {
        let done = self.0.ended(Outcome::Done, counts);
        if let Err(error) = app.store().append_audit(&done).await {
            let action = done.action.as_str();
            tracing::warn!(%error, action, "the audit log does not say how much was done");
        }
    }

    /// What came of the action. A failure is written, too.
    pub(crate) async fn outcome<T, E>(self, app: &App, done: Result<T, E>) -> Result<T, E> {
        if done.is_err() {
            self.failed(app).await;
        }
        done
    }
}
