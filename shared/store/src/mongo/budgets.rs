//! Accounts of the budgets: a document each, changed by one operator at a time.
//!
//! The sum and the calls that are open are in one document, so that a charge is there whole or not at
//! all, and a call that is open is charged: a write whose answer is lost can be tried again, or looked
//! up.

use std::time::Duration;

use atelier_domain::budget::{Account, Balance, Charged, MAX_OPEN, MicroUsd};
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Bson, DateTime, Document, doc};
use tokio::time::sleep;

use super::documents::whole_number;
use super::error::WriteFault;
use super::{read, write};
use crate::StoreError;

/// How often a charge is tried while others change the account, or what a majority has lags behind.
const TRIES: u32 = 6;

/// Between two tries; doubles.
const AGAIN: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Budgets(pub(super) Collection<Document>);

impl Budgets {
    pub(super) async fn charge(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
        limit: MicroUsd,
    ) -> Result<Charged, StoreError> {
        let id = account.id();
        let query = doc! {
            "_id": &id,
            "charged": { "$lte": whole(limit) - whole(price) },
            "open": { "$ne": call },
        };
        let update = doc! {
            "$inc": { "charged": whole(price) },
            "$push": { "open": { "$each": [call], "$slice": -(MAX_OPEN as i32) } },
        };
        for tries in 0..TRIES {
            let call_of_server = self
                .0
                .find_one_and_update(query.clone(), update.clone())
                .projection(doc! { "_id": 1 });
            let unclear = match write(call_of_server).await {
                Ok(Some(_)) => return Ok(Charged::Done),
                Ok(None) => None,
                Err(fault @ WriteFault::Unclear(_)) => Some(fault),
                Err(fault) => return Err(fault.give_up(&id)),
            };
            match (self.balance(&id).await?, unclear) {
                (Some(now), _) if now.is_open(call) => return Ok(Charged::Done),
                (_, Some(fault)) => return Err(fault.give_up(&id)),
                (None, None) => self.open_account(account).await?,
                (Some(now), None) if !now.admits(price, limit) => return Ok(Charged::UsedUp),
                (Some(_), None) => sleep(AGAIN * 2u32.pow(tries)).await,
            }
        }
        Err(StoreError::Away(
            format!("a charge was tried {TRIES} times, and not made").into(),
        ))
    }

    pub(super) async fn refund(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
    ) -> Result<(), StoreError> {
        let update = doc! {
            "$inc": { "charged": -whole(price) },
            "$pull": { "open": call },
        };
        self.end(account, call, update).await
    }

    pub(super) async fn settle(&self, account: &Account, call: &str) -> Result<(), StoreError> {
        self.end(account, call, doc! { "$pull": { "open": call } })
            .await
    }

    pub(super) async fn charged(&self, accounts: &[Account]) -> Result<Vec<MicroUsd>, StoreError> {
        let ids: Vec<String> = accounts.iter().map(Account::id).collect();
        let call = self
            .0
            .find(doc! { "_id": { "$in": &ids } })
            .projection(doc! { "charged": 1 });
        let found: Vec<Document> = read(async { call.await?.try_collect().await }).await?;
        let charged = |id: &String| {
            let account = found
                .iter()
                .find(|it| it.get_str("_id").is_ok_and(|it| it == id));
            account.map_or(MicroUsd::ZERO, charged_in)
        };
        Ok(ids.iter().map(charged).collect())
    }

    /// Changes an account where `call` is open there; after `update` it is not.
    async fn end(&self, account: &Account, call: &str, update: Document) -> Result<(), StoreError> {
        let id = account.id();
        let query = doc! { "_id": &id, "open": call };
        let call_of_server = self
            .0
            .find_one_and_update(query, update)
            .projection(doc! { "_id": 1 });
        match write(call_of_server).await {
            Ok(_) => Ok(()),
            Err(fault @ WriteFault::Unclear(_)) => match self.balance(&id).await? {
                Some(now) if now.is_open(call) => Err(fault.give_up(&id)),
                _ => Ok(()),
            },
            Err(fault) => Err(fault.give_up(&id)),
        }
    }

    /// With nothing charged, unless it is there.
    async fn open_account(&self, account: &Account) -> Result<(), StoreError> {
        let expires_at = account.expires_at().seconds() * 1000.0;
        let empty = doc! {
            "_id": account.id(),
            "charged": 0_i64,
            "open": [],
            "expires_at": DateTime::from_millis(expires_at as i64),
        };
        match write(self.0.insert_one(empty)).await {
            // Where it is unclear, the next try shows whether it is there.
            Ok(_) | Err(WriteFault::Duplicate(_) | WriteFault::Unclear(_)) => Ok(()),
            Err(fault) => Err(fault.give_up(&account.id())),
        }
    }

    async fn balance(&self, id: &str) -> Result<Option<Balance>, StoreError> {
        let found = read(self.0.find_one(doc! { "_id": id })).await?;
        Ok(found.map(|document| Balance {
            charged: charged_in(&document),
            open: open_in(&document),
        }))
    }
}

fn whole(money: MicroUsd) -> i64 {
    i64::try_from(money.micros()).unwrap_or(i64::MAX)
}

fn charged_in(document: &Document) -> MicroUsd {
    let charged = document.get("charged").and_then(whole_number);
    MicroUsd::new(charged.and_then(|it| it.try_into().ok()).unwrap_or(0))
}

fn open_in(document: &Document) -> Vec<String> {
    let open = document.get_array("open").into_iter().flatten();
    open.filter_map(Bson::as_str).map(str::to_owned).collect()
}
