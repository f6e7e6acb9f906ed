//! The page behind a link. It is made here, so that it can be read, answered and checked without
//! JavaScript; nothing in it leads anywhere else.

use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use url::form_urlencoded;

use super::html::{self, Given};
use super::{AnswerSheet, SharedView, TokenInPath, check};
use crate::app::App;
use crate::body;
use crate::correlation::{self, CorrelationId};
use crate::identity::client_address::ClientAddress;
use crate::identity::subject;
use crate::input::{Checked, read_values};
use crate::page::made;
use crate::problem::Problem;

/// The page, or one that says why the link opens nothing.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    id: CorrelationId,
    token: Result<TokenInPath, Problem>,
) -> Response {
    let token = match token {
        Ok(token) => token,
        Err(unknown) => return closed(&unknown, &id),
    };
    match token.open(&app).await {
        Ok((_, document)) => {
            let view = SharedView::new(&token, &document);
            made(StatusCode::OK, html::page(&token, &view, &Given::default()))
        }
        Err(problem) => closed(&problem, &id),
    }
}

/// Checks the answers of a browser that runs no script, or none yet: the page once more, with them
/// and what is right.
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    address: Result<ClientAddress, Problem>,
    id: CorrelationId,
    token: Result<TokenInPath, Problem>,
    form: Result<Form, Problem>,
) -> Response {
    let (token, form, ClientAddress(address)) = match (token, form, address) {
        (Ok(token), Ok(form), Ok(address)) => (token, form, address),
        (Err(problem), _, _) | (_, Err(problem), _) | (_, _, Err(problem)) => {
            return closed(&problem, &id);
        }
    };
    let (share, document) = match token.open(&app).await {
        Ok(opened) => opened,
        Err(problem) => return closed(&problem, &id),
    };
    let checked = async {
        let subject = subject::of_address(address);
        app.answer_limit.charge(&subject).await?;
        check(&app, &share, &document, form.sheet().finish()?).await
    };
    let checked = checked.await;
    let view = SharedView::new(&token, &document);
    let mut given = Given {
        name: form.name,
        answers: form.answers,
        ..Given::default()
    };
    match checked {
        Ok(verdict) => {
            given.verdict = Some(verdict);
            made(StatusCode::OK, html::page(&token, &view, &given))
        }
        // What was typed stays, with what is wrong.
        Err(problem) => {
            given.problem = Some(told(&problem, &id));
            let html = html::page(&token, &view, &given);
            with_retry_after(made(problem.status(), html), &problem)
        }
    }
}

/// A page that says why there is nothing.
fn closed(problem: &Problem, id: &CorrelationId) -> Response {
    let html = match problem.status() {
        StatusCode::NOT_FOUND => html::gone(),
        _ => html::not_now(&told(problem, id)),
    };
    with_retry_after(made(problem.status(), html), problem)
}

/// What a student reads of a problem, which is logged.
fn told(problem: &Problem, id: &CorrelationId) -> String {
    correlation::log(problem);
    problem.document(&id.0).detail
}

fn with_retry_after(mut response: Response, problem: &Problem) -> Response {
    if let Some(seconds) = problem.seconds_to_wait() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// What the page's form sends.
#[derive(Debug, Default)]
pub(crate) struct Form {
    name: String,
    /// In the order of the questions.
    answers: Vec<String>,
    /// Fields that the page's form does not have.
    others: Vec<(String, Value)>,
}

impl Form {
    fn of(bytes: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(bytes) {
            match &*name {
                "answer" => form.answers.push(value.into_owned()),
                "name" => form.name = value.into_owned(),
                _ => form
                    .others
                    .push((name.into_owned(), Value::String(value.into_owned()))),
            }
        }
        form
    }

    fn sheet(&self) -> Checked<AnswerSheet> {
        let known = [
            ("name".to_owned(), self.name.clone().into()),
            ("answers".to_owned(), self.answers.clone().into()),
        ];
        read_values(known.into_iter().chain(self.others.clone()))
    }
}

impl FromRequest<Arc<App>> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = body::read(&parts.headers, body, app.config.serve.body_timeout).await?;
        if is_form(&parts.headers) {
            Ok(Self::of(&bytes))
        } else {
            Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be a form, and its Content-Type `application/x-www-form-urlencoded`.",
            ))
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|it| {
        it.trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}
