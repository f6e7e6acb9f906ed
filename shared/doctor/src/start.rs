//! The cheap part: what a process checks when it starts. It only reads, goes on beside the process's
//! own work, ends after [`LIMIT`], and fails nothing: what is missing is logged.

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::pictures::Pictures;
use atelier_cloud::queue::Queues;
use atelier_store::Store;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::finding::{Finding, State};
use crate::options::Options;
use crate::{clock, services, store};

/// How long one check may take.
pub const LIMIT: Duration = Duration::from_secs(15);

/// What a process starts with.
#[derive(Debug)]
pub struct Start {
    /// The documents.
    pub store: Arc<dyn Store>,
    /// Jobs and dead letters.
    pub queues: Queues,
    /// The bucket.
    pub pictures: Pictures,
    /// Where all of these are.
    pub options: Options,
    /// Whether this process makes the store's indexes, so that none is missed.
    pub makes_indexes: bool,
}

impl Start {
    /// Checks beside whatever else runs, until `stop`, and logs what is missing. Must be called on a
    /// runtime.
    pub fn check(self, stop: CancellationToken) {
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                findings = self.findings(LIMIT) => log(&findings),
            }
        });
    }

    /// What is found, each check within `limit`.
    pub async fn findings(&self, limit: Duration) -> Vec<Finding> {
        let (queues, pictures) = (&self.queues, &self.pictures);
        let (store, queues, bucket, clock) = tokio::join!(
            within(limit, "store", self.store()),
            within(limit, "queue", services::read_queues(queues)),
            within(limit, "bucket", async {
                vec![services::read_bucket(pictures).await]
            }),
            within(limit, "clock", async {
                vec![clock::examine(&self.options.queue.url).await]
            }),
        );
        let mut findings = self.options.examine();
        for part in [store, queues, bucket, clock] {
            findings.extend(part);
        }
        findings
    }

    async fn store(&self) -> Vec<Finding> {
        store::read(self.store.as_ref(), &self.options.store, self.makes_indexes).await
    }
}

async fn within(
    limit: Duration,
    what: &str,
    check: impl Future<Output = Vec<Finding>>,
) -> Vec<Finding> {
    timeout(limit, check).await.unwrap_or_else(|_| {
        let words = format!("no answer within {} s", limit.as_secs_f64());
        vec![Finding::missing(what, words)]
    })
}

fn log(findings: &[Finding]) {
    for Finding { what, state, words } in findings {
        match state {
            State::Good => tracing::debug!(what, words, "start check"),
            State::Warning => tracing::warn!(what, words, "start check: an operator ought to know"),
            State::Missing => tracing::error!(what, words, "start check: this is missing"),
        }
    }
    if findings.iter().all(|it| it.state != State::Missing) {
        tracing::info!(checked = findings.len(), "start check: nothing is missing");
    }
}
