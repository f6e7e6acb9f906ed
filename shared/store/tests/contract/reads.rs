//! Lists and counts.

use std::sync::Arc;

use serde_json::json;

use super::{NOW, at, claim_of, delete, finished, for_every_store, ids, put, token};
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::fairness::Pending;
use atelier_domain::heartbeat::{Heartbeat, ModelBreaker, ModelLoad, Outage, Service};
use atelier_domain::pause::Pause;
use atelier_domain::transition;
use atelier_store::{Filter, Position, Store};

for_every_store!(
    a_list_is_newest_first_then_by_id_downwards,
    a_list_goes_on_where_it_stopped,
    a_list_shows_only_what_was_asked_for,
    many_are_got_at_once,
    due_documents_come_earliest_first,
    unclaimed_sent_documents_are_made_due,
    the_latest_picture_is_reused,
    a_teacher_reuses_only_own_pictures,
    pending_documents_are_counted_up_to_a_cap,
    many_statuses_are_read_at_once,
    the_oldest_pending_documents_are_found,
    equal_and_exact_times_come_back_from_the_oldest,
    finished_documents_are_listed_and_counted,
    a_scan_meets_every_document,
    a_heartbeat_replaces_the_one_before,
    pending_documents_tell_whose_they_are_and_whether_a_worker_holds_them,
    a_pause_replaces_the_one_before,
);

fn of(teacher_id: Option<&str>, status: Option<Status>) -> Filter {
    Filter {
        teacher_id: teacher_id.map(str::to_owned),
        status,
        ..Filter::default()
    }
}

async fn a_list_is_newest_first_then_by_id_downwards(store: Arc<dyn Store>) {
    for (id, created_at) in [
        ("b", 10.0),
        ("d", 9.5),
        ("a", 10.0),
        ("c", 10.0),
        ("e", 11.0),
    ] {
        put(&*store, id, json!({ "created_at": created_at })).await;
    }
    let listed = store.list(&Filter::default(), None, 10).await.unwrap();
    assert_eq!(ids(&listed), ["e", "c", "b", "a", "d"]);
    let listed = store.list(&Filter::default(), None, 2).await.unwrap();
    assert_eq!(ids(&listed), ["e", "c"]);
    assert_eq!(store.list(&Filter::default(), None, 0).await.unwrap(), []);
}

