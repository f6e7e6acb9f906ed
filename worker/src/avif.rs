//! The AVIF beside the WebP: best effort, after the picture is visible.

use std::sync::Arc;

use atelier_domain::assignment::{Assignment, Status};
use bytes::Bytes;

use crate::generate::Original;
use crate::run::Worker;

/// Makes and stores it; what goes wrong is only logged.
pub(crate) async fn store(worker: &Worker, assignment: &Assignment, original: Arc<Original>) {
    let bytes = tokio::select! {
        made = worker.optimizer.avif(original) => match made {
            Ok(bytes) => Bytes::from(bytes),
            Err(trouble) => return tracing::warn!(%trouble, "no AVIF"),
        },
        () = worker.stopping.cancelled() => return,
    };
    let whose = assignment.into();
    if let Err(error) = worker
        .pictures
        .put_avif(bytes, whose, assignment.permanent)
        .await
    {
        return tracing::warn!(%error, "the AVIF was not stored");
    }
    let Ok(Some(now)) = worker.store.get(&assignment.assignment_id).await else {
        return;
    };
    if now.s3_upload_status == Status::Deleted {
        // What was erased meanwhile must not lie here again.
        if let Err(error) = worker.pictures.erase(whose).await {
            tracing::warn!(%error, "a deleted assignment's AVIF was not erased; the sweep will");
        }
    } else if now.permanent != assignment.permanent
        && let Err(error) = worker.pictures.tag(whose, now.permanent).await
    {
        tracing::warn!(%error, "the AVIF's tag does not say whether it is kept");
    }
}
