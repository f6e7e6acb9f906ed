//! Sends the job of an assignment within a request. Whatever fails here is left to the keeper.

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::queue::Queue;
use atelier_domain::assignment::Assignment;
use atelier_runtime::config::JobConfig;
use atelier_store::Store;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// How long an answer waits for the send, which goes on behind it.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Sends jobs.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    store: Arc<dyn Store>,
    jobs: Queue,
    config: JobConfig,
    background: TaskTracker,
}

impl Sender {
    /// Sends to `jobs`, notes in `store`, and works on in `background` after the answer.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        jobs: Queue,
        config: JobConfig,
        background: TaskTracker,
    ) -> Self {
        Self {
            store,
            jobs,
            config,
            background,
        }
    }

    /// Sends the job of a pending `assignment`. Never fails, and waits for the queue alone, at most
    /// [`TIMEOUT`]. The note follows behind the answer; without it the keeper sends once more.
    pub(crate) async fn send(&self, assignment: &Assignment) {
        let (it, assignment) = (self.clone(), assignment.clone());
        let (sent, is_sent) = oneshot::channel();
        let work = async move {
            let id = &assignment.assignment_id;
            let outcome = it.jobs.send_job_of(&assignment, &it.config).await;
            // The answer may not have waited this long.
            let _ = sent.send(());
            let error = match outcome {
                Err(error) => error.to_string(),
                Ok(noted) => match it.store.apply(id, &noted).await {
                    Ok(_) => return,
                    Err(error) => error.to_string(),
                },
            };
            tracing::warn!(
                assignment = id,
                error,
                "not sent or not noted; the keeper sends again"
            );
        };
        self.background.spawn(work.in_current_span());
        let _ = timeout(TIMEOUT, is_sent).await;
    }
}
