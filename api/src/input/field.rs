//! The types of fields: each says how it is read, with which limits, and how that is described.

use atelier_domain::assignment::{MAX_ID_CHARACTERS, Status, is_valid_id};
use atelier_domain::audit::Action;
use atelier_domain::dead_letter::Cause;
use atelier_domain::label::{MAX_ENCODED_TEACHER_ID_BYTES, encode_teacher_id};
use atelier_domain::questions::MAX_QUESTIONS;
use atelier_domain::share::{MAX_ANSWER_CHARACTERS, MAX_ANSWERS_BYTES};
use atelier_domain::timestamp::Timestamp;
use atelier_store::Position;
use serde_json::Value;
use utoipa::openapi::KnownFormat;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, SchemaType, Type};

use crate::cursor;
use crate::problem::FieldFault;

/// What an id looks like, as a regular expression.
const ID_PATTERN: &str = "^[A-Za-z0-9_-]{1,64}$";

/// The type of a field.
pub(crate) trait Field: Sized {
    /// Its description in the OpenAPI document.
    fn schema() -> ObjectBuilder;

    /// Reads a value that is not `null`.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(value: Value) -> Result<Self, Fault>;
}

/// What is wrong with a value, in words that follow the field's name.
#[derive(Debug)]
pub(crate) struct Fault {
    words: String,
    limit: Option<u64>,
}

impl Fault {
    fn new(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            limit: None,
        }
    }

    fn beyond(limit: u64, words: impl Into<String>) -> Self {
        Self {
            limit: Some(limit),
            ..Self::new(words)
        }
    }

    /// The fault of `field`.
    pub(crate) fn of(self, field: &str) -> FieldFault {
        FieldFault {
            field: field.to_owned(),
            detail: format!("`{field}` {}", self.words),
            limit: self.limit,
        }
    }
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// The same value, or `null`.
pub(crate) fn or_null(object: ObjectBuilder) -> ObjectBuilder {
    let built = object.build();
    let kind = match built.schema_type.clone() {
        SchemaType::Type(kind) => SchemaType::Array(vec![kind, Type::Null]),
        kind => kind,
    };
    ObjectBuilder::from(built).schema_type(kind)
}

fn text(value: Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Fault::new("must be a string.")),
    }
}

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

/// A JSON text.
#[derive(Debug)]
pub(crate) struct JsonText(pub(crate) String);

impl Field for JsonText {
    fn schema() -> ObjectBuilder {
        string()
            .content_media_type("application/json")
            .examples([serde_json::json!(
                r#"[{"question":"Which animal is it?","answer":"a fox"}]"#
            )])
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let text = text(value)?;
        serde_json::from_str::<serde::de::IgnoredAny>(&text)
            .map_err(|_| Fault::new("must be a JSON text."))?;
        Ok(Self(text))
    }
}

impl Field for bool {
    fn schema() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(Type::Boolean)
    }

    fn read(value: Value) -> Result<Self, Fault> {
        value
            .as_bool()
            .ok_or_else(|| Fault::new("must be true or false."))
    }
}

/// A whole number from `MIN` to `MAX` in a query.
#[derive(Debug)]
pub(crate) struct Number<const MIN: u32, const MAX: u32>(pub(crate) u32);

impl<const MIN: u32, const MAX: u32> Field for Number<MIN, MAX> {
    fn schema() -> ObjectBuilder {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(MIN))
            .maximum(Some(MAX))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        text(value)?
            .parse()
            .ok()
            .filter(|number| (MIN..=MAX).contains(number))
            .map(Self)
            .ok_or_else(|| {
                let words = format!("must be a whole number from {MIN} to {MAX}.");
                Fault::beyond(MAX.into(), words)
            })
    }
}

fn id_fault() -> Fault {
    let words = "must have 1 to 64 characters of A-Z, a-z, 0-9, `_` and `-`.";
    Fault::beyond(MAX_ID_CHARACTERS as u64, words)
}

/// The id of an assignment.
#[derive(Debug)]
pub(crate) struct Id(pub(crate) String);

impl Field for Id {
    fn schema() -> ObjectBuilder {
        string().pattern(Some(ID_PATTERN))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let id = text(value)?;
        if is_valid_id(&id) {
            Ok(Self(id))
        } else {
            Err(id_fault())
        }
    }
}

