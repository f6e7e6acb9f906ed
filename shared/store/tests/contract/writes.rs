//! Inserts, transitions, counts.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    NOW, assignment, at, claim_of, delete, finished, for_every_store, put, renditions, status,
    token,
};
use atelier_domain::assignment::{Assignment, FailureNote, Status};
use atelier_domain::transition::{self, Budget, Transition};
use atelier_store::{Filter, Insert, Store, guarantees};

for_every_store!(
    an_id_is_taken_once,
    a_tombstone_keeps_its_id,
    each_transition_happens_where_its_guard_admits_and_nowhere_else,
    a_document_that_is_not_there_is_not_changed,
    an_insert_that_is_repeated_is_done,
    a_worker_whose_claim_was_taken_over_changes_nothing,
    whatever_a_text_holds_comes_back,
    limits_are_counted_by_subject_and_window,
    times_come_back_as_they_went,
    the_store_answers_a_ping;
    races:
        sixteen_racing_claims_end_in_one,
        racing_sweeps_take_a_due_document_once,
        of_racing_counts_from_one_value_one_is_made,
        what_a_store_must_guarantee_is_tried;
    other_races:
        racing_inserts_store_one,
        racing_charges_are_all_counted,
);

async fn an_id_is_taken_once(store: Arc<dyn Store>) {
    let first = assignment("a", json!({}));
    assert_eq!(store.insert(&first).await.unwrap(), Insert::Done);
    let second = assignment("a", json!({"prompt": "a blue fox"}));
    let taken = Insert::Taken(Box::new(first.clone()));
    assert_eq!(store.insert(&second).await.unwrap(), taken);
    assert_eq!(store.get("a").await.unwrap(), Some(first));
    assert_eq!(store.get("b").await.unwrap(), None);
}

async fn a_tombstone_keeps_its_id(store: Arc<dyn Store>) {
    let first = put(&*store, "a", json!({"teacher_id": "t"})).await;
    delete(&*store, "a").await;
    let Insert::Taken(tombstone) = store.insert(&first).await.unwrap() else {
        panic!("the id was free");
    };
    assert_eq!(tombstone.s3_upload_status, Status::Deleted);
    assert_eq!(tombstone.teacher_id, None);
    assert_eq!(tombstone.prompt, "");
}

async fn racing_inserts_store_one(store: Arc<dyn Store>) {
    let inserts = (0..16).map(|n| {
        let store = Arc::clone(&store);
        let assignment = assignment("a", json!({"prompt": n.to_string()}));
        tokio::spawn(async move { store.insert(&assignment).await.unwrap() })
    });
    let results = futures_util::future::try_join_all(inserts).await.unwrap();
    let done = results.iter().filter(|result| **result == Insert::Done);
    assert_eq!(done.count(), 1);
}

/// Documents to try transitions on, named.
fn states() -> Vec<Assignment> {
    let claim = |name: &str, until: f64| json!({"token": name, "worker": "w", "until": until});
    let state = |name: &str, wake_at: f64, mut fields: Value| {
        fields["wake_at"] = json!(wake_at);
        assignment(name, fields)
    };
    vec![
        state("unclaimed", 930.0, json!({})),
        state(
            "held",
            931.0,
            json!({"claim": claim("mine", 1100.0), "attempts": 1}),
        ),
        state(
            "run_out",
            932.0,
            json!({"claim": claim("mine", 1000.0), "attempts": 4}),
        ),
        state(
            "another's",
            933.0,
            json!({"claim": claim("another's", 1100.0)}),
        ),
        state("next_round", 934.0, json!({"round": 2})),
        state(
            "success",
            935.0,
            json!({"s3_upload_status": "success", "finished_at": 950.0}),
        ),
        state(
            "permanent",
            936.0,
            json!({"s3_upload_status": "success", "permanent": true}),
        ),
        state(
            "makes",
            941.0,
            json!({
                "s3_upload_status": "success", "renditions_due": true, "wake_at": 1030.0,
                "claim": claim_of("mine", 1060.0),
            }),
        ),
        state(
            "due",
            942.0,
            json!({"s3_upload_status": "success", "renditions_due": true, "wake_at": 1031.0}),
        ),
        state(
            "failed",
            937.0,
            json!({
                "s3_upload_status": "failed", "finished_at": 950.0, "attempts": 5,
                "failure": {"code": "c", "message": "m", "correlation_id": "i"},
            }),
        ),
        state(
            "no_image",
            938.0,
            json!({"s3_upload_status": "no_image", "prompt": ""}),
        ),
        state("deleted", 939.0, json!({"s3_upload_status": "deleted"})),
        state(
            "erased",
            940.0,
            json!({"s3_upload_status": "deleted", "erasures": 1}),
        ),
    ]
}

