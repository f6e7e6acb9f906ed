//! Creates an assignment: validate, limit, insert, send, note.

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::assignment::{
    Assignment, MAX_PROMPT_CHARACTERS, MAX_TITLE_CHARACTERS, Post, Status,
};
use atelier_domain::timestamp::Timestamp;
use atelier_store::Insert;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::LOCATION;

use crate::app::App;
use crate::correlation::CorrelationId;
use crate::identity::caller::Caller;
use crate::identity::client_address::ClientAddress;
use crate::identity::subject;
use crate::input::id::Id;
use crate::input::text::{QuestionAnswers, Shown, TeacherId, Trimmed};
use crate::input::{JsonBody, input};
use crate::problem::{FieldFault, Problem, Refused};
use crate::view::View;

/// Who stores an assignment sends its job, and notes that, within this time.
const SENT_BY_THEN: Duration = Duration::from_secs(2);

input! {
    /// What an assignment is made of.
    NewAssignment() {
        /// What the picture shows, at most 1024 characters after trimming. There is no picture where
        /// it is empty or shows nothing. It may be left out where there are questions.
        prompt: Trimmed<MAX_PROMPT_CHARACTERS>,
        /// The teacher that it belongs to, 1 to 256 characters and at most 1024 bytes
        /// percent-encoded, which is how it stands in the picture's metadata.
        teacher_id: TeacherId,
        /// What students see above the questions, 1 to 120 characters after trimming. They do not
        /// see the prompt.
        title: Shown<MAX_TITLE_CHARACTERS>,
        /// Questions and answers: a list, or the JSON text of one. Several right answers are a list,
        /// or one text with `|` between them.
        question_answers: QuestionAnswers,
        /// The caller's own id for it, which makes a repeated post harmless. Otherwise one is made.
        assignment_id: Id,
        /// Keeps the picture from the lifecycle.
        permanent: bool,
        /// Makes a new picture though one of the same prompt is stored.
        fresh: bool,
    }
}

/// Creates an assignment. With an `assignment_id` it can be posted again without harm.
#[utoipa::path(
    post,
    path = "/assignments",
    tag = "assignments",
    operation_id = "create_assignment",
    request_body(content = NewAssignment, example = json!({
        "assignment_id": "a-castle-by-the-sea",
        "teacher_id": "frau.mueller",
        "prompt": "A castle by the sea at sunset",
        "title": "Castles",
        "question_answers": [{ "question": "What is a moat?", "answer": "a ditch with water" }],
    })),
    responses(
        (status = 202, description = "A picture will be made.", body = View, headers(("Location" = String, description = "Where the assignment is"))),
        (status = 201, description = "There is no prompt, so there will be no picture.", body = View, headers(("Location" = String, description = "Where the assignment is"))),
        Refused<400>, Refused<403>, Refused<408>, Refused<409>, Refused<410>, Refused<413>, Refused<415>, Refused<429>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    ClientAddress(address): ClientAddress,
    correlation_id: CorrelationId,
    JsonBody(checked): JsonBody<NewAssignment>,
) -> Result<Response, Problem> {
    let id = checked.input.assignment_id.as_ref().map(|id| id.0.clone());
    let read = checked
        .finish()
        .and_then(of_something)
        .and_then(|input| own(input, &caller))
        .map(|input| new_document(&app, input, correlation_id));
    let _lock;
    if let Some(id) = &id {
        _lock = app.locks.lock(id).await;
        let present = match (app.store().get(id).await, &read) {
            (Ok(present), _) => present,
            (Err(_), Err(_)) => None,
            (Err(error), Ok(_)) => return Err(error.into()),
        };
        // That an id is deleted is told before anything else.
        match (present, &read) {
            (Some(present), _) if present.s3_upload_status == Status::Deleted => {
                return Err(deleted());
            }
            (Some(present), Ok(wanted)) => return repeated(&app, &caller, wanted, present).await,
            _ => {}
        }
    }
    let document = read?;
    refuse_beyond_capacity(&app, &document)?;
    if document.s3_upload_status == Status::Pending {
        let teacher = document.teacher_id.as_deref();
        app.budgets.refuse_if_used_up(teacher).await?;
    }
    app.limit
        .charge(&subject::of_caller(&caller, address))
        .await?;
    match app.store().insert(&document).await? {
        Insert::Taken(present) => repeated(&app, &caller, &document, *present).await,
        Insert::Done => {
            tracing::info!(assignment = document.assignment_id, "assignment created");
            if document.s3_upload_status == Status::Pending {
                app.sender.send(&document).await;
            }
            Ok(answer(&document, app.views.of_new(&document)))
        }
    }
}

