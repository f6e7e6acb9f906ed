//! What each teacher's pictures cost today.
//!
//! No teacher's id is kept: a teacher stands here under its pseudonym, with the id of its latest
//! assignment. Whoever shows this reads the name there, so that an erased teacher has none.

use std::collections::HashMap;

use crate::assignment::{Assignment, Status};
use crate::audit::pseudonym;
use crate::budget::Day;
use crate::timestamp::Timestamp;

/// The most teachers that are told apart; what others cost is in no teacher's sum.
const MAX_TEACHERS: usize = 10_000;

/// What one teacher's finished assignments cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spent {
    /// The latest of them.
    pub latest_id: String,
    /// Pictures that were made.
    pub pictures: u64,
    /// Calls to models, those without a picture among them.
    pub model_calls: u64,
    /// US dollars by list price.
    pub cost_usd: f64,
}

/// The sums of one day.
#[derive(Debug, Default)]
pub struct Spending {
    day: Option<Day>,
    since: Option<Timestamp>,
    of_teachers: HashMap<String, Spent>,
}

impl Spending {
    /// Adds a finished document. One of an earlier day than the latest counts no more.
    pub fn record(&mut self, document: &Assignment, at: Timestamp) {
        let day = Some(Day::of(at));
        if day < self.day {
            return;
        }
        if day > self.day {
            *self = Self {
                day,
                since: Some(at),
                of_teachers: HashMap::new(),
            };
        }
        let Some(teacher) = &document.teacher_id else {
            return;
        };
        let teacher = pseudonym(teacher);
        if self.of_teachers.len() >= MAX_TEACHERS && !self.of_teachers.contains_key(&teacher) {
            return;
        }
        let spent = self.of_teachers.entry(teacher).or_default();
        spent.latest_id.clone_from(&document.assignment_id);
        spent.pictures += u64::from(document.s3_upload_status == Status::Success);
        spent.model_calls += u64::from(document.model_calls);
        spent.cost_usd += document.cost_usd;
    }

    /// When the first document of the day was added.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// The `count` teachers who spent most today, the most first; none where nothing finished today.
    pub fn most(&self, today: Day, count: usize) -> Vec<Spent> {
        if self.day != Some(today) {
            return Vec::new();
        }
        let mut all: Vec<_> = self.of_teachers.values().cloned().collect();
        all.sort_by(|one, other| {
            (other.cost_usd.total_cmp(&one.cost_usd))
                .then(other.model_calls.cmp(&one.model_calls))
                .then_with(|| one.latest_id.cmp(&other.latest_id))
        });
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOON: f64 = 1_795_953_600.0;

    fn document(id: &str, teacher: &str, cost_usd: f64) -> Assignment {
        serde_json::from_value(json!({
            "assignment_id": id, "teacher_id": teacher, "created_at": NOON, "updated_at": NOON,
            "s3_upload_status": "success", "model_calls": 2, "cost_usd": cost_usd,
        }))
        .unwrap()
    }

    #[test]
    fn sums_are_of_one_day_and_know_no_teacher_by_name() {
        let at = Timestamp::from_seconds;
        let mut spending = Spending::default();
        spending.record(&document("a-1", "Ms. Okafor", 0.04), at(NOON));
        spending.record(&document("a-2", "Ms. Okafor", 0.04), at(NOON + 1.0));
        spending.record(&document("b-1", "Mr. Lindqvist", 0.14), at(NOON + 2.0));
        let most = spending.most(Day::of(at(NOON)), 9);
        let told: Vec<_> = most
            .iter()
            .map(|it| (it.latest_id.as_str(), it.pictures, it.model_calls))
            .collect();
        assert_eq!(told, [("b-1", 1, 2), ("a-2", 2, 4)]);
        assert!(!format!("{spending:?}").contains("Okafor"));
        assert_eq!(spending.most(Day::of(at(NOON)), 1).len(), 1);
        let tomorrow = at(NOON + 86_400.0);
        assert_eq!(spending.most(Day::of(tomorrow), 9), []);
        spending.record(&document("c-1", "Ms. Okafor", 0.04), tomorrow);
        spending.record(&document("c-2", "Ms. Okafor", 0.04), at(NOON));
        assert_eq!(spending.most(Day::of(tomorrow), 9)[0].pictures, 1);
        assert_eq!(spending.since(), Some(tomorrow));
    }
}
