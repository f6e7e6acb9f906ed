//! Which store a process uses.

use atelier_runtime::config::{Environment, Setting};
use mongodb::options::ConnectionString;

/// Where the documents live.
#[derive(Clone)]
pub struct StoreConfig {
    /// As [`crate::open`] takes it. May hold a password.
    pub url: String,
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreConfig").finish_non_exhaustive()
    }
}

const STORE_URL: Setting = Setting {
    name: "STORE_URL",
    default: None,
    help: "Where the documents live: mongodb://…, mongodb+srv://… or sqlite:PATH.",
};

impl StoreConfig {
    /// The options it is read from.
    pub const SETTINGS: &[Setting] = &[STORE_URL];

    /// Reads the options; what is wrong with them is noted in `environment`.
    pub fn read(environment: &mut Environment) -> Self {
        let url = environment.required(&STORE_URL);
        // Faults do not show the value: it may hold a password.
        match url.split_once(':') {
            _ if url.is_empty() => {}
            Some(("sqlite", "")) => environment.fault(&STORE_URL, "lacks the path after sqlite:"),
            Some(("sqlite", _)) => {}
            Some(("mongodb" | "mongodb+srv", _)) => {
                if ConnectionString::parse(&url).is_err() {
                    environment.fault(
                        &STORE_URL,
                        "is no MongoDB connection string: mongodb://[USER:PASSWORD@]HOST[:PORT]/[DATABASE][?OPTIONS]",
                    );
                }
            }
            _ => environment.fault(
                &STORE_URL,
                "must start with mongodb://, mongodb+srv:// or sqlite:",
            ),
        }
        Self { url }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(url: &str) -> String {
        let mut environment = Environment::of([("STORE_URL", url)]);
        StoreConfig::read(&mut environment);
        environment.finish(()).unwrap_err().to_string()
    }

    #[test]
    fn an_unusable_address_is_refused_by_name() {
        for url in ["sqlite:", "mongodb://", "mongodb://a:b:c/", "file:a"] {
            assert!(faults(url).contains("STORE_URL"), "{url}");
        }
    }

    #[test]
    fn a_fault_never_shows_the_password() {
        let shown = faults("postgres://me:secret@host/db");
        assert!(
            shown.contains("STORE_URL") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
