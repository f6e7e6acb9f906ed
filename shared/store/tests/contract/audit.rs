//! The audit log, and what an erasure asks of a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::{NOW, at, claim_of, finished, for_every_store, put, token};
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::audit::{Action, Actor, Entry, Outcome};
use atelier_domain::transition;
use atelier_store::{AuditFilter, Position, Store};

for_every_store!(
    entries_come_newest_first_and_go_on_where_they_stopped,
    entries_are_found_by_actor_action_and_what,
    a_persons_name_is_known_until_it_is_forgotten,
    an_entry_that_is_appended_again_is_there_once_and_as_it_was,
    an_erased_document_leaves_its_tombstone_alone,
    a_late_worker_changes_nothing_of_an_erased_document,
    only_the_teachers_document_is_erased,
    an_erasure_is_found_until_it_is_noted,
    a_picture_is_known_to_be_named_by_others,
);

fn entry(id: &str, seconds: f64, actor: &Actor, action: Action, what: &str) -> Entry {
    Entry {
        id: id.to_owned(),
        at: at(seconds),
        ..Entry::begun(actor, action, what).under("correlation")
    }
}

fn anna() -> Actor {
    Actor::Person("anna".to_owned())
}

async fn read(store: &dyn Store, filter: &AuditFilter) -> Vec<String> {
    let found = store.audit_log(filter, None, 100).await.unwrap();
    found.into_iter().map(|it| it.id).collect()
}

