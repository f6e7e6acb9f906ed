//! The bodies of requests: create, retry, keep.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use atelier_domain::assignment::Assignment;
use atelier_proofs::bad_bytes::{Target, mutated};
use axum::body::Body;
use futures_util::future::try_join_all;
use http::{Method, Request, StatusCode};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::service::{Answer, Api};

const TARGET: Target = Target {
    name: "request body",
    short_run: 2_400,
    batch: 16,
};

const MAX_BODY: usize = 1 << 20;

/// An assignment that is there and has no picture.
const PRESENT: &str = "present";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Create,
    Retry,
    Keep,
}

#[derive(Clone, Debug)]
struct Sent {
    call: Call,
    media_type: Option<&'static str>,
    correlation_id: Option<String>,
    body: Vec<u8>,
}

impl Sent {
    fn request(&self) -> anyhow::Result<Request<Body>> {
        let (method, path) = match self.call {
            Call::Create => (Method::POST, "/assignments".to_owned()),
            Call::Retry => (Method::POST, format!("/assignments/{PRESENT}/retry")),
            Call::Keep => (Method::PATCH, format!("/assignments/{PRESENT}")),
        };
        let mut request = Request::builder().method(method).uri(path);
        if let Some(media_type) = self.media_type {
            request = request.header("content-type", media_type);
        }
        if let Some(id) = &self.correlation_id {
            request = request.header("x-correlation-id", id);
        }
        Ok(request.body(Body::from(self.body.clone()))?)
    }

    fn is_json(&self) -> bool {
        self.media_type
            .is_some_and(|media_type| media_type.to_lowercase().starts_with("application/json"))
    }

    /// The fields that must be told as faults, or what is to be done.
    fn checked(&self) -> Result<Map<String, Value>, BTreeSet<String>> {
        let of_body = || BTreeSet::from(["body".to_owned()]);
        if self.call == Call::Retry && matches!(self.body.trim_ascii(), b"" | b"null") {
            return Ok(Map::new());
        }
        // A byte order mark is ignored.
        let text = self
            .body
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(&self.body);
        let (Ok(Value::Object(mut fields)), Ok(Names(names))) =
            (serde_json::from_slice(text), serde_json::from_slice(text))
        else {
            return Err(of_body());
        };
        let twice = |name: &&String| names.iter().filter(|other| other == name).count() > 1;
        let twice: Vec<String> = names.iter().filter(twice).cloned().collect();
        fields.retain(|name, value| !value.is_null() || !self.knows(name));
        let mut faults: BTreeSet<String> = fields
            .iter()
            .filter(|(name, value)| !self.takes(name, value))
            // Names of any length are told shortened.
            .map(|(name, _)| name)
            .chain(&twice)
            .map(|name| name.chars().take(64).collect())
            .collect();
        if faults.is_empty() {
            faults.extend(self.lacks(&fields).map(str::to_owned));
        }
        if faults.is_empty() {
            Ok(fields)
        } else {
            Err(faults)
        }
    }

    /// The field that is named where a body has nothing to do in it.
    fn lacks(&self, fields: &Map<String, Value>) -> Option<&'static str> {
        let questions = fields.get("question_answers");
        match self.call {
            Call::Create if fields.contains_key("prompt") => None,
            Call::Create => (!questions.is_some_and(has_some)).then_some("prompt"),
            Call::Retry => None,
            Call::Keep if fields.contains_key("permanent") => None,
            Call::Keep => questions.is_none().then_some("permanent"),
        }
    }

    fn knows(&self, field: &str) -> bool {
        match self.call {
            Call::Create => [
                "prompt",
                "title",
                "teacher_id",
                "question_answers",
                "assignment_id",
                "permanent",
                "fresh",
            ]
            .contains(&field),
            Call::Retry => field == "prompt",
            Call::Keep => ["permanent", "question_answers"].contains(&field),
        }
    }

    fn takes(&self, field: &str, value: &Value) -> bool {
        let text = value.as_str();
        let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let length = |text: &str| text.chars().count();
        self.knows(field)
            && match field {
                "prompt" => text.is_some_and(|text| {
                    let least = usize::from(self.call == Call::Retry);
                    let length = length(text.trim());
                    length <= 1024 && (least == 0 || shows_something(text))
                }),
                "title" => {
                    text.is_some_and(|text| length(text.trim()) <= 120 && shows_something(text))
                }
                "teacher_id" => text.is_some_and(|text| {
                    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
                    let encoded = |byte: u8| if plain(&byte) { 1 } else { 3 };
                    (1..=256).contains(&length(text))
                        && text.bytes().map(encoded).sum::<usize>() <= 1024
                }),
                "question_answers" => {
                    value.is_array()
                        || text.is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
                }
                "assignment_id" => text.is_some_and(|text| {
                    (1..=64).contains(&length(text)) && text.chars().all(known)
                }),
                _ => value.is_boolean(),
            }
    }
}

