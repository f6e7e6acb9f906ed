//! Bedrock's ApplyGuardrail, with a guardrail that blocks words and masks addresses of mail:
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html>.

use axum::Json;
use axum::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Error, Exception};
use crate::faults::Kind;

/// The id of the one guardrail there is.
pub const GUARDRAIL_ID: &str = "atelier";

/// Its only version; `DRAFT` is the same.
pub const GUARDRAIL_VERSION: &str = "1";

/// What a text unit holds at most, in characters: <https://aws.amazon.com/bedrock/pricing/>.
const UNIT_CHARACTERS: usize = 1_000;

/// What is said in place of what was blocked.
const BLOCKED: &str = "Sorry, the model cannot answer this question.";

#[derive(Deserialize)]
struct Request {
    source: String,
    content: Vec<Block>,
}

#[derive(Deserialize)]
struct Block {
    text: Option<Text>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

/// What the guardrail says of a text.
pub(super) struct Assessed {
    pub(super) answer: Json<Value>,
    pub(super) intervened: bool,
}

/// The error of an ordered fault, whatever the request is.
pub(super) fn struck(kind: Kind) -> Option<Error> {
    match kind {
        Kind::Throttle => Some(Error::throttled()),
        Kind::Denied => Some(Error::new(
            Exception::AccessDenied,
            "You don't have permission to perform bedrock:ApplyGuardrail on this guardrail.",
        )),
        Kind::Missing | Kind::Retired => Some(missing()),
        _ => None,
    }
}

fn missing() -> Error {
    Error::new(
        Exception::ResourceNotFound,
        "The guardrail identifier or version provided in the request does not exist.",
    )
}

/// Whether there is such a guardrail.
pub(super) fn find(id: &str, version: &str) -> Result<(), Error> {
    let name = id.rsplit_once(":guardrail/").map_or(id, |(_, name)| name);
    let of_an_id = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    if name.is_empty() || !name.bytes().all(of_an_id) {
        return Err(Error::new(
            Exception::Validation,
            "The provided guardrail identifier is invalid.",
        ));
    }
    if name == GUARDRAIL_ID && (version == GUARDRAIL_VERSION || version == "DRAFT") {
        return Ok(());
    }
    Err(missing())
}

/// The text of the request `body`.
fn read(body: &Bytes) -> Result<String, Error> {
    let invalid = |what: &str| Error::new(Exception::Validation, what);
    let request: Request =
        serde_json::from_slice(body).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(request.source.as_str(), "INPUT" | "OUTPUT") {
        return Err(invalid("source must be INPUT or OUTPUT"));
    }
    let texts = request.content.into_iter().filter_map(|block| block.text);
    let texts: Vec<String> = texts.map(|text| text.text).collect();
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(invalid("content must have a text that is not empty"));
    }
    Ok(texts.join("\n"))
}

/// Assesses the text of the request `body`. `words` are blocked; `always` blocks whatever it is.
pub(super) fn assess(body: &Bytes, words: &[String], always: bool) -> Result<Assessed, Error> {
    let text = read(body)?;
    let matched = matched(&text, words);
    let masked = masked(&text);
    let blocked = always || !matched.is_empty();
    let mut assessment = json!({});
    if blocked {
        let word = |word: &&str| json!({"match": word, "action": "BLOCKED", "detected": true});
        let words: Vec<Value> = matched.iter().map(word).collect();
        assessment["wordPolicy"] = json!({"customWords": words, "managedWordLists": []});
    }
    if masked.is_some() {
        let entity = json!({"match": "an address", "type": "EMAIL", "action": "ANONYMIZED", "detected": true});
        assessment["sensitiveInformationPolicy"] = json!({"piiEntities": [entity], "regexes": []});
    }
    let (reason, output) = match masked {
        _ if blocked => ("Guardrail blocked.", Some(BLOCKED.to_owned())),
        Some(masked) => ("Guardrail masked.", Some(masked)),
        None => ("No action.", None),
    };
    let intervened = output.is_some();
    let units = text.chars().count().div_ceil(UNIT_CHARACTERS);
    let outputs: Vec<Value> = output.iter().map(|text| json!({"text": text})).collect();
    let answer = Json(json!({
        "usage": {
            "topicPolicyUnits": 0,
            "contentPolicyUnits": 0,
            "wordPolicyUnits": units,
            "sensitiveInformationPolicyUnits": units,
            "sensitiveInformationPolicyFreeUnits": 0,
            "contextualGroundingPolicyUnits": 0,
        },
        "action": if intervened { "GUARDRAIL_INTERVENED" } else { "NONE" },
        "actionReason": reason,
        "outputs": outputs,
        "assessments": [assessment],
    }));
    Ok(Assessed { answer, intervened })
}

/// The words among `words` that `text` has, as whole words.
fn matched<'a>(text: &str, words: &'a [String]) -> Vec<&'a str> {
    let lower = text.to_lowercase();
    let in_text: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let found = words.iter().filter(|word| in_text.contains(&word.as_str()));
    found.map(String::as_str).collect()
}

/// `text` with its addresses of mail masked, if it has any.
fn masked(text: &str) -> Option<String> {
    let is_address = |word: &str| {
        word.split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
    };
    text.split(' ').any(is_address).then(|| {
        let words = text
            .split(' ')
            .map(|word| if is_address(word) { "{EMAIL}" } else { word });
        words.collect::<Vec<_>>().join(" ")
    })
}
