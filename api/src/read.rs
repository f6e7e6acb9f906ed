//! Reads one assignment, several, or a page of the list.

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::assignment::{Assignment, Status};
use atelier_store::Filter;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::cursor;
use crate::identity::caller::Caller;
use crate::input::field::{Cursor, Ids, ListedStatus, Number, TeacherId};
use crate::input::{IdInPath, Parameters, input};
use crate::present::present;
use crate::problem::{FieldFault, Problem, Refused};
use crate::view::View;
use crate::wait::MAX_WAIT_SECONDS;

const MAX_IDS: usize = 50;
const MAX_PAGE: u32 = 100;
const DEFAULT_PAGE: u32 = 20;

/// Several assignments.
#[derive(Debug, Serialize, ToSchema)]
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
    /// How to read one assignment.
    ReadQuery() {
        /// Holds the answer for this many seconds while it is pending.
        wait: Number<0, MAX_WAIT_SECONDS>,
    }
}

impl ListQuery {
    /// `ids` goes with `wait` alone, and `wait` with `ids` alone.
    fn check_combination(&self) -> Result<(), Problem> {
        let given = [
            ("teacher_id", self.teacher_id.is_some()),
            ("status", self.status.is_some()),
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

/// Whether `If-None-Match` of `headers` names `etag`, by weak comparison.
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

/// The 304 of an answer that would have been compressed for those who accept it: it varies as that
/// does (RFC 9110, section 15.4.5).
pub(crate) fn not_modified(mut headers: HeaderMap) -> Response {
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

/// Reads an assignment.
#[utoipa::path(
    get,
    path = "/assignments/{id}",
    tag = "assignments",
    params(
        ("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$"),
        ReadQuery,
        ("If-None-Match" = Option<String>, Header, description = "An ETag that is known"),
    ),
    responses(
        (status = 200, description = "The assignment.", body = View, headers(
            ("ETag" = String, description = "Names this state of it"),
            ("Retry-After" = Option<u32>, description = "While pending: seconds until another look is worth it"),
        )),
        (status = 304, description = "It is as the ETag says."),
        Refused<400>, Refused<404>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn read_one(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    caller: Caller,
    Parameters(query): Parameters<ReadQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wait = query.wait.map_or(0, |wait| wait.0);
    let mut document = present(app.store(), &id, &caller).await?;
    if wait > 0 && document.s3_upload_status == Status::Pending {
        app.waiters
            .wait_for(vec![id.clone()], Duration::from_secs(wait.into()))
            .await;
        document = present(app.store(), &id, &caller).await?;
    }
    let view = app.views.of(&document).await;
    let etag = view.etag();
    let mut answer = HeaderMap::new();
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        answer.insert(ETAG, value);
    }
    if document.s3_upload_status == Status::Pending {
        let seconds = view.expected_wait_seconds.unwrap_or(2.0).clamp(1.0, 30.0);
        answer.insert(RETRY_AFTER, (seconds as u64).into());
    }
    Ok(if is_known(&headers, &etag) {
        not_modified(answer)
    } else {
        (answer, Json(view)).into_response()
    })
}

/// Reads a page of the list, newest first; or, with `ids`, several assignments at once.
#[utoipa::path(
    get,
    path = "/assignments",
    tag = "assignments",
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
    let wanted = query.teacher_id.map(|id| id.0);
    let Ok(teacher_id) = caller.teacher_of_list(wanted) else {
        return Ok(Json(Page {
            assignments: Vec::new(),
            next: None,
        }));
    };
    let filter = Filter {
        teacher_id,
        status: query.status.map(|status| status.0),
    };
    let after = query.after.map(|cursor| cursor.0);
    let limit = query.limit.map_or(DEFAULT_PAGE, |limit| limit.0);
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
