//! Log lines as JSON: an object a line, in which every key stands once.
//!
//! An object has the fields of all spans around the event, so that every line of a job bears its
//! correlation id. Of fields with the same name the innermost counts, the event's own before all.

use std::fmt::Debug;
use std::io::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::text::is_for_traces;

/// Keys that each line has of its own. A field with such a name gets `_` at its end.
const OWN: [&str; 4] = ["timestamp", "level", "target", "span"];

/// Writes every event as a line.
#[derive(Debug)]
pub(super) struct JsonLines<W> {
    writer: W,
}

impl<W> JsonLines<W> {
    /// To the writers that `writer` makes.
    pub(super) fn to(writer: W) -> Self {
        Self { writer }
    }
}

/// The fields of a span or an event.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        let name = field.name();
        if is_for_traces(name) {
            return;
        }
        let name = match OWN.contains(&name) {
            true => format!("{name}_"),
            false => name.trim_start_matches("r#").to_owned(),
        };
        self.0.insert(name, value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}").into());
    }
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), now().into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        if let Some(message) = own.0.shift_remove("message") {
            line.insert("message".to_owned(), message);
        }
        line.insert("target".to_owned(), event.metadata().target().into());
        if let Some(scope) = context.event_scope(event) {
            for span in scope.from_root() {
                line.insert("span".to_owned(), span.name().into());
                if let Some(fields) = span.extensions().get::<Fields>() {
                    line.extend(fields.0.clone());
                }
            }
        }
        line.extend(own.0);
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // Where the log cannot be written, nobody can be told.
        let _ = self
            .writer
            .make_writer_for(event.metadata())
            .write_all(text.as_bytes());
    }
}

fn now() -> String {
    let mut text = String::new();
    // A text takes everything that is written to it.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::field::Empty;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `work` writes.
    fn lines_of(work: impl FnOnce()) -> Vec<String> {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = JsonLines::to(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_has_the_fields_of_all_spans_around_it_and_every_key_once() {
        let lines = lines_of(|| {
            let job = tracing::info_span!(
                "job",
                correlation_id = "c-1",
                assignment = "a",
                late = Empty
            );
            let _job = job.enter();
            job.record("late", 1);
            let stage = tracing::info_span!("stage", assignment = "inner", otel.name = "upload");
            let _stage = stage.enter();
            tracing::info!(assignment = "own", share = 0.5, ok = true, "put {}", 1);
        });
        let [line] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        for key in [
            "correlation_id",
            "assignment",
            "late",
            "span",
            "message",
            "level",
        ] {
            assert_eq!(line.matches(&format!("\"{key}\":")).count(), 1, "{line}");
        }
        assert!(!line.contains("otel"), "{line}");
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["correlation_id"], "c-1");
        assert_eq!(line["assignment"], "own");
        assert_eq!(line["late"], 1);
        assert_eq!(line["span"], "stage");
        assert_eq!(line["message"], "put 1");
        assert_eq!((&line["share"], &line["ok"]), (&0.5.into(), &true.into()));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_field_takes_the_place_of_none_of_the_lines_own_keys() {
        let lines = lines_of(|| {
            let span = tracing::info_span!("outer", level = "l", target = "t", span = "s");
            let _span = span.enter();
            tracing::warn!(timestamp = "late", message = "words \"quoted\"\nand more");
        });
        assert_eq!(lines.len(), 1);
        for key in OWN {
            assert_eq!(
                lines[0].matches(&format!("\"{key}\":")).count(),
                1,
                "{lines:?}"
            );
            assert_eq!(
                lines[0].matches(&format!("\"{key}_\":")).count(),
                1,
                "{lines:?}"
            );
        }
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(
            (&line["level"], &line["level_"]),
            (&"WARN".into(), &"l".into())
        );
        assert_eq!(line["message"], "words \"quoted\"\nand more");
    }
}