/// 1 to `MAX` different ids, separated by commas.
#[derive(Debug)]
pub(crate) struct Ids<const MAX: usize>(pub(crate) Vec<String>);

impl<const MAX: usize> Field for Ids<MAX> {
    fn schema() -> ObjectBuilder {
        let one = "[A-Za-z0-9_-]{1,64}";
        string().pattern(Some(format!("^{one}(,{one}){{0,{}}}$", MAX - 1)))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let mut ids: Vec<String> = text(value)?.split(',').map(str::to_owned).collect();
        ids.sort();
        ids.dedup();
        if !ids.iter().all(|id| is_valid_id(id)) {
            return Err(id_fault());
        }
        if ids.len() > MAX {
            let words = format!("must name at most {MAX} assignments, not {}.", ids.len());
            return Err(Fault::beyond(MAX as u64, words));
        }
        Ok(Self(ids))
    }
}

/// The statuses that a list can be filtered by; deleted assignments are in no list.
const LISTED: [Status; 4] = [
    Status::Pending,
    Status::Success,
    Status::Failed,
    Status::NoImage,
];

/// A status to filter by.
#[derive(Debug)]
pub(crate) struct ListedStatus(pub(crate) Status);

impl Field for ListedStatus {
    fn schema() -> ObjectBuilder {
        string().enum_values(Some(LISTED.map(Status::as_str)))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let word = text(value)?;
        let status = LISTED.into_iter().find(|status| status.as_str() == word);
        status.map(Self).ok_or_else(|| {
            let words = LISTED.map(Status::as_str).join(", ");
            Fault::new(format!("must be one of {words}."))
        })
    }
}

/// An action to filter the audit log by.
#[derive(Debug)]
pub(crate) struct AuditedAction(pub(crate) Action);

impl Field for AuditedAction {
    fn schema() -> ObjectBuilder {
        string().enum_values(Some(Action::ALL.map(Action::as_str)))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        Action::parse(&text(value)?).map(Self).ok_or_else(|| {
            let words = Action::ALL.map(Action::as_str).join(", ");
            Fault::new(format!("must be one of {words}."))
        })
    }
}

/// A point in time, as RFC 3339 writes it.
#[derive(Debug)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Field for Time {
    fn schema() -> ObjectBuilder {
        string()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples([serde_json::json!("2026-11-29T18:00:00Z")])
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let time = Timestamp::from_rfc3339(&text(value)?);
        time.map(Self)
            .ok_or_else(|| Fault::new("must be a time as in 2026-11-29T18:00:00Z (RFC 3339)."))
    }
}

/// A cause of dead letters.
#[derive(Debug)]
pub(crate) struct DeadLetterCause(pub(crate) Cause);

impl Field for DeadLetterCause {
    fn schema() -> ObjectBuilder {
        string().enum_values(Some(Cause::ALL.map(Cause::code)))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let word = text(value)?;
        let cause = Cause::ALL.into_iter().find(|cause| cause.code() == word);
        cause.map(Self).ok_or_else(|| {
            let words = Cause::ALL.map(Cause::code).join(", ");
            Fault::new(format!("must be one of {words}."))
        })
    }
}

/// Where a page of a list begins.
#[derive(Debug)]
pub(crate) struct Cursor(pub(crate) Position);

impl Field for Cursor {
    fn schema() -> ObjectBuilder {
        string()
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let position = cursor::read(&text(value)?);
        position
            .map(Self)
            .ok_or_else(|| Fault::new("must be the `next` of an earlier page."))
    }
}

/// A whole number from `MIN` to `MAX` in a body.
#[derive(Debug)]
pub(crate) struct Whole<const MIN: u32, const MAX: u32>(pub(crate) u32);

impl<const MIN: u32, const MAX: u32> Field for Whole<MIN, MAX> {
    fn schema() -> ObjectBuilder {
        Number::<MIN, MAX>::schema()
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let number = value.as_u64().and_then(|it| u32::try_from(it).ok());
        number
            .filter(|it| (MIN..=MAX).contains(it))
            .map(Self)
            .ok_or_else(|| {
                let words = format!("must be a whole number from {MIN} to {MAX}.");
                Fault::beyond(MAX.into(), words)
            })
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
