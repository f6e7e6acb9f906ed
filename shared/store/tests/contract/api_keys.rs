//! Keys of programs.

use std::sync::Arc;

use super::{at, for_every_store};
use atelier_domain::api_key::ApiKey;
use atelier_domain::role::Role;
use atelier_store::Store;

for_every_store!(
    a_key_is_found_by_its_hash_alone,
    a_name_is_taken_once,
    a_key_is_revoked_once,
    the_last_use_never_goes_back,
);

fn key(name: &str, hash: &str) -> ApiKey {
    ApiKey {
        name: name.to_owned(),
        hash: hash.to_owned(),
        role: Role::Portal,
        created_at: at(1.5),
        expires_at: Some(at(9.25)),
        revoked_at: None,
        last_used_at: None,
    }
}

async fn a_key_is_found_by_its_hash_alone(store: Arc<dyn Store>) {
    let keys = store.api_keys();
    assert!(keys.add_key(&key("b", "hash b")).await.unwrap());
    assert!(keys.add_key(&key("a", "hash a")).await.unwrap());
    let found = keys.key_by_hash("hash a").await.unwrap();
    assert_eq!(found, Some(key("a", "hash a")));
    assert_eq!(keys.key_by_hash("a").await.unwrap(), None);
    let all = keys.all_keys().await.unwrap();
    assert_eq!(all, [key("a", "hash a"), key("b", "hash b")]);
}

async fn a_name_is_taken_once(store: Arc<dyn Store>) {
    let keys = store.api_keys();
    assert!(keys.add_key(&key("a", "one")).await.unwrap());
    assert!(!keys.add_key(&key("a", "other")).await.unwrap());
    assert_eq!(keys.key_by_hash("other").await.unwrap(), None);
    assert_eq!(keys.all_keys().await.unwrap(), [key("a", "one")]);
}

async fn a_key_is_revoked_once(store: Arc<dyn Store>) {
    let keys = store.api_keys();
    assert!(keys.add_key(&key("a", "hash")).await.unwrap());
    let revoked = ApiKey {
        revoked_at: Some(at(3.5)),
        ..key("a", "hash")
    };
    for moment in [3.5, 4.5] {
        let after = keys.revoke_key("a", at(moment)).await.unwrap();
        assert_eq!(after.as_ref(), Some(&revoked));
    }
    assert_eq!(keys.key_by_hash("hash").await.unwrap(), Some(revoked));
    assert_eq!(keys.revoke_key("b", at(4.5)).await.unwrap(), None);
}

async fn the_last_use_never_goes_back(store: Arc<dyn Store>) {
    let keys = store.api_keys();
    assert!(keys.add_key(&key("a", "hash")).await.unwrap());
    for moment in [5.5, 7.5, 6.5] {
        keys.note_key_use("a", at(moment)).await.unwrap();
    }
    keys.note_key_use("unknown", at(8.5)).await.unwrap();
    let found = keys.key_by_hash("hash").await.unwrap().unwrap();
    assert_eq!(found.last_used_at, Some(at(7.5)));
}
