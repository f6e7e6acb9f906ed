//! What a MongoDB store makes of a server that loses its majority, steps down or is cut off: a proxy
//! before the MongoDB that `ATELIER_TEST_MONGODB_URI` names does to the server's answers what these do.

use std::sync::Arc;

use atelier_domain::assignment::{Assignment, Claim, Status, Token};
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Transition};
use atelier_mongodb_proxy::{Fault, Kind, Proxy};
use atelier_store::{Filter, Insert, MongoStore, Store, StoreError};
use futures_util::FutureExt as _;
use serde_json::json;

const NOW: Timestamp = Timestamp::from_seconds(1_000.0);
const LATER: Timestamp = Timestamp::from_seconds(1_200.0);

/// A store behind a proxy, and the same database without it.
struct World {
    proxy: Proxy,
    store: Arc<dyn Store>,
    direct: Arc<dyn Store>,
    database: mongodb::Database,
}

impl World {
    async fn start() -> Self {
        let url = std::env::var("ATELIER_TEST_MONGODB_URI").expect("it is set");
        let (address, options) = url.split_once('?').unwrap_or((&url, ""));
        let address = address.trim_end_matches('/');
        let url = format!("{address}/test-{}?{options}", Token::random().as_str());
        let proxy = Proxy::before(&url).await.unwrap();
        let client = mongodb::Client::with_uri_str(&url).await.unwrap();
        Self {
            store: Arc::new(MongoStore::open(proxy.url(), 100).await.unwrap()),
            direct: Arc::new(MongoStore::open(&url, 100).await.unwrap()),
            database: client.default_database().unwrap(),
            proxy,
        }
    }

    async fn document(&self, id: &str) -> Option<Assignment> {
        self.direct.get(id).await.unwrap()
    }

    async fn put(&self, id: &str) -> Assignment {
        let posted = assignment(id);
        assert_eq!(self.direct.insert(&posted).await.unwrap(), Insert::Done);
        posted
    }

    async fn clear(self) {
        self.database.drop().await.unwrap();
    }
}

fn assignment(id: &str) -> Assignment {
    serde_json::from_value(json!({
        "assignment_id": id, "prompt": "a red fox", "created_at": 900.5, "updated_at": 900.5,
        "s3_upload_status": "pending", "wake_at": 930.5, "correlation_id": "of this post",
        "post_hash": "what was posted",
    }))
    .unwrap()
}

fn claim() -> Claim {
    Claim {
        token: Token::random(),
        worker: "worker".to_owned(),
        until: LATER,
    }
}

/// Whether a majority has the write when the server answers so.
fn stays(fault: Fault) -> bool {
    match fault {
        Fault::Interrupted(_) | Fault::Unconfirmed(_) | Fault::ReplyLost | Fault::ReplySlow(_) => {
            true
        }
        Fault::Refused(_) | Fault::RolledBack(_) | Fault::Closed => false,
    }
}

fn is_away<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Away(_)))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn an_insert_is_acknowledged_if_a_majority_has_it_and_only_then() {
    let world = World::start().await;
    for (n, (name, fault)) in Fault::ALL.into_iter().enumerate() {
        let posted = assignment(&format!("a{n}"));
        world.proxy.order(Kind::Insert, 1, fault);
        let answer = world.store.insert(&posted).await;
        let stored = world.document(&posted.assignment_id).await;
        if stays(fault) {
            assert!(matches!(answer, Ok(Insert::Done)), "{name}: {answer:?}");
            assert_eq!(stored.as_ref(), Some(&posted), "{name}");
        } else {
            assert!(is_away(&answer), "{name}: {answer:?}");
            assert_eq!(stored, None, "{name}");
        }
        // Whoever posts again ends in the same place.
        let again = world.store.insert(&posted).await.unwrap();
        assert_eq!(again, Insert::Done, "{name}");
        let stored = world.document(&posted.assignment_id).await;
        assert_eq!(stored, Some(posted), "{name}");
    }
    world.clear().await;
}