/// Whether a list of questions, or the JSON text of one, has anything in it.
fn has_some(questions: &Value) -> bool {
    let read = questions.as_str().map(serde_json::from_str::<Value>);
    match read.unwrap_or_else(|| Ok(questions.clone())) {
        Ok(Value::Null) => false,
        Ok(Value::String(text)) => !text.trim().is_empty(),
        Ok(Value::Array(list)) => !list.is_empty(),
        Ok(Value::Object(fields)) => !fields.is_empty(),
        Ok(Value::Bool(_) | Value::Number(_)) | Err(_) => true,
    }
}

/// The names in a JSON object, each as often as it stands there.
struct Names(Vec<String>);

impl<'de> serde::Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Names;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        from.deserialize_map(Members)
    }
}

/// Whether a text has a character that is drawn: no white space, no control, none that Unicode's
/// DerivedCoreProperties.txt lists as Default_Ignorable_Code_Point, and no blank Braille pattern.
fn shows_something(text: &str) -> bool {
    text.chars().any(|c| {
        !c.is_whitespace()
            && !c.is_control()
            && !matches!(c,
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
    })
}

/// Texts around the lengths that matter, of characters of one, two and four bytes.
fn long_text() -> impl Strategy<Value = String> {
    let lengths = select(vec![
        0_usize, 1, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025,
    ]);
    let pieces = select(vec![
        "a",
        " ",
        "\u{e4}",
        "\u{1f98a}",
        "\0",
        "\u{2003}",
        "\u{202e}",
    ]);
    (pieces, lengths).prop_map(|(piece, length)| piece.repeat(length))
}

fn json_text() -> impl Strategy<Value = String> {
    let deep = (120..140_usize).prop_map(|levels| "[".repeat(levels) + &"]".repeat(levels));
    let edges = select(vec![
        "1e999",
        "[1e999]",
        "-0",
        "\"\\ud800\"",
        "",
        "NaN",
        "[1,]",
        "0001",
    ]);
    prop_oneof![
        3 => vec(("[a-z ]{0,12}", any::<i32>()), 0..3)
            .prop_map(|pairs| json!(pairs).to_string()),
        1 => deep,
        1 => edges.prop_map(str::to_owned),
    ]
}

/// A value of the wrong kind, now and then.
fn value(right: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Option<Value>> {
    let wrong = select(vec![
        json!(null),
        json!(1),
        json!(-1.5),
        json!("yes"),
        json!([]),
        json!({}),
    ]);
    weighted(0.6, prop_oneof![12 => right, 1 => wrong])
}

/// A body that knows the fields.
fn composed() -> impl Strategy<Value = Vec<u8>> {
    let text = || prop_oneof![2 => ".{1,40}", 1 => long_text()].prop_map(Value::from);
    let id = prop_oneof![
        3 => "[A-Za-z0-9_-]{1,64}",
        2 => select(vec!["a-1".to_owned(), "b_2".to_owned()]),
        1 => ".{0,66}",
    ];
    let unknown = weighted(0.1, (".{0,80}", any::<i32>().prop_map(Value::from)));
    let fields = (
        value(text()),
        value(text()),
        value(json_text().prop_map(Value::from)),
        value(id.prop_map(Value::from)),
        value(any::<bool>().prop_map(Value::from)),
        value(any::<bool>().prop_map(Value::from)),
        unknown,
    );
    fields.prop_map(
        |(prompt, teacher, answers, id, permanent, fresh, unknown)| {
            let known = [
                ("prompt", prompt),
                ("teacher_id", teacher),
                ("question_answers", answers),
                ("assignment_id", id),
                ("permanent", permanent),
                ("fresh", fresh),
            ];
            let known = known
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)));
            let body: Map<String, Value> = known.chain(unknown).collect();
            Value::Object(body).to_string().into()
        },
    )
}

