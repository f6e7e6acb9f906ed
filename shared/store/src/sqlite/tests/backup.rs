//! Backups while others write, and what keeps one from being made.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_util::sync::CancellationToken;

use super::upgrade::{version, written_by};
use super::{assignment, file};
use crate::sqlite::backup::{Backup, BackupError, Existing};
use crate::sqlite::{SqliteStore, connection};
use crate::{Store as _, StoreError};

async fn backup(store: &Path, target: &Path) -> Result<Backup, BackupError> {
    Backup::make(store, target, Existing::Keep, CancellationToken::new()).await
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_the_store_at_one_moment_while_others_write() {
    let (folder, path) = file();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let acknowledged = Arc::new(AtomicU32::new(0));
    let writes = tokio::spawn({
        let (store, acknowledged) = (Arc::clone(&store), Arc::clone(&acknowledged));
        async move {
            for n in 0.. {
                let pair = ["one", "other"].map(|it| format!("{it}-{n:08}"));
                let insert = "INSERT INTO assignments VALUES (?1, '{}')";
                store
                    .write(move |connection| {
                        pair.iter()
                            .try_for_each(|id| connection.execute(insert, [id]).map(drop))
                    })
                    .await
                    .unwrap();
                acknowledged.store(n + 1, Ordering::SeqCst);
            }
        }
    });
    let enough = async |more: u32| {
        let from = acknowledged.load(Ordering::SeqCst);
        while acknowledged.load(Ordering::SeqCst) < from + more {
            tokio::task::yield_now().await;
        }
    };
    for n in 0..5 {
        enough(200).await;
        let before = acknowledged.load(Ordering::SeqCst);
        let target = folder.path().join(format!("{n}.db"));
        let made = backup(&path, &target).await.unwrap();
        let after = acknowledged.load(Ordering::SeqCst);
        let copy = connection::open(&target).unwrap();
        let count = |what: &str| -> u32 {
            let sql = format!("SELECT count(*) FROM assignments WHERE id LIKE '{what}-%'");
            copy.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        let (one, other) = (count("one"), count("other"));
        assert_eq!(one, other, "both of a pair or none");
        assert!(
            (before..=after + 1).contains(&one),
            "{before} {one} {after}"
        );
        assert_eq!(made.documents, u64::from(one + other));
        assert_eq!(made.bytes, target.metadata().unwrap().len());
    }
    enough(1).await;
    writes.abort();
}

#[tokio::test]
async fn a_backup_is_a_store_and_has_nothing_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.insert(&assignment("a")).await.unwrap();
    let home = folder.path().join("backups");
    std::fs::create_dir(&home).unwrap();
    let target = home.join("monday.db");
    backup(&path, &target).await.unwrap();
    assert_eq!(names(&home), ["monday.db"]);
    let mode = target.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "prompts are nobody else's business");
    let restored = SqliteStore::open(&target).unwrap();
    assert_eq!(restored.get("a").await.unwrap(), Some(assignment("a")));
    restored.insert(&assignment("b")).await.unwrap();
}

#[tokio::test]
async fn a_backup_of_an_older_version_stays_what_it_is() {
    let (folder, path) = written_by(1);
    let target = folder.path().join("old.db");
    backup(&path, &target).await.unwrap();
    let versions = [&path, &target].map(|it| version(&connection::open(it).unwrap()));
    assert_eq!(versions, [1, 1]);
    let restored = SqliteStore::open(&target).unwrap();
    let document = restored.get("a").await.unwrap().unwrap();
    assert_eq!(document.prompt, "a red fox");
}

#[tokio::test]
async fn what_is_there_is_replaced_only_when_told_to() {
    let (folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.insert(&assignment("a")).await.unwrap();
    let target = folder.path().join("backup.db");
    std::fs::write(&target, "precious").unwrap();
    let error = backup(&path, &target).await.unwrap_err();
    assert!(matches!(error, BackupError::Exists(_)), "{error}");
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    let replace = async |target: &Path| {
        Backup::make(&path, target, Existing::Replace, CancellationToken::new()).await
    };
    assert_eq!(replace(&target).await.unwrap().documents, 1);
    SqliteStore::open(&target).unwrap();

    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for itself in [&path, &link] {
        let error = replace(itself).await.unwrap_err();
        assert!(matches!(error, BackupError::Itself(_)), "{error}");
    }
    let no_file = folder.path().join("folder");
    std::fs::create_dir(&no_file).unwrap();
    let error = replace(&no_file).await.unwrap_err();
    assert!(matches!(error, BackupError::Exists(_)), "{error}");
    assert_eq!(store.get("a").await.unwrap(), Some(assignment("a")));
}

#[tokio::test]
async fn each_fault_has_its_words_and_leaves_nothing_behind() {
    let (folder, path) = file();
    drop(SqliteStore::open(&path).unwrap());
    let home = folder.path();
    let other = home.join("other.db");
    rusqlite::Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE letters (text)")
        .unwrap();
    let damaged = home.join("damaged.db");
    std::fs::write(&damaged, "Dear reader, ".repeat(1000)).unwrap();
    let before = names(home);
    for (store, target, words) in [
        ("nothing.db", "backup.db", "no store at"),
        (".", "backup.db", "no store at"),
        ("other.db", "backup.db", "no store at"),
        ("damaged.db", "backup.db", "damaged"),
        (
            "data/store.db",
            "missing/backup.db",
            "missing does not exist",
        ),
        ("data/store.db", "other.db", "is there already"),
    ] {
        let error = backup(&home.join(store), &home.join(target)).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(names(home), before, "after: {error}");
    }
}

#[tokio::test]
async fn a_backup_of_damaged_documents_is_not_kept() {
    use std::os::unix::fs::FileExt as _;
    let (folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let all: Vec<_> = (0..500).map(|n| assignment(&format!("a{n:04}"))).collect();
    futures_util::future::try_join_all(all.iter().map(|it| store.insert(it)))
        .await
        .unwrap();
    drop(store);
    // An index that lacks what its table has: every page is well.
    let connection = connection::open(&path).unwrap();
    let page: u32 = connection
        .query_row(
            "SELECT (pageno - 1) * 4096 FROM dbstat
                WHERE name = 'due' AND pagetype = 'leaf' LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(connection);
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let mut bytes = vec![0; 4096];
    file.read_exact_at(&mut bytes, page.into()).unwrap();
    let count = u16::from_be_bytes([bytes[3], bytes[4]]);
    let fewer = (count - 1).to_be_bytes();
    file.write_all_at(&fewer, u64::from(page) + 3).unwrap();
    let home = folder.path().join("backups");
    std::fs::create_dir(&home).unwrap();
    let error = backup(&path, &home.join("backup.db")).await.unwrap_err();
    assert!(
        matches!(error, BackupError::Damaged(_) | BackupError::Store(_)),
        "{error}"
    );
    assert!(error.to_string().contains("damaged"), "{error}");
    assert!(names(&home).is_empty());
}

#[tokio::test]
async fn a_backup_that_is_told_to_stop_leaves_nothing_behind() {
    let (folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.insert(&assignment("a")).await.unwrap();
    let home = folder.path().join("backups");
    std::fs::create_dir(&home).unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    let stopped = Backup::make(&path, &home.join("a.db"), Existing::Keep, stop).await;
    assert!(matches!(stopped, Err(BackupError::Stopped)), "{stopped:?}");
    assert!(names(&home).is_empty());
    let good: Result<_, StoreError> = store.get("a").await;
    assert!(good.unwrap().is_some());
}
