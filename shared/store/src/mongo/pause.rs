//! The pause of the fleet: one document.

use atelier_domain::pause::Pause;
use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::{documents, read, write};
use crate::StoreError;

const ID: &str = "pause";

#[derive(Debug)]
pub(super) struct FleetPause(pub(super) Collection<Document>);

impl FleetPause {
    pub(super) async fn get(&self) -> Result<Option<Pause>, StoreError> {
        let found = read(self.0.find_one(doc! { "_id": ID })).await?;
        Ok(found.and_then(documents::read))
    }

    /// Replaces the whole document, so that a write which arrives twice changes it once.
    pub(super) async fn set(&self, pause: Option<&Pause>) -> Result<(), StoreError> {
        let written = match pause {
            Some(pause) => {
                let pause = documents::plain(pause);
                let call = self.0.replace_one(doc! { "_id": ID }, pause);
                write(call.upsert(true)).await.map(drop)
            }
            None => write(self.0.delete_one(doc! { "_id": ID })).await.map(drop),
        };
        written.map_err(|fault| fault.give_up(ID))
    }
}
