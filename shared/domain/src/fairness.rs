//! How the pending assignments are divided among teachers, and how long each teacher waits.

use std::collections::HashMap;
use std::time::Duration;

use crate::timestamp::Timestamp;

/// A pending assignment, as far as fairness is concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// The teacher that it belongs to.
    pub teacher_id: Option<String>,
    /// When it was posted.
    pub created_at: Timestamp,
    /// Until when a worker claims it.
    pub claimed_until: Option<Timestamp>,
}

/// The pending assignments of one teacher.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The teacher; `None` for assignments that belong to nobody.
    pub teacher_id: Option<String>,
    /// No worker holds them.
    pub waiting: u32,
    /// A worker holds them.
    pub in_flight: u32,
    /// How long ago the oldest of them that no worker holds was posted; zero where none waits.
    pub longest_wait: Duration,
}

/// One share a teacher, the largest first.
pub fn shares(pending: &[Pending], now: Timestamp) -> Vec<Share> {
    let mut shares: HashMap<Option<&str>, Share> = HashMap::new();
    for each in pending {
        let teacher = each.teacher_id.as_deref();
        let share = shares.entry(teacher).or_insert_with(|| Share {
            teacher_id: each.teacher_id.clone(),
            waiting: 0,
            in_flight: 0,
            longest_wait: Duration::ZERO,
        });
        if each.claimed_until.is_some_and(|until| now < until) {
            share.in_flight += 1;
        } else {
            share.waiting += 1;
            share.longest_wait = share.longest_wait.max(now.since(each.created_at));
        }
    }
    let mut shares: Vec<Share> = shares.into_values().collect();
    shares.sort_by(|one, other| {
        let size = |share: &Share| share.waiting + share.in_flight;
        (size(other).cmp(&size(one))).then_with(|| one.teacher_id.cmp(&other.teacher_id))
    });
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_share_comes_first_and_a_claim_that_ended_waits_again() {
        let at = Timestamp::from_seconds;
        let pending =
            |teacher: Option<&str>, created_at: f64, claimed_until: Option<f64>| Pending {
                teacher_id: teacher.map(str::to_owned),
                created_at: at(created_at),
                claimed_until: claimed_until.map(at),
            };
        let all = [
            pending(Some("b"), 10.0, Some(200.0)),
            pending(Some("a"), 20.0, Some(90.0)),
            pending(Some("b"), 40.0, None),
            pending(None, 50.0, Some(101.0)),
        ];
        let found = shares(&all, at(100.0));
        let told: Vec<_> = found
            .iter()
            .map(|it| {
                let teacher = it.teacher_id.as_deref();
                (teacher, it.waiting, it.in_flight, it.longest_wait.as_secs())
            })
            .collect();
        assert_eq!(
            told,
            [
                (Some("b"), 1, 1, 60),
                (None, 0, 1, 0),
                (Some("a"), 1, 0, 80),
            ]
        );
    }
}
