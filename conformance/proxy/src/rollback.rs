//! Writes that no majority has: what the documents were before, and how they become that again.

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::error::Result;

use crate::wire::Command;

/// A document before and after a write.
#[derive(Debug)]
pub(crate) struct Undo {
    database: String,
    collection: String,
    filter: Document,
    before: Option<Document>,
    after: Option<Document>,
}

impl Undo {
    /// The documents that `command` may change, before it does.
    pub(crate) async fn before(client: &Client, command: &Command) -> Result<Vec<Self>> {
        let Some((database, collection)) = command.namespace() else {
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for filter in command.filters() {
            let documents = client.database(database).collection::<Document>(collection);
            let before = documents.find_one(filter.clone()).await?;
            let id = before.as_ref().and_then(|it| it.get("_id"));
            all.push(Self {
                database: database.to_owned(),
                collection: collection.to_owned(),
                filter: id.map_or(filter, |id| doc! { "_id": id.clone() }),
                before,
                after: None,
            });
        }
        Ok(all)
    }

    fn documents(&self, client: &Client) -> mongodb::Collection<Document> {
        client.database(&self.database).collection(&self.collection)
    }

    /// Notes what the write made of the document.
    pub(crate) async fn done(&mut self, client: &Client) -> Result<()> {
        let documents = self.documents(client);
        self.after = documents.find_one(self.filter.clone()).await?;
        Ok(())
    }

    /// Undoes the write, unless somebody else has changed the document since: then a majority had it.
    pub(crate) async fn roll_back(self, client: &Client) -> Result<()> {
        let documents = self.documents(client);
        let now = documents.find_one(self.filter.clone()).await?;
        let (Some(now), true) = (&now, now == self.after && now != self.before) else {
            return Ok(());
        };
        let this = doc! { "_id": now.get("_id").cloned() };
        match self.before {
            Some(before) => documents.replace_one(this, before).await.map(drop),
            None => documents.delete_one(this).await.map(drop),
        }
    }
}
