//! Every query to a MongoDB goes by an index and sorts nothing. A proxy writes down what the store asks;
//! a server that can `explain` tells its plan, and any other the shapes of its indexes.

use std::sync::Arc;

use atelier_domain::api_key::ApiKey;
use atelier_domain::assignment::{Assignment, Status, Token};
use atelier_domain::audit::{Action, Actor, Entry};
use atelier_domain::budget::{Account, Day, MicroUsd, Scope};
use atelier_domain::heartbeat::Heartbeat;
use atelier_domain::pause::Pause;
use atelier_domain::search::Search;
use atelier_domain::share::NewShare;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;
use atelier_mongodb_proxy::Proxy;
use atelier_store::shares::Which;
use atelier_store::{AuditFilter, Filter, MongoStore, Position, Store};
use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Database, IndexModel};
use serde_json::json;

const NOW: Timestamp = Timestamp::from_seconds(1_000.0);

fn assignment() -> Assignment {
    serde_json::from_value(json!({
        "assignment_id": "a", "prompt": "a red fox", "created_at": 900.5, "updated_at": 900.5,
        "s3_upload_status": "pending", "wake_at": 930.5, "sent_at": 10.5,
    }))
    .unwrap()
}

fn heartbeat() -> Heartbeat {
    serde_json::from_value(json!({
        "worker": "w", "started_at": 1.0, "at": 1_000.0, "slots": 8, "slots_in_use": 3,
        "paused": false, "throttles": 0, "model_calls": 0, "jobs_finished": 0, "resident_bytes": 1,
    }))
    .unwrap()
}

fn pause() -> Pause {
    serde_json::from_value(json!({ "by": "nobody", "since": 1.0 })).unwrap()
}

fn api_key() -> ApiKey {
    serde_json::from_value(json!({
        "name": "k", "hash": "h", "role": "portal", "created_at": 1.0,
    }))
    .unwrap()
}

/// Asks all that a store can be asked.
async fn ask_everything(store: &dyn Store) {
    let ids = ["a".to_owned(), "b".to_owned()];
    let keys = ["k".to_owned(), "l".to_owned()];
    store.insert(&assignment()).await.unwrap();
    store.get("a").await.unwrap();
    store.get_many(&ids).await.unwrap();
    store.statuses(&ids).await.unwrap();
    let sent = transition::note_sent(1, NOW, NOW);
    store.apply("a", &sent).await.unwrap();
    let places = [
        None,
        Some(Position {
            created_at: NOW,
            assignment_id: "a".to_owned(),
        }),
    ];
    for teacher_id in [None, Some("t".to_owned())] {
        for status in [
            None,
            Some(Status::Pending),
            Some(Status::Success),
            Some(Status::NoImage),
        ] {
            for (search, at) in [("", None), ("", Some(NOW)), ("red fox", None)] {
                let filter = Filter {
                    teacher_id: teacher_id.clone(),
                    status,
                    search: Search::of(search),
                    from: at,
                    before: at,
                };
                for place in &places {
                    store.list(&filter, place.as_ref(), 9).await.unwrap();
                }
            }
        }
        store.reusable(&keys, teacher_id.as_deref()).await.unwrap();
    }
    store.due(NOW, 9).await.unwrap();
    store.make_due(NOW, NOW, 9).await.unwrap();
    store.pending_before(NOW, 9).await.unwrap();
    store.oldest_pending(9).await.unwrap();
    store.pending(9).await.unwrap();
    store.finished_between(NOW, NOW, 9).await.unwrap();
    store.finished_since(NOW, 9).await.unwrap();
    store.charge("subject", 4_000_000_020).await.unwrap();
    let account = Account {
        day: Day::of(NOW),
        scope: Scope::Fleet,
    };
    let (price, limit) = (MicroUsd::new(2), MicroUsd::new(3));
    for call in ["a", "b"] {
        let charged = store.charge_call(&account, call, price, limit).await;
        charged.unwrap();
        store.refund_call(&account, call, price).await.unwrap();
    }
    store.settle_call(&account, "a").await.unwrap();
    store.charged(&[account]).await.unwrap();
    store.scan(Some("a"), 9).await.unwrap();
    store.of_others(Some("a"), 9).await.unwrap();
    store.count_of_others(9).await.unwrap();
    store.record_heartbeat(&heartbeat()).await.unwrap();
    store.heartbeats(NOW).await.unwrap();
    store.set_pause(Some(&pause())).await.unwrap();
    store.pause().await.unwrap();
    store.set_pause(None).await.unwrap();
    let api_keys = store.api_keys();
    api_keys.add_key(&api_key()).await.unwrap();
    api_keys.key_by_hash("h").await.unwrap();
    api_keys.all_keys().await.unwrap();
    api_keys.revoke_key("k", NOW).await.unwrap();
    api_keys.note_key_use("k", NOW).await.unwrap();
    ask_for_shares(store).await;
    ask_for_audit(store, &places).await;
}

