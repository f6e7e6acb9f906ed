//! The fields of log lines for people: all but those that are for traces alone.

use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Whether a span's field of this name says how the span appears in traces, and no more.
pub(super) fn is_for_traces(field: &str) -> bool {
    field.starts_with("otel.") || field.starts_with("messaging.")
}

/// Writes the message, then `name=value` for each field, with a blank between two.
#[derive(Debug)]
pub(super) struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut text = Text {
            writer,
            is_first: true,
            written: Ok(()),
        };
        fields.record(&mut text);
        text.written
    }
}

struct Text<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    written: fmt::Result,
}

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let name = field.name();
        if self.written.is_err() || is_for_traces(name) {
            return;
        }
        let blank = if self.is_first { "" } else { " " };
        self.is_first = false;
        self.written = match name.trim_start_matches("r#") {
            "message" => write!(self.writer, "{blank}{value:?}"),
            name => write!(self.writer, "{blank}{name}={value:?}"),
        };
    }
}
