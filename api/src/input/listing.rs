//! What lists are asked for, and what is done with many at once.

use std::time::Duration;

use atelier_domain::assignment::Status;
use atelier_domain::audit::Action;
use atelier_domain::dead_letter::Cause;
use atelier_domain::search::Search;
use atelier_domain::timestamp::Timestamp;
use atelier_store::Position;
use serde_json::Value;
use utoipa::openapi::KnownFormat;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat};

use super::field::{Fault, Field, string, text};
use super::text::Trimmed;
use crate::cursor;

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