async fn ask_for_shares(store: &dyn Store) {
    let shares = store.shares();
    let wanted = NewShare {
        assignment_id: "a".to_owned(),
        token: "t".repeat(32),
        created_at: NOW,
        expires_at: None,
    };
    shares.share(&wanted).await.unwrap();
    let share = shares.by_token(&wanted.token).await.unwrap().unwrap();
    let result = serde_json::from_value(json!({
        "id": "r", "name": "n", "answers": [], "right": [], "at": 1_000.0,
    }));
    shares.keep(&share, &result.unwrap()).await.unwrap();
    shares.results("a", 1).await.unwrap();
    let which = Which::default();
    shares.erase_results("a", &which).await.unwrap();
    shares.revoke("a", NOW).await.unwrap();
    shares.erase("a").await.unwrap();
}

async fn ask_for_audit(store: &dyn Store, places: &[Option<Position>]) {
    let entry = Entry::begun(&Actor::Person("t".to_owned()), Action::KeyIssued, "k");
    store.append_audit(&entry).await.unwrap();
    for place in places {
        for filter in [
            AuditFilter::default(),
            AuditFilter {
                actor: Some("nobody".to_owned()),
                ..AuditFilter::default()
            },
            AuditFilter {
                action: Some(Action::KeyIssued),
                ..AuditFilter::default()
            },
            AuditFilter {
                what: Some("k".to_owned()),
                ..AuditFilter::default()
            },
        ] {
            store.audit_log(&filter, place.as_ref(), 9).await.unwrap();
        }
    }
    let tombstone = Assignment::tombstone_of("a", "t", NOW, NOW);
    store.erase("t", &tombstone).await.unwrap();
    store.erasing("t", 9).await.unwrap();
    store.is_named_by_others("old.png", "a").await.unwrap();
    store.forget_person("t").await.unwrap();
}

/// What a filter says of one field.
#[derive(Debug, PartialEq)]
enum Bound {
    /// It is one of these.
    Equal(Vec<Bson>),
    /// It lies on one side of something.
    Range,
}

/// What must be true of each field, alternatives left out: they narrow a result, but find nothing.
fn bounds(filter: &Document) -> Vec<(&str, Bound)> {
    let mut all = Vec::new();
    for (field, value) in filter {
        match value {
            Bson::Array(parts) if field == "$and" => {
                all.extend(parts.iter().filter_map(Bson::as_document).flat_map(bounds));
            }
            _ if field.starts_with('$') => {}
            Bson::Document(operators) => {
                if let Ok(these) = operators.get_array("$in") {
                    all.push((field.as_str(), Bound::Equal(these.clone())));
                } else if ["$gt", "$gte", "$lt", "$lte"]
                    .iter()
                    .any(|it| operators.contains_key(it))
                {
                    all.push((field.as_str(), Bound::Range));
                }
            }
            value => all.push((field.as_str(), Bound::Equal(vec![value.clone()]))),
        }
    }
    all
}

fn is_negative(direction: &Bson) -> bool {
    direction.as_i32() == Some(-1) || direction.as_f64() == Some(-1.0)
}