/// Refuses what has neither a prompt nor questions: most likely their names are misspelt, or the body
/// was lost on the way.
fn of_something(input: NewAssignment) -> Result<NewAssignment, Problem> {
    let questions = input.question_answers.as_ref();
    if input.prompt.is_some() || questions.is_some_and(QuestionAnswers::has_some) {
        return Ok(input);
    }
    let detail = "`prompt` must be given; `\"\"` where there is to be no picture. It may be left out where `question_answers` has questions.";
    Err(Problem::bad_input(vec![FieldFault::new("prompt", detail)]))
}

/// What `caller` wants, with the teacher that it belongs to.
fn own(mut input: NewAssignment, caller: &Caller) -> Result<NewAssignment, Problem> {
    let wanted = input.teacher_id.take().map(|id| id.0);
    let teacher = caller.teacher_of_new(wanted).map_err(|own| {
        let detail = format!(
            "`teacher_id` must be yours, `{own}`, or absent: the role `portal` is needed to name another."
        );
        let fault = FieldFault::new("teacher_id", detail.as_str());
        Problem::new(StatusCode::FORBIDDEN, detail).with_errors(vec![fault])
    })?;
    input.teacher_id = teacher.map(TeacherId);
    Ok(input)
}

fn new_document(app: &App, input: NewAssignment, correlation_id: CorrelationId) -> Assignment {
    let new_id = || uuid::Uuid::now_v7().to_string();
    let post = Post {
        assignment_id: input.assignment_id.map_or_else(new_id, |id| id.0),
        prompt: input.prompt.map(|prompt| prompt.0).unwrap_or_default(),
        teacher_id: input.teacher_id.map(|id| id.0),
        title: input.title.map(|title| title.0),
        question_answers: input.question_answers.map(|text| text.0),
        fresh: input.fresh.unwrap_or_default(),
        permanent: input.permanent.unwrap_or_default(),
        correlation_id: correlation_id.0,
    };
    let (now, job) = (Timestamp::now(), &app.config.job);
    Assignment::new(post, now, now + job.sweep.resend, now + job.give_up)
}

/// Refuses what would still be pending at `give_up_at` even if the fleet worked at its capacity.
/// How fast it was lately says nothing: it may just have started, or come out of an outage.
fn refuse_beyond_capacity(app: &App, document: &Assignment) -> Result<(), Problem> {
    let give_up = app.config.job.give_up.as_secs_f64();
    match app.findings.throughput.latest().shortest_wait() {
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

fn deleted() -> Problem {
    Problem::new(
        StatusCode::GONE,
        "The assignment with this `assignment_id` is deleted; its id cannot be used again.",
    )
}

/// The id is taken: the same content gets the same answer.
async fn repeated(
    app: &App,
    caller: &Caller,
    wanted: &Assignment,
    present: Assignment,
) -> Result<Response, Problem> {
    if present.s3_upload_status == Status::Deleted {
        return Err(deleted());
    }
    // Of another's assignment nothing is told but that its id is taken.
    if wanted.post_hash != present.post_hash || !caller.may_see(&present) {
        let detail = "An assignment with this `assignment_id` exists, with other content.";
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .with_errors(vec![FieldFault::new("assignment_id", detail)]));
    }
    if is_forsaken(&present) {
        app.sender.send(&present).await;
    }
    let view = app.views.of(&present).await;
    Ok(answer(&present, view))
}

/// Whether the one who stored it got no answer from the store, it seems, and did not send its job.
fn is_forsaken(present: &Assignment) -> bool {
    present.s3_upload_status == Status::Pending
        && present.sent_at.is_none()
        && present.claim.is_none()
        && Timestamp::now().since(present.created_at) > SENT_BY_THEN
}

fn answer(document: &Assignment, view: View) -> Response {
    let status = match document.s3_upload_status {
        Status::NoImage => StatusCode::CREATED,
        _ => StatusCode::ACCEPTED,
    };
    let location = format!("/assignments/{}", document.assignment_id);
    (status, [(LOCATION, location)], Json(view)).into_response()
}