/// All pages of a list, one after another.
async fn pages(store: &dyn Store, filter: &Filter, limit: u32) -> Vec<Assignment> {
    let mut all: Vec<Assignment> = Vec::new();
    loop {
        let after = all.last().map(|last| Position {
            created_at: last.created_at,
            assignment_id: last.assignment_id.clone(),
        });
        let page = store.list(filter, after.as_ref(), limit).await.unwrap();
        assert!(page.len() <= limit as usize);
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

async fn a_list_goes_on_where_it_stopped(store: Arc<dyn Store>) {
    for n in 0..40 {
        // Times with many digits, each of four documents.
        let created_at = at(1_764_030_483.0 + f64::from(n / 4) * 0.123_457_1);
        let status = ["pending", "failed"][n as usize % 2];
        let fields = json!({
            "created_at": created_at, "s3_upload_status": status, "teacher_id": "t",
        });
        put(&*store, &format!("a{n:02}"), fields).await;
    }
    for filter in [
        of(None, None),
        of(Some("t"), None),
        of(None, Some(Status::Failed)),
        of(Some("t"), Some(Status::Failed)),
    ] {
        let whole = store.list(&filter, None, 100).await.unwrap();
        assert_eq!(whole.len(), if filter.status.is_some() { 20 } else { 40 });
        for limit in [1, 3, 7] {
            assert_eq!(
                pages(&*store, &filter, limit).await,
                whole,
                "{filter:?}, {limit}"
            );
        }
    }
}

async fn a_list_shows_only_what_was_asked_for(store: Arc<dyn Store>) {
    let rows = [
        ("a", "t", "pending"),
        ("b", "t", "failed"),
        ("c", "u", "pending"),
        ("d", "u", "no_image"),
        ("e", "t", "success"),
        ("gone", "t", "pending"),
    ];
    for (id, teacher, status) in rows {
        put(
            &*store,
            id,
            json!({"teacher_id": teacher, "s3_upload_status": status}),
        )
        .await;
    }
    put(&*store, "f", json!({})).await;
    delete(&*store, "gone").await;
    let cases: [(Filter, &[&str]); 8] = [
        (of(None, None), &["f", "e", "d", "c", "b", "a"]),
        (of(Some("t"), None), &["e", "b", "a"]),
        (of(None, Some(Status::Pending)), &["f", "c", "a"]),
        (of(Some("u"), Some(Status::Pending)), &["c"]),
        (of(Some("t"), Some(Status::NoImage)), &[]),
        (of(Some("nobody"), None), &[]),
        (of(None, Some(Status::Deleted)), &[]),
        (of(Some("t"), Some(Status::Deleted)), &[]),
    ];
    for (filter, expected) in cases {
        let listed = store.list(&filter, None, 10).await.unwrap();
        assert_eq!(ids(&listed), expected, "{filter:?}");
    }
}

async fn many_are_got_at_once(store: Arc<dyn Store>) {
    for n in 0..10 {
        put(&*store, &format!("a{n}"), json!({})).await;
    }
    delete(&*store, "a3").await;
    let wanted = ["a2", "a3", "a9", "nobody"].map(str::to_owned);
    let mut found = store.get_many(&wanted).await.unwrap();
    found.sort_by(|one, other| one.assignment_id.cmp(&other.assignment_id));
    assert_eq!(ids(&found), ["a2", "a3", "a9"]);
    assert_eq!(store.get_many(&[]).await.unwrap(), []);
}

async fn many_statuses_are_read_at_once(store: Arc<dyn Store>) {
    let named = [
        ("a", Status::Pending),
        ("b", Status::Success),
        ("c", Status::Failed),
        ("d", Status::NoImage),
        ("e", Status::Deleted),
    ];
    for (id, status) in named {
        let fields = json!({ "s3_upload_status": status, "prompt": "é".repeat(400_000) });
        put(&*store, id, fields).await;
    }
    put(&*store, "of nobody who waits", json!({})).await;
    let wanted = ["c", "nobody", "a", "e", "b", "d"].map(str::to_owned);
    let mut found = store.statuses(&wanted).await.unwrap();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(found, named.map(|(id, status)| (id.to_owned(), status)));
    assert_eq!(store.statuses(&[]).await.unwrap(), []);
    let thousand: Vec<String> = (0..1_000).map(|n| format!("{n:064}")).collect();
    assert_eq!(store.statuses(&thousand).await.unwrap(), []);
}

async fn due_documents_come_earliest_first(store: Arc<dyn Store>) {
    for (id, wake_at) in [("b", 999.0), ("a", 1000.0), ("c", 500.5), ("later", 1000.5)] {
        put(&*store, id, json!({ "wake_at": wake_at })).await;
    }
    let fields = json!({"s3_upload_status": "failed", "wake_at": null});
    put(&*store, "never", fields).await;
    assert_eq!(ids(&store.due(NOW, 10).await.unwrap()), ["c", "b", "a"]);
    assert_eq!(ids(&store.due(NOW, 2).await.unwrap()), ["c", "b"]);
    assert_eq!(store.due(at(500.0), 10).await.unwrap(), []);
    // A tombstone is due as well.
    delete(&*store, "never").await;
    assert_eq!(store.due(at(2000.0), 10).await.unwrap().len(), 5);
}

async fn unclaimed_sent_documents_are_made_due(store: Arc<dyn Store>) {
    let sent = |sent_at: f64| json!({"sent_at": sent_at, "wake_at": 9000.0});
    for (id, sent_at) in [
        ("a", 700.0),
        ("b", 710.0),
        ("c", 720.0),
        ("sent later", 800.0),
    ] {
        put(&*store, id, sent(sent_at)).await;
    }
    let mut held = sent(600.0);
    held["claim"] = json!(claim_of("mine", 1000.5));
    put(&*store, "held", held).await;
    let mut run_out = sent(690.0);
    run_out["claim"] = json!(claim_of("mine", 1000.0));
    put(&*store, "run out", run_out).await;
    let due = json!({"sent_at": 600.0, "wake_at": 990.0});
    let due = put(&*store, "due already", due).await;
    let unsent = put(&*store, "unsent", json!({"wake_at": 9000.0})).await;
    let failed = json!({"sent_at": 600.0, "wake_at": 9000.0, "s3_upload_status": "failed"});
    put(&*store, "failed", failed).await;

    assert_eq!(store.make_due(at(800.0), NOW, 0).await.unwrap(), 0);
    assert_eq!(store.make_due(at(800.0), NOW, 3).await.unwrap(), 3);
    let now_due = store.due(NOW, 10).await.unwrap();
    assert_eq!(now_due.len(), 4);
    assert_eq!(now_due[0], due);
    assert_eq!(store.make_due(at(800.0), NOW, 3).await.unwrap(), 1);
    assert_eq!(store.make_due(at(800.0), NOW, 3).await.unwrap(), 0);
    for id in ["a", "b", "c", "run out"] {
        let made = store.get(id).await.unwrap().unwrap();
        assert_eq!((made.wake_at, made.sent_at), (Some(NOW), None), "{id}");
    }
    for untouched in [due, unsent] {
        let id = untouched.assignment_id.clone();
        assert_eq!(store.get(&id).await.unwrap(), Some(untouched));
    }
}

async fn the_latest_picture_is_reused(store: Arc<dyn Store>) {
    for (id, key, teacher, finished_at) in [
        ("old", "k1", "t", 100.0),
        ("latest of t", "k2", "t", 200.0),
        ("latest", "k1", "u", 300.0),
        ("of another key", "k3", "t", 400.0),
    ] {
        let fields = json!({
            "s3_upload_status": "success", "reuse_key": key, "teacher_id": teacher,
            "finished_at": finished_at,
        });
        put(&*store, id, fields).await;
    }
    let keys = ["k1", "k2", "unknown"].map(str::to_owned);
    let found = |found: Option<Assignment>| found.map(|it| it.assignment_id);
    let latest = store.reusable(&keys, None).await.unwrap();
    assert_eq!(found(latest).as_deref(), Some("latest"));
    let latest = store.reusable(&keys, Some("t")).await.unwrap();
    assert_eq!(found(latest).as_deref(), Some("latest of t"));
    let unknown = ["unknown".to_owned()];
    assert_eq!(store.reusable(&unknown, None).await.unwrap(), None);
    assert_eq!(store.reusable(&[], None).await.unwrap(), None);
    delete(&*store, "latest").await;
    let latest = store.reusable(&keys, None).await.unwrap();
    assert_eq!(found(latest).as_deref(), Some("latest of t"));
}

async fn a_teacher_reuses_only_own_pictures(store: Arc<dyn Store>) {
    let held = put(
        &*store,
        "a",
        json!({"teacher_id": "t", "claim": claim_of("mine", 1100.0)}),
    )
    .await;
    let keys = ["key".to_owned()];
    assert_eq!(store.reusable(&keys, None).await.unwrap(), None);
    let finish = transition::succeed(&token("mine"), &held, &finished("key"), NOW);
    let stored = store.apply("a", &finish).await.unwrap();
    assert!(stored.is_some());
    assert_eq!(store.reusable(&keys, None).await.unwrap(), stored);
    assert_eq!(store.reusable(&keys, Some("t")).await.unwrap(), stored);
    assert_eq!(store.reusable(&keys, Some("u")).await.unwrap(), None);
}

async fn pending_documents_are_counted_up_to_a_cap(store: Arc<dyn Store>) {
    for n in 0..10 {
        let created_at = 900.0 + f64::from(n);
        put(
            &*store,
            &format!("a{n}"),
            json!({ "created_at": created_at }),
        )
        .await;
    }
    put(
        &*store,
        "b",
        json!({"created_at": 900.0, "s3_upload_status": "failed"}),
    )
    .await;
    for (before, cap, expected) in [
        (900.0, 100, 0),
        (900.5, 100, 1),
        (905.0, 100, 5),
        (1000.0, 100, 10),
        (1000.0, 4, 4),
        (1000.0, 0, 0),
    ] {
        let counted = store.pending_before(at(before), cap).await.unwrap();
        assert_eq!(counted, expected, "before {before}, to {cap}");
    }
}

async fn the_oldest_pending_documents_are_found(store: Arc<dyn Store>) {
    assert_eq!(store.oldest_pending(1).await.unwrap(), []);
    put(&*store, "a", json!({"created_at": 20.5})).await;
    put(&*store, "b", json!({"created_at": 10.25})).await;
    put(
        &*store,
        "c",
        json!({"created_at": 5.0, "s3_upload_status": "success"}),
    )
    .await;
    put(&*store, "d", json!({"created_at": 15.0})).await;
    for (limit, expected) in [
        (0, &[][..]),
        (1, &[10.25]),
        (2, &[10.25, 15.0]),
        (9, &[10.25, 15.0, 20.5]),
    ] {
        let expected: Vec<_> = expected.iter().copied().map(at).collect();
        assert_eq!(store.oldest_pending(limit).await.unwrap(), expected);
    }
    delete(&*store, "b").await;
    assert_eq!(store.oldest_pending(1).await.unwrap(), [at(15.0)]);
}

async fn equal_and_exact_times_come_back_from_the_oldest(store: Arc<dyn Store>) {
    let mut times = Vec::new();
    for n in 0..12 {
        let created_at = at(1_764_030_483.0 + f64::from(n / 3) * 0.123_457_1);
        let fields = json!({ "created_at": created_at });
        put(&*store, &format!("a{n}"), fields).await;
        times.push(created_at);
    }
    let oldest = store.oldest_pending(100).await.unwrap();
    assert_eq!(oldest, times);
    // Each document's place among them is what is counted before it.
    for time in times {
        for cap in [0, 4, 100] {
            let counted = store.pending_before(time, cap).await.unwrap();
            let oldest = store.oldest_pending(cap).await.unwrap();
            let place = oldest.partition_point(|it| *it < time);
            assert_eq!(place, counted as usize, "{time:?}, to {cap}");
        }
    }
}

async fn finished_documents_are_listed_and_counted(store: Arc<dyn Store>) {
    for (id, status, finished_at) in [
        ("b", "success", 200.0),
        ("a", "failed", 300.0),
        ("c", "success", 100.0),
        ("d", "success", 400.0),
    ] {
        let fields = json!({"s3_upload_status": status, "finished_at": finished_at});
        put(&*store, id, fields).await;
    }
    put(&*store, "pending", json!({})).await;
    let between = store
        .finished_between(at(100.0), at(300.0), 10)
        .await
        .unwrap();
    assert_eq!(ids(&between), ["b", "a"]);
    let first = store
        .finished_between(at(0.0), at(1000.0), 2)
        .await
        .unwrap();
    assert_eq!(ids(&first), ["c", "b"]);
    assert_eq!(
        store
            .finished_between(at(0.0), at(1000.0), 0)
            .await
            .unwrap(),
        []
    );
    for (since, cap, expected) in [(0.0, 10, 4), (100.0, 10, 3), (400.0, 10, 0), (0.0, 2, 2)] {
        assert_eq!(
            store.finished_since(at(since), cap).await.unwrap(),
            expected
        );
    }
}

async fn a_scan_meets_every_document(store: Arc<dyn Store>) {
    for id in ["Z", "a", "_", "0", "-", "zz", "z"] {
        put(&*store, id, json!({})).await;
    }
    delete(&*store, "a").await;
    let mut met: Vec<String> = Vec::new();
    loop {
        let after = met.last().map(String::as_str);
        let page = store.scan(after, 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        met.extend(page.into_iter().map(|it| it.assignment_id));
    }
    assert_eq!(met, ["-", "0", "Z", "_", "a", "z", "zz"]);
}

async fn a_heartbeat_replaces_the_one_before(store: Arc<dyn Store>) {
    let now = atelier_domain::timestamp::Timestamp::now();
    let heartbeat = |worker: &str, ago: u64| Heartbeat {
        worker: worker.to_owned(),
        started_at: at(5.0),
        at: now - std::time::Duration::from_secs(ago),
        slots: 8,
        slots_in_use: 3,
        paused: true,
        throttles: 1 << 40,
        model_calls: 7,
        jobs_finished: 6,
        resident_bytes: 1 << 33,
        host: "a-host".to_owned(),
        limit: Some(4),
        fleet_paused: true,
        outages: vec![Outage {
            service: Service::Bucket,
            since: at(6.5),
            cause: "AccessDenied".to_owned(),
        }],
        models: vec![ModelLoad {
            model: "stability.stable-image-core-v1:1".to_owned(),
            limit: 4,
            in_flight: 2,
            breaker: ModelBreaker::Open,
            spent: atelier_domain::budget::MicroUsd::new(1 << 40),
        }],
    };
    for each in [
        heartbeat("a", 60),
        heartbeat("b", 50),
        heartbeat("c", 20),
        heartbeat("a", 10),
    ] {
        store.record_heartbeat(&each).await.unwrap();
    }
    let since = now - std::time::Duration::from_secs(30);
    let mut found = store.heartbeats(since).await.unwrap();
    found.sort_by(|one, other| one.worker.cmp(&other.worker));
    assert_eq!(found, [heartbeat("a", 10), heartbeat("c", 20)]);
    assert_eq!(store.heartbeats(at(0.0)).await.unwrap().len(), 3);
}

async fn pending_documents_tell_whose_they_are_and_whether_a_worker_holds_them(
    store: Arc<dyn Store>,
) {
    put(
        &*store,
        "b",
        json!({ "teacher_id": "t", "created_at": 20.5 }),
    )
    .await;
    put(&*store, "a", json!({ "created_at": 10.5 })).await;
    put(
        &*store,
        "c",
        json!({ "teacher_id": "t", "created_at": 30.5 }),
    )
    .await;
    put(&*store, "d", json!({ "s3_upload_status": "success" })).await;
    let seen = store.get("c").await.unwrap().unwrap();
    let claim = transition::claim(&seen, &claim_of("mine", 1_060.5), at(1_090.0));
    store.apply("c", &claim).await.unwrap().unwrap();
    let pending = |teacher: Option<&str>, created_at: f64, until: Option<f64>| Pending {
        teacher_id: teacher.map(str::to_owned),
        created_at: at(created_at),
        claimed_until: until.map(at),
    };
    let all = [
        pending(None, 10.5, None),
        pending(Some("t"), 20.5, None),
        pending(Some("t"), 30.5, Some(1_060.5)),
    ];
    assert_eq!(store.pending(9).await.unwrap(), all);
    assert_eq!(store.pending(2).await.unwrap(), all[..2]);
    assert_eq!(store.pending(0).await.unwrap(), []);
}

async fn a_pause_replaces_the_one_before(store: Arc<dyn Store>) {
    assert_eq!(store.pause().await.unwrap(), None);
    store.set_pause(None).await.unwrap();
    let first = Pause {
        by: "key:portal".to_owned(),
        since: at(10.5),
        until: Some(at(20.25)),
        reason: Some("the bucket moves".to_owned()),
    };
    store.set_pause(Some(&first)).await.unwrap();
    assert_eq!(store.pause().await.unwrap(), Some(first.clone()));
    let second = Pause {
        until: None,
        reason: None,
        ..first
    };
    for _ in 0..2 {
        store.set_pause(Some(&second)).await.unwrap();
        assert_eq!(store.pause().await.unwrap(), Some(second.clone()));
    }
    for _ in 0..2 {
        store.set_pause(None).await.unwrap();
        assert_eq!(store.pause().await.unwrap(), None);
    }
}
