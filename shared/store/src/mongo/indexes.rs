//! The indexes, each named after the query that it serves.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};

/// Waits between tries to make the indexes: doubled from the first to the last.
const INDEX_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Makes the indexes; tries until all are made.
pub(super) async fn make(database: Database) {
    let (mut wait, longest) = INDEX_RETRY;
    while let Err(error) = try_make(&database).await {
        tracing::warn!(%error, "the indexes of the store are not made yet");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

async fn try_make(database: &Database) -> Result<(), Error> {
    let index = |name: &str, keys: Document| {
        let options = IndexOptions::builder().name(name.to_owned()).build();
        IndexModel::builder().keys(keys).options(options).build()
    };
    let expiry = || {
        let options = IndexOptions::builder()
            .name("expiry".to_owned())
            .expire_after(Duration::ZERO)
            .build();
        IndexModel::builder()
            .keys(doc! { "expires_at": 1 })
            .options(options)
            .build()
    };
    database
        .collection::<Document>("assignments")
        .create_indexes([
            index("due", doc! { "wake_at": 1 }),
            index("newest", doc! { "created_at": -1, "_id": -1 }),
            index(
                "newest_of_status",
                doc! { "s3_upload_status": 1, "created_at": -1, "_id": -1 },
            ),
            index(
                "newest_of_teacher",
                doc! { "teacher_id": 1, "created_at": -1, "_id": -1 },
            ),
            index(
                "newest_of_teacher_and_status",
                doc! { "teacher_id": 1, "s3_upload_status": 1, "created_at": -1, "_id": -1 },
            ),
            index("sent", doc! { "s3_upload_status": 1, "sent_at": 1 }),
            index("finished", doc! { "finished_at": 1 }),
            index("reusable", doc! { "reuse_key": 1, "finished_at": -1 }),
            index(
                "reusable_of_teacher",
                doc! { "teacher_id": 1, "reuse_key": 1, "finished_at": -1 },
            ),
        ])
        .await?;
    database
        .collection::<Document>("limits")
        .create_index(expiry())
        .await?;
    database
        .collection::<Document>("workers")
        .create_indexes([expiry(), index("beats", doc! { "at": 1 })])
        .await?;
    Ok(())
}