/// Whether an index finds what `filter` asks for, in the order of `sort`.
fn serves(index: &IndexModel, filter: &Document, sort: &Document) -> bool {
    let bounds = bounds(filter);
    let bound = |field: &str| {
        bounds
            .iter()
            .find(|(it, _)| *it == field)
            .map(|(_, bound)| bound)
    };
    let options = index.options.clone().unwrap_or_default();
    let whole = options
        .partial_filter_expression
        .iter()
        .flatten()
        .all(|(field, value)| bound(field) == Some(&Bound::Equal(vec![value.clone()])));
    let keys: Vec<(&String, &Bson)> = index.keys.iter().collect();
    let sparse = options.sparse == Some(true);
    if !whole || (sparse && bound(keys[0].0).is_none()) {
        return false;
    }
    let equal = |(field, _): &&(&String, &Bson)| matches!(bound(field), Some(Bound::Equal(_)));
    let prefix = keys.iter().take_while(equal).count();
    if sort.is_empty() {
        let next = keys.get(prefix);
        return prefix > 0 || next.is_some_and(|(field, _)| bound(field).is_some());
    }
    let rest = &keys[prefix..];
    let turned = |at: usize| {
        let (wanted, made) = (sort.iter().nth(at), rest.get(at));
        wanted.zip(made).and_then(|((field, one), (key, other))| {
            (field == *key).then(|| is_negative(one) != is_negative(other))
        })
    };
    let first = turned(0);
    first.is_some() && (1..sort.len()).all(|at| turned(at) == first)
}

/// The filter and the order of a command.
fn query(command: &Document) -> (Document, Document) {
    let part = |name: &str| command.get_document(name).ok().cloned();
    let filter = part("filter").or_else(|| part("query")).unwrap_or_default();
    (filter, part("sort").unwrap_or_default())
}

/// The stages of the server's plan for a `find`, if it can explain.
async fn plan(database: &Database, find: &Document) -> Option<String> {
    let known = ["find", "filter", "sort", "limit", "projection"];
    let asked = find
        .iter()
        .filter(|(name, _)| known.contains(&name.as_str()));
    let asked: Document = asked.map(|(name, it)| (name.clone(), it.clone())).collect();
    let explain = doc! { "explain": asked, "verbosity": "queryPlanner" };
    let answer = database.run_command(explain).await.ok()?;
    let planner = answer.get_document("queryPlanner").ok()?;
    Some(planner.get_document("winningPlan").ok()?.to_string())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn every_query_goes_by_an_index_and_sorts_nothing() {
    let url = std::env::var("ATELIER_TEST_MONGODB_URI").expect("it is set");
    let (address, options) = url.split_once('?').unwrap_or((&url, ""));
    let name = format!("test-{}", Token::random().as_str());
    let url = format!("{}/{name}?{options}", address.trim_end_matches('/'));
    let proxy = Proxy::before(&url).await.unwrap();
    let store = MongoStore::open(proxy.url(), 4).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store.with_indexes().await);
    proxy.take_commands();
    ask_everything(&*store).await;
    let commands = proxy.take_commands();
    let client = mongodb::Client::with_uri_str(&url).await.unwrap();
    let database = client.database(&name);
    let mut checked = 0;
    for command in &commands {
        let (kind, collection) = command.iter().next().unwrap();
        if !["find", "count", "findAndModify"].contains(&kind.as_str()) {
            continue;
        }
        let collection = database.collection::<Document>(collection.as_str().unwrap());
        let indexes: Vec<IndexModel> = collection
            .list_indexes()
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        let (filter, sort) = query(command);
        let served = indexes.iter().any(|index| serves(index, &filter, &sort));
        assert!(served, "{command}\nis served by none of {indexes:#?}");
        if kind == "find"
            && let Some(plan) = plan(&database, command).await
        {
            assert!(!plan.contains("COLLSCAN"), "{command}\n{plan}");
            assert!(!plan.contains("\"SORT\""), "{command}\n{plan}");
        }
        checked += 1;
    }
    assert!(checked > 50, "{checked} queries");
    database.drop().await.unwrap();
}

#[test]
fn an_index_serves_what_its_shape_allows() {
    let index = |keys: Document| IndexModel::builder().keys(keys).build();
    let newest = index(doc! { "teacher": 1, "at": -1, "id": -1 });
    let of_teacher = doc! { "teacher": "t", "at": { "$lte": 5 } };
    let order = doc! { "at": -1, "id": -1 };
    assert!(serves(&newest, &of_teacher, &order));
    assert!(serves(&newest, &of_teacher, &doc! { "at": 1, "id": 1 }));
    for (filter, sort) in [
        (doc! { "at": { "$lte": 5 } }, doc! {}),
        (doc! { "at": { "$lte": 5 } }, order.clone()),
        (of_teacher.clone(), doc! { "at": -1, "id": 1 }),
        (of_teacher.clone(), doc! { "id": -1 }),
        (doc! { "$or": [{ "teacher": "t" }] }, doc! {}),
    ] {
        assert!(!serves(&newest, &filter, &sort), "{filter}, {sort}");
    }
}
