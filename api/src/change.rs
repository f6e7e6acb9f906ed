//! Changes an assignment: how long its picture is kept, its questions and answers.

use std::sync::Arc;

use atelier_cloud::clean_up;
use atelier_domain::assignment::Assignment;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;
use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::before_answer::{CLEAN_UP_AFTER, TRIES, before_the_answer, busy};
use crate::identity::caller::Caller;
use crate::input::text::QuestionAnswers;
use crate::input::{IdInPath, JsonBody, input};
use crate::present::present;
use crate::problem::{FieldFault, Problem, Refused};
use crate::view::View;

input! {
    /// What can be changed, one of these or both. Another prompt is given with a retry.
    Change() {
        /// Whether the picture is kept from the lifecycle.
        permanent: bool,
        /// Questions and answers in place of those that there are: a list, or the JSON text of one.
        question_answers: QuestionAnswers,
    }
}

/// Changes the questions and answers of an assignment; keeps its picture for ever, or no longer.
#[utoipa::path(
    patch,
    path = "/assignments/{id}",
    tag = "assignments",
    operation_id = "update_assignment",
    params(("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$")),
    request_body(content = Change, example = json!({
        "question_answers": [{ "question": "What is a moat?", "answer": ["a ditch", "a ditch with water"] }],
    })),
    responses(
        (status = 200, description = "The assignment after it.", body = View),
        Refused<400>, Refused<403>, Refused<404>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn patch(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    caller: Caller,
    JsonBody(checked): JsonBody<Change>,
) -> Result<Json<View>, Problem> {
    let change = checked.finish()?;
    if change.permanent.is_none() && change.question_answers.is_none() {
        let detail = "`permanent` or `question_answers` must be given.";
        let fault = FieldFault::new("permanent", detail);
        return Err(Problem::bad_input(vec![fault]));
    }
    let (was_due, mut document) = apply(&app, &id, &caller, &change).await?;
    // Where the tag was due before, another process may be setting the old one at this moment: the
    // keeper sets the new one when that is over.
    if document.tag_due && !was_due {
        let work = async {
            let tagged = clean_up::tag(&app.services.pictures, &document).await?;
            Ok(app.store().apply(&id, &tagged).await?)
        };
        if let Some(tagged) = before_the_answer(&id, work).await.flatten() {
            document = tagged;
        }
    }
    Ok(Json(app.views.of(&document).await))
}

/// Its status may change between the read and the write. Returns whether its tag was due before,
/// and the document after it.
async fn apply(
    app: &App,
    id: &str,
    caller: &Caller,
    change: &Change,
) -> Result<(bool, Assignment), Problem> {
    let questions = change.question_answers.as_ref().map(|it| it.0.as_str());
    for _ in 0..TRIES {
        let document = present(app.store(), id, caller).await?;
        let now = Timestamp::now();
        let later = now + CLEAN_UP_AFTER;
        let change = match change.permanent {
            Some(it) => transition::set_permanent(&document, it, now, later),
            None => transition::touch(now),
        };
        let change = change.with_question_answers(questions);
        if let Some(changed) = app.store().apply(id, &change).await? {
            return Ok((document.tag_due, changed));
        }
    }
    Err(busy())
}
