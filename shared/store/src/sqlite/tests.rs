mod backup;
mod trouble;
mod upgrade;

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::StatementStatus;
use serde_json::json;

use super::*;
use atelier_domain::audit::Action;
use atelier_domain::search::Search;
use atelier_domain::transition;

fn file() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("store.db");
    (folder, path)
}

fn assignment(id: &str) -> Assignment {
    serde_json::from_value(json!({
        "assignment_id": id, "prompt": "a red fox", "created_at": 900.5, "updated_at": 900.5,
        "s3_upload_status": "pending", "wake_at": 930.5, "teacher_id": "t",
    }))
    .unwrap()
}

/// Every query, with numbers for its parameters.
fn all_queries() -> Vec<String> {
    let mut all: Vec<String> = queries::READS.iter().map(|it| (*it).to_owned()).collect();
    all.extend([api_keys::FIND, api_keys::GET, api_keys::LIST].map(str::to_owned));
    all.extend([erasure::ERASING, erasure::NAMED_BY_OTHERS].map(str::to_owned));
    for given in [
        [false, false, false],
        [true, false, false],
        [false, true, false],
        [false, false, true],
        [true, true, true],
    ] {
        let filter = AuditFilter {
            actor: given[0].then(|| "nobody".to_owned()),
            action: given[1].then_some(Action::AssignmentDeleted),
            what: given[2].then(|| "a".to_owned()),
        };
        all.extend([false, true].map(|goes_on| audit::statement(&filter, goes_on)));
    }
    for teacher_id in [None, Some("t".to_owned())] {
        for status in [None, Some(Status::Pending)] {
            for search in ["", "red fox"].map(Search::of) {
                for at in [None, Some(Timestamp::from_seconds(5.0))] {
                    let filter = Filter {
                        teacher_id: teacher_id.clone(),
                        status,
                        search: search.clone(),
                        from: at,
                        before: at,
                    };
                    all.extend([false, true].map(|goes_on| list::statement(&filter, goes_on)));
                }
            }
        }
    }
    all
}

