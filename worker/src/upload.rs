//! Puts a picture under its key once: put if absent, adopt what is ours, replace what is not.

use std::sync::atomic::{AtomicU32, Ordering};

use atelier_cloud::pictures::{Condition, Found, Put, key};
use atelier_domain::assignment::Assignment;
use atelier_domain::label::Label;

use crate::error::JobError;
use crate::lease::Lease;
use crate::optimize::Ready;
use crate::worker::Worker;

/// What lies under the key now.
#[derive(Debug)]
pub(crate) enum Uploaded {
    /// Our bytes, as this version.
    Stored(Option<String>),
    /// Another worker's picture of the same assignment and prompt: that one is adopted.
    Adopted(Box<Label>),
}

/// What lies under the assignment's key, if it is of its current prompt.
pub(crate) async fn find_ours(
    worker: &Worker,
    assignment: &Assignment,
) -> Result<Option<Label>, JobError> {
    let found = find(worker, assignment).await?;
    Ok(found
        .and_then(|found| found.label)
        .filter(|label| label.is_of(assignment)))
}

async fn find(worker: &Worker, assignment: &Assignment) -> Result<Option<Found>, JobError> {
    let key = key(&assignment.assignment_id);
    let found = worker.pictures.find(&key, assignment.into()).await;
    found.map_err(JobError::of_upload)
}

/// Stores `picture`. `puts` counts the puts tried, also where it fails.
pub(crate) async fn upload(
    worker: &Worker,
    assignment: &Assignment,
    lease: &Lease,
    picture: &Ready,
    label: &Label,
    puts: &AtomicU32,
) -> Result<Uploaded, JobError> {
    let mut condition = Condition::IfAbsent;
    loop {
        let mut tries = 0;
        let put = worker
            .pictures
            .put(
                picture.bytes.clone(),
                picture.content_type,
                label,
                assignment.permanent,
                &condition,
                &mut tries,
            )
            .await;
        puts.fetch_add(tries, Ordering::Relaxed);
        condition = match put.map_err(JobError::of_upload)? {
            Put::Stored(version) => return Ok(Uploaded::Stored(version)),
            Put::Conflict => condition,
            Put::Refused => match find(worker, assignment).await? {
                None => Condition::IfAbsent,
                Some(Found {
                    label: Some(label), ..
                }) if label.is_of(assignment) => {
                    return Ok(Uploaded::Adopted(Box::new(label)));
                }
                Some(other) => {
                    // Read after that HEAD: whoever wrote those bytes under a later claim than
                    // ours has taken our claim before.
                    still_ours(worker, assignment, lease).await?;
                    Condition::IfMatch(other.etag)
                }
            },
        };
    }
}

async fn still_ours(
    worker: &Worker,
    assignment: &Assignment,
    lease: &Lease,
) -> Result<(), JobError> {
    match worker.store.get(&assignment.assignment_id).await? {
        Some(now) if lease.holds(&now) => Ok(()),
        _ => Err(JobError::ClaimLost(
            "it was taken over, or the assignment is final or gone",
        )),
    }
}