/// Every transition, and the states that it applies to.
fn transitions() -> Vec<(Transition, &'static [&'static str])> {
    let states = states();
    let state = |id: &str| states.iter().find(|it| it.assignment_id == id).unwrap();
    let mine = token("mine");
    let note = FailureNote {
        code: "too_busy".to_owned(),
        message: "The picture service is too busy.".to_owned(),
        correlation_id: "correlation".to_owned(),
    };
    let later = at(1200.0);
    let new = claim_of("new", 1160.0);
    let pending: &[&str] = &["unclaimed", "held", "run_out", "another's", "next_round"];
    vec![
        (
            transition::note_sent(1, NOW, later),
            &["unclaimed", "run_out"],
        ),
        (
            transition::claim(state("unclaimed"), &new, later),
            &["unclaimed"],
        ),
        (
            transition::claim(state("next_round"), &new, later),
            &["next_round"],
        ),
        (
            transition::take_over(state("run_out"), &mine, &new, NOW, later),
            &["run_out"],
        ),
        (
            transition::renew(&claim_of("mine", 1160.0), later),
            &["held", "run_out"],
        ),
        (
            transition::release(&mine, state("run_out"), Budget::GiveBack, 2, later),
            &["run_out"],
        ),
        (
            transition::release(&mine, state("held"), Budget::Burn, 0, later),
            &["held", "run_out"],
        ),
        (transition::count_model_call(&mine, 0), &["held", "run_out"]),
        (
            transition::succeed(&mine, state("held"), &finished("key"), NOW),
            &["held", "run_out"],
        ),
        (
            transition::succeed(&mine, state("held"), &finished("key"), NOW).if_permanent_is(false),
            &["held", "run_out"],
        ),
        (
            transition::succeed(&mine, state("held"), &finished("key"), NOW).if_permanent_is(true),
            &[],
        ),
        (
            transition::succeed_tag_due(&mine, state("held"), &finished("key"), NOW, later),
            &["held", "run_out"],
        ),
        (
            transition::fail(&mine, state("held"), &note, 3, NOW),
            &["held", "run_out"],
        ),
        (
            transition::fail_unclaimed(1, &note, NOW),
            &["unclaimed", "run_out"],
        ),
        (
            transition::retry(state("failed"), Some("a cat"), "id", NOW, later, later),
            &["failed"],
        ),
        (
            transition::retry(state("failed"), None, "id", NOW, later, later),
            &["failed"],
        ),
        (
            transition::set_permanent(state("held"), true, NOW, later),
            pending,
        ),
        (
            transition::set_permanent(state("success"), true, NOW, later),
            &["success", "permanent", "makes", "due"],
        ),
        (
            transition::set_permanent(state("failed"), true, NOW, later),
            &["failed", "no_image"],
        ),
        (
            transition::tagged(state("success")),
            &["success", "makes", "due"],
        ),
        (transition::tagged(state("permanent")), &["permanent"]),
        (
            transition::succeed(&mine, state("held"), &finished("key"), NOW)
                .with_renditions_due(Some(&claim_of("mine", 1160.0)), later),
            &["held", "run_out"],
        ),
        (
            transition::claim_renditions(state("due"), &new, NOW, later),
            &["due"],
        ),
        (
            transition::note_renditions(&mine, state("makes"), &renditions(), false, NOW),
            &["makes"],
        ),
        (
            transition::note_renditions(&mine, state("makes"), &renditions(), true, NOW),
            &["makes"],
        ),
        (
            transition::release_renditions(&mine, state("makes"), later),
            &["makes"],
        ),
        (
            transition::renew_renditions(state("makes"), &claim_of("mine", 1160.0), later),
            &["makes"],
        ),
        (
            transition::send_renditions(state("due"), NOW, later),
            &["due"],
        ),
        (transition::give_up_renditions(state("due"), NOW), &["due"]),
        (
            transition::delete(NOW, later),
            &[
                "unclaimed",
                "held",
                "run_out",
                "another's",
                "next_round",
                "success",
                "permanent",
                "makes",
                "due",
                "failed",
                "no_image",
            ],
        ),
        (
            transition::erased(state("deleted"), Some(later)),
            &["deleted"],
        ),
        (transition::erased(state("erased"), None), &["erased"]),
        (
            transition::take_due(state("another's"), NOW, std::time::Duration::from_secs(60))
                .unwrap(),
            &["another's"],
        ),
    ]
}

