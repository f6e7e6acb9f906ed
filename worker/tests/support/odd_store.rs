//! A store in which one call goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::audit::Entry;
use atelier_domain::budget::{Account, Charged, MicroUsd};
use atelier_domain::fairness::Pending;
use atelier_domain::heartbeat::Heartbeat;
use atelier_domain::pause::Pause;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Edit, Transition};
use atelier_store::api_keys::ApiKeys;
use atelier_store::shares::Shares;
use atelier_store::{AuditFilter, Filter, Insert, Position, Store, StoreError};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// The look for a picture to reuse panics, this many times.
    ReusePanics(u32),
    /// The heartbeat panics.
    HeartbeatPanics,
    /// Every write fails, though documents can be read.
    ReadsOnly,
    /// Whether the fleet is paused can be read once, and then not any more.
    PauseIsReadOnce,
    /// The document of a success changes before it is claimed, this many times.
    ChangesBeforeClaims(u32),
}

#[derive(Debug)]
pub(crate) struct OddStore {
    pub store: Arc<dyn Store>,
    pub oddity: Oddity,
    /// How often it went wrong.
    pub times: AtomicU32,
}

/// Whether it claims what is to be made of a success.
fn claims(transition: &Transition) -> bool {
    let claim = |edit: &Edit| matches!(edit, Edit::Set("claim", _));
    transition.guard.statuses == [Status::Success] && transition.edits.iter().any(claim)
}

#[async_trait]
impl Store for OddStore {
    async fn insert(&self, assignment: &Assignment) -> Result<Insert, StoreError> {
        self.store.insert(assignment).await
    }

    async fn get(&self, id: &str) -> Result<Option<Assignment>, StoreError> {
        self.store.get(id).await
    }

    async fn get_many(&self, ids: &[String]) -> Result<Vec<Assignment>, StoreError> {
        self.store.get_many(ids).await
    }

    async fn statuses(&self, ids: &[String]) -> Result<Vec<(String, Status)>, StoreError> {
        self.store.statuses(ids).await
    }

    async fn apply(
        &self,
        id: &str,
        transition: &Transition,
    ) -> Result<Option<Assignment>, StoreError> {
        if self.oddity == Oddity::ReadsOnly {
            self.times.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Away("read-only".into()));
        }
        if let Oddity::ChangesBeforeClaims(times) = self.oddity
            && claims(transition)
            && self.times.fetch_add(1, Ordering::Relaxed) < times
        {
            let later = Timestamp::now() + Duration::from_secs(60);
            let now = self.store.get(id).await?.expect("it is claimed");
            let moved = transition::take_due(&now, later, Duration::ZERO).expect("it is due");
            self.store.apply(id, &moved).await?;
        }
        self.store.apply(id, transition).await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        self.store.list(filter, after, limit).await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        self.store.due(now, limit).await
    }

    async fn make_due(
        &self,
        sent_before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.store.make_due(sent_before, now, limit).await
    }

    async fn reusable(
        &self,
        keys: &[String],
        teacher_id: Option<&str>,
    ) -> Result<Option<Assignment>, StoreError> {
        if let Oddity::ReusePanics(times) = self.oddity
            && self.times.fetch_add(1, Ordering::Relaxed) < times
        {
            panic!("an ordered panic");
        }
        self.store.reusable(keys, teacher_id).await
    }

    async fn pending_before(&self, created_at: Timestamp, cap: u32) -> Result<u32, StoreError> {
        self.store.pending_before(created_at, cap).await
    }

    async fn oldest_pending(&self, limit: u32) -> Result<Vec<Timestamp>, StoreError> {
        self.store.oldest_pending(limit).await
    }

    async fn finished_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        self.store.finished_between(from, to, limit).await
    }

    async fn finished_since(&self, since: Timestamp, cap: u32) -> Result<u32, StoreError> {
        self.store.finished_since(since, cap).await
    }

    async fn charge(&self, subject: &str, window: i64) -> Result<u32, StoreError> {
        self.store.charge(subject, window).await
    }

    async fn charge_call(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
        limit: MicroUsd,
    ) -> Result<Charged, StoreError> {
        self.store.charge_call(account, call, price, limit).await
    }

    async fn refund_call(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
    ) -> Result<(), StoreError> {
        self.store.refund_call(account, call, price).await
    }

    async fn settle_call(&self, account: &Account, call: &str) -> Result<(), StoreError> {
        self.store.settle_call(account, call).await
    }

    async fn charged(&self, accounts: &[Account]) -> Result<Vec<MicroUsd>, StoreError> {
        self.store.charged(accounts).await
    }

    async fn scan(&self, after: Option<&str>, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        self.store.scan(after, limit).await
    }

    async fn of_others(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        self.store.of_others(after, limit).await
    }

    async fn count_of_others(&self, cap: u32) -> Result<u32, StoreError> {
        self.store.count_of_others(cap).await
    }

    async fn record_heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        assert!(self.oddity != Oddity::HeartbeatPanics, "an ordered panic");
        self.store.record_heartbeat(heartbeat).await
    }

    async fn heartbeats(&self, since: Timestamp) -> Result<Vec<Heartbeat>, StoreError> {
        self.store.heartbeats(since).await
    }

    async fn pending(&self, limit: u32) -> Result<Vec<Pending>, StoreError> {
        self.store.pending(limit).await
    }

    async fn pause(&self) -> Result<Option<Pause>, StoreError> {
        if self.oddity == Oddity::PauseIsReadOnce && self.times.fetch_add(1, Ordering::Relaxed) > 0
        {
            return Err(StoreError::Away("an ordered outage".into()));
        }
        self.store.pause().await
    }

    async fn set_pause(&self, pause: Option<&Pause>) -> Result<(), StoreError> {
        self.store.set_pause(pause).await
    }

    fn api_keys(&self) -> &dyn ApiKeys {
        self.store.api_keys()
    }

    fn shares(&self) -> &dyn Shares {
        self.store.shares()
    }

    async fn append_audit(&self, entry: &Entry) -> Result<(), StoreError> {
        self.store.append_audit(entry).await
    }

    async fn audit_log(
        &self,
        filter: &AuditFilter,
        after: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        self.store.audit_log(filter, after, limit).await
    }

    async fn erase(&self, teacher_id: &str, tombstone: &Assignment) -> Result<bool, StoreError> {
        self.store.erase(teacher_id, tombstone).await
    }

    async fn erasing(&self, teacher_id: &str, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        self.store.erasing(teacher_id, limit).await
    }

    async fn is_named_by_others(&self, picture: &str, id: &str) -> Result<bool, StoreError> {
        self.store.is_named_by_others(picture, id).await
    }

    async fn forget_person(&self, id: &str) -> Result<(), StoreError> {
        self.store.forget_person(id).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}
