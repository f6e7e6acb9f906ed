//! The types of fields: each says how it is read, with which limits, and how that is described.

use std::collections::HashSet;
use std::time::Duration;

use atelier_domain::assignment::{MAX_ID_CHARACTERS, Status, is_valid_id};
use atelier_domain::audit::Action;
use atelier_domain::dead_letter::Cause;
use atelier_domain::label::{MAX_ENCODED_TEACHER_ID_BYTES, encode_teacher_id};
use atelier_domain::questions::MAX_QUESTIONS;
use atelier_domain::search::Search;
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
    inner: Vec<FieldFault>,
}

impl Fault {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            limit: None,
            inner: Vec::new(),
        }
    }

    fn beyond(limit: u64, words: impl Into<String>) -> Self {
        Self {
            limit: Some(limit),
            ..Self::new(words)
        }
    }

    /// That of an object: all that is wrong with its fields.
    pub(crate) fn inside(inner: Vec<FieldFault>) -> Self {
        Self {
            inner,
            ..Self::new("")
        }
    }

    /// The faults of `field`; those inside of it are named as `field.inner`.
    pub(crate) fn of(self, field: &str) -> Vec<FieldFault> {
        if self.inner.is_empty() {
            return vec![FieldFault {
                field: field.to_owned(),
                detail: format!("`{field}` {}", self.words),
                limit: self.limit,
            }];
        }
        let named = |fault: FieldFault| FieldFault {
            field: format!("{field}.{}", fault.field),
            detail: format!("In `{field}`: {}", fault.detail),
            ..fault
        };
        self.inner.into_iter().map(named).collect()
    }
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// The same value, or `null`. An object is described without: it is left out rather.
pub(crate) fn or_null(object: ObjectBuilder) -> ObjectBuilder {
    let built = object.build();
    let kind = match built.schema_type.clone() {
        kind @ SchemaType::Type(Type::Object) => kind,
        SchemaType::Type(kind) => SchemaType::Array(vec![kind, Type::Null]),
        SchemaType::Array(mut kinds) => {
            kinds.push(Type::Null);
            SchemaType::Array(kinds)
        }
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

/// `true` or `false` in a query.
#[derive(Debug)]
pub(crate) struct Flag(pub(crate) bool);

impl Field for Flag {
    fn schema() -> ObjectBuilder {
        bool::schema()
    }

    fn read(value: Value) -> Result<Self, Fault> {
        match text(value)?.parse() {
            Ok(flag) => Ok(Self(flag)),
            Err(_) => Err(Fault::new("must be true or false.")),
        }
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

/// A list of 1 to `MAX` ids in a body; one that stands in it twice counts once.
#[derive(Debug)]
pub(crate) struct IdList<const MAX: usize>(pub(crate) Vec<String>);

impl<const MAX: usize> Field for IdList<MAX> {
    fn schema() -> ObjectBuilder {
        // utoipa's builder of objects has no word for these.
        let items = serde_json::json!({ "type": "string", "pattern": ID_PATTERN });
        let of_lists = [
            ("items", items),
            ("minItems", 1.into()),
            ("maxItems", MAX.into()),
        ];
        ObjectBuilder::new()
            .schema_type(Type::Array)
            .extensions(Some(of_lists.into_iter().collect()))
            .examples([serde_json::json!(["a-castle-by-the-sea"])])
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let Value::Array(entries) = value else {
            return Err(Fault::new("must be a list of ids."));
        };
        if !(1..=MAX).contains(&entries.len()) {
            let words = format!("must have 1 to {MAX} ids, not {}.", entries.len());
            let limit = if entries.is_empty() { 1 } else { MAX };
            return Err(Fault::beyond(limit as u64, words));
        }
        let mut ids: Vec<String> = Vec::new();
        let mut known = HashSet::new();
        for entry in entries {
            let Id(id) = Id::read(entry)?;
            if known.insert(id.clone()) {
                ids.push(id);
            }
        }
        Ok(Self(ids))
    }
}

/// What is to be done to many assignments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Each gets another round.
    Retry,
    /// Each is deleted.
    Delete,
}

impl Field for Operation {
    fn schema() -> ObjectBuilder {
        string().enum_values(Some(["retry", "delete"]))
    }

    fn read(value: Value) -> Result<Self, Fault> {
        match text(value)?.as_str() {
            "retry" => Ok(Self::Retry),
            "delete" => Ok(Self::Delete),
            _ => Err(Fault::new("must be `retry` or `delete`.")),
        }
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

/// Words to look for in prompts, at most `MAX` characters.
#[derive(Debug)]
pub(crate) struct Words<const MAX: usize>(pub(crate) Search);

impl<const MAX: usize> Field for Words<MAX> {
    fn schema() -> ObjectBuilder {
        Trimmed::<MAX>::schema().examples([serde_json::json!("red fox")])
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let Trimmed(text) = Trimmed::<MAX>::read(value)?;
        Ok(Self(Search::of(&text)))
    }
}

fn moment_fault() -> Fault {
    Fault::new(
        "must be a day as `2026-11-29`, or a time as `2026-11-29T08:00:00Z` (RFC 3339; in an address, `+` is written `%2B`).",
    )
}

/// The beginning of a span of time: a time, or when a day begins in UTC.
#[derive(Debug)]
pub(crate) struct From(pub(crate) Timestamp);

impl Field for From {
    fn schema() -> ObjectBuilder {
        string().examples([serde_json::json!("2026-11-01")])
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let text = text(value)?;
        let read = Timestamp::of_day(&text).or_else(|| Timestamp::of_rfc3339(&text));
        read.map(Self).ok_or_else(moment_fault)
    }
}

/// The end of a span of time, as the first time after it: that after a time, or after a whole day in
/// UTC.
#[derive(Debug)]
pub(crate) struct To(pub(crate) Timestamp);

impl Field for To {
    fn schema() -> ObjectBuilder {
        string().examples([serde_json::json!("2026-11-30T12:00:00Z")])
    }

    fn read(value: Value) -> Result<Self, Fault> {
        let text = text(value)?;
        let day = Timestamp::of_day(&text).map(|day| day + DAY);
        let time = || Timestamp::of_rfc3339(&text).map(Timestamp::next);
        day.or_else(time).map(Self).ok_or_else(moment_fault)
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

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
        let time = Timestamp::of_rfc3339(&text(value)?);
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
