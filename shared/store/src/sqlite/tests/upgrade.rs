//! Files of older versions, of newer ones, and of other programs.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::{assignment, file};
use crate::sqlite::{SqliteStore, connection, schema};
use crate::{Store as _, StoreError};

/// What each older version made of a new file, as it was when that was the newest: not the steps
/// that make the tables today.
const OLDER: [&str; schema::VERSION as usize - 1] = [include_str!("version_1.sql")];

/// A document with fields that no version knows.
const DOCUMENT: &str = r#"{"assignment_id": "a",  "prompt": "a red fox", "created_at": 900.5,
    "updated_at": 900.5, "s3_upload_status": "pending", "wake_at": 930.5, "teacher_id": "t",
    "of": {"others": "kept"}}"#;

/// A file that `version` left after a kill: with the document in its log.
pub(super) fn written_by(version: u32) -> (tempfile::TempDir, PathBuf) {
    let (folder, path) = file();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let old = Connection::open(&path).unwrap();
    old.pragma_update(None, "journal_mode", "WAL").unwrap();
    old.execute_batch(OLDER[version as usize - 1]).unwrap();
    old.pragma_update(None, "user_version", version).unwrap();
    old.execute("INSERT INTO assignments VALUES ('a', ?1)", [DOCUMENT])
        .unwrap();
    old.execute("INSERT INTO limits VALUES ('t', 60, 7)", [])
        .unwrap();
    let copy = folder.path().join("killed.db");
    for suffix in ["", "-wal"] {
        let with = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(with(&path), with(&copy)).unwrap();
    }
    (folder, copy)
}

pub(super) fn version(connection: &Connection) -> u32 {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

/// What the file says of its tables and indexes, and its columns.
fn tables(connection: &Connection) -> Vec<(String, Option<String>)> {
    connection
        .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap()
}

#[tokio::test]
async fn a_file_of_every_older_version_is_upgraded_with_its_documents() {
    let (_folder, new) = file();
    let new = connection::create(&new).unwrap();
    for older in 1..schema::VERSION {
        let (_folder, path) = written_by(older);
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.get("a").await.unwrap(), Some(assignment("a")));
        assert_eq!(store.charge("t", 60).await.unwrap(), 8);
        store.insert(&assignment("b")).await.unwrap();
        drop(store);
        let upgraded = connection::open(&path).unwrap();
        assert_eq!(version(&upgraded), schema::VERSION);
        assert_eq!(tables(&upgraded), tables(&new), "as of a new file");
        let text: String = upgraded
            .query_row(
                "SELECT document FROM assignments WHERE id = 'a'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(text, DOCUMENT);
    }
}

#[test]
fn an_upgrade_that_fails_changes_nothing() {
    let (_folder, path) = written_by(1);
    let mut old = connection::open(&path).unwrap();
    let before = tables(&old);
    let steps = [
        OLDER[0],
        "CREATE TABLE first (a); UPDATE assignments SET document = '{}';",
        "CREATE TABLE second (a); INSERT INTO nowhere VALUES (1);",
    ];
    let error = schema::take(&mut old, TransactionBehavior::Exclusive, &steps).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert_eq!((version(&old), tables(&old)), (1, before));
    let text: String = old
        .query_row("SELECT document FROM assignments", [], |row| row.get(0))
        .unwrap();
    assert_eq!(text, DOCUMENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_start_on_one_older_file() {
    let (_folder, path) = written_by(1);
    let stores = (0..4).map(|_| {
        let path = path.clone();
        tokio::task::spawn_blocking(move || SqliteStore::open(&path).unwrap())
    });
    let stores: Vec<SqliteStore> = futures_util::future::try_join_all(stores).await.unwrap();
    for (n, store) in stores.iter().enumerate() {
        store.insert(&assignment(&format!("b{n}"))).await.unwrap();
    }
    assert_eq!(stores[0].scan(None, 10).await.unwrap().len(), 5);
}

#[test]
fn a_file_that_another_process_has_open_is_not_upgraded() {
    let (_folder, path) = written_by(1);
    let other = connection::open(&path).unwrap();
    assert_eq!(version(&other), 1);
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Away(_)));
    let error = error.to_string();
    let path_named = error.contains(&path.display().to_string());
    assert!(
        path_named && error.contains("another process has it open"),
        "{error}"
    );
    assert_eq!(version(&other), 1);
    drop(other);
    SqliteStore::open(&path).unwrap();
}

#[test]
fn a_file_of_another_program_is_refused_and_left_alone() {
    for other_version in [0, 1, schema::VERSION] {
        let (folder, _) = file();
        let path = folder.path().join("letters.db");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE letters (text)").unwrap();
        other
            .pragma_update(None, "user_version", other_version)
            .unwrap();
        drop(other);
        let error = SqliteStore::open(&path).unwrap_err().to_string();
        assert!(error.contains("or not of this program"), "{error}");
        let other = connection::open(&path).unwrap();
        assert_eq!((version(&other), tables(&other).len()), (other_version, 1));
    }
}
