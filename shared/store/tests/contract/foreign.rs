//! Documents as other programs write them, at every operation.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use mongodb::{Collection, Database};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::{NOW, assignment, at, claim_of, finished, ids, imported, put, renditions, token};
use atelier_domain::assignment::{Assignment, Status, Token};
use atelier_domain::failure::Failure;
use atelier_domain::transition::{self, Budget, Transition};
use atelier_store::{Filter, Insert, Position, Store, StoreError};

/// What any program may write into a field.
fn value() -> impl Strategy<Value = Bson> {
    let text = prop_oneof![
        Just("pending"),
        Just("success"),
        Just("failed"),
        Just("no_image"),
        Just("deleted"),
        Just("archived"),
        Just("t"),
        Just("")
    ];
    let leaf = prop_oneof![
        2 => Just(Bson::Null),
        2 => text.prop_map(|it| Bson::String(it.to_owned())),
        1 => any::<String>().prop_map(Bson::String),
        2 => (0..2_000_i32).prop_map(Bson::Int32),
        1 => any::<i64>().prop_map(Bson::Int64),
        2 => (0..2_000_i32).prop_map(|it| Bson::Double(f64::from(it) / 4.0)),
        1 => any::<f64>().prop_map(Bson::Double),
        1 => any::<bool>().prop_map(Bson::Boolean),
        2 => (0..2_000_000_i64).prop_map(|it| Bson::DateTime(DateTime::from_millis(it))),
        1 => any::<[u8; 12]>().prop_map(|it| Bson::ObjectId(ObjectId::from_bytes(it))),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Bson::Array),
            proptest::collection::vec(("[a-z]{1,6}", inner), 0..3)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

/// A field that is likely to be readable, or anything.
fn field(name: &'static str) -> BoxedStrategy<(String, Bson)> {
    let likely: BoxedStrategy<Bson> = match name {
        "created_at" => prop_oneof![
            (0..2_000_i32).prop_map(|it| Bson::Double(f64::from(it) / 4.0)),
            (0..2_000_000_i64).prop_map(|it| Bson::DateTime(DateTime::from_millis(it))),
            Just(Bson::Null),
        ]
        .boxed(),
        "s3_upload_status" => prop_oneof![
            Just("pending"),
            Just("success"),
            Just("failed"),
            Just("no_image"),
            Just("deleted")
        ]
        .prop_map(|it| Bson::String(it.to_owned()))
        .boxed(),
        "prompt" | "teacher_id" | "s3_image_name" | "s3_image_key" => {
            "[a-z]{0,8}".prop_map(Bson::String).boxed()
        }
        "round" | "attempts" | "model_calls" | "erasures" | "s3_upload_attempts" => {
            (0..4_i32).prop_map(|it| Bson::Double(it.into())).boxed()
        }
        "wake_at" | "sent_at" | "finished_at" => (0..2_000_i32).prop_map(Bson::Int32).boxed(),
        "claim" => prop_oneof![
            (0..2_000_i32).prop_map(|until| Bson::Document(
                doc! { "token": "mine", "worker": "w", "until": until }
            )),
            (0..2_000_000_i64).prop_map(|until| Bson::Document(
                doc! { "token": "mine", "worker": "w", "until": DateTime::from_millis(until) }
            )),
        ]
        .boxed(),
        "permanent" => any::<bool>().prop_map(Bson::Boolean).boxed(),
        _ => value().boxed(),
    };
    prop_oneof![6 => likely, 1 => value()]
        .prop_map(move |it| (name.to_owned(), it))
        .boxed()
}

const FIELDS: [&str; 23] = [
    "created_at",
    "updated_at",
    "s3_upload_status",
    "prompt",
    "teacher_id",
    "s3_image_name",
    "s3_image_key",
    "round",
    "attempts",
    "model_calls",
    "erasures",
    "s3_upload_attempts",
    "wake_at",
    "sent_at",
    "finished_at",
    "claim",
    "permanent",
    "reuse_key",
    "failure",
    "variants",
    "thumbhash",
    "avif_size_bytes",
    "of_others",
];

/// A document of another program, with our id and one of its own.
fn document() -> impl Strategy<Value = Document> {
    let key = prop_oneof![
        any::<[u8; 12]>().prop_map(|it| Bson::ObjectId(ObjectId::from_bytes(it))),
        Just(Bson::String("its own".to_owned())),
        any::<i32>().prop_map(Bson::Int32),
    ];
    let fields = proptest::sample::subsequence(FIELDS.to_vec(), 0..FIELDS.len());
    let fields = fields.prop_flat_map(|names| names.into_iter().map(field).collect::<Vec<_>>());
    (key, fields).prop_map(|(key, fields)| {
        let mut document = doc! { "_id": key, "assignment_id": "theirs" };
        document.extend(fields);
        document
    })
}

/// What can happen to a document, by someone who has `seen` it.
fn transitions(seen: &Assignment) -> Vec<Transition> {
    let (mine, later) = (token("mine"), at(1_200.0));
    let note = Failure::Declined.note("correlation");
    let mut all = vec![
        transition::note_sent(seen.round, NOW, later),
        transition::claim(seen, &claim_of("new", 1_160.0), later),
        transition::take_over(seen, &mine, &claim_of("new", 1_160.0), NOW, later),
        transition::renew(&claim_of("mine", 1_160.0), later),
        transition::count_model_call(&mine, seen.model_calls),
        transition::release(&mine, seen, Budget::GiveBack, 1, later),
        transition::succeed(&mine, seen, &finished("key"), NOW).if_permanent_is(seen.permanent),
        transition::fail(&mine, seen, &note, 1, NOW),
        transition::fail_unclaimed(seen.round, &note, NOW),
        transition::retry(seen, Some("a cat"), "next", NOW, later, later),
        transition::set_permanent(seen, true, NOW, later),
        transition::tagged(seen),
        transition::delete(NOW, later),
        transition::erased(seen, Some(later)),
        transition::import(seen, &imported(), NOW),
        transition::claim_renditions(seen, &claim_of("new", 1_160.0), NOW, later),
        transition::note_renditions(&mine, seen, &renditions(), true, NOW),
        transition::send_renditions(seen, NOW, later),
        transition::give_up_renditions(seen, NOW),
    ];
    all.extend(transition::take_due(seen, NOW, Duration::from_secs(60)));
    all
}

/// A store with a document of ours, whatever else is in it.
struct Town {
    store: Arc<dyn Store>,
    documents: Collection<Document>,
    ours: Assignment,
}

impl Town {
    async fn new(store: Arc<dyn Store>, database: &Database) -> Self {
        let fields = json!({
            "teacher_id": "t", "wake_at": 990.0, "sent_at": 100.0, "created_at": 200.25,
        });
        let ours = assignment("ours", fields);
        let documents = database.collection("assignments");
        documents.delete_many(doc! {}).await.unwrap();
        assert_eq!(store.insert(&ours).await.unwrap(), Insert::Done);
        Self {
            store,
            documents,
            ours,
        }
    }

    async fn stored(&self) -> Document {
        let theirs = self.documents.find_one(doc! { "assignment_id": "theirs" });
        theirs.await.unwrap().expect("it is there")
    }

    /// Their document, unless it cannot be read.
    async fn theirs(&self) -> Option<Assignment> {
        match self.store.get("theirs").await {
            Ok(found) => Some(found.expect("it is found by our id")),
            Err(StoreError::Unreadable { id, .. }) => {
                assert_eq!(id, "theirs");
                None
            }
            Err(away) => panic!("{away}"),
        }
    }

    /// All pages of a list, of one document each.
    async fn list(&self, filter: &Filter) -> Vec<Assignment> {
        let mut all: Vec<Assignment> = Vec::new();
        loop {
            let after = all.last().map(|last| Position {
                created_at: last.created_at,
                assignment_id: last.assignment_id.clone(),
            });
            let page = self.store.list(filter, after.as_ref(), 1).await.unwrap();
            let Some(next) = page.into_iter().next() else {
                return all;
            };
            assert!(all.len() < 4, "a list does not end: {all:?}");
            all.push(next);
        }
    }

    async fn check_lists(&self, theirs: Option<&Assignment>) {
        let all = self.list(&Filter::default()).await;
        assert!(all.contains(&self.ours), "{all:?}");
        let listed: Vec<_> = all.iter().filter(|it| **it != self.ours).collect();
        match theirs {
            Some(it) if it.s3_upload_status == Status::Deleted => {
                assert_eq!(listed, [&self.ours; 0])
            }
            Some(it) => assert_eq!(listed, [it]),
            None => assert!(listed.len() <= 1 && listed.iter().all(|it| it.is_stand_in())),
        }
        for status in [
            Status::Pending,
            Status::Success,
            Status::Failed,
            Status::NoImage,
        ] {
            let filter = Filter {
                status: Some(status),
                ..Filter::default()
            };
            let some = self.list(&filter).await;
            assert_eq!(some.contains(&self.ours), status == Status::Pending);
            if let Some(theirs) = theirs {
                let is_of = theirs.s3_upload_status == status;
                assert_eq!(some.contains(theirs), is_of, "{status}: {some:?}");
            }
        }
        let scanned = self.store.scan(None, 9).await.unwrap();
        assert_eq!(scanned.len(), 2);
        assert!(scanned.contains(&self.ours));
        let named = self.store.of_others(None, 9).await.unwrap();
        match self.stored().await.get("s3_image_name") {
            None | Some(Bson::Null) => assert_eq!(named, []),
            // A server compares with what is in an array.
            Some(Bson::Array(_)) => assert!(named.len() <= 1),
            Some(_) => assert_eq!(named.len(), 1),
        }
        assert!(theirs.is_none_or(|theirs| named.iter().all(|it| it == theirs)));
    }

    async fn check_queries(&self, theirs: Option<&Assignment>) {
        let store = &self.store;
        let both = ["ours", "theirs"].map(str::to_owned);
        let got = store.get_many(&both).await.unwrap();
        assert!(got.contains(&self.ours));
        assert_eq!(got.len(), 1 + usize::from(theirs.is_some()));
        let statuses = store.statuses(&both).await.unwrap();
        assert!(statuses.contains(&("ours".to_owned(), Status::Pending)));
        if let Some(theirs) = theirs {
            let status = ("theirs".to_owned(), theirs.s3_upload_status);
            assert!(statuses.contains(&status), "{statuses:?}");
        }
        // What cannot be read is out of the way of the next look.
        let _ = store.due(NOW, 9).await.unwrap();
        let due = store.due(NOW, 2).await.unwrap();
        assert!(due.contains(&self.ours), "{due:?}");
        assert!(store.pending_before(NOW, 9).await.unwrap() >= 1);
        assert!(store.oldest_pending(9).await.unwrap().contains(&at(200.25)));
        store.finished_between(at(0.0), NOW, 9).await.unwrap();
        store.finished_since(at(0.0), 9).await.unwrap();
        store.reusable(&["key".to_owned()], None).await.unwrap();
        store
            .reusable(&["key".to_owned()], Some("t"))
            .await
            .unwrap();
        let again = assignment("theirs", json!({"created_at": 1.5, "prompt": "another"}));
        match store.insert(&again).await {
            Ok(Insert::Taken(_)) | Err(StoreError::Unreadable { .. }) => {}
            other => panic!("a second document: {other:?}"),
        }
    }

    /// Each transition happens to their document where its guard admits it, and leaves what we do not
    /// know.
    async fn check_transitions(&self, original: &Document, theirs: &Assignment) {
        let kept = self.stored().await;
        for transition in transitions(theirs) {
            let applied = self.store.apply("theirs", &transition).await.unwrap();
            let admitted = transition.guard.admits(theirs);
            assert_eq!(applied.is_some(), admitted, "{transition:?}\n{original}");
            if let Some(after) = applied {
                assert!(transition.is_made_in(&after), "{transition:?}\n{after:?}");
                let stored = self.stored().await;
                assert_eq!(stored.get("of_others"), original.get("of_others"));
                assert_eq!(stored.get("_id"), original.get("_id"));
            }
            let this = doc! { "assignment_id": "theirs" };
            self.documents.replace_one(this, &kept).await.unwrap();
        }
    }
}

async fn meet(store: Arc<dyn Store>, database: &Database, document: Document) {
    let town = Town::new(store, database).await;
    town.documents.insert_one(&document).await.unwrap();
    let theirs = town.theirs().await;
    town.check_lists(theirs.as_ref()).await;
    town.check_queries(theirs.as_ref()).await;
    if let Some(theirs) = &theirs {
        town.check_transitions(&document, theirs).await;
    }
    assert_eq!(
        town.store.get("ours").await.unwrap().as_ref(),
        Some(&town.ours)
    );
}

#[test]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
fn no_document_of_another_program_hides_delays_or_fails_one_of_ours() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = runtime.block_on(super::mongodb(super::MONGODB_URI));
    let read = std::cell::RefCell::new((0_u32, 0_u32));
    TestRunner::new(Config {
        cases: cases(),
        failure_persistence: None,
        ..Config::default()
    })
    .run(&document(), |document| {
        let told = says_where_it_stands(&document);
        let mut read = read.borrow_mut();
        if told {
            read.0 += 1;
        } else {
            read.1 += 1;
        }
        drop(read);
        let store = Arc::clone(&home.store);
        runtime.block_on(meet(store, &home.database, document));
        Ok(())
    })
    .unwrap();
    let (with_status, without) = *read.borrow();
    assert!(with_status > 20 && without > 20, "{with_status}, {without}");
    runtime.block_on(home.clear());
}

