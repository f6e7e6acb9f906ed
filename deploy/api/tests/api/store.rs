//! A store that can be taken away, and that counts what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::audit::Entry;
use atelier_domain::budget::{Account, Charged, MicroUsd};
use atelier_domain::fairness::Pending;
use atelier_domain::heartbeat::Heartbeat;
use atelier_domain::pause::Pause;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::Transition;
use atelier_store::api_keys::ApiKeys;
use atelier_store::shares::Shares;
use atelier_store::{AuditFilter, Filter, Insert, Position, Store, StoreError};

#[derive(Debug)]
pub(crate) struct MoodyStore {
    store: Arc<dyn Store>,
    pub away: AtomicBool,
    /// The audit log alone takes nothing.
    pub log_is_away: AtomicBool,
    /// The next insert is done, but its answer is lost.
    pub lose_insert: AtomicBool,
    /// Calls of `statuses`.
    pub statuses: AtomicU64,
    /// Calls of `pending_before`, and of `oldest_pending` for a page.
    pub counts: AtomicU64,
}

type Answer<T> = Result<T, StoreError>;

impl MoodyStore {
    pub(crate) fn over(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            away: AtomicBool::new(false),
            log_is_away: AtomicBool::new(false),
            lose_insert: AtomicBool::new(false),
            statuses: AtomicU64::new(0),
            counts: AtomicU64::new(0),
        })
    }

    fn ask(&self) -> Answer<&dyn Store> {
        if self.away.load(Ordering::Relaxed) {
            return Err(away());
        }
        Ok(self.store.as_ref())
    }
}

fn away() -> StoreError {
    StoreError::Away("mongodb://secret-host:27017 refused".into())
}

#[async_trait]
impl Store for MoodyStore {
    async fn insert(&self, assignment: &Assignment) -> Answer<Insert> {
        let done = self.ask()?.insert(assignment).await?;
        if self.lose_insert.swap(false, Ordering::Relaxed) {
            return Err(away());
        }
        Ok(done)
    }
    async fn get(&self, id: &str) -> Answer<Option<Assignment>> {
        self.ask()?.get(id).await
    }
    async fn get_many(&self, ids: &[String]) -> Answer<Vec<Assignment>> {
        self.ask()?.get_many(ids).await
    }
    async fn statuses(&self, ids: &[String]) -> Answer<Vec<(String, Status)>> {
        self.statuses.fetch_add(1, Ordering::Relaxed);
        self.ask()?.statuses(ids).await
    }
    async fn apply(&self, id: &str, transition: &Transition) -> Answer<Option<Assignment>> {
        self.ask()?.apply(id, transition).await
    }
    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Position>,
        limit: u32,
    ) -> Answer<Vec<Assignment>> {
        self.ask()?.list(filter, after, limit).await
    }
    async fn due(&self, now: Timestamp, limit: u32) -> Answer<Vec<Assignment>> {
        self.ask()?.due(now, limit).await
    }
    async fn make_due(&self, before: Timestamp, now: Timestamp, limit: u32) -> Answer<u64> {
        self.ask()?.make_due(before, now, limit).await
    }
    async fn reusable(
        &self,
        keys: &[String],
        teacher_id: Option<&str>,
    ) -> Answer<Option<Assignment>> {
        self.ask()?.reusable(keys, teacher_id).await
    }
    async fn pending_before(&self, created_at: Timestamp, cap: u32) -> Answer<u32> {
        self.counts.fetch_add(1, Ordering::Relaxed);
        self.ask()?.pending_before(created_at, cap).await
    }
    async fn oldest_pending(&self, limit: u32) -> Answer<Vec<Timestamp>> {
        // The measurement of the throughput asks for one.
        if limit > 1 {
            self.counts.fetch_add(1, Ordering::Relaxed);
        }
        self.ask()?.oldest_pending(limit).await
    }
    async fn finished_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Answer<Vec<Assignment>> {
        self.ask()?.finished_between(from, to, limit).await
    }
    async fn finished_since(&self, since: Timestamp, cap: u32) -> Answer<u32> {
        self.ask()?.finished_since(since, cap).await
    }
    async fn charge(&self, subject: &str, window: i64) -> Answer<u32> {
        self.ask()?.charge(subject, window).await
    }
    async fn charge_call(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
        limit: MicroUsd,
    ) -> Answer<Charged> {
        self.ask()?.charge_call(account, call, price, limit).await
    }
    async fn refund_call(&self, account: &Account, call: &str, price: MicroUsd) -> Answer<()> {
        self.ask()?.refund_call(account, call, price).await
    }
    async fn settle_call(&self, account: &Account, call: &str) -> Answer<()> {
        self.ask()?.settle_call(account, call).await
    }
    async fn charged(&self, accounts: &[Account]) -> Answer<Vec<MicroUsd>> {
        self.ask()?.charged(accounts).await
    }
    async fn scan(&self, after: Option<&str>, limit: u32) -> Answer<Vec<Assignment>> {
        self.ask()?.scan(after, limit).await
    }
    async fn of_others(&self, after: Option<&str>, limit: u32) -> Answer<Vec<Assignment>> {
        self.ask()?.of_others(after, limit).await
    }
    async fn count_of_others(&self, cap: u32) -> Answer<u32> {
        self.ask()?.count_of_others(cap).await
    }
    async fn record_heartbeat(&self, heartbeat: &Heartbeat) -> Answer<()> {
        self.ask()?.record_heartbeat(heartbeat).await
    }
    async fn heartbeats(&self, since: Timestamp) -> Answer<Vec<Heartbeat>> {
        self.ask()?.heartbeats(since).await
    }
    async fn pending(&self, limit: u32) -> Answer<Vec<Pending>> {
        self.ask()?.pending(limit).await
    }
    async fn pause(&self) -> Answer<Option<Pause>> {
        self.ask()?.pause().await
    }
    async fn set_pause(&self, pause: Option<&Pause>) -> Answer<()> {
        self.ask()?.set_pause(pause).await
    }
    fn api_keys(&self) -> &dyn ApiKeys {
        self.store.api_keys()
    }
    fn shares(&self) -> &dyn Shares {
        self.store.shares()
    }
    async fn append_audit(&self, entry: &Entry) -> Answer<()> {
        if self.log_is_away.load(Ordering::Relaxed) {
            return Err(away());
        }
        self.ask()?.append_audit(entry).await
    }
    async fn audit_log(
        &self,
        filter: &AuditFilter,
        after: Option<&Position>,
        limit: u32,
    ) -> Answer<Vec<Entry>> {
        self.ask()?.audit_log(filter, after, limit).await
    }
    async fn erase(&self, teacher_id: &str, tombstone: &Assignment) -> Answer<bool> {
        self.ask()?.erase(teacher_id, tombstone).await
    }
    async fn erasing(&self, teacher_id: &str, limit: u32) -> Answer<Vec<Assignment>> {
        self.ask()?.erasing(teacher_id, limit).await
    }
    async fn is_named_by_others(&self, picture: &str, id: &str) -> Answer<bool> {
        self.ask()?.is_named_by_others(picture, id).await
    }
    async fn forget_person(&self, id: &str) -> Answer<()> {
        self.ask()?.forget_person(id).await
    }
    async fn ping(&self) -> Answer<()> {
        self.ask()?.ping().await
    }
}
