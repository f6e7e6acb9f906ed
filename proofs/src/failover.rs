//! Writers who work as API and workers do while the primary of their store changes: what they were
//! acknowledged is there afterwards, and was done once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use atelier_domain::assignment::{Assignment, Claim, Post, Token};
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Budget, Transition};
use atelier_store::{Insert, Store};
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

/// Calls to a model that each assignment counts.
const CALLS: u32 = 3;

/// Between two tries of a write that the store did not answer.
const AGAIN: Duration = Duration::from_millis(50);

/// The longest that a store may be away: several failovers.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the writers met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Assignments that were acknowledged and are there.
    pub assignments: u32,
    /// Writes that were repeated, since the store was away.
    pub repeated: u32,
}

/// Lets `writers` write for `length`, then looks at what is there.
///
/// # Errors
/// The store stayed away, or what was acknowledged is not there, or was done twice.
pub async fn run(
    store: &Arc<dyn Store>,
    writers: usize,
    length: Duration,
) -> anyhow::Result<Report> {
    let end = Instant::now() + length;
    let work = (0..writers).map(|_| {
        let mut writer = Writer {
            store: Arc::clone(store),
            repeated: 0,
        };
        async move {
            let mut written = Vec::new();
            while Instant::now() < end {
                written.push(writer.write().await?);
            }
            anyhow::Ok((written, writer.repeated))
        }
    });
    let mut report = Report::default();
    for (written, repeated) in try_join_all(work).await? {
        report.repeated += repeated;
        for id in written {
            check(store, &id).await?;
            report.assignments += 1;
        }
    }
    Ok(report)
}

/// An assignment is as its writer left it.
async fn check(store: &Arc<dyn Store>, id: &str) -> anyhow::Result<()> {
    let found = store.get(id).await?;
    let found = found.with_context(|| format!("{id} was acknowledged and is not there"))?;
    let counts = (found.attempts, found.model_calls, found.claim.is_some());
    if counts != (0, CALLS, false) {
        bail!("{id} has {counts:?} in place of its counts");
    }
    Ok(())
}

struct Writer {
    store: Arc<dyn Store>,
    repeated: u32,
}

impl Writer {
    /// Posts an assignment, claims it, counts some calls and gives it back.
    async fn write(&mut self) -> anyhow::Result<String> {
        let now = Timestamp::now();
        let later = now + Duration::from_secs(3600);
        let id = Token::random().as_str().to_owned();
        let post = Post {
            assignment_id: id.clone(),
            prompt: "a lighthouse".to_owned(),
            correlation_id: Token::random().as_str().to_owned(),
            ..Post::default()
        };
        let posted = Assignment::new(post, now, later, later);
        self.insert(&posted).await?;
        let claim = Claim {
            token: Token::random(),
            worker: "a writer".to_owned(),
            until: later,
        };
        let mut held = self
            .apply(&id, &transition::claim(&posted, &claim, later))
            .await?;
        for so_far in 0..CALLS {
            let count = transition::count_model_call(&claim.token, so_far);
            held = self.apply(&id, &count).await?;
        }
        let release = transition::release(&claim.token, &held, Budget::GiveBack, 0, later);
        self.apply(&id, &release).await?;
        Ok(id)
    }

    async fn insert(&mut self, posted: &Assignment) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.store.insert(posted).await {
                Ok(Insert::Done) => return Ok(()),
                Ok(Insert::Taken(other)) => bail!("the id is taken by {other:?}"),
                Err(away) if Instant::now() >= end => return Err(away.into()),
                Err(_) => self.wait().await,
            }
        }
    }

    /// Repeats a write that nobody else makes until it is made.
    async fn apply(&mut self, id: &str, transition: &Transition) -> anyhow::Result<Assignment> {
        let end = Instant::now() + PATIENCE;
        loop {
            let applied = self.store.apply(id, transition).await;
            if let Ok(Some(after)) = applied {
                return Ok(after);
            }
            let found = self.store.get(id).await;
            match found {
                Ok(Some(now)) if transition.is_made_in(&now) => return Ok(now),
                Ok(Some(now)) if !transition.guard.admits(&now) => {
                    bail!("{transition:?} is refused by {now:?}")
                }
                Ok(None) => bail!("{id} was acknowledged and is not there"),
                _ if Instant::now() >= end => bail!("the store stayed away: {applied:?}"),
                _ => self.wait().await,
            }
        }
    }

    async fn wait(&mut self) {
        self.repeated += 1;
        sleep(AGAIN).await;
    }
}