async fn entries_come_newest_first_and_go_on_where_they_stopped(store: Arc<dyn Store>) {
    for (id, seconds) in [
        ("b", 10.0),
        ("d", 9.5),
        ("a", 10.0),
        ("c", 10.0),
        ("e", 11.25),
    ] {
        let entry = entry(id, seconds, &Actor::Nobody, Action::AssignmentDeleted, "x");
        store.append_audit(&entry).await.unwrap();
    }
    let mut read = Vec::new();
    let mut after: Option<Position> = None;
    loop {
        let filter = AuditFilter::default();
        let page = store.audit_log(&filter, after.as_ref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(Position {
            created_at: last.at,
            assignment_id: last.id.clone(),
        });
        read.extend(page.into_iter().map(|it| it.id));
    }
    assert_eq!(read, ["e", "c", "b", "a", "d"]);
    let none = store.audit_log(&AuditFilter::default(), None, 0).await;
    assert_eq!(none.unwrap(), []);
}

async fn entries_are_found_by_actor_action_and_what(store: Arc<dyn Store>) {
    let cli = Actor::Cli("root".to_owned());
    for (id, actor, action, what) in [
        ("a", anna(), Action::AssignmentDeleted, "x"),
        ("b", anna(), Action::AssignmentRetried, "y"),
        ("c", cli.clone(), Action::AssignmentDeleted, "y"),
    ] {
        let entry = entry(id, 10.0, &actor, action, what);
        store.append_audit(&entry).await.unwrap();
    }
    let of = |actor: Option<&Actor>, action, what: Option<&str>| AuditFilter {
        actor: actor.map(Actor::recorded),
        action,
        what: what.map(str::to_owned),
    };
    let deleted = Some(Action::AssignmentDeleted);
    assert_eq!(
        read(&*store, &of(Some(&anna()), None, None)).await,
        ["b", "a"]
    );
    assert_eq!(read(&*store, &of(None, deleted, None)).await, ["c", "a"]);
    assert_eq!(read(&*store, &of(None, None, Some("y"))).await, ["c", "b"]);
    assert_eq!(
        read(&*store, &of(Some(&cli), deleted, Some("y"))).await,
        ["c"]
    );
    assert!(
        read(&*store, &of(Some(&cli), deleted, Some("x")))
            .await
            .is_empty()
    );
}

async fn a_persons_name_is_known_until_it_is_forgotten(store: Arc<dyn Store>) {
    let by_anna = entry("a", 10.0, &anna(), Action::AssignmentDeleted, "x");
    let later = entry("b", 11.0, &anna(), Action::AssignmentRetried, "x");
    let bert = Actor::Person("bert".to_owned());
    let by_bert = entry("c", 12.0, &bert, Action::AssignmentDeleted, "x");
    for entry in [&by_anna, &later, &by_bert] {
        store.append_audit(entry).await.unwrap();
    }
    let all = AuditFilter::default();
    let read = store.audit_log(&all, None, 9).await.unwrap();
    assert_eq!(read, [by_bert.clone(), later.clone(), by_anna.clone()]);
    for _ in 0..2 {
        store.forget_person("anna").await.unwrap();
        let unnamed = |entry: &Entry| Entry {
            person: None,
            ..entry.clone()
        };
        let read = store.audit_log(&all, None, 9).await.unwrap();
        assert_eq!(read, [by_bert.clone(), unnamed(&later), unnamed(&by_anna)]);
    }
}

async fn an_entry_that_is_appended_again_is_there_once_and_as_it_was(store: Arc<dyn Store>) {
    let first = entry("a", 10.0, &Actor::Nobody, Action::AssignmentDeleted, "x");
    store.append_audit(&first).await.unwrap();
    let other = first.ended(Outcome::Failed, BTreeMap::from([("n".to_owned(), 1)]));
    let again = Entry {
        id: "a".to_owned(),
        ..other
    };
    // A store may refuse it.
    let _ = store.append_audit(&again).await;
    let read = store.audit_log(&AuditFilter::default(), None, 9).await;
    assert_eq!(read.unwrap(), [first]);
}

fn tombstone(id: &str) -> Assignment {
    Assignment::tombstone_of(id, "t", NOW, at(1060.0))
}

async fn an_erased_document_leaves_its_tombstone_alone(store: Arc<dyn Store>) {
    let fields = json!({
        "teacher_id": "t", "s3_upload_status": "success", "reuse_key": "k", "finished_at": 950.5,
        "question_answers": "[]", "s3_image_key": "generated_images/a.webp", "model": "m",
        "s3_image_name": "old/a.png", "permanent": true, "cost_usd": 0.25,
    });
    put(&*store, "a", fields).await;
    assert!(store.erase("t", &tombstone("a")).await.unwrap());
    assert_eq!(store.get("a").await.unwrap(), Some(tombstone("a")));
    assert!(
        !store.erase("t", &tombstone("a")).await.unwrap(),
        "it is gone"
    );
    let keys = ["k".to_owned()];
    assert_eq!(store.reusable(&keys, None).await.unwrap(), None);
    assert_eq!(store.due(at(1060.0), 9).await.unwrap(), [tombstone("a")]);
}

async fn a_late_worker_changes_nothing_of_an_erased_document(store: Arc<dyn Store>) {
    let seen = put(&*store, "a", json!({"teacher_id": "t"})).await;
    let claim = transition::claim(&seen, &claim_of("mine", 1004.0), at(1004.0));
    let held = store.apply("a", &claim).await.unwrap().unwrap();
    assert!(store.erase("t", &tombstone("a")).await.unwrap());
    let succeed = transition::succeed(&token("mine"), &held, &finished("key"), NOW);
    assert_eq!(store.apply("a", &succeed).await.unwrap(), None);
    assert_eq!(store.get("a").await.unwrap(), Some(tombstone("a")));
}

async fn only_the_teachers_document_is_erased(store: Arc<dyn Store>) {
    let others = put(&*store, "a", json!({"teacher_id": "u"})).await;
    let nobodys = put(&*store, "b", json!({})).await;
    for id in ["a", "b", "c"] {
        assert!(!store.erase("t", &tombstone(id)).await.unwrap());
    }
    assert_eq!(store.get("a").await.unwrap(), Some(others));
    assert_eq!(store.get("b").await.unwrap(), Some(nobodys));
    assert_eq!(store.get("c").await.unwrap(), None);
}

async fn an_erasure_is_found_until_it_is_noted(store: Arc<dyn Store>) {
    for id in ["a", "b"] {
        put(&*store, id, json!({"teacher_id": "t"})).await;
        assert!(store.erase("t", &tombstone(id)).await.unwrap());
    }
    assert_eq!(store.erasing("t", 9).await.unwrap().len(), 2);
    assert_eq!(store.erasing("t", 1).await.unwrap().len(), 1);
    assert_eq!(store.erasing("u", 9).await.unwrap(), []);
    let erased = transition::erased(&tombstone("a"), Some(at(2000.0)));
    let noted = store.apply("a", &erased).await.unwrap().unwrap();
    assert_eq!((noted.erasures, noted.erasing_for), (1, None));
    assert_eq!(noted.s3_upload_status, Status::Deleted);
    assert_eq!(store.erasing("t", 9).await.unwrap(), [tombstone("b")]);
}

async fn a_picture_is_known_to_be_named_by_others(store: Arc<dyn Store>) {
    for (id, name) in [("a", "old/1.png"), ("b", "old/1.png"), ("c", "old/2.png")] {
        let fields = json!({
            "teacher_id": "t", "s3_image_name": name, "s3_image_key": "generated_images/x.webp",
            "s3_upload_status": "success",
        });
        put(&*store, id, fields).await;
    }
    assert!(store.is_named_by_others("old/1.png", "a").await.unwrap());
    assert!(!store.is_named_by_others("old/2.png", "c").await.unwrap());
    assert!(store.erase("t", &tombstone("b")).await.unwrap());
    assert!(!store.is_named_by_others("old/1.png", "a").await.unwrap());
}
