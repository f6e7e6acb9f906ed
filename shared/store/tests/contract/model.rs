//! The stores against a plain model of a document.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::writes::changed;
use super::{assignment, at, claim_of, finished, imported, renditions, token};
use atelier_domain::assignment::{Assignment, FailureNote, Token};
use atelier_domain::transition::{self, Budget, Transition};
use atelier_store::{Insert, Store};

/// One thing that a worker, a sweep or a person may do at a time.
#[derive(Clone, Debug)]
enum Act {
    NoteSent,
    Claim(u8),
    TakeOver(u8, u8),
    Renew(u8),
    Release(u8, bool),
    CountModelCall(u8),
    WaitForBudget(u8),
    Succeed(u8),
    Fail(u8),
    FailUnclaimed,
    Retry(Option<String>),
    SetPermanent(bool),
    SucceedTagDue(u8),
    SucceedDue(u8, bool),
    Tagged(bool),
    ClaimRenditions(u8),
    NoteRenditions(u8, bool),
    ReleaseRenditions(u8),
    RenewRenditions(u8),
    SendRenditions,
    GiveUpRenditions,
    Delete,
    Erased,
    TakeDue,
    Import,
}

/// Three holders, so that they meet.
fn holder() -> impl Strategy<Value = u8> {
    0..3_u8
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::NoteSent),
        6 => holder().prop_map(Act::Claim),
        3 => (holder(), holder()).prop_map(|(from, to)| Act::TakeOver(from, to)),
        2 => holder().prop_map(Act::Renew),
        3 => (holder(), any::<bool>()).prop_map(|(by, burn)| Act::Release(by, burn)),
        2 => holder().prop_map(Act::CountModelCall),
        1 => holder().prop_map(Act::WaitForBudget),
        2 => holder().prop_map(Act::Succeed),
        2 => holder().prop_map(Act::Fail),
        1 => Just(Act::FailUnclaimed),
        3 => proptest::option::of(any::<String>()).prop_map(Act::Retry),
        1 => any::<bool>().prop_map(Act::SetPermanent),
        1 => holder().prop_map(Act::SucceedTagDue),
        1 => any::<bool>().prop_map(Act::Tagged),
        2 => (holder(), any::<bool>()).prop_map(|(by, goes_on)| Act::SucceedDue(by, goes_on)),
        2 => holder().prop_map(Act::ClaimRenditions),
        3 => (holder(), any::<bool>()).prop_map(|(by, complete)| Act::NoteRenditions(by, complete)),
        1 => holder().prop_map(Act::ReleaseRenditions),
        1 => holder().prop_map(Act::RenewRenditions),
        1 => Just(Act::SendRenditions),
        1 => Just(Act::GiveUpRenditions),
        1 => Just(Act::Delete),
        1 => Just(Act::Erased),
        2 => Just(Act::TakeDue),
        2 => Just(Act::Import),
    ]
}

