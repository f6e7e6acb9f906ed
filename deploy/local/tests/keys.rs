//! `atelier key`, a process of its own.

mod support;

use std::process::{Command, Output};

use atelier_domain::audit::Outcome;
use atelier_store::{AuditFilter, SqliteStore, Store as _};
use support::binary;
use tempfile::TempDir;

fn key(folder: &TempDir, flags: &[&str]) -> Output {
    let store = format!("sqlite:{}", folder.path().join("atelier.db").display());
    Command::new(binary("atelier"))
        .arg("key")
        .args(flags)
        .env("STORE_URL", store)
        .env("USER", "the-operator")
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_key_leaves_an_entry_when_it_is_made_and_when_it_is_revoked() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("atelier.db");
    drop(SqliteStore::open(&path).unwrap());
    let create = ["create", "portal", "--role", "portal"];
    let made = key(&folder, &create);
    assert!(made.status.success(), "{made:?}");
    let again = key(&folder, &create);
    assert!(!again.status.success(), "its name is taken: {again:?}");
    let unknown = key(&folder, &["revoke", "nobody"]);
    assert!(!unknown.status.success(), "{unknown:?}");
    for _ in 0..2 {
        let revoked = key(&folder, &["revoke", "portal"]);
        assert!(revoked.status.success(), "{revoked:?}");
    }
    let store = SqliteStore::open(&path).unwrap();
    let all = AuditFilter::default();
    let log = store.audit_log(&all, None, 9).await.unwrap();
    assert!(
        log.iter()
            .all(|it| it.actor == "cli:the-operator" && it.what == "portal")
    );
    let log: Vec<_> = log
        .iter()
        .map(|it| (it.action.as_str(), it.outcome))
        .collect();
    assert_eq!(
        log,
        [
            ("key.revoked", Outcome::Begun),
            ("key.issued", Outcome::Failed),
            ("key.issued", Outcome::Begun),
            ("key.issued", Outcome::Begun),
        ]
    );
}
