//! Bad days of a fleet of real processes: drains, bad releases, jobs that kill.
//!
//! `cargo test` does not build programs of other packages: `cargo build --workspace` first.

mod bad_release;
mod collector;
mod drain;
mod fairness;
mod poison;
mod switch;

use std::time::Duration;

use atelier_domain::assignment::{Assignment, Status};
use atelier_proofs::fleet::{Fleet, Plan};
use atelier_proofs::view::{View, messages};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Longer than anything takes that works, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// A fleet with what is needed to look at it.
struct Bench {
    fleet: Fleet,
    view: View,
    _home: TempDir,
}

impl Bench {
    async fn start(plan: Plan<'_>) -> Self {
        atelier_runtime::process::install_tls();
        let home = TempDir::new().unwrap();
        let fleet = Fleet::start(home.path(), plan).await.unwrap();
        let view = View::of(&fleet).await.unwrap();
        Self {
            fleet,
            view,
            _home: home,
        }
    }

    async fn get(&self, id: &str) -> Assignment {
        self.view.store.get(id).await.unwrap().unwrap()
    }

    /// A number of the cloud's counters.
    async fn count(&self, service: &str, what: &str) -> u64 {
        let stats = self.view.stats().await.unwrap();
        stats[service][what].as_u64().unwrap_or_default()
    }

    /// How many documents have this status.
    async fn with_status(&self, status: Status) -> usize {
        let documents = self.view.documents().await.unwrap();
        let those = documents.iter().filter(|it| it.s3_upload_status == status);
        those.count()
    }

    /// Returns when no document is pending and no message is left.
    async fn rests(&self) -> Vec<Assignment> {
        eventually("all is final", async || {
            messages(&self.view.stats().await.unwrap()) == 0
                && self.view.store.oldest_pending(1).await.unwrap().is_empty()
        })
        .await;
        self.view.documents().await.unwrap()
    }

    /// Ends everything, after an audit that finds nothing.
    async fn stop(self) {
        let audit = self.fleet.audit().await.unwrap();
        assert_eq!(audit["ok"], true, "{audit:#}");
        self.fleet.stop().await;
    }
}

/// Returns when `holds`; how long that took.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        sleep(LOOK).await;
    }
    start.elapsed()
}