#[test]
fn every_query_goes_by_an_index_and_sorts_nothing() {
    let (_folder, path) = file();
    let connection = connection::create(&path).unwrap();
    for sql in all_queries() {
        let mut explain = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let plan: Vec<String> = explain
            .raw_query()
            .mapped(|row| row.get("detail"))
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        for step in &plan {
            let by_index = !step.starts_with("SCAN") || step.contains("USING INDEX newest");
            let of_result = step == "SCAN (subquery-1)";
            assert!(by_index || of_result, "{sql}\n{plan:#?}");
            assert!(!step.contains("TEMP B-TREE"), "{sql}\n{plan:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_make_and_share_one_file() {
    let (_folder, path) = file();
    let stores = (0..4).map(|_| {
        let path = path.clone();
        tokio::task::spawn_blocking(move || Arc::new(SqliteStore::open(&path).unwrap()))
    });
    let stores: Vec<Arc<SqliteStore>> = futures_util::future::try_join_all(stores).await.unwrap();
    let inserts = (0..200).map(|n| {
        let store = Arc::clone(&stores[n % stores.len()]);
        let mut assignment = assignment(&(n / 2).to_string());
        assignment.prompt = n.to_string();
        tokio::spawn(async move { store.insert(&assignment).await.unwrap() })
    });
    let results = futures_util::future::try_join_all(inserts).await.unwrap();
    let done = results.iter().filter(|it| **it == Insert::Done).count();
    assert_eq!(done, 100, "each id came twice");
    for store in &stores {
        let met: HashSet<String> = store
            .scan(None, 1000)
            .await
            .unwrap()
            .into_iter()
            .map(|it| it.assignment_id)
            .collect();
        assert_eq!(met.len(), 100);
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_reopen() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.insert(&assignment("a")).await.unwrap();
    // As after a kill: the first store is still open.
    let second = SqliteStore::open(&path).unwrap();
    assert_eq!(second.get("a").await.unwrap(), Some(assignment("a")));
    drop((store, second));
    let log = path.with_extension("db-wal");
    assert!(!log.exists(), "a clean close leaves no log behind");
    let third = SqliteStore::open(&path).unwrap();
    assert_eq!(third.get("a").await.unwrap(), Some(assignment("a")));
}

#[tokio::test]
async fn fields_that_are_not_ours_stay() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.insert(&assignment("a")).await.unwrap();
    let other = connection::open(&path).unwrap();
    other
        .execute(
            "UPDATE assignments SET document = json_set(document, '$.of.others', 'kept')",
            [],
        )
        .unwrap();
    let sent = transition::note_sent(
        1,
        Timestamp::from_seconds(1.0),
        Timestamp::from_seconds(2.0),
    );
    assert!(store.apply("a", &sent).await.unwrap().is_some());
    let made = store.make_due(
        Timestamp::from_seconds(2.0),
        Timestamp::from_seconds(1.5),
        9,
    );
    assert_eq!(made.await.unwrap(), 1);
    let kept: String = other
        .query_row(
            "SELECT document ->> '$.of.others' FROM assignments",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(kept, "kept");
}

#[tokio::test]
async fn an_unreadable_document_is_named_and_hides_no_other() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.insert(&assignment("a")).await.unwrap();
    store.insert(&assignment("b")).await.unwrap();
    connection::open(&path)
        .unwrap()
        .execute(
            "UPDATE assignments SET document = json_set(document, '$.prompt', 7) WHERE id = 'a'",
            [],
        )
        .unwrap();
    let error = store.get("a").await.unwrap_err().to_string();
    assert!(
        error.contains("`a`") && error.contains("prompt") | error.contains("string"),
        "{error}"
    );
    let delete = transition::delete(Timestamp::from_seconds(1.0), Timestamp::from_seconds(2.0));
    assert!(matches!(
        store.apply("a", &delete).await,
        Err(StoreError::Unreadable { id, .. }) if id == "a"
    ));
    let due = store.due(Timestamp::from_seconds(1e9), 10).await.unwrap();
    assert_eq!(due, [assignment("b")]);
    assert!(store.apply("b", &delete).await.unwrap().is_some());
}

#[tokio::test]
async fn a_bad_command_does_not_fail_its_neighbors() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let bad = store.write(|connection| connection.execute("INSERT INTO nowhere VALUES (1)", []));
    let (good, bad, better) = (assignment("good"), bad, assignment("better"));
    let (one, refused, two) = tokio::join!(store.insert(&good), bad, store.insert(&better));
    assert_eq!((one.unwrap(), two.unwrap()), (Insert::Done, Insert::Done));
    assert!(refused.unwrap_err().to_string().contains("nowhere"));
    assert!(store.get("good").await.unwrap().is_some());
    assert!(store.get("better").await.unwrap().is_some());
}

#[test]
fn a_file_that_cannot_be_used_is_said_to_be_away() {
    let (folder, path) = file();
    let no_database = folder.path().join("letter.txt");
    std::fs::write(&no_database, "Dear reader, ".repeat(1000)).unwrap();
    let newer = folder.path().join("newer.db");
    drop(connection::create(&newer).unwrap());
    connection::open(&newer)
        .unwrap()
        .pragma_update(None, "user_version", 7)
        .unwrap();
    let below_a_file = no_database.join("store.db");
    for (path, words) in [
        (&no_database, "not a database"),
        (&newer, "version 7"),
        (&below_a_file, "its folder cannot be made"),
        (&folder.path().to_owned(), "unable to open"),
    ] {
        let error = SqliteStore::open(path).unwrap_err();
        assert!(matches!(error, StoreError::Away(_)));
        let error = error.to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
    SqliteStore::open(&path).unwrap();
}

#[tokio::test]
async fn a_file_that_went_away_fails_the_ping() {
    let (folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.ping().await.unwrap();
    drop(folder);
    assert!(
        store
            .ping()
            .await
            .unwrap_err()
            .to_string()
            .contains("is gone")
    );
}

#[tokio::test]
async fn a_file_that_stays_locked_is_said_to_be_away() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let other = connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.insert(&assignment("a")).await.unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
    assert_eq!(
        store.get("a").await.unwrap(),
        None,
        "readers do not wait for writers"
    );
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.insert(&assignment("a")).await.unwrap(), Insert::Done);
}

/// What a query costs, in SQLite's own steps.
fn steps(connection: &Connection, sql: &str) -> i32 {
    let mut statement = connection.prepare(sql).unwrap();
    for name in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(name, 5).unwrap();
    }
    let mut rows = statement.raw_query();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    statement.get_status(StatementStatus::VmStep)
}

#[test]
fn costs_do_not_grow_with_the_number_of_documents() {
    let (_folder, path) = file();
    let connection = connection::create(&path).unwrap();
    let fill = |from: u32, to: u32| {
        connection
            .execute(
                "INSERT INTO assignments (id, document)
                WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
                SELECT 'a' || i, json_object(
                    's3_upload_status', iif(i % 3, 'pending', 'success'), 'teacher_id', '' || (i % 7),
                    'created_at', 1.0 * i, 'wake_at', 1.0 * i, 'sent_at', 1.0 * i,
                    'finished_at', 1.0 * i, 'reuse_key', '' || (i % 5))
                FROM n",
                [from, to],
            )
            .unwrap();
    };
    fill(0, 1_000);
    let few: Vec<i32> = all_queries()
        .iter()
        .map(|sql| steps(&connection, sql))
        .collect();
    fill(1_000, 20_000);
    for (sql, few) in all_queries().iter().zip(few) {
        // A search looks through the prompts of all that a list would show.
        if sql.contains("GLOB") {
            continue;
        }
        let many = steps(&connection, sql);
        assert!(many <= few + 50, "{few} steps, then {many}: {sql}");
    }
}

#[test]
fn a_search_reads_no_document_that_it_does_not_find() {
    let (_folder, path) = file();
    let connection = connection::create(&path).unwrap();
    let searches = all_queries().into_iter().filter(|it| it.contains("GLOB"));
    for sql in searches {
        let mut explain = connection.prepare(&format!("EXPLAIN {sql}")).unwrap();
        let functions: Vec<String> = explain
            .raw_query()
            .mapped(|row| row.get::<_, Option<String>>("p4"))
            .filter_map(|function| function.unwrap())
            .filter(|it| it.starts_with("glob(") || it.starts_with("->>("))
            .collect();
        // What is taken out of a document is so after the prompt in the index was looked at.
        let words = sql.matches("GLOB").count();
        let looks_first = functions
            .iter()
            .take(words)
            .all(|it| it.starts_with("glob("));
        assert!(
            looks_first && functions.len() >= words,
            "{sql}\n{functions:?}"
        );
    }
}

#[tokio::test]
async fn making_the_last_of_many_due_costs_what_the_first_did() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let connection = connection::open(&path).unwrap();
    connection
        .execute(
            "INSERT INTO assignments (id, document)
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
            SELECT 'a' || i, json_set(?1, '$.assignment_id', 'a' || i, '$.sent_at', 1.0)
            FROM n",
            [serde_json::to_string(&assignment("a")).unwrap()],
        )
        .unwrap();
    let first = steps(&connection, queries::NOT_DUE_YET);
    let at = Timestamp::from_seconds;
    let made = store.make_due(at(2.0), at(5.0), 1_990).await.unwrap();
    assert_eq!(made, 1_990);
    let last = steps(&connection, queries::NOT_DUE_YET);
    assert!(last <= first + 50, "{first} steps, then {last}");
}