/// Bodies as the page and the portal send them.
fn corpus() -> Vec<String> {
    let real = [
        json!({"prompt": "a fox in the snow"}),
        json!({"prompt": "  Füchse \u{1f98a}\n", "teacher_id": "Ms. Frizzle", "permanent": true}),
        json!({
            "prompt": "the solar system", "teacher_id": "t-1", "fresh": true,
            "question_answers": "[{\"question\":\"How many planets?\",\"answer\":\"eight\"}]",
            "assignment_id": "lesson-7_planets",
        }),
        json!({"prompt": "the sea", "title": " Das Meer ", "question_answers": "[[\"Wie tief?\", [\"11 km\", \"11000 m\"]]]"}),
        json!({"question_answers": "[]", "prompt": "", "assignment_id": "0196f3a2-77aa-7bbb-8ccc-123456789abc"}),
        json!({"question_answers": [{"question": "What is a moat?", "answer": ["a ditch"]}]}),
        json!({"prompt": "\u{e4}".repeat(1024), "teacher_id": "t".repeat(256)}),
        json!({"prompt": "a pond", "teacher_id": "\u{5e08}".repeat(113)}),
        json!({"permanent": false}),
        json!({"prompt": null, "fresh": null}),
        json!({}),
    ];
    real.iter().map(Value::to_string).collect()
}

fn sent() -> impl Strategy<Value = Sent> {
    let media_type = prop_oneof![
        20 => Just(Some("application/json")),
        1 => Just(Some("Application/JSON; charset=utf-8")),
        1 => select(vec![None, Some("text/plain"), Some("application/xml"), Some(";")]),
    ];
    // Whole, but for what is around it.
    let large = (MAX_BODY - 2..MAX_BODY + 3).prop_map(|length| {
        let mut body = vec![b' '; length];
        body[..2].copy_from_slice(b"{}");
        body
    });
    let create = prop_oneof![300 => mutated(corpus()), 300 => composed(), 1 => large];
    let another = [
        "",
        "null",
        r#"{"prompt":"a fox at night"}"#,
        r#"{"prompt":null}"#,
    ];
    let keep = [
        r#"{"permanent":true}"#,
        r#"{"permanent":false}"#,
        r#"{"question_answers":["What?"]}"#,
    ];
    let what = prop_oneof![
        8 => create.prop_map(|body| (Call::Create, body)),
        1 => mutated(another).prop_map(|body| (Call::Retry, body)),
        1 => mutated(keep).prop_map(|body| (Call::Keep, body)),
    ];
    (what, media_type, weighted(0.1, "[ -~]{0,70}")).prop_map(
        |((call, body), media_type, correlation_id)| Sent {
            call,
            media_type,
            correlation_id,
            body,
        },
    )
}

/// Whether a document says what was sent. Posted again, the JSON may be written in another way.
fn says(document: &Assignment, fields: &Map<String, Value>) -> bool {
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let flag = |field: &str| {
        fields
            .get(field)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    };
    let parsed = |text: Option<&str>| serde_json::from_str::<Value>(text?).ok();
    let written = fields.get("question_answers").filter(|it| it.is_array());
    let written = written.map(Value::to_string);
    let wanted = written.as_deref().or(text("question_answers"));
    let answers = document.question_answers.as_deref();
    let prompt = text("prompt").filter(|text| shows_something(text));
    document.prompt == prompt.unwrap_or_default().trim()
        && document.title.as_deref() == text("title").map(str::trim)
        && document.teacher_id.as_deref() == text("teacher_id")
        && document.permanent == flag("permanent")
        && document.fresh == flag("fresh")
        && (answers == wanted || parsed(answers).is_some_and(|it| Some(it) == parsed(wanted)))
}

