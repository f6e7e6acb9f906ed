//! Links and results in one collection: a link is a document, and its results are an array in it, so
//! that whether it lives, how many it has and what is erased are decided by one operator on it.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::{self, Bson, Document, doc};

use atelier_domain::share::{MAX_LINKS, MAX_RESULTS, NewShare, Share, StudentResult};
use atelier_domain::timestamp::Timestamp;

use super::documents::{plain, read as from_document};
use super::error::WriteFault;
use super::{MongoStore, read, write};
use crate::StoreError;
use crate::shares::{Keep, Shared, Shares, Which};

/// How often a link is tried to be made while others make and revoke links of the same assignment.
const TRIES: u32 = 5;

fn key(assignment_id: &str, link: u32) -> String {
    format!("{assignment_id}/{link}")
}

/// The ids in a document's results.
fn result_ids(document: &Document) -> Vec<&str> {
    let results = document.get_array("results").map_or(&[][..], Vec::as_slice);
    let results = results.iter().filter_map(Bson::as_document);
    results.filter_map(|it| it.get_str("id").ok()).collect()
}

fn unreadable(id: &str, error: bson::error::Error) -> StoreError {
    StoreError::Unreadable {
        id: id.to_owned(),
        source: error.into(),
    }
}

fn share_of(document: Document) -> Result<Share, StoreError> {
    let id = document.get_str("_id").unwrap_or_default().to_owned();
    bson::deserialize_from_document(document).map_err(|error| unreadable(&id, error))
}

impl MongoStore {
    /// The link's document.
    async fn link(&self, assignment_id: &str, link: u32) -> Result<Option<Document>, StoreError> {
        let query = doc! { "_id": key(assignment_id, link) };
        read(self.shares.find_one(query)).await
    }

    /// One more link than `there`; `None` if another made it.
    async fn add_link(
        &self,
        wanted: &NewShare,
        there: &[(Share, u32)],
    ) -> Result<Option<Shared>, StoreError> {
        let made = Share {
            assignment_id: wanted.assignment_id.clone(),
            link: there.first().map_or(1, |(newest, _)| newest.link + 1),
            token: Some(wanted.token.clone()),
            created_at: wanted.created_at,
            expires_at: wanted.expires_at,
            revoked_at: None,
        };
        let mut document = doc! { "_id": key(&made.assignment_id, made.link) };
        document.extend(plain(&made));
        document.insert("results", Vec::<Bson>::new());
        let fault = match write(self.shares.insert_one(document)).await {
            Ok(_) => return Ok(Some(Shared::New(made))),
            Err(fault) => fault,
        };
        if !matches!(fault, WriteFault::Duplicate(_) | WriteFault::Unclear(_)) {
            return Err(fault.give_up(&made.assignment_id));
        }
        match self.link(&made.assignment_id, made.link).await? {
            Some(document) if share_of(document.clone())? == made => Ok(Some(Shared::New(made))),
            Some(_) => Ok(None),
            None if matches!(fault, WriteFault::Duplicate(_)) => Ok(None),
            None => Err(fault.give_up(&made.assignment_id)),
        }
    }

    /// Forgets revoked links without results.
    async fn forget_ended_links(&self, assignment_id: &str) -> Result<(), StoreError> {
        let query = doc! {
            "assignment_id": assignment_id,
            "revoked_at": { "$exists": true },
            "results.0": { "$exists": false },
        };
        let deleted = write(self.shares.delete_many(query)).await;
        deleted
            .map(drop)
            .map_err(|fault| fault.give_up(assignment_id))
    }

    /// Whether a result is kept, by what a majority has; `None` where it could be and is not.
    async fn kept(&self, share: &Share, id: &str) -> Result<Option<Keep>, StoreError> {
        let Some(document) = self.link(&share.assignment_id, share.link).await? else {
            return Ok(Some(Keep::Gone));
        };
        let ids = result_ids(&document);
        Ok(if ids.contains(&id) {
            Some(Keep::Kept)
        } else if document.get_str("token").ok() != share.token.as_deref() {
            Some(Keep::Gone)
        } else if ids.len() >= MAX_RESULTS {
            Some(Keep::Full)
        } else {
            None
        })
    }
}

#[async_trait]
impl Shares for MongoStore {
    async fn share(&self, wanted: &NewShare) -> Result<Shared, StoreError> {
        for _ in 0..TRIES {
            let there = self.links(&wanted.assignment_id).await?;
            let mut shares = there.iter().map(|(share, _)| share);
            if let Some(live) = shares.find(|it| it.is_live(wanted.created_at)) {
                return Ok(Shared::Live(live.clone()));
            }
            if there.len() >= MAX_LINKS {
                return Ok(Shared::TooMany);
            }
            if let Some(made) = self.add_link(wanted, &there).await? {
                return Ok(made);
            }
        }
        Err(StoreError::Away("others make links all the time".into()))
    }

