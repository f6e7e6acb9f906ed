//! The HTML of the page behind a link.

use std::fmt::Write as _;

use atelier_domain::assignment::Status;

use super::preview;
use super::{SharedView, TokenInPath, Verdict};
use crate::page::template;
use crate::view::VariantView;

/// The widest screen that gets a small variant, as in the stylesheet.
const NARROW: &str = "(max-width: 40rem)";

/// The widest variant for such a screen, in pixels.
const NARROW_WIDTH: u32 = 640;

/// What a student sent, and what came of it. By default nothing was sent.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// The name that was typed.
    pub(super) name: String,
    /// The answers that were typed.
    pub(super) answers: Vec<String>,
    /// What is right.
    pub(super) verdict: Option<Verdict>,
    /// Why it was not checked.
    pub(super) problem: Option<String>,
}

/// The page.
pub(super) fn page(token: &TokenInPath, view: &SharedView, given: &Given) -> String {
    let parts = [
        ("title", escape(heading(view))),
        ("picture", picture(view)),
        ("quiz", quiz(token, view, given)),
    ];
    fill(&template("shared.html"), &parts)
}

/// The page of a link that opens nothing.
pub(super) fn gone() -> String {
    closed(
        "This link opens nothing",
        "It may have been ended by your teacher, or not be copied as a whole. Please ask your teacher for a new one.",
    )
}

/// The page of a link that cannot be opened now.
pub(super) fn not_now(words: &str) -> String {
    closed("This link cannot be opened now", words)
}

fn closed(title: &str, words: &str) -> String {
    let parts = [("title", escape(title)), ("words", escape(words))];
    fill(&template("shared-closed.html"), &parts)
}

/// What stands above picture and questions, also where the teacher wrote no title.
fn heading(view: &SharedView) -> &str {
    let untitled = match view.questions.is_empty() {
        true => "Look at the picture",
        false => "Answer the questions",
    };
    view.title.as_deref().unwrap_or(untitled)
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

/// The picture's place; an assignment that never has one has no place for it.
fn picture(view: &SharedView) -> String {
    let alt = escape(&match &view.title {
        Some(title) => format!("The picture of: {title}"),
        None => "The picture of this assignment".to_owned(),
    });
    // A picture that is still made has a square, and stays in it when it turns up: nothing moves.
    let (inside, shape, sized) = match view.status {
        Status::Success => {
            let shape = shape(view.width, view.height);
            (shown(view, &alt), shape, " data-sized")
        }
        Status::Pending => (
            r#"<div class="painting"></div><p class="caption">The picture is being made.</p><noscript><p class="caption">Load this page again to see it.</p></noscript>"#.to_owned(),
            "square",
            "",
        ),
        Status::NoImage => return String::new(),
        Status::Failed | Status::Deleted => {
            return r#"<p class="hint">There is no picture here.</p>"#.to_owned();
        }
    };
    let status = view.status;
    format!(
        r#"<div class="stage" data-shape="{shape}"><div class="picture" id="picture" data-status="{status}"{sized} data-alt="{alt}">{inside}</div><p class="unseen" id="news" role="status"></p></div>"#
    )
}

fn shape(width: u32, height: u32) -> &'static str {
    let ratio = f64::from(width.max(1)) / f64::from(height.max(1));
    match ratio {
        ..0.85 => "tall",
        0.85..1.2 => "square",
        _ => "wide",
    }
}

