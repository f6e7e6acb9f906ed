//! What the API acknowledged, and what became of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::client::{Document, Status};

/// Every accepted assignment with its final document, once that was seen.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Mutex<HashMap<String, Option<Document>>>,
}

/// What the final documents add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    /// Acknowledged by the API.
    pub accepted: u64,
    /// With a picture.
    pub pictures: u64,
    /// Failed.
    pub failed: u64,
    /// Not final.
    pub pending: u64,
    /// Bytes that the model returned.
    pub original_bytes: u64,
    /// Bytes that are stored.
    pub stored_bytes: u64,
    /// Puts to S3.
    pub puts: u64,
    /// Calls to the model.
    pub model_calls: u64,
    /// What they cost, in USD.
    pub model_usd: f64,
}

impl Ledger {
    /// The API acknowledged it.
    pub(crate) fn accepted(&self, id: &str) {
        self.lock().entry(id.to_owned()).or_default();
    }

    /// It is final.
    pub(crate) fn finished(&self, document: Document) {
        self.lock()
            .insert(document.assignment_id.clone(), Some(document));
    }

    /// Accepted and not seen final.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let entries = self.lock();
        entries
            .iter()
            .filter(|(_, document)| document.is_none())
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The final documents.
    pub(crate) fn documents(&self) -> Vec<Document> {
        self.lock().values().flatten().cloned().collect()
    }

    /// The sums over all.
    pub(crate) fn totals(&self) -> Totals {
        let entries = self.lock();
        let mut totals = Totals {
            accepted: entries.len() as u64,
            ..Totals::default()
        };
        for document in entries.values() {
            let Some(document) = document else {
                totals.pending += 1;
                continue;
            };
            match document.s3_upload_status {
                Status::Success => totals.pictures += 1,
                Status::Failed => totals.failed += 1,
                Status::Pending => totals.pending += 1,
                Status::NoImage => {}
            }
            if let Some(sizes) = &document.image_metadata {
                totals.original_bytes += sizes.original_size_bytes;
                totals.stored_bytes += sizes.optimized_size_bytes;
            }
            totals.puts += u64::from(document.s3_upload_attempts);
            totals.model_calls += u64::from(document.model_calls);
            totals.model_usd += document.cost_usd;
        }
        totals
    }

    /// Ids that are doubled as far as documents show it: read `again` with another status or
    /// key, a key that is not their own or that two share, a second round that nobody asked for.
    pub(crate) fn doubled(&self, again: &[Document]) -> Vec<String> {
        let entries = self.lock();
        let mut keys = HashSet::new();
        let mut doubled: Vec<_> = entries
            .values()
            .flatten()
            .filter(|document| {
                let own = format!("generated_images/{}.", document.assignment_id);
                let key = document.s3_image_key.as_ref();
                document.round != 1
                    || key.is_some_and(|key| !key.starts_with(&own) || !keys.insert(key.clone()))
            })
            .map(|document| document.assignment_id.clone())
            .collect();
        let changed = again.iter().filter(|now| {
            let then = entries.get(&now.assignment_id).and_then(Option::as_ref);
            then.is_some_and(|then| {
                then.s3_upload_status != now.s3_upload_status
                    || then.s3_image_key != now.s3_image_key
            })
        });
        doubled.extend(changed.map(|document| document.assignment_id.clone()));
        doubled.sort();
        doubled.dedup();
        doubled
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Option<Document>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(id: &str, key: &str) -> Document {
        serde_json::from_value(json!({
            "assignment_id": id, "s3_upload_status": "success", "s3_image_key": key, "model_calls": 1,
            "image_metadata": {"original_size_bytes": 100, "optimized_size_bytes": 20},
        }))
        .unwrap()
    }

    #[test]
    fn sums_what_is_final_and_counts_what_is_not() {
        let ledger = Ledger::default();
        ledger.accepted("a");
        ledger.accepted("b");
        ledger.finished(document("a", "generated_images/a.webp"));
        let totals = ledger.totals();
        assert_eq!(
            (totals.accepted, totals.pictures, totals.pending),
            (2, 1, 1)
        );
        assert_eq!((totals.original_bytes, totals.stored_bytes), (100, 20));
        assert_eq!(ledger.unfinished(), ["b"]);
    }

    #[test]
    fn a_shared_key_and_a_changed_status_are_doubled() {
        let ledger = Ledger::default();
        for id in ["a", "b", "c"] {
            ledger.finished(document(id, &format!("generated_images/{id}.webp")));
        }
        assert_eq!(ledger.doubled(&ledger.documents()), Vec::<String>::new());

        ledger.finished(document("b", "generated_images/a.webp"));
        let mut changed = document("c", "generated_images/c.webp");
        changed.s3_upload_status = Status::Failed;
        assert_eq!(ledger.doubled(&[changed]), ["b", "c"]);
    }
}
