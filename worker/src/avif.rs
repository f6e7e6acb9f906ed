//! The AVIF beside the WebP: best effort, after the picture is visible.

use std::sync::Arc;

use atelier_cloud::clean_up;
use atelier_domain::assignment::{Assignment, Status};
use bytes::Bytes;

use crate::generate::Original;
use crate::worker::Worker;

/// Makes and stores it; what goes wrong is only logged.
pub(crate) async fn store(worker: &Worker, assignment: &Assignment, original: Arc<Original>) {
    let bytes = tokio::select! {
        made = worker.optimizer.avif(original) => match made {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => return tracing::warn!(%error, "no AVIF"),
        },
        () = worker.stopping.cancelled() => return,
    };
    let (pictures, permanent) = (&worker.pictures, assignment.permanent);
    if let Err(error) = pictures.put_avif(bytes, assignment.into(), permanent).await {
        return tracing::warn!(%error, "the AVIF was not stored");
    }
    let Ok(Some(now)) = worker.store.get(&assignment.assignment_id).await else {
        return;
    };
    // What was deleted or tagged meanwhile did not reach this object.
    if now.s3_upload_status == Status::Deleted {
        if let Err(error) = clean_up::erase_late_put(pictures, assignment, None).await {
            tracing::warn!(%error, "a deleted assignment's AVIF was not erased; the keeper will");
        }
    } else if now.permanent != permanent
        && let Err(error) = clean_up::tag(pictures, &now).await
    {
        tracing::warn!(%error, "the AVIF's retention tag is out of date");
    }
}
