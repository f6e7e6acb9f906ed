//! Reads one assignment, several, or a page of the list.

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::assignment::{Assignment, Status, is_valid_id};
use atelier_store::{Filter, Position};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::create::MAX_TEACHER_CHARACTERS;
use crate::cursor;
use crate::input::{Fields, IdInPath, Parameters, id_fault};
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

/// How the list is asked.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the query to readers of the OpenAPI document"
)]
pub(crate) struct ListQuery {
    /// Only this teacher's.
    #[param(min_length = 1, max_length = 256)]
    teacher_id: Option<String>,
    /// Only those with this status.
    #[param(inline)]
    status: Option<ListedStatus>,
    /// How many at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
    /// Instead of the list: these assignments, 1 to 50 ids separated by commas; unknown and deleted
    /// ones are left out.
    #[param(pattern = "^[A-Za-z0-9_-]{1,64}(,[A-Za-z0-9_-]{1,64}){0,49}$")]
    ids: Option<String>,
    /// With `ids`: holds the answer for so many seconds while all of them are pending.
    #[param(minimum = 0, maximum = 20)]
    wait: Option<u32>,
}

/// A status that the list can be asked for.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "describes the query to readers of the OpenAPI document"
)]
enum ListedStatus {
    Pending,
    Success,
    Failed,
    NoImage,
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

/// Reads an assignment.
#[utoipa::path(
    get,
    path = "/assignments/{id}",
    tag = "assignments",
    params(
        ("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$"),
        ("wait" = Option<u32>, Query, description = "Holds the answer for so many seconds while it is pending", minimum = 0, maximum = 20),
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
    Parameters(mut parameters): Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wait = parameters.number("wait", 0, MAX_WAIT_SECONDS);
    let wait = parameters.finish(wait)?.unwrap_or(0);
    let mut document = present(app.store(), &id).await?;
    if wait > 0 && document.s3_upload_status == Status::Pending {
        app.waiters
            .wait_for(vec![id.clone()], Duration::from_secs(wait.into()))
            .await;
        document = present(app.store(), &id).await?;
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
        (StatusCode::NOT_MODIFIED, answer).into_response()
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
    Parameters(mut parameters): Parameters,
) -> Result<Json<Page>, Problem> {
    if let Some(ids) = parameters.text("ids") {
        let ids = read_ids(&mut parameters, &ids);
        let wait = parameters.number("wait", 0, MAX_WAIT_SECONDS);
        let wait = parameters.finish(wait)?.unwrap_or(0);
        return read_many(&app, ids, wait).await;
    }
    let filter = Filter {
        teacher_id: parameters.text_within("teacher_id", 1, MAX_TEACHER_CHARACTERS),
        status: read_status(&mut parameters),
    };
    let limit = parameters.number("limit", 1, MAX_PAGE);
    let after = read_cursor(&mut parameters);
    let limit = parameters.finish(limit)?.unwrap_or(DEFAULT_PAGE);
    let mut documents = app.store().list(&filter, after.as_ref(), limit + 1).await?;
    let more = documents.len() > limit as usize;
    documents.truncate(limit as usize);
    let next = documents.last().filter(|_| more).map(cursor::after);
    Ok(Json(Page {
        assignments: views(&app, &documents).await,
        next,
    }))
}

async fn read_many(app: &App, ids: Vec<String>, wait: u32) -> Result<Json<Page>, Problem> {
    let mut documents = app.store().get_many(&ids).await?;
    let pending = |document: &Assignment| document.s3_upload_status == Status::Pending;
    if wait > 0 && documents.len() == ids.len() && documents.iter().all(pending) {
        app.waiters
            .wait_for(ids.clone(), Duration::from_secs(wait.into()))
            .await;
        documents = app.store().get_many(&ids).await?;
    }
    documents.retain(|document| document.s3_upload_status != Status::Deleted);
    documents.sort_by(|one, other| {
        other
            .created_at
            .seconds()
            .total_cmp(&one.created_at.seconds())
    });
    Ok(Json(Page {
        assignments: views(app, &documents).await,
        next: None,
    }))
}

async fn views(app: &App, documents: &[Assignment]) -> Vec<View> {
    futures_util::future::join_all(documents.iter().map(|document| app.views.of(document))).await
}

fn read_ids(parameters: &mut Fields, text: &str) -> Vec<String> {
    let mut ids: Vec<String> = text.split(',').map(str::to_owned).collect();
    ids.sort();
    ids.dedup();
    if ids.iter().any(|id| !is_valid_id(id)) {
        parameters.fault(id_fault("ids"));
    } else if ids.len() > MAX_IDS {
        let detail = format!(
            "`ids` must name at most {MAX_IDS} assignments, not {}.",
            ids.len()
        );
        parameters.fault(FieldFault::beyond("ids", detail, MAX_IDS as u64));
    }
    ids
}

fn read_status(parameters: &mut Fields) -> Option<Status> {
    let known = [
        Status::Pending,
        Status::Success,
        Status::Failed,
        Status::NoImage,
    ];
    let word = parameters.text("status")?;
    let status = known.into_iter().find(|status| status.as_str() == word);
    if status.is_none() {
        parameters.fault(FieldFault::new(
            "status",
            "`status` must be one of pending, success, failed, no_image.",
        ));
    }
    status
}

fn read_cursor(parameters: &mut Fields) -> Option<Position> {
    let text = parameters.text("after")?;
    let position = cursor::read(&text);
    if position.is_none() {
        parameters.fault(FieldFault::new(
            "after",
            "`after` must be the `next` of an earlier page.",
        ));
    }
    position
}
