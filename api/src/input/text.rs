//! Texts, and what is made of texts.

use atelier_domain::label::{MAX_ENCODED_TEACHER_ID_BYTES, encode_teacher_id};
use atelier_domain::questions::MAX_QUESTIONS;
use atelier_domain::share::{MAX_ANSWER_CHARACTERS, MAX_ANSWERS_BYTES};
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::field::{Fault, Field, string, text};

/// The longest id of a teacher, in characters.
const MAX_TEACHER_ID: usize = 256;

/// A teacher's id, which the picture's metadata must have room for in any script.
#[derive(Debug)]
pub(crate) struct TeacherId(pub(crate) String);

impl Field for TeacherId {
    fn schema() -> ObjectBuilder {
        string()
            .min_length(Some(1))
            .max_length(Some(MAX_TEACHER_ID))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let id = text(value)?;
        let length = id.chars().count();
        if !(1..=MAX_TEACHER_ID).contains(&length) {
            let limit = if length == 0 { 1 } else { MAX_TEACHER_ID };
            let words = format!("must have 1 to {MAX_TEACHER_ID} characters, not {length}.");
            return Err(Fault::beyond(limit as u64, words));
        }
        let bytes = encode_teacher_id(&id).len();
        if bytes > MAX_ENCODED_TEACHER_ID_BYTES {
            let words = format!(
                "must have at most {MAX_ENCODED_TEACHER_ID_BYTES} bytes percent-encoded, not {bytes}."
            );
            return Err(Fault::beyond(MAX_ENCODED_TEACHER_ID_BYTES as u64, words));
        }
        Ok(Self(id))
    }
}

/// A text of at most `MAX` characters after trimming. One that shows nothing is read as empty.
#[derive(Debug)]
pub(crate) struct Trimmed<const MAX: usize>(pub(crate) String);

impl<const MAX: usize> Field for Trimmed<MAX> {
    fn schema() -> ObjectBuilder {
        string().max_length(Some(MAX))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let text = text(value)?;
        let trimmed = text.trim();
        let length = trimmed.chars().count();
        if length > MAX {
            let words = format!("must have at most {MAX} characters, not {length}.");
            return Err(Fault::beyond(MAX as u64, words));
        }
        let shown = trimmed.chars().any(is_visible);
        Ok(Self(if shown {
            trimmed.to_owned()
        } else {
            String::new()
        }))
    }
}

/// As [`Trimmed`], but it must show something.
#[derive(Debug)]
pub(crate) struct Shown<const MAX: usize>(pub(crate) String);

impl<const MAX: usize> Field for Shown<MAX> {
    fn schema() -> ObjectBuilder {
        string().min_length(Some(1)).max_length(Some(MAX))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let Trimmed(text) = Trimmed::<MAX>::read(value)?;
        if text.is_empty() {
            let words = format!("must have 1 to {MAX} characters after trimming, or be left out.");
            return Err(Fault::beyond(1, words));
        }
        Ok(Self(text))
    }
}

/// Whether a character shows anything: no white space, control, or character that Unicode tells
/// renderers to ignore (Default_Ignorable_Code_Point), and no blank Braille pattern.
fn is_visible(character: char) -> bool {
    use icu_properties::CodePointSetData;
    use icu_properties::props::DefaultIgnorableCodePoint;
    let ignored = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character);
    !ignored && !character.is_whitespace() && !character.is_control() && character != '\u{2800}'
}

/// Questions and answers as the document holds them: a JSON text.
#[derive(Debug)]
pub(crate) struct QuestionAnswers(pub(crate) String);

impl QuestionAnswers {
    /// Whether there is anything in it.
    pub(crate) fn has_some(&self) -> bool {
        match serde_json::from_str(&self.0) {
            Ok(Value::Null) => false,
            Ok(Value::String(text)) => !text.trim().is_empty(),
            Ok(Value::Array(entries)) => !entries.is_empty(),
            Ok(Value::Object(fields)) => !fields.is_empty(),
            // What is nested too deeply for us is something.
            Ok(Value::Bool(_) | Value::Number(_)) | Err(_) => true,
        }
    }
}

impl Field for QuestionAnswers {
    fn schema() -> ObjectBuilder {
        let entry = serde_json::json!({"question": "Which animal is it?", "answer": "a fox"});
        // utoipa's builder of objects has no word for these.
        let of_lists = [("items", serde_json::json!({}))];
        ObjectBuilder::new()
            .schema_type(SchemaType::Array(vec![Type::Array, Type::String]))
            .extensions(Some(of_lists.into_iter().collect()))
            .examples([serde_json::json!([entry])])
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let text = match value {
            list @ Value::Array(_) => list.to_string(),
            Value::String(text) => text,
            _ => return Err(Fault::new("must be a list, or a JSON text.")),
        };
        serde_json::from_str::<serde::de::IgnoredAny>(&text)
            .map_err(|_| Fault::new("must be a list, or a JSON text."))?;
        Ok(Self(text))
    }
}

/// A student's answers, in the order of the questions; `null` is an answer that is not given.
#[derive(Debug)]
pub(crate) struct Answers(pub(crate) Vec<String>);

impl Field for Answers {
    fn schema() -> ObjectBuilder {
        // utoipa's builder of objects has no word for these.
        let items = serde_json::json!({
            "type": ["string", "null"], "maxLength": MAX_ANSWER_CHARACTERS,
        });
        let of_lists = [("items", items), ("maxItems", MAX_QUESTIONS.into())];
        ObjectBuilder::new()
            .schema_type(Type::Array)
            .examples([serde_json::json!(["a fox", "Jupiter"])])
            .extensions(Some(of_lists.into_iter().collect()))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let Value::Array(entries) = value else {
            return Err(Fault::new("must be a list of strings."));
        };
        if entries.len() > MAX_QUESTIONS {
            let words = format!(
                "must have at most {MAX_QUESTIONS} answers, not {}.",
                entries.len()
            );
            return Err(Fault::beyond(MAX_QUESTIONS as u64, words));
        }
        let answer = |entry| match entry {
            Value::Null => Ok(String::new()),
            Value::String(answer) if answer.chars().count() > MAX_ANSWER_CHARACTERS => {
                let words =
                    format!("must have answers of at most {MAX_ANSWER_CHARACTERS} characters.");
                Err(Fault::beyond(MAX_ANSWER_CHARACTERS as u64, words))
            }
            Value::String(answer) => Ok(answer),
            _ => Err(Fault::new("must be a list of strings.")),
        };
        let answers: Vec<String> = entries.into_iter().map(answer).collect::<Result<_, _>>()?;
        let bytes: usize = answers.iter().map(String::len).sum();
        if bytes > MAX_ANSWERS_BYTES {
            let words =
                format!("must have at most {MAX_ANSWERS_BYTES} bytes together, not {bytes}.");
            return Err(Fault::beyond(MAX_ANSWERS_BYTES as u64, words));
        }
        Ok(Self(answers))
    }
}
