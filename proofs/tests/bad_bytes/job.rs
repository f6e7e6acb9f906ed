//! A message's body.

use atelier_domain::job::Job;
use atelier_proofs::bad_bytes::{Target, mutated_text};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const TARGET: Target = Target {
    name: "job body",
    short_run: 10_000,
    batch: 1,
};

/// A job with fields that we do not know yet.
fn newer_job() -> impl Strategy<Value = String> {
    let id = prop_oneof![4 => "[A-Za-z0-9_-]{1,64}", 1 => ".{0,70}", 1 => "[a-z]{65}"];
    let round = prop_oneof![4 => any::<u32>().prop_map(i64::from), 1 => any::<i64>()];
    let extras = proptest::collection::hash_map("[a-z]{1,8}", ".{0,8}", 0..3);
    (id, round, extras).prop_map(|(id, round, extras)| {
        let mut body: Map<String, Value> = extras
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        body.insert("assignment_id".to_owned(), id.into());
        body.insert("round".to_owned(), round.into());
        Value::Object(body).to_string()
    })
}

/// The id and the round that a body states, by a look that knows nothing of jobs.
fn stated(body: &str) -> Option<(String, u32)> {
    let value: Value = serde_json::from_str(body).ok()?;
    let round = u32::try_from(value.get("round")?.as_u64()?).ok()?;
    Some((value.get("assignment_id")?.as_str()?.to_owned(), round))
}

fn may_name_an_assignment(id: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=64).contains(&id.chars().count()) && id.chars().all(known)
}

#[test]
fn a_body_is_a_job_or_unreadable() {
    let real = [
        "a-1",
        "lesson_7-fox",
        "0196f3a2-77aa-7bbb-8ccc-123456789abc",
    ]
    .map(|id| {
        Job {
            assignment_id: id.to_owned(),
            round: 3,
        }
        .to_body()
    });
    let newer = json!({"round": 1, "priority": ["high", 1.5, null], "assignment_id": "a"});
    let corpus = real.into_iter().chain([newer.to_string()]);
    let bodies = prop_oneof![3 => mutated_text(corpus), 1 => newer_job()];
    TARGET.hold(&bodies, |body| {
        let stated = stated(&body);
        let Ok(job) = Job::from_body(&body) else {
            // A duplicate field, or a number that no float can hold, is not seen by the other look.
            let good = stated.is_some_and(|(id, round)| may_name_an_assignment(&id) && round > 0);
            let twice = ["assignment_id", "round"]
                .iter()
                .any(|field| body.matches(&format!("\"{field}\"")).count() > 1);
            prop_assert!(
                !good || twice || body.contains("\\u"),
                "a good job is unreadable"
            );
            return Ok(vec!["unreadable"]);
        };
        prop_assert!(may_name_an_assignment(&job.assignment_id));
        prop_assert!(job.round > 0);
        if let Some((id, round)) = stated {
            prop_assert_eq!((&job.assignment_id, job.round), (&id, round));
        }
        prop_assert_eq!(Job::from_body(&job.to_body()).ok(), Some(job));
        Ok(vec!["a job"])
    });
}