/// The picture in the sizes that there are, above its preview.
fn shown(view: &SharedView, alt: &str) -> String {
    let SharedView {
        image_url,
        width,
        height,
        variants,
        thumbhash,
        ..
    } = view;
    let preview = thumbhash.as_deref().and_then(preview::data_url);
    let preview = preview.map_or_else(String::new, |url| {
        format!(r#"<img class="preview" src="{url}" alt="">"#)
    });
    let image = |more: &str| {
        format!(r#"<img src="{image_url}"{more} width="{width}" height="{height}" alt="{alt}">"#)
    };
    if variants.is_empty() {
        return preview + &image("");
    }
    let wide = match shape(*width, *height) {
        "wide" => "min(42rem, 55vw)",
        _ => "min(42rem, 55vw, 82vh)",
    };
    let all = sources(variants);
    let image = image(&format!(
        r#" srcset="{all}, {image_url} {width}w" sizes="{wide}""#
    ));
    let small = small(variants);
    format!(
        r#"{preview}<picture><source media="{NARROW}" srcset="{}" sizes="100vw">{image}</picture>"#,
        sources(small)
    )
}

/// What a narrow screen may choose from: nothing above [`NARROW_WIDTH`], as long as there is
/// something. Such a screen often has a slow link and more pixels than a picture needs.
fn small(variants: &[VariantView]) -> &[VariantView] {
    let count = variants.partition_point(|it| it.width <= NARROW_WIDTH);
    &variants[..count.max(1)]
}

fn sources(variants: &[VariantView]) -> String {
    let source = |it: &VariantView| format!("{} {}w", it.url, it.width);
    let all: Vec<_> = variants.iter().map(source).collect();
    all.join(", ")
}

/// The questions, if there are any.
fn quiz(token: &TokenInPath, view: &SharedView, given: &Given) -> String {
    if view.questions.is_empty() {
        return String::new();
    }
    let sent = given.verdict.is_some();
    let shown = |is_shown: bool| if is_shown { "" } else { " hidden" };
    let parts = [
        ("token", token.0.clone()),
        ("sent", if sent { " data-sent" } else { "" }.to_owned()),
        ("questions", questions(&view.questions, given)),
        ("name", escape(&given.name)),
        ("clear", shown(sent).to_owned()),
        ("result", result(given, view.questions.len())),
        ("no-problem", shown(given.problem.is_some()).to_owned()),
        (
            "problem",
            escape(given.problem.as_deref().unwrap_or_default()),
        ),
    ];
    fill(&template("shared-quiz.html"), &parts)
}

fn questions(questions: &[String], given: &Given) -> String {
    let mut items = String::new();
    for (at, question) in questions.iter().enumerate() {
        let question = escape(question);
        let answer = given.answers.get(at).map_or("", String::as_str);
        let verdict = given.verdict.as_ref();
        let verdict = verdict.and_then(|it| it.right.get(at).copied());
        let (words, right) = match (verdict, answer.trim()) {
            (None, _) => ("", None),
            (Some(None), _) => ("Talk about this one in class", None),
            (Some(_), "") => ("Not answered yet", None),
            (Some(Some(true)), _) => ("Right", Some(true)),
            (Some(Some(false)), _) => ("Wrong, try again", Some(false)),
        };
        let invalid = right.map_or_else(String::new, |it| format!(r#" aria-invalid="{}""#, !it));
        let right = right.map_or_else(String::new, |it| format!(r#" data-right="{it}""#));
        let answer = escape(answer);
        let _ = write!(
            items,
            r#"<li><label for="answer-{at}" dir="auto">{question}</label><input id="answer-{at}" name="answer" value="{answer}" maxlength="500" dir="auto" autocomplete="off" spellcheck="false" aria-describedby="verdict-{at}"{invalid}><p class="verdict" id="verdict-{at}"{right}>{words}</p></li>"#
        );
    }
    items
}

fn result(given: &Given, questions: usize) -> String {
    let Some(verdict) = &given.verdict else {
        return String::new();
    };
    let note = match (verdict.kept, given.name.trim()) {
        (true, _) => " Your teacher can see it.",
        (false, "") => "",
        (false, _) => " Your teacher’s list is full, so it was not kept.",
    };
    format!("{} of {questions} right.{note}", verdict.right_count)
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

    fn token() -> TokenInPath {
        TokenInPath("t".repeat(32))
    }

    fn view() -> SharedView {
        SharedView {
            title: None,
            status: Status::Success,
            image_url: "/shared/t/image".to_owned(),
            width: 1024,
            height: 1024,
            variants: Vec::new(),
            thumbhash: None,
            questions: vec!["Which?".to_owned()],
        }
    }

    fn variant(width: u32) -> VariantView {
        VariantView {
            width,
            height: width,
            url: format!("/shared/t/image?width={width}"),
            size_bytes: 1,
        }
    }

    #[test]
    fn what_people_wrote_is_text_and_fills_no_other_place() {
        let view = SharedView {
            title: Some(r#"<script>"&'{{quiz}}"#.to_owned()),
            questions: vec!["<b>{{name}}?".to_owned()],
            ..view()
        };
        let given = Given {
            name: r#""><b>{{problem}}"#.to_owned(),
            answers: vec![r#""><b>{{result}}"#.to_owned()],
            problem: Some("<b>{{title}}".to_owned()),
            ..Given::default()
        };
        let html = page(&token(), &view, &given);
        assert!(
            html.contains(
                "<h1 id=\"title\" dir=\"auto\">&lt;script&gt;&quot;&amp;&#39;{{quiz}}</h1>"
            )
        );
        assert!(html.contains(">&lt;b&gt;{{name}}?</label>"));
        assert!(html.contains("value=\"&quot;&gt;&lt;b&gt;{{result}}\""));
        assert!(html.contains("value=\"&quot;&gt;&lt;b&gt;{{problem}}\""));
        assert!(html.contains(">&lt;b&gt;{{title}}</p>"));
        assert!(!html.contains("<b>") && !html.contains("\"&'"));
    }

    #[test]
    fn a_narrow_screen_gets_no_variant_that_is_larger_than_it_needs() {
        let variants = vec![variant(320), variant(640), variant(960)];
        let html = picture(&SharedView { variants, ..view() });
        let narrow = html.split_once("<source").unwrap().1;
        let (narrow, wide) = narrow.split_once("<img").unwrap();
        assert!(
            narrow.contains("/shared/t/image?width=320 320w, /shared/t/image?width=640 640w\"")
        );
        assert!(wide.contains("image?width=960 960w, /shared/t/image 1024w\""));
        let variants = vec![variant(800)];
        let html = picture(&SharedView { variants, ..view() });
        assert!(html.contains("srcset=\"/shared/t/image?width=800 800w\" sizes=\"100vw\""));
        let html = picture(&view());
        assert!(!html.contains("srcset") && html.contains("width=\"1024\" height=\"1024\""));
    }

    #[test]
    fn what_an_assignment_does_not_have_takes_no_place() {
        let questions_only = SharedView {
            status: Status::NoImage,
            ..view()
        };
        let html = page(&token(), &questions_only, &Given::default());
        assert!(!html.contains("class=\"stage\"") && html.contains("<form"));
        let picture_only = SharedView {
            questions: Vec::new(),
            ..view()
        };
        let html = page(&token(), &picture_only, &Given::default());
        assert!(html.contains("class=\"stage\"") && !html.contains("<form"));
        assert!(html.contains("<h1 id=\"title\" dir=\"auto\">Look at the picture</h1>"));
    }

    #[test]
    fn what_was_checked_is_said_beside_each_answer() {
        let view = SharedView {
            questions: ["A?", "B?", "C?", "D?"].map(str::to_owned).to_vec(),
            ..view()
        };
        let given = Given {
            name: "Ada".to_owned(),
            answers: ["one", "two", " "].map(str::to_owned).to_vec(),
            verdict: Some(Verdict {
                right: vec![Some(true), Some(false), Some(false), None],
                right_count: 1,
                kept: true,
            }),
            problem: None,
        };
        let html = page(&token(), &view, &given);
        for words in [
            "data-right=\"true\">Right<",
            "data-right=\"false\">Wrong, try again<",
            "id=\"verdict-2\">Not answered yet<",
            "id=\"verdict-3\">Talk about this one in class<",
            "1 of 4 right. Your teacher can see it.",
        ] {
            assert!(html.contains(words), "{words}");
        }
    }
}
