//! A student's side of sharing. Whoever has a link sees a picture, a title and questions, and may have
//! answers checked; what else is in the document stays here. A link that is unknown, revoked or
//! expired is answered as an assignment that does not exist.

mod html;
mod metadata;
mod page;
mod picture;
mod preview;

use std::sync::Arc;

use atelier_domain::assignment::{Assignment, MAX_TITLE_CHARACTERS, Status};
use atelier_domain::share::{MAX_NAME_CHARACTERS, Share, StudentResult, is_token};
use atelier_domain::timestamp::Timestamp;
use atelier_store::shares::Keep;
use axum::Json;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::identity::client_address::ClientAddress;
use crate::identity::subject;
use crate::input::text::{Answers, Trimmed};
use crate::input::{JsonBody, input};
use crate::problem::{FieldFault, Problem, Refused};
use crate::share::{questions_of, right_count};
use crate::view::VariantView;

pub(crate) use page::{page, submit};
pub(crate) use picture::{__path_shared_image, shared_image};

/// Pixels of a picture whose size is not known.
const SIDE: u32 = 1024;

/// The token in the path; what cannot be one is unknown.
#[derive(Debug)]
pub(crate) struct TokenInPath(String);

impl<S: Send + Sync> FromRequestParts<S> for TokenInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(token)) if is_token(&token) => Ok(Self(token)),
            _ => Err(Problem::unknown_assignment()),
        }
    }
}

impl TokenInPath {
    /// What the link shows, if it lives.
    async fn open(&self, app: &App) -> Result<(Share, Assignment), Problem> {
        let share = app.store().shares().by_token(&self.0).await?;
        let live = share.filter(|share| share.is_live(Timestamp::now()));
        let share = live.ok_or_else(Problem::unknown_assignment)?;
        let document = app.store().get(&share.assignment_id).await?;
        let document = document.filter(|it| it.s3_upload_status != Status::Deleted);
        let document = document.ok_or_else(Problem::unknown_assignment)?;
        Ok((share, document))
    }

    fn image_url(&self) -> String {
        format!("/shared/{}/image", self.0)
    }
}

/// What a student sees of an assignment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SharedAssignment, example = json!({
    "title": "The planets", "status": "success",
    "image_url": "/shared/Zr1nQ0nUeKx0c7C2fVdE3m4oYb5hT6_a/image", "width": 1024, "height": 1024,
    "questions": ["Which planet is the largest?", "How many planets are there?"],
}))]
pub(crate) struct SharedView {
    /// What the teacher calls it.
    title: Option<String>,
    /// How its picture stands.
    status: Status,
    /// Where its picture is, or a placeholder.
    image_url: String,
    /// Pixels of the picture, for its place on a page.
    width: u32,
    /// As `width`.
    height: u32,
    /// Smaller pictures of the same, by width upwards; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variants: Vec<VariantView>,
    /// The picture's ThumbHash in base64: some 25 bytes to paint before it is loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbhash: Option<String>,
    /// The questions.
    questions: Vec<String>,
}

impl SharedView {
    fn new(token: &TokenInPath, document: &Assignment) -> Self {
        let (width, height) = size(document);
        Self {
            title: title(document),
            status: document.s3_upload_status,
            image_url: token.image_url(),
            width,
            height,
            variants: VariantView::of(document, |width, _| {
                format!("{}?width={width}", token.image_url())
            }),
            thumbhash: document.thumbhash.clone(),
            questions: questions_of(document).map(|it| it.text).collect(),
        }
    }
}

/// Another program's title may be of any length.
fn title(document: &Assignment) -> Option<String> {
    let title: String = document
        .title
        .as_deref()?
        .trim()
        .chars()
        .take(MAX_TITLE_CHARACTERS)
        .collect();
    (!title.is_empty()).then_some(title)
}

fn size(document: &Assignment) -> (u32, u32) {
    let dimensions = document.image_metadata.as_ref().map(|it| &it.dimensions);
    dimensions
        .and_then(|it| it.split_once('x'))
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
        .unwrap_or((SIDE, SIDE))
}