#[tokio::test]
async fn an_entry_of_the_audit_log_is_neither_changed_nor_deleted_nor_replaced() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let entry = Entry::begun(&Actor::Nobody, Action::AssignmentDeleted, "a");
    store.append_audit(&entry).await.unwrap();
    let other = connection::open(&path).unwrap();
    let replace = format!(
        "INSERT OR REPLACE INTO audit_log (id, entry) VALUES ('{}', '{{}}')",
        entry.id
    );
    for change in [
        "UPDATE audit_log SET entry = '{}'",
        "DELETE FROM audit_log",
        replace.as_str(),
    ] {
        let refused = other.execute(change, []).unwrap_err();
        assert!(
            refused.to_string().contains("append-only"),
            "{change}: {refused}"
        );
    }
    let read = store.audit_log(&AuditFilter::default(), None, 9).await;
    assert_eq!(read.unwrap(), [entry]);
}

#[tokio::test]
async fn nothing_of_an_erased_document_stays_in_the_files() {
    const PROMPT: &str = "a secret that nobody else has";
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    for n in 0..40 {
        let mut document = assignment(&format!("a-{n}"));
        document.prompt = PROMPT.to_owned();
        // Of some the text takes pages of its own.
        document.question_answers = Some(PROMPT.repeat(n * 20));
        store.insert(&document).await.unwrap();
        let later = Timestamp::from_seconds(2.0);
        let sent = transition::note_sent(1, later, later);
        store.apply(&document.assignment_id, &sent).await.unwrap();
    }
    let files = || {
        ["", "-wal"]
            .map(|suffix| std::fs::read(format!("{}{suffix}", path.display())).unwrap_or_default())
            .concat()
    };
    let holds = |bytes: &[u8]| {
        bytes
            .windows(PROMPT.len())
            .any(|it| it == PROMPT.as_bytes())
    };
    assert!(holds(&files()));
    for n in 0..40 {
        let now = Timestamp::from_seconds(3.0);
        let tombstone = Assignment::tombstone_of(&format!("a-{n}"), "t", now, now);
        assert!(Store::erase(&store, "t", &tombstone).await.unwrap());
    }
    store.forget_person("t").await.unwrap();
    assert!(!holds(&files()));
}
