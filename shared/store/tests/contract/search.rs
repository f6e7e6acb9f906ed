//! Lists by words of the prompt and by time.

use std::sync::Arc;

use ::mongodb::bson::{Bson, DateTime, Document, doc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::{assignment, at, delete, for_every_store, ids, put};
use atelier_domain::assignment::Status;
use atelier_domain::search::Search;
use atelier_domain::timestamp::Timestamp;
use atelier_store::{Filter, Position, Store};

for_every_store!(
    a_search_finds_the_prompts_with_every_word,
    a_list_may_be_of_a_span_of_time,
);

async fn a_search_finds_the_prompts_with_every_word(store: Arc<dyn Store>) {
    let rows = [
        ("a", "t", "A red Fox in the snow"),
        ("b", "t", "a blue fox"),
        ("c", "u", "a red foxglove"),
        ("d", "u", "ÉCOLE [a-z]* 100%_?"),
        ("e", "u", "an old яблоко, 🦊"),
        ("f", "u", "a\nline \\ and \"another\" ^$"),
        ("gone", "t", "a red fox"),
    ];
    for (id, teacher, prompt) in rows {
        put(
            &*store,
            id,
            json!({"teacher_id": teacher, "prompt": prompt}),
        )
        .await;
    }
    delete(&*store, "gone").await;
    for (words, found) in [
        ("fox", "c b a"),
        ("RED fox", "c a"),
        ("fox red snow", "a"),
        ("oxg", "c"),
        ("école", "d"),
        ("[a-z]*", "d"),
        ("%_?", "d"),
        ("ЯБЛОКО", "e"),
        ("🦊", "e"),
        ("\\ \"another\"", "f"),
        ("^$", "f"),
        ("*", "d"),
        ("cat", ""),
        (" ", "f e d c b a"),
    ] {
        let mut filter = Filter {
            search: Search::of(words),
            ..Filter::default()
        };
        let listed = store.list(&filter, None, 10).await.unwrap();
        assert_eq!(ids(&listed).join(" "), found, "{words}");
        filter.teacher_id = Some("t".to_owned());
        filter.status = Some(Status::Pending);
        let listed = store.list(&filter, None, 10).await.unwrap();
        let of_teacher: Vec<_> = found.split(' ').filter(|it| "ab".contains(it)).collect();
        assert_eq!(
            ids(&listed).join(" "),
            of_teacher.join(" ").trim(),
            "{words}"
        );
    }
}

async fn a_list_may_be_of_a_span_of_time(store: Arc<dyn Store>) {
    for (id, created_at) in [("a", 10.0), ("b", 20.0), ("c", 20.5), ("d", 30.0)] {
        let fields = json!({"created_at": created_at, "teacher_id": "t"});
        put(&*store, id, fields).await;
    }
    for (from, before, found) in [
        (None, None, "d c b a"),
        (Some(20.0), None, "d c b"),
        (Some(20.1), Some(30.0), "c"),
        (None, Some(20.0), "a"),
        (Some(20.0), Some(20.0), ""),
        (Some(30.0_f64.next_up()), None, ""),
        (None, Some(30.0_f64.next_up()), "d c b a"),
    ] {
        for teacher_id in [None, Some("t".to_owned())] {
            let filter = Filter {
                teacher_id,
                from: from.map(Timestamp::from_exact_seconds),
                before: before.map(Timestamp::from_exact_seconds),
                ..Filter::default()
            };
            let listed = store.list(&filter, None, 10).await.unwrap();
            assert_eq!(ids(&listed).join(" "), found, "{from:?} to {before:?}");
        }
    }
}

/// When a document says that it was created.
#[derive(Clone, Debug)]
enum Created {
    Number(f64),
    Date(i64),
    Never,
}

impl Created {
    /// As it reads.
    fn seconds(&self) -> f64 {
        match self {
            Self::Number(seconds) => *seconds,
            Self::Date(milliseconds) => *milliseconds as f64 / 1000.0,
            Self::Never => 0.0,
        }
    }
}

/// A document: its teacher, status, prompt and time.
type Row = (&'static str, Status, String, Created);

fn prompt() -> impl Strategy<Value = String> {
    r"[aAbBéÉ.*\\\[\]^🦊 ]{0,6}"
}

fn seconds() -> impl Strategy<Value = f64> {
    (0..24_u8).prop_map(|quarters| f64::from(quarters) / 4.0)
}

fn rows(created: impl Strategy<Value = Created>) -> impl Strategy<Value = Vec<Row>> {
    let status = prop_oneof![
        Just(Status::Pending),
        Just(Status::Success),
        Just(Status::Failed)
    ];
    let teacher = prop_oneof![Just("t"), Just("u")];
    let row = (teacher, status, prompt(), created);
    proptest::collection::vec(row, 0..12)
}

fn filter() -> impl Strategy<Value = Filter> {
    let teacher = proptest::option::of(Just("t".to_owned()));
    let status = proptest::option::of(Just(Status::Success));
    let time = || proptest::option::of(seconds().prop_map(at));
    let parts = (teacher, status, prompt(), time(), time());
    parts.prop_map(|(teacher_id, status, words, from, before)| Filter {
        teacher_id,
        status,
        search: Search::of(&words),
        from,
        before,
    })
}

/// The ids of what a list has, by the plain meaning of its filter.
fn expected(rows: &[Row], filter: &Filter) -> Vec<String> {
    let mut found: Vec<(f64, String)> = Vec::new();
    for (n, (teacher, status, prompt, created)) in rows.iter().enumerate() {
        let seconds = created.seconds();
        if filter.teacher_id.as_deref().is_none_or(|it| it == *teacher)
            && filter.status.is_none_or(|it| it == *status)
            && filter.from.is_none_or(|it| it.seconds() <= seconds)
            && filter.before.is_none_or(|it| seconds < it.seconds())
            && filter.search.finds(prompt)
        {
            found.push((seconds, format!("a{n:02}")));
        }
    }
    found.sort_by(|one, other| other.partial_cmp(one).unwrap());
    found.into_iter().map(|(_, id)| id).collect()
}

/// All pages of a list, of three documents each.
async fn listed(store: &dyn Store, filter: &Filter) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(filter, after.as_ref(), 3).await.unwrap();
        let Some(last) = page.last() else {
            return all;
        };
        after = Some(Position {
            created_at: last.created_at,
            assignment_id: last.assignment_id.clone(),
        });
        all.extend(page.into_iter().map(|it| it.assignment_id));
    }
}

