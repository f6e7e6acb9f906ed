use std::time::Instant;

use mongodb::bson::{self, Bson, doc};
use serde_json::json;

use super::*;
use atelier_domain::assignment::Token;
use atelier_domain::transition::{self, Budget, Edit};

fn foreign() -> Document {
    doc! {
        "_id": "a", "assignment_id": "a", "prompt": "a red fox", "created_at": 900,
        "updated_at": 900.5, "s3_upload_status": "pending", "attempts": 2.0,
        "model_calls": 3_i64, "cloudfront_url": Bson::Null, "failure": Bson::Null,
        "of_others": { "kept": [1, 2] },
    }
}

#[test]
fn numbers_of_any_kind_and_nulls_are_read() {
    let read = Stored::new(foreign()).read().unwrap();
    assert_eq!((read.attempts, read.model_calls, read.round), (2, 3, 1));
    assert_eq!(read.created_at, Timestamp::from_seconds(900.0));
    assert_eq!((read.cloudfront_url, read.failure), (None, None));
}

#[test]
fn created_at_is_stored_as_a_double() {
    let document = to_document(&Stored::new(foreign()).read().unwrap());
    assert_eq!(document.get("created_at"), Some(&Bson::Double(900.0)));
    assert_eq!(document.get("_id"), document.get("assignment_id"));
}

#[test]
fn an_unreadable_document_is_named() {
    let mut document = foreign();
    document.insert("prompt", 7);
    let error = Stored::new(document).read().unwrap_err();
    assert!(
        matches!(&error, StoreError::Unreadable { id, .. } if id == "a"),
        "{error}"
    );
}

#[test]
fn edits_become_operators_on_single_fields() {
    let token: Token = serde_json::from_value(json!("mine")).unwrap();
    let held = Stored::new(foreign()).read().unwrap();
    let later = Timestamp::from_seconds(5.5);
    let release = transition::release(&token, &held, Budget::GiveBack, 3, later);
    assert_eq!(
        update_of(&release.edits).unwrap(),
        doc! {
            "$set": { "wake_at": 5.5, "attempts": 1_i64, "s3_upload_attempts": 3_i64 },
            "$unset": { "claim": true, "waits_for_budget": true },
        }
    );
    let filter = filter_of("a", &release.guard);
    assert_eq!(filter.get("attempts"), Some(&2.into()));
    let absent_or_zero = doc! { "$in": [0, Bson::Null] };
    assert_eq!(
        filter.get("s3_upload_attempts"),
        Some(&absent_or_zero.into())
    );
    assert_eq!(update_of(&[]), None);
    let ours = bson::serialize_to_bson(&json!({"$set": "a.b"})).unwrap();
    let edit = [Edit::Set("failure", json!({"$set": "a.b"}))];
    assert_eq!(
        update_of(&edit).unwrap(),
        doc! { "$set": { "failure": ours } }
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_away_within_seconds() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
    let store = MongoStore::open(&url, 4).await.unwrap();
    let start = Instant::now();
    assert!(matches!(store.ping().await, Err(StoreError::Away(_))));
    assert!(start.elapsed() < 2 * TIMEOUT);
}

#[tokio::test]
async fn a_server_that_is_silent_is_away_within_seconds() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "mongodb://{}/?directConnection=true",
        listener.local_addr().unwrap()
    );
    let store = MongoStore::open(&url, 4).await.unwrap();
    let start = Instant::now();
    assert!(matches!(store.get("a").await, Err(StoreError::Away(_))));
    assert!(start.elapsed() < 2 * TIMEOUT);
}

#[tokio::test]
async fn a_malformed_address_is_refused() {
    assert!(matches!(
        MongoStore::open("mongodb://", 4).await,
        Err(StoreError::Away(_))
    ));
}
