//! Which log lines, traces and metrics, and where to.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;
use tracing_subscriber::EnvFilter;

use crate::config::{Environment, Setting, http_url, socket_address};

/// Log lines, traces and metrics: which, and where to.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// Which log lines.
    pub filter: String,
    /// A JSON object a line, or readable text.
    pub json: bool,
    /// The collector's base address; nothing is sent where it is absent.
    pub collector: Option<String>,
    /// Whether the collector gets sums since the start or since the last export.
    pub(super) temporality: Temporality,
    /// Between two exports of metrics.
    pub(super) interval: Duration,
    /// Where metrics can be scraped, if anywhere.
    pub scrape: Option<SocketAddr>,
}

const LOG: Setting = Setting {
    name: "LOG",
    default: Some("info"),
    help: "Which log lines: error, warn, info, debug, trace, or target=level pairs separated by commas.",
};
const LOG_FORMAT: Setting = Setting {
    name: "LOG_FORMAT",
    default: None,
    help: "`json` for an object a line, `text` for people. [default: text on a terminal, else json]",
};
const OTEL_EXPORTER_OTLP_ENDPOINT: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    default: None,
    help: "Base address of an OpenTelemetry collector (http/protobuf) for traces and metrics; nothing is sent where it is not set.",
};
const OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    default: Some("cumulative"),
    help: "What counters and histograms send to the collector: `cumulative`, all since the start, or `delta`, all since the last export, as CloudWatch wants it. `lowmemory` is the same as `delta` here.",
};
const OTEL_METRIC_EXPORT_INTERVAL: Setting = Setting {
    name: "OTEL_METRIC_EXPORT_INTERVAL",
    default: Some("60000"),
    help: "Milliseconds between two exports of metrics to the collector, 100 to 3600000.",
};
const METRICS_ADDR: Setting = Setting {
    name: "METRICS_ADDR",
    default: None,
    help: "Address and port that serve `/metrics` for a Prometheus; not served where it is not set. It asks nobody for credentials: only the Prometheus should reach it.",
};

impl TelemetryConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[
        LOG,
        LOG_FORMAT,
        OTEL_EXPORTER_OTLP_ENDPOINT,
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE,
        OTEL_METRIC_EXPORT_INTERVAL,
        METRICS_ADDR,
    ];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        let filter = environment.text(&LOG).unwrap_or_default();
        if let Err(error) = EnvFilter::try_new(&filter) {
            environment.fault(&LOG, &format!("cannot be read: {error}"));
        }
        let json = match environment.text(&LOG_FORMAT).as_deref() {
            None => !std::io::stderr().is_terminal(),
            Some("json") => true,
            Some("text") => false,
            Some(word) => {
                environment.fault(&LOG_FORMAT, &format!("must be json or text, not `{word}`"));
                false
            }
        };
        Self {
            filter,
            json,
            collector: http_url(environment, &OTEL_EXPORTER_OTLP_ENDPOINT),
            temporality: temporality(environment),
            interval: Duration::from_millis(
                environment.number(&OTEL_METRIC_EXPORT_INTERVAL, 100..=3_600_000),
            ),
            scrape: socket_address(environment, &METRICS_ADDR),
        }
    }
}

/// All our counters are synchronous, so that the SDK's `LowMemory` makes deltas of them and of the
/// histograms. Its `Delta` would also leave out each gauge that was not measured anew, and the alarms
/// look at gauges such as `atelier.paused`, which is measured where it changes.
fn temporality(environment: &mut Environment) -> Temporality {
    let setting = &OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE;
    let word = environment.text(setting).unwrap_or_default();
    match word.to_ascii_lowercase().as_str() {
        "cumulative" => Temporality::Cumulative,
        "delta" | "lowmemory" => Temporality::LowMemory,
        _ => {
            let fault = format!("must be one of cumulative, delta, lowmemory, not `{word}`");
            environment.fault(setting, &fault);
            Temporality::Cumulative
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<TelemetryConfig, Vec<String>> {
        let mut environment = Environment::of([(name, value)]);
        let config = TelemetryConfig::read(&mut environment);
        environment.finish(config).map_err(|faults| faults.0)
    }

    #[test]
    fn deltas_are_of_counters_and_histograms_and_gauges_keep_their_value() {
        let name = OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE.name;
        let temporality = |word| read(name, word).unwrap().temporality;
        assert_eq!(temporality(""), Temporality::Cumulative);
        assert_eq!(temporality("Cumulative"), Temporality::Cumulative);
        assert_eq!(temporality("delta"), Temporality::LowMemory);
        assert_eq!(temporality("LOWMEMORY"), Temporality::LowMemory);
        assert!(read(name, "both").unwrap_err()[0].starts_with(name));
    }

    #[test]
    fn metrics_are_served_at_an_address_or_nowhere() {
        let scrape = |text| read("METRICS_ADDR", text).map(|config| config.scrape);
        assert_eq!(scrape(""), Ok(None));
        assert_eq!(
            scrape("[::1]:9464"),
            Ok(Some("[::1]:9464".parse().unwrap()))
        );
        for bad in ["9464", "localhost:9464", "127.0.0.1", "127.0.0.1:99999"] {
            assert!(scrape(bad).unwrap_err()[0].starts_with("METRICS_ADDR must be IP:PORT"));
        }
    }
}
