//! Links for students, and what students answered there.

use std::fmt::Debug;

use async_trait::async_trait;

use atelier_domain::share::{NewShare, Share, StudentResult};
use atelier_domain::timestamp::Timestamp;

use crate::StoreError;

/// The result of a wish for a link.
#[derive(Clone, Debug, PartialEq)]
pub enum Shared {
    /// The link is made.
    New(Share),
    /// There was one that lives.
    Live(Share),
    /// The assignment has [`atelier_domain::share::MAX_LINKS`] links.
    TooMany,
}

/// The result of a wish to keep a student's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is kept, by this call or by an earlier one.
    Kept,
    /// The link has [`atelier_domain::share::MAX_RESULTS`] results.
    Full,
    /// The link is revoked, or there is none.
    Gone,
}

/// Which results of an assignment; a field that is not given admits all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// Those of this link.
    pub link: Option<u32>,
    /// Those under this very name.
    pub name: Option<String>,
    /// The one with this id.
    pub id: Option<String>,
}

impl Which {
    /// Whether `result`, which is one of this link, is among them.
    pub fn admits(&self, result: &StudentResult) -> bool {
        let of_name = self.name.as_ref().is_none_or(|it| *it == result.name);
        of_name && self.id.as_ref().is_none_or(|it| *it == result.id)
    }
}

/// Links and results. Every write is durable when its call returns, and every read sees what is.
///
/// # Errors
///
/// Every method returns [`StoreError::Away`] where the store does not carry the call out.
#[async_trait]
pub trait Shares: Debug + Send + Sync {
    /// Makes a link, unless one of the assignment lives at `wanted.created_at`. Of several at once
    /// one is made.
    async fn share(&self, wanted: &NewShare) -> Result<Shared, StoreError>;

    /// The link with this token, unless it is revoked.
    async fn by_token(&self, token: &str) -> Result<Option<Share>, StoreError>;

    /// The links of an assignment, newest first, each with its number of results.
    async fn links(&self, assignment_id: &str) -> Result<Vec<(Share, u32)>, StoreError>;

    /// Revokes every link of an assignment. What has no results is forgotten.
    async fn revoke(&self, assignment_id: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Keeps a result, unless the link is revoked.
    async fn keep(&self, share: &Share, result: &StudentResult) -> Result<Keep, StoreError>;

    /// The results of a link, in the order of their ids.
    async fn results(
        &self,
        assignment_id: &str,
        link: u32,
    ) -> Result<Vec<StudentResult>, StoreError>;

    /// Erases results of an assignment, and returns how many. A revoked link that has none left is
    /// forgotten.
    async fn erase_results(&self, assignment_id: &str, which: &Which) -> Result<u32, StoreError>;

    /// Erases every link of an assignment with its results.
    async fn erase(&self, assignment_id: &str) -> Result<(), StoreError>;
}
