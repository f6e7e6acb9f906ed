//! Erases what a tombstone stands for, and sets tags right: in the answer's path first, by the
//! sweep where that failed.

use std::time::Duration;

use atelier_shared::assignment::Assignment;
use atelier_shared::aws::CloudError;
use atelier_shared::pictures;
use atelier_shared::store::StoreError;
use atelier_shared::timestamp::Timestamp;
use atelier_shared::transition;

use crate::app::App;

/// A put that was signed before the delete can still land; it has landed by then.
const AGAIN: Duration = Duration::from_secs(20 * 60);

/// Why something is left to the sweep.
#[derive(Debug, thiserror::Error)]
pub enum MendError {
    /// Bucket or CDN.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The documents.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Erases every version of a tombstone's pictures, makes the CDN forget them, and notes it.
    pub async fn erase(&self, tombstone: &Assignment) -> Result<(), MendError> {
        let id = &tombstone.assignment_id;
        self.services.pictures.erase(tombstone.into()).await?;
        let keys = [pictures::key(id), pictures::avif_key(id)];
        let reference = format!("{id}-{}", tombstone.erasures);
        self.services.cdn.forget(&keys, &reference).await?;
        let again = (tombstone.erasures == 0).then(|| Timestamp::now() + AGAIN);
        let noted = transition::erased(tombstone, again);
        self.store().apply(id, &noted).await?;
        Ok(())
    }

    /// Makes the tag of a stored picture say what its document says, and notes it. Returns the
    /// document after the note; `None` if `permanent` changed meanwhile.
    pub async fn tag(&self, document: &Assignment) -> Result<Option<Assignment>, MendError> {
        let permanent = document.permanent;
        if !self
            .services
            .pictures
            .tag(document.into(), permanent)
            .await?
        {
            let assignment = &document.assignment_id;
            tracing::warn!(assignment, "there is no picture to tag");
        }
        let tagged = transition::tagged(permanent);
        Ok(self.store().apply(&document.assignment_id, &tagged).await?)
    }
}
