//! Which store a process uses.

use atelier_runtime::config::{Environment, Setting};
use mongodb::options::ConnectionString;

/// Where the documents live.
#[derive(Clone)]
pub struct StoreConfig {
    /// `mongodb://…`, `mongodb+srv://…` or `sqlite:PATH`. May hold a password.
    pub url: String,
    /// Connections to each server of a MongoDB at most.
    pub pool: u32,
}

/// Connections to a server unless told otherwise.
const POOL: u32 = 100;

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

const STORE_POOL: Setting = Setting {
    name: "STORE_POOL",
    default: Some("100"),
    help: "Connections of a process to each server of a MongoDB, at most: 1 to 1000.",
};

impl StoreConfig {
    /// The options it is read from.
    pub const SETTINGS: &[Setting] = &[STORE_URL, STORE_POOL];

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
        let pool = environment.number(&STORE_POOL, 1..=1000);
        Self { url, pool }
    }

    /// The store at `url`, with defaults for the rest.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool: POOL,
        }
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
    fn the_pool_has_a_range_and_a_default() {
        let read = |pool: &str| {
            let of = [("STORE_URL", "sqlite:a"), ("STORE_POOL", pool)];
            let mut environment = Environment::of(of);
            let config = StoreConfig::read(&mut environment);
            environment.finish(config.pool)
        };
        assert_eq!(read("7").unwrap(), 7);
        for pool in ["0", "1001", "many"] {
            assert!(read(pool).unwrap_err().to_string().contains("STORE_POOL"));
        }
        let mut environment = Environment::of([("STORE_URL", "sqlite:a")]);
        let unset = StoreConfig::read(&mut environment);
        assert_eq!(unset.pool, StoreConfig::at("sqlite:a").pool);
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