/// The document after `transition`, worked out without a store.
pub(super) fn changed(document: &Assignment, transition: &Transition) -> Assignment {
    let Value::Object(mut fields) = serde_json::to_value(document).unwrap() else {
        unreachable!("a document is an object");
    };
    transition.edit(&mut fields);
    serde_json::from_value(Value::Object(fields)).unwrap()
}

async fn each_transition_happens_where_its_guard_admits_and_nowhere_else(store: Arc<dyn Store>) {
    for (n, (transition, applies_to)) in transitions().into_iter().enumerate() {
        for state in states() {
            let name = state.assignment_id.clone();
            let id = format!("{n}-{name}");
            let before = Assignment {
                assignment_id: id.clone(),
                ..state
            };
            store.insert(&before).await.unwrap();
            let expected = applies_to
                .contains(&name.as_str())
                .then(|| changed(&before, &transition));
            let context = format!("{transition:?} on {name}");
            let after = store.apply(&id, &transition).await.unwrap();
            assert_eq!(after, expected, "{context}");
            let stored = store.get(&id).await.unwrap().unwrap();
            assert_eq!(stored, expected.unwrap_or(before), "{context}");
        }
    }
}

async fn a_document_that_is_not_there_is_not_changed(store: Arc<dyn Store>) {
    for (transition, _) in transitions() {
        assert_eq!(store.apply("nobody", &transition).await.unwrap(), None);
    }
    assert_eq!(store.get("nobody").await.unwrap(), None);
}

/// Applies each transition to `a` at once; how many were admitted.
async fn race(store: &Arc<dyn Store>, transitions: Vec<Transition>) -> usize {
    let tasks = transitions.into_iter().map(|transition| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.apply("a", &transition).await.unwrap().is_some() })
    });
    let results = futures_util::future::join_all(tasks).await;
    results
        .into_iter()
        .filter(|it| *it.as_ref().unwrap())
        .count()
}

async fn sixteen_racing_claims_end_in_one(store: Arc<dyn Store>) {
    let seen = put(&*store, "a", json!({})).await;
    let claim = |n: usize| transition::claim(&seen, &claim_of(&n.to_string(), 1060.0), at(1120.0));
    assert_eq!(race(&store, (0..16).map(claim).collect()).await, 1);
    let seen = store.get("a").await.unwrap().unwrap();
    assert_eq!(seen.attempts, 1);

    let held = seen.claim.clone().unwrap().token;
    let take_over = |n: usize| {
        let claim = claim_of(&format!("next {n}"), 1160.0);
        transition::take_over(&seen, &held, &claim, at(1060.0), at(1220.0))
    };
    assert_eq!(race(&store, (0..16).map(take_over).collect()).await, 1);
    let taken_over = store.get("a").await.unwrap().unwrap();
    assert_eq!((taken_over.attempts, taken_over.takeovers), (2, 1));
}

async fn racing_sweeps_take_a_due_document_once(store: Arc<dyn Store>) {
    let due = put(&*store, "a", json!({"wake_at": 990.25})).await;
    let take = transition::take_due(&due, NOW, std::time::Duration::from_secs(60)).unwrap();
    assert_eq!(race(&store, vec![take; 16]).await, 1);
    assert_eq!(
        store.get("a").await.unwrap().unwrap().wake_at,
        Some(at(1060.0))
    );
}

async fn of_racing_counts_from_one_value_one_is_made(store: Arc<dyn Store>) {
    let held = put(&*store, "a", json!({"claim": claim_of("mine", 1100.0)})).await;
    for so_far in [0, 1] {
        let count = transition::count_model_call(&token("mine"), so_far);
        assert_eq!(race(&store, vec![count.clone(); 16]).await, 1);
        let counted = store.get("a").await.unwrap().unwrap();
        assert_eq!(counted.model_calls, so_far + 1);
        // So a write that is repeated is told from one that is lost.
        assert!(count.is_made_in(&counted) && !count.guard.admits(&counted));
        assert!(!count.is_made_in(&held));
    }
}

async fn an_insert_that_is_repeated_is_done(store: Arc<dyn Store>) {
    let posted = assignment("a", json!({"post_hash": "what was posted"}));
    assert_eq!(store.insert(&posted).await.unwrap(), Insert::Done);
    assert_eq!(store.insert(&posted).await.unwrap(), Insert::Done);
    let sent = transition::note_sent(1, NOW, at(1200.0));
    assert!(store.apply("a", &sent).await.unwrap().is_some());
    assert_eq!(store.insert(&posted).await.unwrap(), Insert::Done);
    let later = assignment(
        "a",
        json!({"post_hash": "what was posted", "created_at": 901.5}),
    );
    assert!(matches!(
        store.insert(&later).await.unwrap(),
        Insert::Taken(_)
    ));
}