/// The moves that a worker repeats where they were not answered, from a claimed document.
fn moves(held: &Assignment, token: &Token) -> Vec<(&'static str, Transition)> {
    let note = atelier_domain::failure::Failure::Declined.note("of this post");
    vec![
        (
            "count",
            transition::count_model_call(token, held.model_calls),
        ),
        (
            "release",
            transition::release(token, held, transition::Budget::GiveBack, 2, LATER),
        ),
        ("fail", transition::fail(token, held, &note, 1, NOW)),
        ("delete", transition::delete(NOW, LATER)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn a_claim_is_made_once_whatever_the_server_answers() {
    let world = World::start().await;
    for (n, (name, fault)) in Fault::ALL.into_iter().enumerate() {
        let seen = world.put(&format!("a{n}")).await;
        let id = &seen.assignment_id;
        let claim = claim();
        let take = transition::claim(&seen, &claim, LATER);
        world.proxy.order(Kind::FindAndModify, 1, fault);
        let answer = world.store.apply(id, &take).await;
        // A taken id is no answer to a claim: that it is one is not made clear by a read.
        let is_clear = stays(fault) && fault != Fault::Interrupted(11000);
        if is_clear {
            let claimed = answer.unwrap().expect(name);
            assert_eq!(
                (claimed.attempts, claimed.claim),
                (1, Some(claim)),
                "{name}"
            );
        } else {
            assert!(is_away(&answer), "{name}: {answer:?}");
        }
        let stored = world.document(id).await.unwrap();
        assert_eq!(stored.attempts, u32::from(stays(fault)), "{name}");
        // Nobody claims on top of it.
        let other = transition::claim(&seen, &self::claim(), LATER);
        let second = world.store.apply(id, &other).await.unwrap();
        assert_eq!(second.is_some(), !stays(fault), "{name}");
        let stored = world.document(id).await.unwrap();
        assert_eq!(stored.attempts, 1, "{name}");
    }
    world.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn a_write_that_is_repeated_until_it_is_answered_is_made_once() {
    let world = World::start().await;
    let names = ["count", "release", "fail", "delete"];
    for (n, (name, fault)) in Fault::ALL.into_iter().enumerate() {
        for (m, step) in names.into_iter().enumerate() {
            let seen = world.put(&format!("a{n}-{m}")).await;
            let id = &seen.assignment_id;
            let claim = claim();
            let take = transition::claim(&seen, &claim, LATER);
            let held = world.store.apply(id, &take).await.unwrap().unwrap();
            let (_, write) = moves(&held, &claim.token).remove(m);
            let expected = {
                let serde_json::Value::Object(mut fields) = json!(held) else {
                    unreachable!()
                };
                write.edit(&mut fields);
                serde_json::from_value::<Assignment>(fields.into()).unwrap()
            };
            world.proxy.order(Kind::FindAndModify, 1, fault);
            let mut answer = world.store.apply(id, &write).await;
            if answer.is_err() {
                answer = world.store.apply(id, &write).await;
            }
            let stored = world.document(id).await.unwrap();
            assert_eq!(stored, expected, "{step}, {name}");
            match answer.unwrap() {
                Some(after) => assert_eq!(after, expected, "{step}, {name}"),
                // Its guard does not admit it again, and the document says that it is made.
                None => assert!(write.is_made_in(&stored), "{step}, {name}"),
            }
        }
    }
    world.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn what_a_majority_has_not_is_never_read() {
    let world = World::start().await;
    let posted = assignment("a");
    let ids = ["a".to_owned()];
    let write = |fault| world.proxy.order(Kind::Insert, 1, fault);
    let (none, far) = (Filter::default(), Timestamp::from_seconds(1e9));
    let mut checked = 0;
    for read in 0..8 {
        write(Fault::RolledBack(91));
        // The answer of the insert is not waited for: its own read would end the failover.
        let client = mongodb::Client::with_uri_str(world.proxy.url())
            .await
            .unwrap();
        let documents = client.default_database().unwrap();
        let documents = documents.collection::<mongodb::bson::Document>("assignments");
        let document = mongodb::bson::serialize_to_document(&posted).unwrap();
        let mut document = document;
        document.insert("_id", "a");
        assert!(documents.insert_one(document).await.is_err());
        // It is there for whoever does not ask for what a majority has …
        let seen = world
            .database
            .collection::<mongodb::bson::Document>("assignments");
        assert!(
            seen.find_one(mongodb::bson::doc! {})
                .await
                .unwrap()
                .is_some()
        );
        // … and for nobody of ours.
        let store = &world.store;
        let found = match read {
            0 => store.get("a").await.unwrap().is_some(),
            1 => !store.get_many(&ids).await.unwrap().is_empty(),
            2 => !store.statuses(&ids).await.unwrap().is_empty(),
            3 => !store.list(&none, None, 9).await.unwrap().is_empty(),
            4 => !store.due(far, 9).await.unwrap().is_empty(),
            5 => !store.scan(None, 9).await.unwrap().is_empty(),
            6 => store.pending_before(far, 9).await.unwrap() > 0,
            _ => !store.oldest_pending(9).await.unwrap().is_empty(),
        };
        assert!(!found, "read {read}");
        checked += 1;
    }
    assert_eq!(checked, 8);
    world.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn a_read_that_fails_says_that_the_store_is_away_and_the_next_one_answers() {
    let world = World::start().await;
    let posted = world.put("a").await;
    for (name, fault) in Fault::ALL {
        // The driver reads twice.
        world.proxy.order(Kind::Read, 2, fault);
        let fails = !matches!(
            fault,
            Fault::ReplySlow(_) | Fault::Unconfirmed(_) | Fault::RolledBack(_)
        );
        let answer = world.store.get("a").await;
        assert_eq!(is_away(&answer), fails, "{name}: {answer:?}");
        world.proxy.clear();
        assert_eq!(world.store.get("a").await.unwrap().as_ref(), Some(&posted));
    }
    world.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn while_no_majority_is_there_nothing_is_acknowledged() {
    let world = World::start().await;
    let seen = world.put("a").await;
    world
        .proxy
        .order(Kind::Write, u32::MAX, Fault::RolledBack(64));
    let calls = (0..4).map(|n| {
        let (store, seen) = (Arc::clone(&world.store), seen.clone());
        async move {
            match n {
                0 => store.insert(&assignment("b")).await.map(drop),
                1 => {
                    let take = transition::claim(&seen, &claim(), LATER);
                    store.apply("a", &take).await.map(drop)
                }
                2 => store.charge("subject", 4_000_000_020).await.map(drop),
                _ => store.make_due(LATER, NOW, 9).await.map(drop),
            }
        }
        .boxed()
    });
    // One after another: each is undone before the next.
    for (n, call) in calls.enumerate() {
        let answer = call.await;
        // Nothing was sent, so nothing is to be made due.
        assert_eq!(is_away(&answer), n < 3, "{n}: {answer:?}");
    }
    world.proxy.clear();
    assert_eq!(world.store.get("a").await.unwrap(), Some(seen.clone()));
    assert_eq!(world.store.get("b").await.unwrap(), None);
    let take = transition::claim(&seen, &claim(), LATER);
    let claimed = world.store.apply("a", &take).await.unwrap().unwrap();
    assert_eq!(
        (claimed.attempts, claimed.s3_upload_status),
        (1, Status::Pending)
    );
    world.clear().await;
}