/// `FOREIGN_DOCUMENTS`, for more of them by hand.
fn cases() -> u32 {
    let wanted = std::env::var("FOREIGN_DOCUMENTS").ok();
    wanted.map_or(200, |cases| cases.parse().expect("a number"))
}

/// Whether a document says where it stands: both kinds are to be among the cases.
fn says_where_it_stands(document: &Document) -> bool {
    document.get_str("s3_upload_status").is_ok()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn a_list_of_numbers_dates_and_neither_goes_on_where_it_stopped() {
    let home = super::mongodb(super::MONGODB_URI).await;
    let documents = home.database.collection::<Document>("assignments");
    let mut expected = HashSet::new();
    for n in 0..30_i32 {
        let id = format!("a{n:02}");
        let mut document = doc! {
            "_id": ObjectId::new(), "assignment_id": &id, "s3_image_name": "a.png",
            "teacher_id": "t",
        };
        let seconds = n / 4;
        match n % 3 {
            0 => document.insert("created_at", f64::from(seconds)),
            1 => document.insert(
                "created_at",
                DateTime::from_millis(i64::from(seconds) * 1000),
            ),
            _ => None,
        };
        documents.insert_one(document).await.unwrap();
        expected.insert(id);
    }
    let filters = [
        Filter::default(),
        Filter {
            teacher_id: Some("t".to_owned()),
            status: Some(Status::Success),
            ..Filter::default()
        },
    ];
    for filter in filters {
        let whole = home.store.list(&filter, None, 100).await.unwrap();
        let ids: HashSet<_> = whole.iter().map(|it| it.assignment_id.clone()).collect();
        assert_eq!(ids, expected);
        assert!(whole.is_sorted_by(|one, next| one.created_at >= next.created_at));
        for limit in [1, 3, 7] {
            let mut all: Vec<Assignment> = Vec::new();
            loop {
                let after = all.last().map(|last| Position {
                    created_at: last.created_at,
                    assignment_id: last.assignment_id.clone(),
                });
                let page = home
                    .store
                    .list(&filter, after.as_ref(), limit)
                    .await
                    .unwrap();
                if page.is_empty() {
                    break;
                }
                all.extend(page);
            }
            assert_eq!(all, whole, "{limit}");
        }
    }
    home.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn an_assignment_of_the_portal_is_read_deleted_and_found_by_one_id() {
    let home = super::mongodb(super::MONGODB_URI).await;
    let id = Token::random().as_str().to_owned();
    let documents = home.database.collection::<Document>("assignments");
    let portal = doc! {
        "assignment_id": &id, "teacher_id": "t", "prompt": "a red fox", "question_answers": "[]",
        "created_at": DateTime::from_millis(900_500), "s3_image_name": "pictures/fox.png",
        "of_others": { "kept": true },
    };
    documents.insert_one(portal).await.unwrap();
    let read = home.store.get(&id).await.unwrap().unwrap();
    assert_eq!(read.s3_upload_status, Status::Success);
    assert_eq!(read.s3_image_key.as_deref(), Some("pictures/fox.png"));
    assert_eq!((read.created_at, read.updated_at), (at(900.5), at(900.5)));
    let posted = assignment(&id, json!({}));
    assert!(matches!(
        home.store.insert(&posted).await.unwrap(),
        Insert::Taken(_)
    ));
    let kept = transition::set_permanent(&read, true, NOW, at(1_030.0));
    assert!(
        home.store
            .apply(&id, &kept)
            .await
            .unwrap()
            .unwrap()
            .permanent
    );
    super::delete(&*home.store, &id).await;
    let tombstone = home.store.get(&id).await.unwrap().unwrap();
    assert_eq!((tombstone.s3_image_key, tombstone.teacher_id), (None, None));
    let stored = documents.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(stored.get("of_others"), Some(&doc! { "kept": true }.into()));
    assert_eq!(documents.count_documents(doc! {}).await.unwrap(), 1);
    home.clear().await;
}

/// Documents of another program in three pages, beside one of ours, one that it named no picture in,
/// and one that cannot be read.
async fn pages_of_others(store: &dyn Store) {
    let first = store.of_others(None, 2).await.unwrap();
    assert_eq!(ids(&first), ["b", "d"]);
    assert_eq!(first[0].s3_image_key.as_deref(), Some("pictures/b.png"));
    assert_eq!(first[0].s3_upload_status, Status::Success);
    let second = store.of_others(Some("d"), 2).await.unwrap();
    assert_eq!(ids(&second), ["e", "f"]);
    assert!(second[0].is_stand_in());
    assert_eq!(store.of_others(Some("f"), 2).await.unwrap(), []);
    assert_eq!(store.of_others(None, 0).await.unwrap(), []);
    assert_eq!(store.count_of_others(9).await.unwrap(), 4);
    assert_eq!(store.count_of_others(3).await.unwrap(), 3);
}

/// An import fills our fields and leaves theirs, once, and only while the document shows what it
/// did.
async fn import_once(store: &dyn Store) {
    let seen = store.get("b").await.unwrap().unwrap();
    let import = transition::import(&seen, &imported(), NOW);
    let stale = transition::import(&store.get("d").await.unwrap().unwrap(), &imported(), NOW);
    assert_eq!(store.apply("b", &stale).await.unwrap(), None);
    let after = store.apply("b", &import).await.unwrap().unwrap();
    assert_eq!(after.s3_image_key, Some(imported().key));
    assert_eq!(after.image_metadata, Some(imported().metadata));
    assert_eq!((after.prompt_hash.len(), after.finished_at), (64, None));
    assert_eq!(store.apply("b", &import).await.unwrap(), None);
}

/// What another program writes, without the id in the store's own form.
fn theirs() -> [(&'static str, serde_json::Value); 5] {
    [
        (
            "b",
            json!({"s3_image_name": "pictures/b.png", "prompt": "a fox"}),
        ),
        ("c", json!({"s3_image_name": null})),
        (
            "d",
            json!({"s3_image_name": "pictures/d.png", "prompt": "a fox"}),
        ),
        ("e", json!({"s3_image_name": "pictures/e.png", "prompt": 7})),
        (
            "f",
            json!({"s3_image_name": "pictures/f.png", "s3_image_key": "elsewhere"}),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_named_is_found_in_pages_and_imported_once_on_sqlite() {
    let home = super::sqlite();
    put(&*home.store, "a", json!({})).await;
    let file = home.folder.path().join("store.db");
    let file = rusqlite::Connection::open(file).unwrap();
    for (id, mut document) in theirs() {
        document["assignment_id"] = id.into();
        let insert = "INSERT INTO assignments (id, document) VALUES (?1, ?2)";
        file.execute(insert, [id, &document.to_string()]).unwrap();
    }
    pages_of_others(&*home.store).await;
    import_once(&*home.store).await;
    let kept = "SELECT document ->> '$.s3_image_name' FROM assignments WHERE id = 'b'";
    let kept: String = file.query_row(kept, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, "pictures/b.png");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn what_others_named_is_found_in_pages_and_imported_once_on_mongodb() {
    let home = super::mongodb(super::MONGODB_URI).await;
    put(&*home.store, "a", json!({})).await;
    let documents = home.database.collection::<Document>("assignments");
    for (id, document) in theirs() {
        let mut document = mongodb::bson::serialize_to_document(&document).unwrap();
        document.insert("assignment_id", id);
        documents.insert_one(document).await.unwrap();
    }
    pages_of_others(&*home.store).await;
    import_once(&*home.store).await;
    let stored = documents
        .find_one(doc! { "assignment_id": "b" })
        .await
        .unwrap();
    let kept = stored.unwrap().get_str("s3_image_name").unwrap().to_owned();
    assert_eq!(kept, "pictures/b.png");
    home.clear().await;
}
