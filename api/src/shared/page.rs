//! The page behind a link. It is made here, so that it can be read without JavaScript; nothing in it
//! leads anywhere else.

use std::fmt::Write as _;
use std::sync::Arc;

use atelier_domain::assignment::Status;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use super::{SharedView, TokenInPath};
use crate::app::App;
use crate::page::{made, template};
use crate::problem::Problem;

/// What stands above the questions where the teacher wrote no title.
const UNTITLED: &str = "Answer the questions";

/// The page, or one that says that the link opens nothing.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    token: Result<TokenInPath, Problem>,
) -> Response {
    let opened = match token {
        Ok(token) => token
            .open(&app)
            .await
            .map(|(_, document)| SharedView::new(&token, &document)),
        Err(unknown) => Err(unknown),
    };
    match opened {
        Ok(view) => made(StatusCode::OK, html(&view)),
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => {
            made(StatusCode::NOT_FOUND, template("shared-gone.html"))
        }
        Err(problem) => problem.into_response(),
    }
}

fn html(view: &SharedView) -> String {
    let title = escape(view.title.as_deref().unwrap_or(UNTITLED));
    let parts = [
        ("title", title.clone()),
        ("picture", picture(view, &title)),
        ("questions", questions(&view.questions)),
    ];
    fill(&template("shared.html"), &parts)
}

/// Puts each part into its place, `{{name}}`; what a part contains is not looked at again.
fn fill(template: &str, parts: &[(&str, String)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, name, after)) = next_place(rest) {
        filled.push_str(before);
        let part = parts.iter().find(|(it, _)| *it == name);
        filled.push_str(part.map_or("", |(_, text)| text));
        rest = after;
    }
    filled + rest
}

fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name, after))
}

fn picture(view: &SharedView, title: &str) -> String {
    let SharedView {
        image_url,
        width,
        height,
        ..
    } = view;
    let inside = match view.status {
        Status::Success => format!(
            r#"<img src="{image_url}" width="{width}" height="{height}" alt="The picture of: {title}">"#
        ),
        Status::Pending => {
            r#"<div class="painting"></div><p class="caption">The picture is being made.</p>"#
                .into()
        }
        _ => r#"<p class="caption">There is no picture here.</p>"#.into(),
    };
    let status = view.status;
    format!(r#"<div class="picture" id="picture" data-status="{status}">{inside}</div>"#)
}

fn questions(questions: &[String]) -> String {
    let mut items = String::new();
    for (at, question) in questions.iter().enumerate() {
        let question = escape(question);
        let _ = write!(
            items,
            r#"<li><label for="answer-{at}">{question}</label><input id="answer-{at}" maxlength="500" autocomplete="off" spellcheck="false" aria-describedby="verdict-{at}"><p class="verdict" id="verdict-{at}"></p></li>"#
        );
    }
    items
}

/// `text` as text of HTML, also between quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            it => escaped.push(it),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_text_and_fills_no_other_place() {
        let view = SharedView {
            title: Some(r#"<script>"&'{{questions}}"#.to_owned()),
            status: Status::Success,
            image_url: "/shared/t/image".to_owned(),
            width: 8,
            height: 8,
            variants: Vec::new(),
            thumbhash: None,
            questions: vec!["<b>{{title}}?".to_owned()],
        };
        let html = html(&view);
        assert!(html.contains("<h1 id=\"title\">&lt;script&gt;&quot;&amp;&#39;{{questions}}</h1>"));
        assert!(html.contains(">&lt;b&gt;{{title}}?</label>"));
        assert!(!html.contains("<b>") && !html.contains("\"&'"));
    }
}