/// Shows what a student sees of an assignment: no answers, no prompt, nobody's name.
#[utoipa::path(
    get,
    path = "/shared/{token}",
    tag = "students",
    operation_id = "get_shared_assignment",
    params(("token" = String, Path, description = "The link's token", pattern = "^[A-Za-z0-9_-]{32}$")),
    responses(
        (status = 200, description = "The assignment.", body = SharedView),
        Refused<404>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn shared(
    State(app): State<Arc<App>>,
    token: TokenInPath,
) -> Result<Json<SharedView>, Problem> {
    let (_, document) = token.open(&app).await?;
    Ok(Json(SharedView::new(&token, &document)))
}

input! {
    /// A student's answers.
    AnswerSheet("answers") {
        /// The student's name, at most 80 characters after trimming. With it the teacher sees the
        /// result; without it nobody does.
        name: Trimmed<MAX_NAME_CHARACTERS>,
        /// The answers in the order of the questions, each of at most 500 characters, together of at
        /// most 8192 bytes.
        answers: Answers,
    }
}

/// What was right.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"right": [true, false], "right_count": 1, "kept": true}))]
pub(crate) struct Verdict {
    /// For each question whether its answer is right; `null` where the teacher listed no answer.
    right: Vec<Option<bool>>,
    /// How many are right.
    right_count: usize,
    /// Whether the teacher can see this result. The results of a link are limited to 500.
    kept: bool,
}

/// Checks a student's answers. Case, accents, punctuation and blanks make no difference. It says which
/// are right, not what would be.
#[utoipa::path(
    post,
    path = "/shared/{token}/answers",
    tag = "students",
    operation_id = "check_answers",
    params(("token" = String, Path, description = "The link's token", pattern = "^[A-Za-z0-9_-]{32}$")),
    request_body(content = AnswerSheet, example = json!({"name": "Ada", "answers": ["Jupiter", "seven"]})),
    responses(
        (status = 200, description = "Which of them are right.", body = Verdict),
        Refused<400>, Refused<403>, Refused<404>, Refused<408>, Refused<413>, Refused<415>, Refused<429>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn check_answers(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    token: TokenInPath,
    JsonBody(checked): JsonBody<AnswerSheet>,
) -> Result<Json<Verdict>, Problem> {
    app.answer_limit
        .charge(&subject::of_address(address))
        .await?;
    let (share, document) = token.open(&app).await?;
    let verdict = check(&app, &share, &document, checked.finish()?).await?;
    Ok(Json(verdict))
}

/// Checks answers, and keeps them where they bear a name.
async fn check(
    app: &App,
    share: &Share,
    document: &Assignment,
    sheet: AnswerSheet,
) -> Result<Verdict, Problem> {
    let mut answers = sheet.answers.map(|it| it.0).unwrap_or_default();
    let questions: Vec<_> = questions_of(document).collect();
    if answers.len() > questions.len() {
        return Err(more_answers_than_questions(answers.len(), questions.len()));
    }
    answers.resize(questions.len(), String::new());
    let right: Vec<Option<bool>> = questions
        .iter()
        .zip(&answers)
        .map(|(question, answer)| question.check(answer))
        .collect();
    let name = sheet.name.map(|name| name.0).unwrap_or_default();
    let kept = match name.is_empty() {
        true => false,
        false => keep(app, share, name, answers, right.clone()).await?,
    };
    Ok(Verdict {
        right_count: right_count(&right),
        right,
        kept,
    })
}

fn more_answers_than_questions(answers: usize, questions: usize) -> Problem {
    let words =
        format!("`answers` must have one for each of {questions} questions, not {answers}.");
    Problem::bad_input(vec![FieldFault::beyond("answers", words, questions as u64)])
}

/// Keeps a result for the teacher; `false` where the link has as many as it takes.
async fn keep(
    app: &App,
    share: &Share,
    name: String,
    answers: Vec<String>,
    right: Vec<Option<bool>>,
) -> Result<bool, Problem> {
    let result = StudentResult {
        id: uuid::Uuid::now_v7().to_string(),
        name,
        answers,
        right,
        at: Timestamp::now(),
    };
    match app.store().shares().keep(share, &result).await? {
        Keep::Kept => Ok(true),
        Keep::Full => {
            tracing::warn!(assignment = share.assignment_id, "its link is full");
            Ok(false)
        }
        Keep::Gone => Err(Problem::unknown_assignment()),
    }
}

/// Neither caches nor search engines may keep what a link shows.
pub(crate) async fn keep_private(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex, nofollow"),
    );
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
