//! Reads a page of the list, or several assignments at once.

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::assignment::{Assignment, Status};
use atelier_store::Filter;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::cursor;
use crate::identity::caller::Caller;
use crate::input::id::Ids;
use crate::input::listing::{Cursor, From, ListedStatus, To, Words};
use crate::input::number::Number;
use crate::input::text::TeacherId;
use crate::input::{Parameters, input};
use crate::problem::{FieldFault, Problem, Refused};
use crate::view::View;
use crate::wait::MAX_WAIT_SECONDS;

const MAX_IDS: usize = 50;
const MAX_PAGE: u32 = 100;
const DEFAULT_PAGE: u32 = 20;

/// The longest search, in characters.
const MAX_SEARCH: usize = 200;

/// Several assignments.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AssignmentPage)]
pub(crate) struct Page {
    /// Newest first.
    assignments: Vec<View>,
    /// What `after` takes for the next page; `null` at the end.
    next: Option<String>,
}

input! {
    /// Which assignments.
    ListQuery() {
        /// Only this teacher's.
        teacher_id: TeacherId,
        /// Only those with this status.
        status: ListedStatus,
        /// Only those whose prompt has every word of this text, anywhere in it and in either case;
        /// at most 200 characters.
        q: Words<MAX_SEARCH>,
        /// Only those posted at this time or later: an RFC 3339 time, or a day of UTC.
        from: From,
        /// Only those posted at this time or earlier: an RFC 3339 time, or a day of UTC with all of
        /// that day.
        to: To,
        /// How many at most; 20 where it is not given.
        limit: Number<1, MAX_PAGE>,
        /// `next` of the page before.
        after: Cursor,
        /// Instead of the list: these assignments, 1 to 50 ids separated by commas; unknown and
        /// deleted ones are left out.
        ids: Ids<MAX_IDS>,
        /// With `ids`: holds the answer for this many seconds while all of them are pending.
        wait: Number<0, MAX_WAIT_SECONDS>,
    }
}

input! {
    /// Which assignments: those to which all of it applies.
    Selection() {
        /// Only this teacher's.
        teacher_id: TeacherId,
        /// Only those with this status. A retry is of those that are `failed` where it is not given.
        status: ListedStatus,
        /// Only those whose prompt has every word of this text, at most 200 characters.
        q: Words<MAX_SEARCH>,
        /// Only those posted at this time or later: an RFC 3339 time, or a day of UTC.
        from: From,
        /// Only those posted at this time or earlier, or on this day of UTC.
        to: To,
    }
}

impl ListQuery {
    /// `ids` goes with `wait` alone, and `wait` with `ids` alone.
    fn check_combination(&self) -> Result<(), Problem> {
        let given = [
            ("teacher_id", self.teacher_id.is_some()),
            ("status", self.status.is_some()),
            ("q", self.q.is_some()),
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("limit", self.limit.is_some()),
            ("after", self.after.is_some()),
        ];
        let misplaced: Vec<_> = if self.ids.is_some() {
            let filters = given.into_iter().filter(|(_, given)| *given);
            filters.map(|(name, _)| (name, "beside")).collect()
        } else {
            self.wait.iter().map(|_| ("wait", "without")).collect()
        };
        if misplaced.is_empty() {
            return Ok(());
        }
        let fault = |(name, where_)| {
            FieldFault::new(name, format!("`{name}` is not known {where_} `ids`."))
        };
        Err(Problem::bad_input(
            misplaced.into_iter().map(fault).collect(),
        ))
    }
}

impl Selection {
    /// What it selects for `caller`; `None` where none of it exists for that caller.
    ///
    /// # Errors
    /// 400 where `to` is before `from`, under the name of `to` after `prefix`.
    pub(crate) fn filter(self, caller: &Caller, prefix: &str) -> Result<Option<Filter>, Problem> {
        let from = self.from.map(|from| from.0);
        let before = self.to.map(|to| to.0);
        if from
            .zip(before)
            .is_some_and(|(from, before)| before <= from)
        {
            let detail = format!("`{prefix}to` must not be before `{prefix}from`.");
            let fault = FieldFault::new(format!("{prefix}to"), detail);
            return Err(Problem::bad_input(vec![fault]));
        }
        let wanted = self.teacher_id.map(|id| id.0);
        let Ok(teacher_id) = caller.teacher_of_list(wanted) else {
            return Ok(None);
        };
        Ok(Some(Filter {
            teacher_id,
            status: self.status.map(|status| status.0),
            search: self.q.map(|words| words.0).unwrap_or_default(),
            from,
            before,
        }))
    }
}

/// Reads a page of the list, newest first; or, with `ids`, several assignments at once.
#[utoipa::path(
    get,
    path = "/assignments",
    tag = "assignments",
    operation_id = "list_assignments",
    params(ListQuery),
    responses(
        (status = 200, description = "The assignments.", body = Page),
        Refused<400>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Page>, Problem> {
    query.check_combination()?;
    if let Some(Ids(ids)) = query.ids {
        return read_many(&app, &caller, ids, query.wait.map_or(0, |wait| wait.0)).await;
    }
    let after = query.after.map(|cursor| cursor.0);
    let limit = query.limit.map_or(DEFAULT_PAGE, |limit| limit.0);
    let selection = Selection {
        teacher_id: query.teacher_id,
        status: query.status,
        q: query.q,
        from: query.from,
        to: query.to,
    };
    let Some(filter) = selection.filter(&caller, "")? else {
        return Ok(Json(Page {
            assignments: Vec::new(),
            next: None,
        }));
    };
    let mut documents = app.store().list(&filter, after.as_ref(), limit + 1).await?;
    let more = documents.len() > limit as usize;
    documents.truncate(limit as usize);
    let next = documents.last().filter(|_| more).map(cursor::after);
    Ok(Json(Page {
        assignments: app.views.of_all(&documents).await,
        next,
    }))
}

async fn read_many(
    app: &App,
    caller: &Caller,
    ids: Vec<String>,
    wait: u32,
) -> Result<Json<Page>, Problem> {
    let mut documents = app.store().get_many(&ids).await?;
    documents.retain(|document| caller.may_see(document));
    let pending = |document: &Assignment| document.s3_upload_status == Status::Pending;
    if wait > 0 && documents.len() == ids.len() && documents.iter().all(pending) {
        app.waiters
            .wait_for(ids.clone(), Duration::from_secs(wait.into()))
            .await;
        documents = app.store().get_many(&ids).await?;
    }
    documents.retain(|document| {
        document.s3_upload_status != Status::Deleted && caller.may_see(document)
    });
    documents.sort_by(|one, other| {
        other
            .created_at
            .seconds()
            .total_cmp(&one.created_at.seconds())
    });
    Ok(Json(Page {
        assignments: app.views.of_all(&documents).await,
        next: None,
    }))
}
