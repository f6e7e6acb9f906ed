//! What teachers have of the fleet: their shares of what is pending, and what their pictures cost.

use atelier_domain::budget::{Account, Day, Scope};
use atelier_domain::fairness::{self, Share};
use atelier_domain::history::History;
use atelier_domain::timestamp::Timestamp;
use atelier_store::{Store, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

/// The most pending assignments that are looked at, the oldest.
const MAX_PENDING: u32 = 1000;

/// The most teachers that are named.
const MAX_NAMED: usize = 10;

/// How the pending assignments are divided among teachers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fairness {
    /// Pending assignments that were looked at: the oldest, at most 1000.
    pending: usize,
    /// Whether there are no others.
    complete: bool,
    /// Teachers that have one of them.
    teachers: usize,
    /// The ten largest shares, the largest first.
    largest: Vec<ShareView>,
    /// The teacher who waits longest; `null` where nobody waits.
    longest_wait: Option<ShareView>,
}

/// A teacher's pending assignments.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TeacherShare)]
struct ShareView {
    /// `null` for assignments that belong to nobody.
    teacher_id: Option<String>,
    /// No worker holds them.
    waiting: u32,
    /// A worker holds them.
    in_flight: u32,
    /// How long ago the oldest of those that wait was posted; 0 where none waits.
    longest_wait_seconds: f64,
}

impl From<&Share> for ShareView {
    fn from(it: &Share) -> Self {
        Self {
            teacher_id: it.teacher_id.clone(),
            waiting: it.waiting,
            in_flight: it.in_flight,
            longest_wait_seconds: it.longest_wait.as_secs_f64(),
        }
    }
}

/// What is pending now, by teacher.
pub(super) async fn fairness(store: &dyn Store, now: Timestamp) -> Result<Fairness, StoreError> {
    let mut pending = store.pending(MAX_PENDING + 1).await?;
    let complete = pending.len() <= MAX_PENDING as usize;
    pending.truncate(MAX_PENDING as usize);
    let shares = fairness::shares(&pending, now);
    let waiting = shares.iter().filter(|share| share.waiting > 0);
    Ok(Fairness {
        pending: pending.len(),
        complete,
        teachers: shares.len(),
        largest: shares.iter().take(MAX_NAMED).map(Into::into).collect(),
        longest_wait: waiting
            .max_by_key(|share| share.longest_wait)
            .map(Into::into),
    })
}

/// What pictures cost today, by teacher.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Spending {
    /// Since when this process adds up, in seconds since 1970-01-01T00:00:00Z: the start of the day
    /// (UTC), or up to 15 minutes before its own; `null` where nothing finished since.
    since: Option<f64>,
    /// The ten teachers whose pictures cost most, the most first.
    most: Vec<SpentView>,
}

/// What a teacher's finished assignments cost.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TeacherSpending)]
struct SpentView {
    /// `null` where the teacher was erased, or its latest assignment is deleted.
    teacher_id: Option<String>,
    /// Pictures that were made.
    pictures: u64,
    /// Calls to models for what finished.
    model_calls: u64,
    /// What the pictures cost, in US dollars by list price.
    cost_usd: f64,
    /// What all calls are charged to the teacher's budget today, those under way and those without a
    /// picture among them; `null` where teachers have no budget.
    charged_usd: Option<f64>,
}

/// What finished today, by teacher. Names are read where the assignments are, so that nobody who was
/// erased is named. `of_budget` says whether teachers have a budget.
pub(super) async fn spending(
    store: &dyn Store,
    history: &History,
    now: Timestamp,
    of_budget: bool,
) -> Result<Spending, StoreError> {
    let (most, since) = history.most_spent(now, MAX_NAMED);
    if most.is_empty() {
        return Ok(Spending {
            since: None,
            most: Vec::new(),
        });
    }
    let ids: Vec<String> = most.iter().map(|it| it.latest_id.clone()).collect();
    let documents = store.get_many(&ids).await?;
    let name = |id: &str| {
        let document = documents.iter().find(|it| it.assignment_id == id)?;
        document.teacher_id.clone()
    };
    let names: Vec<Option<String>> = ids.iter().map(|id| name(id)).collect();
    let mut charged = vec![None; names.len()];
    if of_budget {
        let of_day = |teacher: &String| Account {
            day: Day::of(now),
            scope: Scope::Teacher(teacher.clone()),
        };
        let accounts: Vec<Account> = names.iter().flatten().map(of_day).collect();
        let mut sums = store.charged(&accounts).await?.into_iter();
        let sum_of = |name: &Option<String>| name.as_ref().and_then(|_| sums.next());
        charged = names.iter().map(sum_of).collect();
    }
    let most = most.into_iter().zip(names).zip(charged);
    let most = most.map(|((spent, teacher_id), charged)| SpentView {
        teacher_id,
        pictures: spent.pictures,
        model_calls: spent.model_calls,
        cost_usd: spent.cost_usd,
        charged_usd: charged.map(|it| it.usd()),
    });
    Ok(Spending {
        since: since.map(Timestamp::seconds),
        most: most.collect(),
    })
}
