//! After the load: every accepted assignment must become final, and stay what it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use crate::client::Document;
use crate::users::World;

/// Calls at once.
const PARALLEL: usize = 32;

/// Follows all that are not final yet until `until`.
pub(crate) async fn wait(world: &Arc<World>, until: Instant) {
    let unfinished = stream::iter(world.ledger.unfinished());
    unfinished
        .for_each_concurrent(PARALLEL, |id| async move {
            let failed = |error| world.recorder.failed(format!("follow: {error}"));
            if let Some(document) = world.client.follow(&id, until, failed).await {
                let took = by_its_own_clock(&document);
                world.finished(document, took);
            }
        })
        .await;
}

/// Reads all final documents once more.
pub(crate) async fn read_again(world: &Arc<World>) -> Vec<Document> {
    let documents = stream::iter(world.ledger.documents());
    documents
        .map(|document| async move {
            world
                .client
                .document(&document.assignment_id, false)
                .await
                .ok()
        })
        .buffer_unordered(PARALLEL)
        .filter_map(|document| async { document })
        .collect()
        .await
}

fn by_its_own_clock(document: &Document) -> Duration {
    let seconds = document
        .finished_at
        .zip(document.created_at)
        .map(|(end, begin)| end - begin);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or_default()
}
