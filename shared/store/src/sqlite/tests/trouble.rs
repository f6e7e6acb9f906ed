//! A disk that is full or read-only, and damage.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use rusqlite::OpenFlags;

use super::{assignment, file};
use crate::sqlite::{SqliteStore, connection};
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;

use crate::{Insert, Store as _, StoreError};

/// Overwrites the file from `offset` on, and cuts nothing off.
fn damage(path: &Path, offset: u64) {
    let mut file = std::fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(&[0xA5; 4096]).unwrap();
}

/// A closed file with this many documents.
async fn filled(path: &Path, documents: usize) {
    let store = SqliteStore::open(path).unwrap();
    let all: Vec<_> = (0..documents)
        .map(|n| assignment(&format!("a{n:04}")))
        .collect();
    futures_util::future::try_join_all(all.iter().map(|it| store.insert(it)))
        .await
        .unwrap();
}

/// Where one of the pages of documents begins.
fn a_page_of_documents(path: &Path) -> u64 {
    let page = "SELECT (pageno - 1) * 4096 FROM dbstat
        WHERE name = 'assignments' AND pagetype = 'leaf' ORDER BY path DESC LIMIT 1";
    connection::open(path)
        .unwrap()
        .query_row(page, [], |row| row.get::<_, u32>(0).map(u64::from))
        .unwrap()
}

/// Lets the file have as many pages as it has now and `more`.
async fn limit(store: &SqliteStore, more: i64) {
    store
        .write(move |connection| {
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            connection.pragma_update(None, "max_page_count", pages + more)
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_writes_answers_reads_and_recovers_by_itself() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.ping().await.unwrap();
    limit(&store, 20).await;
    // Many share a transaction, which ends with the first that finds no room.
    let all: Vec<_> = (0..2_000).map(|n| assignment(&format!("a{n}"))).collect();
    let outcomes = futures_util::future::join_all(all.iter().map(|it| store.insert(it))).await;
    let mut refused = 0;
    for (assignment, outcome) in all.iter().zip(outcomes) {
        let stored = store.get(&assignment.assignment_id).await.unwrap();
        match outcome {
            Ok(done) => assert_eq!((done, stored.as_ref()), (Insert::Done, Some(assignment))),
            Err(StoreError::Away(cause)) => {
                assert!(cause.to_string().contains("no space left"), "{cause}");
                assert_eq!(stored, None);
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!((1..2_000).contains(&refused), "{refused} refused");
    limit(&store, 0).await;
    let mut large = assignment("large");
    large.prompt = "x".repeat(100_000);
    store.insert(&large).await.unwrap_err();
    for _ in 0..2 {
        let error = store.ping().await.unwrap_err().to_string();
        assert!(error.contains("no space left"), "{error}");
    }
    limit(&store, 1_000).await;
    store.insert(&large).await.unwrap();
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_found_out_to_have_space_again_by_the_ping_alone() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let limit = |pages: u32| {
        store.write(move |connection| {
            connection.pragma_update(None, "max_page_count", pages)?;
            let sql = "INSERT INTO probes (room) VALUES (zeroblob(1000000))";
            connection.execute(sql, []).map(drop)
        })
    };
    limit(1).await.unwrap_err();
    store.ping().await.unwrap_err();
    let late = transition::delete(Timestamp::from_seconds(1.0), Timestamp::from_seconds(2.0));
    let nothing = store.apply("not there", &late).await.unwrap();
    assert_eq!(nothing, None);
    let error = store.ping().await.unwrap_err().to_string();
    assert!(
        error.contains("no space left"),
        "nothing was written: {error}"
    );
    limit(100).await.unwrap_err();
    store.ping().await.unwrap();
    let left: u32 = connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM probes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_read_only_file_is_read_and_refuses_writes() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.insert(&assignment("a")).await.unwrap();
    // Root may write to every file, but not by a connection that only reads.
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let error = connection::create_with(&path, read_only)
        .unwrap_err()
        .to_string();
    assert!(error.contains("read-only"), "{error}");

    let connection = connection::open_with(&path, read_only).unwrap();
    let reading = SqliteStore::over(connection, &path).unwrap();
    reading.ping().await.unwrap();
    let error = reading.insert(&assignment("b")).await.unwrap_err();
    assert!(matches!(error, StoreError::Away(_)));
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_eq!(reading.get("a").await.unwrap(), Some(assignment("a")));
    let error = reading.ping().await.unwrap_err().to_string();
    assert!(error.contains("read-only"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_words_that_say_what_to_do() {
    let (folder, path) = file();
    filled(&path, 500).await;
    let whole = std::fs::read(&path).unwrap();
    let leaf = a_page_of_documents(&path);
    let cut = folder.path().join("cut.db");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    for (name, offset) in [("header.db", 0), ("leaf.db", leaf)] {
        let copy = folder.path().join(name);
        std::fs::write(&copy, &whole).unwrap();
        damage(&copy, offset);
    }
    for name in ["cut.db", "header.db", "leaf.db"] {
        let path = folder.path().join(name);
        let error = SqliteStore::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Away(_)));
        let error = error.to_string();
        for words in ["damaged", "restore a backup", "OPERATIONS.md", name] {
            assert!(error.contains(words), "{name}: {error}");
        }
    }
    SqliteStore::open(&path).unwrap();
}

#[tokio::test]
async fn damage_under_a_running_store_is_told_and_spares_the_other_documents() {
    let (_folder, path) = file();
    filled(&path, 500).await;
    let leaf = a_page_of_documents(&path);
    let mut page = [0; 4096];
    let mut file = std::fs::File::open(&path).unwrap();
    file.seek(SeekFrom::Start(leaf)).unwrap();
    file.read_exact(&mut page).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    damage(&path, leaf);
    let mut damaged = 0;
    for n in 0..500 {
        let assignment = assignment(&format!("a{n:04}"));
        let id = &assignment.assignment_id;
        match store.get(id).await {
            Ok(found) => assert_eq!(found, Some(assignment)),
            Err(error) => {
                assert!(error.to_string().contains("damaged"), "{error}");
                let in_page = page.windows(id.len()).any(|it| it == id.as_bytes());
                assert!(in_page, "{id} is in another page");
                damaged += 1;
            }
        }
    }
    assert!((1..100).contains(&damaged), "{damaged}");
}

/// A file system of its own, as large as a test needs; root may mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn of(size: &str) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .status();
        assert!(mounted.unwrap().success(), "only root may mount");
        Self(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg(self.0.path())
            .status();
    }
}

#[tokio::test]
#[ignore = "needs to be root on Linux: conformance/run cargo test --workspace -- --include-ignored"]
async fn a_disk_without_space_is_told_before_a_write_meets_it() {
    let disk = SmallDisk::of("16m");
    let path = disk.0.path().join("atelier.db");
    let store = SqliteStore::open(&path).unwrap();
    store.insert(&assignment("before")).await.unwrap();
    store.ping().await.unwrap();
    // Another program's file takes all that is left.
    let other = disk.0.path().join("other");
    let mut file = std::fs::File::create(&other).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    let error = store.ping().await.unwrap_err().to_string();
    assert!(error.contains("no space left on its disk"), "{error}");
    assert!(store.get("before").await.unwrap().is_some());
    std::fs::remove_file(&other).unwrap();
    drop(file);
    store.ping().await.unwrap();
    drop(store);
}
