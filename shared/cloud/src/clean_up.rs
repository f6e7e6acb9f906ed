//! Erases and tags stored pictures. Each step returns the transition that notes it, for the
//! caller to apply: what was not noted is done again by the keeper.

use std::time::Duration;

use atelier_domain::assignment::Assignment;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Transition};

use crate::cdn::Cdn;
use crate::error::CloudError;
use crate::pictures::{Pictures, keys};

/// A put that was signed before the delete can still land; after this time it has.
const ERASE_AGAIN_AFTER: Duration = Duration::from_secs(20 * 60);

/// Erases every version of a tombstone's pictures and invalidates them at the CDN.
///
/// # Errors
/// Where bucket or CDN did not do it.
pub async fn erase(
    pictures: &Pictures,
    cdn: &Cdn,
    tombstone: &Assignment,
) -> Result<Transition, CloudError> {
    let id = &tombstone.assignment_id;
    pictures.erase(tombstone.into()).await?;
    let reference = format!("{id}-{}", tombstone.erasures);
    cdn.invalidate(&keys(tombstone), &reference).await?;
    Ok(erased(tombstone))
}

/// Notes that a tombstone's pictures were erased and invalidated. After the first time the keeper
/// does it once more.
pub fn erased(tombstone: &Assignment) -> Transition {
    let again = (tombstone.erasures == 0).then(|| Timestamp::now() + ERASE_AGAIN_AFTER);
    transition::erased(tombstone, again)
}

/// Erases the version that a worker put while its assignment was being deleted; all versions if
/// the bucket did not name it.
///
/// # Errors
/// Where the bucket did not do it; the keeper erases the tombstone's pictures again.
pub async fn erase_late_put(
    pictures: &Pictures,
    assignment: &Assignment,
    version: Option<&str>,
) -> Result<(), CloudError> {
    match version {
        Some(version) => pictures.erase_version(assignment.into(), version).await,
        None => pictures.erase(assignment.into()).await.map(drop),
    }
}

/// Sets the retention tag of a stored picture, its variants and AVIFs to what its document says. The transition is
/// refused if `permanent` changed meanwhile.
///
/// # Errors
/// Where the bucket did not do it.
pub async fn tag(pictures: &Pictures, document: &Assignment) -> Result<Transition, CloudError> {
    if !pictures.tag(document).await? {
        let assignment = &document.assignment_id;
        tracing::warn!(assignment, "no picture to tag");
    }
    Ok(transition::tagged(document))
}
