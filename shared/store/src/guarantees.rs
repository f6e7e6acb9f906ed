//! Finds out whether a store keeps what [`Store`] promises, by trying it. A server that speaks the
//! protocol may still answer two of many racing writes with "done".
//!
//! What is raced for is one tombstone with an id of its own, which stays: no list shows it, no sweep
//! takes it.

use std::time::Duration;

use futures_util::future::join_all;

use atelier_domain::assignment::{Assignment, Post, Status};
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;

use crate::{Insert, Store, StoreError};

/// The id of the tombstone.
const ID: &str = "atelier-doctor";

/// Writes that race for one document.
const RACERS: usize = 16;

/// A store that is not atomic lets two through in about every second race.
const RACES: usize = 20;

/// Further away than any sweep looks.
const NEVER_DUE: Duration = Duration::from_secs(50 * 365 * 86_400);

/// A promise that a store does not keep, or that it does not answer.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Racing writes with the same guard: more than one was done.
    #[error(
        "its compare-and-set is not atomic: {done} of {RACERS} racing writes were done, where one may be. Two workers could hold one assignment"
    )]
    NotAtomic {
        /// How many were done.
        done: usize,
    },
    /// An id was stored twice.
    #[error("it stores two documents with one `assignment_id`: is its unique index missing?")]
    NotUnique,
    /// What was acknowledged is not read.
    #[error("it acknowledged a write, and does not read it")]
    NotRead,
    /// An assignment has the id that the check uses.
    #[error("the assignment `{ID}` is in the way of this check: delete it")]
    Taken,
    /// It cannot be found out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Tries what a store must guarantee: about 400 writes to one document.
///
/// # Errors
/// The first promise that it does not keep.
pub async fn check(store: &dyn Store) -> Result<(), Broken> {
    let tombstone = tombstone();
    match store.insert(&tombstone).await? {
        Insert::Done => bury(store).await?,
        Insert::Taken(present) if present.s3_upload_status == Status::Deleted => {}
        // An earlier check ended between its two writes.
        Insert::Taken(present) if present.correlation_id == ID => bury(store).await?,
        Insert::Taken(_) => return Err(Broken::Taken),
    }
    let another = Assignment {
        correlation_id: String::new(),
        ..tombstone
    };
    if matches!(store.insert(&another).await?, Insert::Done) {
        return Err(Broken::NotUnique);
    }
    for _ in 0..RACES {
        race(store).await?;
    }
    Ok(())
}

async fn race(store: &dyn Store) -> Result<(), Broken> {
    let seen = store.get(ID).await?.ok_or(Broken::NotRead)?;
    let writes = (0..RACERS).filter_map(|racer| {
        let hold = NEVER_DUE + Duration::from_secs(racer as u64);
        transition::take_due(&seen, Timestamp::now(), hold)
    });
    let writes: Vec<_> = writes.collect();
    let outcomes = join_all(writes.iter().map(|write| store.apply(ID, write))).await;
    let mut done = 0;
    for outcome in outcomes {
        done += usize::from(outcome?.is_some());
    }
    match done {
        // None: another check took it.
        0 | 1 => Ok(()),
        done => Err(Broken::NotAtomic { done }),
    }
}

async fn bury(store: &dyn Store) -> Result<(), Broken> {
    let now = Timestamp::now();
    store
        .apply(ID, &transition::delete(now, now + NEVER_DUE))
        .await?
        .ok_or(Broken::NotRead)?;
    Ok(())
}

/// What becomes the tombstone: without a prompt, so that nobody makes a picture of it.
fn tombstone() -> Assignment {
    let post = Post {
        assignment_id: ID.to_owned(),
        correlation_id: ID.to_owned(),
        ..Post::default()
    };
    let now = Timestamp::now();
    Assignment::new(post, now, now + NEVER_DUE, now + NEVER_DUE)
}