async fn a_worker_whose_claim_was_taken_over_changes_nothing(store: Arc<dyn Store>) {
    let seen = put(&*store, "a", json!({"claim": claim_of("late", 999.0)})).await;
    let new = claim_of("new", 1100.0);
    let take_over = transition::take_over(&seen, &token("late"), &new, NOW, at(1200.0));
    let taken = store.apply("a", &take_over).await.unwrap();
    let late = token("late");
    for transition in [
        transition::renew(&claim_of("late", 1300.0), at(1400.0)),
        transition::count_model_call(&late, 0),
        transition::succeed(&late, &seen, &finished("key"), NOW),
        transition::release(&late, &seen, Budget::GiveBack, 0, at(1001.0)),
    ] {
        assert_eq!(store.apply("a", &transition).await.unwrap(), None);
    }
    assert_eq!(store.get("a").await.unwrap(), taken);
    let finish = transition::succeed(&token("new"), &seen, &finished("key"), NOW);
    assert!(store.apply("a", &finish).await.unwrap().is_some());
    assert_eq!(status(&*store, "a").await, Status::Success);
}

async fn whatever_a_text_holds_comes_back(store: Arc<dyn Store>) {
    let long = "é".repeat(500_000);
    let texts = [
        "null \0 byte",
        "$set",
        "a.b.c",
        "\u{fffd}\u{10ffff}🦊",
        "\"quoted\" 'single' \\ \n\t",
        "",
        "\u{202e}right to left",
        "$$ROOT",
        "{\"$oid\": \"x\"}",
        &long,
    ];
    for (n, text) in texts.iter().enumerate() {
        let id = format!("a{n}");
        let fields = json!({"prompt": text, "teacher_id": text, "question_answers": text});
        let before = put(&*store, &id, fields).await;
        assert_eq!(store.get(&id).await.unwrap(), Some(before.clone()));
        let filter = atelier_store::Filter {
            teacher_id: Some((*text).to_owned()),
            ..atelier_store::Filter::default()
        };
        assert_eq!(store.list(&filter, None, 10).await.unwrap(), [before]);

        let note = FailureNote {
            code: (*text).to_owned(),
            message: (*text).to_owned(),
            correlation_id: (*text).to_owned(),
        };
        let failed = store
            .apply(&id, &transition::fail_unclaimed(1, &note, NOW))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(failed.failure, Some(note));
        let retry = transition::retry(&failed, Some(text), text, NOW, NOW, NOW);
        let retried = store.apply(&id, &retry).await.unwrap().unwrap();
        assert_eq!(retried.prompt, *text);
        assert_eq!(store.get(&id).await.unwrap(), Some(retried));
    }
}

async fn limits_are_counted_by_subject_and_window(store: Arc<dyn Store>) {
    let window = NOW.seconds() as i64 + 2_000_000_000;
    assert_eq!(store.charge("anna", window).await.unwrap(), 1);
    assert_eq!(store.charge("anna", window).await.unwrap(), 2);
    assert_eq!(store.charge("bert", window).await.unwrap(), 1);
    assert_eq!(store.charge("anna", window + 60).await.unwrap(), 1);
    assert_eq!(store.charge("anna", window).await.unwrap(), 3);
}

async fn racing_charges_are_all_counted(store: Arc<dyn Store>) {
    let charges = (0..64).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.charge("subject", 4_000_000_020).await.unwrap() })
    });
    let counts = futures_util::future::try_join_all(charges).await.unwrap();
    // A server may answer one with what the next has made of the count, but it loses none.
    assert_eq!(counts.into_iter().max(), Some(64));
    assert_eq!(store.charge("subject", 4_000_000_020).await.unwrap(), 65);
}

async fn times_come_back_as_they_went(store: Arc<dyn Store>) {
    for n in 0..50 {
        let created_at = at(1_764_030_483.0 + f64::from(n) * 0.123_457_1);
        let id = format!("a{n}");
        let before = put(&*store, &id, json!({ "created_at": created_at })).await;
        assert_eq!(store.get(&id).await.unwrap(), Some(before));
    }
}

async fn the_store_answers_a_ping(store: Arc<dyn Store>) {
    store.ping().await.unwrap();
}

/// Fails on a store that keeps a promise only by luck; leaves nothing that anybody sees.
async fn what_a_store_must_guarantee_is_tried(store: Arc<dyn Store>) {
    for _ in 0..2 {
        guarantees::check(store.as_ref()).await.unwrap();
    }
    let listed = store.list(&Filter::default(), None, 10).await.unwrap();
    assert_eq!(listed, []);
    let all = store.scan(None, 10).await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
}