async fn document(api: &Api, id: &str) -> anyhow::Result<Assignment> {
    api.store
        .get(id)
        .await?
        .context("the document is not stored")
}

async fn check_done(api: &Api, sent: &Sent, answer: &Answer) -> anyhow::Result<&'static str> {
    let fields = match sent.checked() {
        Ok(fields) => fields,
        Err(faults) => anyhow::bail!("taken in spite of {faults:?}"),
    };
    if sent.call == Call::Keep {
        ensure!(answer.status == StatusCode::OK);
        return Ok("kept");
    }
    let id = answer.body["assignment_id"].as_str().context("no id")?;
    ensure!(answer.headers["location"] == format!("/assignments/{id}").as_str());
    ensure!(
        fields
            .get("assignment_id")
            .is_none_or(|wanted| wanted == id)
    );
    let document = document(api, id).await?;
    ensure!(
        says(&document, &fields),
        "it says something else: {document:?}"
    );
    ensure!(
        answer.body["prompt"] == document.prompt,
        "the view says another prompt"
    );
    let status = if document.prompt.is_empty() {
        StatusCode::CREATED
    } else {
        StatusCode::ACCEPTED
    };
    ensure!(answer.status == status, "not {status}");
    Ok("created")
}

async fn check_refused(api: &Api, sent: &Sent, answer: &Answer) -> anyhow::Result<&'static str> {
    let told = answer.faults()?;
    let checked = sent.checked();
    match answer.status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ensure!(!sent.is_json());
            Ok("of another media type")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            ensure!(sent.body.len() > MAX_BODY && told == ["body"]);
            Ok("too large")
        }
        StatusCode::BAD_REQUEST => {
            let faults = checked.err().context("nothing is wrong with it")?;
            ensure!(told.iter().eq(&faults), "these are wrong: {faults:?}");
            Ok("refused")
        }
        StatusCode::CONFLICT => {
            let fields = checked.ok().context("something is wrong with it")?;
            match (
                sent.call,
                fields.get("assignment_id").and_then(Value::as_str),
            ) {
                (Call::Create, Some(id)) => {
                    let document = document(api, id).await?;
                    ensure!(!says(&document, &fields), "it says the same: {document:?}");
                    ensure!(told == ["assignment_id"]);
                }
                (Call::Create, None) => anyhow::bail!("a new id is taken"),
                // Never failed, so it cannot be retried; or others keep it at this moment.
                (Call::Retry | Call::Keep, _) => {}
            }
            Ok("in conflict")
        }
        other => anyhow::bail!("refused with {other}"),
    }
}

async fn check(api: &Api, sent: &Sent) -> anyhow::Result<&'static str> {
    let answer = api.ask(sent.request()?).await?;
    let outcome = if answer.status.is_success() {
        check_done(api, sent, &answer).await
    } else {
        check_refused(api, sent, &answer).await
    };
    outcome.with_context(|| {
        let body = String::from_utf8_lossy(&sent.body);
        format!(
            "{:?} {body:?}: {} {}",
            sent.call, answer.status, answer.body
        )
    })
}

#[test]
fn a_request_is_done_or_refused_with_everything_that_is_wrong() {
    let api = Api::start().unwrap();
    let create = json!({"assignment_id": PRESENT, "prompt": ""})
        .to_string()
        .into();
    let present = Sent {
        call: Call::Create,
        media_type: Some("application/json"),
        correlation_id: None,
        body: create,
    };
    api.runtime.block_on(check(&api, &present)).unwrap();
    TARGET.hold(&vec(sent(), TARGET.batch as usize), |all| {
        let checks = all.iter().map(|sent| check(&api, sent));
        let outcomes = api.runtime.block_on(try_join_all(checks));
        outcomes.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
}
