//! Creates an assignment: validate, limit, insert, send, note.

use std::net::SocketAddr;
use std::sync::Arc;

use atelier_domain::assignment::{Assignment, MAX_PROMPT_CHARACTERS, Post, Status};
use atelier_domain::timestamp::Timestamp;
use atelier_store::Insert;
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::LOCATION;
use utoipa::ToSchema;

use crate::app::App;
use crate::correlation::CorrelationId;
use crate::input::{Fields, JsonBody};
use crate::limit;
use crate::problem::{FieldFault, Problem, Refused};
use crate::view::View;

/// The longest teacher id, in characters.
pub(crate) const MAX_TEACHER_CHARACTERS: usize = 256;

/// What an assignment is made of.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAssignment {
    /// What the picture shows, 1 to 1024 characters after trimming; without it, or with only white
    /// space, there is no image.
    #[schema(max_length = 1024)]
    pub prompt: Option<String>,
    /// Who asks, 1 to 256 characters.
    #[schema(min_length = 1, max_length = 256)]
    pub teacher_id: Option<String>,
    /// Questions and answers, a JSON text.
    #[schema(
        content_media_type = "application/json",
        example = "[{\"question\":\"Which animal is it?\",\"answer\":\"a fox\"}]"
    )]
    pub question_answers: Option<String>,
    /// The caller's own id for it, which makes a repeated post harmless. Otherwise one is made.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    pub assignment_id: Option<String>,
    /// Keeps the picture from the lifecycle.
    pub permanent: Option<bool>,
    /// Makes a new picture though one of the same prompt is stored.
    pub fresh: Option<bool>,
}

/// A trimmed prompt of at most [`MAX_PROMPT_CHARACTERS`]; empty where none was given.
pub(crate) fn read_prompt(fields: &mut Fields) -> Option<String> {
    let prompt = fields.text("prompt")?.trim().to_owned();
    let length = prompt.chars().count();
    if length > MAX_PROMPT_CHARACTERS {
        fields.fault(FieldFault::beyond(
            "prompt",
            format!("`prompt` must have at most {MAX_PROMPT_CHARACTERS} characters, not {length}."),
            MAX_PROMPT_CHARACTERS as u64,
        ));
    }
    Some(prompt)
}

fn read_question_answers(fields: &mut Fields) -> Option<String> {
    let text = fields.text("question_answers")?;
    if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
        fields.fault(FieldFault::new(
            "question_answers",
            "`question_answers` must be a JSON text.",
        ));
    }
    Some(text)
}

/// Creates an assignment. With an `assignment_id` it can be posted again without harm.
#[utoipa::path(
    post,
    path = "/assignments",
    tag = "assignments",
    request_body = NewAssignment,
    responses(
        (status = 202, description = "A picture will be made.", body = View, headers(("Location" = String, description = "Where the assignment is"))),
        (status = 201, description = "There is no prompt, so there will be no picture.", body = View, headers(("Location" = String, description = "Where the assignment is"))),
        Refused<400>, Refused<403>, Refused<408>, Refused<409>, Refused<410>, Refused<413>, Refused<415>, Refused<429>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    correlation_id: CorrelationId,
    JsonBody(mut fields): JsonBody,
) -> Result<Response, Problem> {
    let id = fields.id("assignment_id");
    let document = new_document(&app, id.as_deref(), &mut fields, correlation_id);
    let read = fields.finish(document);
    let _lock;
    if let Some(id) = &id {
        _lock = app.locks.lock(id).await;
        let present = match (app.store().get(id).await, &read) {
            (Ok(present), _) => present,
            (Err(_), Err(_)) => None,
            (Err(error), Ok(_)) => return Err(error.into()),
        };
        // A deleted id is told before anything else.
        match (present, &read) {
            (Some(present), _) if present.s3_upload_status == Status::Deleted => {
                return Err(deleted());
            }
            (Some(present), Ok(wanted)) => return repeated(&app, wanted, present).await,
            _ => {}
        }
    }
    let document = read?;
    refuse_if_hopeless(&app, &document)?;
    app.limit.charge(&limit::subject(peer)).await?;
    match insert(&app, &document).await? {
        Insert::Taken(present) => repeated(&app, &document, *present).await,
        Insert::Done => {
            tracing::info!(assignment = document.assignment_id, "assignment created");
            if document.s3_upload_status == Status::Pending {
                app.sender.send(&document).await;
            }
            Ok(answer(&document, app.views.of_new(&document)))
        }
    }
}

fn new_document(
    app: &App,
    id: Option<&str>,
    fields: &mut Fields,
    correlation_id: CorrelationId,
) -> Assignment {
    let post = Post {
        assignment_id: id.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned),
        prompt: read_prompt(fields).unwrap_or_default(),
        teacher_id: fields.text_within("teacher_id", 1, MAX_TEACHER_CHARACTERS),
        question_answers: read_question_answers(fields),
        fresh: fields.flag("fresh").unwrap_or_default(),
        permanent: fields.flag("permanent").unwrap_or_default(),
        correlation_id: correlation_id.0,
    };
    let (now, job) = (Timestamp::now(), &app.config.job);
    Assignment::new(post, now, now + job.sweep.resend, now + job.give_up)
}

/// Nobody is left waiting for a picture that will be given up on.
fn refuse_if_hopeless(app: &App, document: &Assignment) -> Result<(), Problem> {
    let give_up = app.config.job.give_up.as_secs_f64();
    match app.findings.throughput.latest().wait_at_the_end() {
        Some(wait) if document.s3_upload_status == Status::Pending && wait > give_up => {
            Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The picture service is too busy. Please try again later.",
            )
            .retry_after((wait - give_up).min(3600.0) as u64))
        }
        _ => Ok(()),
    }
}

/// An insert whose answer is unclear may have been done: the document itself tells.
async fn insert(app: &App, document: &Assignment) -> Result<Insert, Problem> {
    let error = match app.store().insert(document).await {
        Ok(insert) => return Ok(insert),
        Err(error) => error,
    };
    match app.store().get(&document.assignment_id).await {
        Ok(Some(present)) if present.correlation_id == document.correlation_id => Ok(Insert::Done),
        Ok(Some(present)) => Ok(Insert::Taken(Box::new(present))),
        Ok(None) | Err(_) => Err(error.into()),
    }
}

fn deleted() -> Problem {
    Problem::new(
        StatusCode::GONE,
        "The assignment with this `assignment_id` is deleted; its id cannot be used again.",
    )
}

/// The id is taken: the same content gets the same answer.
async fn repeated(
    app: &App,
    wanted: &Assignment,
    present: Assignment,
) -> Result<Response, Problem> {
    if present.s3_upload_status == Status::Deleted {
        return Err(deleted());
    }
    if wanted.post_hash != present.post_hash {
        let detail = "An assignment with this `assignment_id` exists, with other content.";
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .with_errors(vec![FieldFault::new("assignment_id", detail)]));
    }
    let view = app.views.of(&present).await;
    Ok(answer(&present, view))
}

fn answer(document: &Assignment, view: View) -> Response {
    let status = match document.s3_upload_status {
        Status::NoImage => StatusCode::CREATED,
        _ => StatusCode::ACCEPTED,
    };
    let location = format!("/assignments/{}", document.assignment_id);
    (status, [(LOCATION, location)], Json(view)).into_response()
}