    async fn by_token(&self, token: &str) -> Result<Option<Share>, StoreError> {
        let call = self
            .shares
            .find_one(doc! { "token": token })
            .projection(doc! { "results": 0 });
        read(call).await?.map(share_of).transpose()
    }

    async fn links(&self, assignment_id: &str) -> Result<Vec<(Share, u32)>, StoreError> {
        let call = self
            .shares
            .find(doc! { "assignment_id": assignment_id })
            .projection(doc! { "results.name": 0, "results.answers": 0, "results.right": 0 })
            .sort(doc! { "link": -1 });
        let found: Vec<Document> = read(async { call.await?.try_collect().await }).await?;
        let with_count = |document: Document| {
            let count = result_ids(&document).len() as u32;
            Ok((share_of(document)?, count))
        };
        found.into_iter().map(with_count).collect()
    }

    async fn revoke(&self, assignment_id: &str, now: Timestamp) -> Result<(), StoreError> {
        let query = doc! { "assignment_id": assignment_id, "token": { "$exists": true } };
        let update = doc! {
            "$set": { "revoked_at": now.seconds() },
            "$unset": { "token": true },
        };
        loop {
            let revoked = write(self.shares.update_one(query.clone(), update.clone())).await;
            let revoked = revoked.map_err(|fault| fault.give_up(assignment_id))?;
            if revoked.matched_count == 0 {
                break;
            }
        }
        self.forget_ended_links(assignment_id).await
    }

    async fn keep(&self, share: &Share, result: &StudentResult) -> Result<Keep, StoreError> {
        let last = format!("results.{}", MAX_RESULTS - 1);
        let query = doc! {
            "_id": key(&share.assignment_id, share.link),
            "token": share.token.as_deref().unwrap_or_default(),
            last: { "$exists": false },
            "results.id": { "$ne": &result.id },
        };
        let update = doc! { "$push": { "results": plain(result) } };
        let fault = match write(self.shares.update_one(query, update)).await {
            Ok(pushed) if pushed.matched_count > 0 => return Ok(Keep::Kept),
            Ok(_) => None,
            Err(fault @ WriteFault::Unclear(_)) => Some(fault),
            Err(fault) => return Err(fault.give_up(&share.assignment_id)),
        };
        match (self.kept(share, &result.id).await?, fault) {
            (Some(kept), _) => Ok(kept),
            (None, Some(fault)) => Err(fault.give_up(&share.assignment_id)),
            // It was full a moment ago.
            (None, None) => Ok(Keep::Full),
        }
    }

    async fn results(
        &self,
        assignment_id: &str,
        link: u32,
    ) -> Result<Vec<StudentResult>, StoreError> {
        let Some(document) = self.link(assignment_id, link).await? else {
            return Ok(Vec::new());
        };
        let results = document.get_array("results").map_or(&[][..], Vec::as_slice);
        let mut results: Vec<StudentResult> = results
            .iter()
            .filter_map(|it| from_document(it.as_document()?.clone()))
            .collect();
        results.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(results)
    }

    async fn erase_results(&self, assignment_id: &str, which: &Which) -> Result<u32, StoreError> {
        let mut erased = 0;
        for (share, count) in self.links(assignment_id).await? {
            if count == 0 || which.link.is_some_and(|link| link != share.link) {
                continue;
            }
            let results = self.results(assignment_id, share.link).await?;
            let chosen: Vec<&str> = results
                .iter()
                .filter(|it| which.admits(it))
                .map(|it| it.id.as_str())
                .collect();
            let update = doc! { "$pull": { "results": { "id": { "$in": &chosen } } } };
            let query = doc! { "_id": key(assignment_id, share.link) };
            write(self.shares.update_one(query, update))
                .await
                .map_err(|fault| fault.give_up(assignment_id))?;
            erased += chosen.len() as u32;
        }
        self.forget_ended_links(assignment_id).await?;
        Ok(erased)
    }

    async fn erase(&self, assignment_id: &str) -> Result<(), StoreError> {
        let query = doc! { "assignment_id": assignment_id };
        let erased = write(self.shares.delete_many(query)).await;
        erased
            .map(drop)
            .map_err(|fault| fault.give_up(assignment_id))
    }
}