fn check(
    created: impl Strategy<Value = Created>,
    fill: impl Fn(&[Row]) -> Arc<dyn Store>,
    runtime: &tokio::runtime::Runtime,
) {
    let config = Config {
        cases: 120,
        failure_persistence: None,
        ..Config::default()
    };
    let filters = proptest::collection::vec(filter(), 8);
    TestRunner::new(config)
        .run(&(rows(created), filters), |(rows, filters)| {
            let store = fill(&rows);
            for filter in filters {
                let found = runtime.block_on(listed(&*store, &filter));
                prop_assert_eq!(found, expected(&rows, &filter), "{:?}", filter);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn sqlite_lists_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = super::sqlite();
    let file = rusqlite::Connection::open(home.folder.path().join("store.db")).unwrap();
    let fill = |rows: &[Row]| {
        file.execute("DELETE FROM assignments", []).unwrap();
        for (n, (teacher, status, prompt, created)) in rows.iter().enumerate() {
            let fields = json!({
                "teacher_id": teacher, "s3_upload_status": status, "prompt": prompt,
                "created_at": created.seconds(),
            });
            let new = assignment(&format!("a{n:02}"), fields);
            runtime.block_on(home.store.insert(&new)).unwrap();
        }
        Arc::clone(&home.store)
    };
    check(seconds().prop_map(Created::Number), fill, &runtime);
}

/// Documents of ours and of other programs, which write dates, or no time at all.
#[test]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
fn mongodb_lists_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = runtime.block_on(super::mongodb(super::MONGODB_URI));
    let documents = home.database.collection::<Document>("assignments");
    let row = |n: usize, (teacher, status, prompt, created): &Row| {
        doc! {
            "assignment_id": format!("a{n:02}"), "teacher_id": *teacher, "prompt": prompt,
            "s3_upload_status": status.as_str(),
            "created_at": match created {
                Created::Number(seconds) => Bson::Double(*seconds),
                Created::Date(at) => Bson::DateTime(DateTime::from_millis(*at)),
                Created::Never => Bson::Null,
            },
        }
    };
    let fill = |rows: &[Row]| {
        let new: Vec<_> = rows.iter().enumerate().map(|(n, it)| row(n, it)).collect();
        runtime.block_on(async {
            documents.delete_many(doc! {}).await.unwrap();
            if !new.is_empty() {
                documents.insert_many(new).await.unwrap();
            }
        });
        Arc::clone(&home.store)
    };
    let created = prop_oneof![
        seconds().prop_map(Created::Number),
        (0..6_000_i64).prop_map(Created::Date),
        Just(Created::Never),
    ];
    check(created, fill, &runtime);
    runtime.block_on(home.clear());
}