/// The act as a transition, by someone who last saw `seen`, at `now`.
fn transition(act: &Act, seen: &Assignment, now: f64) -> Option<Transition> {
    let (round, later) = (seen.round, at(now + 120.0));
    let claim = |by: &u8| claim_of(&by.to_string(), now + 4.0);
    let token = |by: &u8| token(&by.to_string());
    let note = || FailureNote {
        code: "unforeseen".to_owned(),
        message: "Something went wrong".to_owned(),
        correlation_id: "correlation".to_owned(),
    };
    let now = at(now);
    Some(match act {
        Act::NoteSent => transition::note_sent(round, now, later),
        Act::Claim(by) => transition::claim(seen, &claim(by), later),
        Act::TakeOver(from, to) => {
            transition::take_over(seen, &token(from), &claim(to), now, later)
        }
        Act::Renew(by) => transition::renew(&claim(by), later),
        Act::Release(by, true) => transition::release(&token(by), seen, Budget::Burn, 1, later),
        Act::Release(by, false) => {
            transition::release(&token(by), seen, Budget::GiveBack, 0, later)
        }
        Act::CountModelCall(by) => transition::count_model_call(&token(by), seen.model_calls),
        Act::WaitForBudget(by) => transition::wait_for_budget(&token(by), seen, 1, later),
        // Sums of eighths are exact.
        Act::Succeed(by) => transition::succeed(&token(by), seen, &finished("key"), now),
        Act::Fail(by) => transition::fail(&token(by), seen, &note(), 2, now),
        Act::FailUnclaimed => transition::fail_unclaimed(round, &note(), now),
        Act::Retry(prompt) => transition::retry(seen, prompt.as_deref(), "next", now, later, later),
        Act::SetPermanent(permanent) => transition::set_permanent(seen, *permanent, now, later),
        Act::SucceedTagDue(by) => {
            transition::succeed_tag_due(&token(by), seen, &finished("key"), now, later)
        }
        Act::SucceedDue(by, goes_on) => {
            let claim = claim(by);
            transition::succeed(&token(by), seen, &finished("key"), now)
                .with_renditions_due(goes_on.then_some(&claim), later)
        }
        Act::Tagged(permanent) => transition::tagged(&Assignment {
            permanent: *permanent,
            ..seen.clone()
        }),
        Act::ClaimRenditions(by) => transition::claim_renditions(seen, &claim(by), now, later),
        Act::NoteRenditions(by, complete) => {
            transition::note_renditions(&token(by), seen, &renditions(), *complete, now)
        }
        Act::ReleaseRenditions(by) => transition::release_renditions(&token(by), seen, later),
        Act::RenewRenditions(by) => transition::renew_renditions(seen, &claim(by), later),
        Act::SendRenditions => transition::send_renditions(seen, now, later),
        Act::GiveUpRenditions => transition::give_up_renditions(seen, now),
        Act::Delete => transition::delete(now, later),
        Act::Erased => transition::erased(seen, Some(later)),
        Act::TakeDue => transition::take_due(seen, now, Duration::from_secs(60))?,
        Act::Import => transition::import(seen, &imported(), now),
    })
}

/// Does `acts` to a new document in `store` and to a model of it; they must not differ. An act
/// marked stale is done by someone who knows the document only as it was at first.
async fn compare(store: &dyn Store, acts: Vec<(Act, bool, u8)>) {
    let id = Token::random().as_str().to_owned();
    let first = assignment(
        &id,
        json!({"teacher_id": "t", "created_at": at(1_764_030_483.1)}),
    );
    assert_eq!(store.insert(&first).await.unwrap(), Insert::Done);
    let mut model = first.clone();
    let mut now = 1_764_030_483.25;
    for (act, stale, pause) in acts {
        now += f64::from(pause) * 0.123_457;
        let seen = if stale { &first } else { &model };
        let Some(transition) = transition(&act, seen, now) else {
            continue;
        };
        let expected = transition
            .guard
            .admits(&model)
            .then(|| changed(&model, &transition));
        let applied = store.apply(&id, &transition).await.unwrap();
        assert_eq!(applied, expected, "{act:?}");
        if let Some(after) = &applied {
            assert!(transition.is_made_in(after), "{act:?}");
        }
        model = expected.unwrap_or(model);
        assert_eq!(
            store.get(&id).await.unwrap().as_ref(),
            Some(&model),
            "{act:?}"
        );
    }
}

fn check_against_model(runtime: &tokio::runtime::Runtime, store: &dyn Store) {
    let acts = proptest::collection::vec((act(), any::<bool>(), 0..40_u8), 1..40);
    TestRunner::new(Config {
        cases: 120,
        failure_persistence: None,
        ..Config::default()
    })
    .run(&acts, |acts| {
        runtime.block_on(compare(store, acts));
        Ok(())
    })
    .unwrap();
}

#[test]
fn sqlite_changes_a_document_as_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = super::sqlite();
    check_against_model(&runtime, &*home.store);
}

#[test]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
fn mongodb_changes_a_document_as_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = runtime.block_on(super::mongodb(super::MONGODB_URI));
    check_against_model(&runtime, &*home.store);
    runtime.block_on(home.clear());
}
