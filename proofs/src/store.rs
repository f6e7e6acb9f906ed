//! A store behind a gate.

use std::sync::Arc;

use async_trait::async_trait;
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::audit::Entry;
use atelier_domain::budget::{Account, Charged, MicroUsd, Scope};
use atelier_domain::fairness::Pending;
use atelier_domain::heartbeat::Heartbeat;
use atelier_domain::pause::Pause;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{ClaimGuard, Edit, Transition};
use atelier_store::api_keys::ApiKeys;
use atelier_store::shares::Shares;
use atelier_store::{AuditFilter, Filter, Insert, Position, Store, StoreError};

use crate::gate::Gate;

/// What one simulated process sees of a store.
#[derive(Debug)]
pub struct GatedStore {
    gate: Arc<Gate>,
    store: Arc<dyn Store>,
}

impl GatedStore {
    /// `store` behind `gate`.
    pub fn new(gate: Arc<Gate>, store: Arc<dyn Store>) -> Self {
        Self { gate, store }
    }

    async fn pass<T, F>(&self, call: &str, ask: impl FnOnce(Arc<dyn Store>) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let asked = ask(Arc::clone(&self.store));
        self.gate.pass(format!("store: {call}"), asked).await
    }
}

/// What a transition is about, by what it changes.
fn name(transition: &Transition) -> &'static str {
    let sets = |field| {
        let mut edits = transition.edits.iter();
        edits.any(|edit| matches!(edit, Edit::Set(it, _) if *it == field))
    };
    let status = transition.edits.iter().find_map(|edit| match edit {
        Edit::Set("s3_upload_status", status) => status.as_str(),
        _ => None,
    });
    match (&transition.guard.claim, status) {
        (_, Some("success")) => "apply succeed",
        (_, Some("failed")) => "apply fail",
        (_, Some("pending")) => "apply retry",
        (_, Some("deleted")) => "apply delete",
        (_, Some(_)) => "apply status",
        (ClaimGuard::Absent, None) if sets("claim") => "apply claim",
        (ClaimGuard::RunOut(..), None) => "apply take over",
        (ClaimGuard::Held(_), None) if sets("claim") => match transition.guard.statuses {
            [Status::Success] => "apply renew of renditions",
            _ => "apply renew",
        },
        (ClaimGuard::Held(_), None) if sets("model_calls") => "apply count model call",
        (ClaimGuard::Held(_), None) => "apply release",
        (_, None) if sets("sent_at") => "apply note sent",
        (_, None) if sets("erasures") => "apply note erased",
        (_, None) if sets("tag_due") => "apply note tag",
        (_, None) => "apply take due",
    }
}

const fn scope(account: &Account) -> &'static str {
    match account.scope {
        Scope::Fleet => "the fleet",
        Scope::Teacher(_) => "the teacher",
    }
}

#[async_trait]
impl Store for GatedStore {
    async fn insert(&self, assignment: &Assignment) -> Result<Insert, StoreError> {
        let assignment = assignment.clone();
        self.pass(
            "insert",
            |store| async move { store.insert(&assignment).await },
        )
        .await
    }

    async fn get(&self, id: &str) -> Result<Option<Assignment>, StoreError> {
        let id = id.to_owned();
        self.pass("get", |store| async move { store.get(&id).await })
            .await
    }

    async fn get_many(&self, ids: &[String]) -> Result<Vec<Assignment>, StoreError> {
        let ids = ids.to_owned();
        self.pass("many", |store| async move { store.get_many(&ids).await })
            .await
    }

    async fn statuses(&self, ids: &[String]) -> Result<Vec<(String, Status)>, StoreError> {
        let ids = ids.to_owned();
        self.pass(
            "statuses",
            |store| async move { store.statuses(&ids).await },
        )
        .await
    }

    async fn apply(
        &self,
        id: &str,
        transition: &Transition,
    ) -> Result<Option<Assignment>, StoreError> {
        let (id, transition) = (id.to_owned(), transition.clone());
        self.pass(name(&transition), |store| async move {
            store.apply(&id, &transition).await
        })
        .await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.pass("list", |store| async move {
            store.list(&filter, after.as_ref(), limit).await
        })
        .await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        self.pass("due", |store| async move { store.due(now, limit).await })
            .await
    }

    async fn make_due(
        &self,
        sent_before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.pass("make due", |store| async move {
            store.make_due(sent_before, now, limit).await
        })
        .await
    }

    async fn reusable(
        &self,
        keys: &[String],
        teacher_id: Option<&str>,
    ) -> Result<Option<Assignment>, StoreError> {
        let (keys, teacher_id) = (keys.to_owned(), teacher_id.map(str::to_owned));
        self.pass("reusable", |store| async move {
            store.reusable(&keys, teacher_id.as_deref()).await
        })
        .await
    }

    async fn pending_before(&self, created_at: Timestamp, cap: u32) -> Result<u32, StoreError> {
        self.pass("pending before", |store| async move {
            store.pending_before(created_at, cap).await
        })
        .await
    }

    async fn oldest_pending(&self, limit: u32) -> Result<Vec<Timestamp>, StoreError> {
        self.pass("oldest pending", |store| async move {
            store.oldest_pending(limit).await
        })
        .await
    }

    async fn finished_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        self.pass("finished between", |store| async move {
            store.finished_between(from, to, limit).await
        })
        .await
    }

    async fn finished_since(&self, since: Timestamp, cap: u32) -> Result<u32, StoreError> {
        self.pass("finished since", |store| async move {
            store.finished_since(since, cap).await
        })
        .await
    }

    async fn charge(&self, subject: &str, window: i64) -> Result<u32, StoreError> {
        let subject = subject.to_owned();
        self.pass("charge", |store| async move {
            store.charge(&subject, window).await
        })
        .await
    }

    async fn charge_call(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
        limit: MicroUsd,
    ) -> Result<Charged, StoreError> {
        let (account, call) = (account.clone(), call.to_owned());
        let name = format!("charge call to {}", scope(&account));
        self.pass(&name, |store| async move {
            store.charge_call(&account, &call, price, limit).await
        })
        .await
    }

    async fn refund_call(
        &self,
        account: &Account,
        call: &str,
        price: MicroUsd,
    ) -> Result<(), StoreError> {
        let (account, call) = (account.clone(), call.to_owned());
        let name = format!("refund call to {}", scope(&account));
        self.pass(&name, |store| async move {
            store.refund_call(&account, &call, price).await
        })
        .await
    }

    async fn settle_call(&self, account: &Account, call: &str) -> Result<(), StoreError> {
        let (account, call) = (account.clone(), call.to_owned());
        let name = format!("settle call of {}", scope(&account));
        self.pass(&name, |store| async move {
            store.settle_call(&account, &call).await
        })
        .await
    }

    async fn charged(&self, accounts: &[Account]) -> Result<Vec<MicroUsd>, StoreError> {
        let accounts = accounts.to_owned();
        self.pass(
            "balances",
            |store| async move { store.charged(&accounts).await },
        )
        .await
    }

    async fn scan(&self, after: Option<&str>, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        let after = after.map(str::to_owned);
        self.pass("scan", |store| async move {
            store.scan(after.as_deref(), limit).await
        })
        .await
    }

    async fn of_others(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        let after = after.map(str::to_owned);
        self.pass("of_others", |store| async move {
            store.of_others(after.as_deref(), limit).await
        })
        .await
    }

    async fn count_of_others(&self, cap: u32) -> Result<u32, StoreError> {
        self.pass("count_of_others", move |store| async move {
            store.count_of_others(cap).await
        })
        .await
    }

    async fn record_heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        let heartbeat = heartbeat.clone();
        self.pass("record heartbeat", |store| async move {
            store.record_heartbeat(&heartbeat).await
        })
        .await
    }

    async fn heartbeats(&self, since: Timestamp) -> Result<Vec<Heartbeat>, StoreError> {
        self.pass("heartbeats", |store| async move {
            store.heartbeats(since).await
        })
        .await
    }

    async fn pending(&self, limit: u32) -> Result<Vec<Pending>, StoreError> {
        self.pass("pending", |store| async move { store.pending(limit).await })
            .await
    }

    /// A pause of the fleet is not part of a job: it passes no gate.
    async fn pause(&self) -> Result<Option<Pause>, StoreError> {
        self.store.pause().await
    }

    async fn set_pause(&self, pause: Option<&Pause>) -> Result<(), StoreError> {
        self.store.set_pause(pause).await
    }

    fn api_keys(&self) -> &dyn ApiKeys {
        self.store.api_keys()
    }

    /// Links are not part of a job: they pass no gate.
    fn shares(&self) -> &dyn Shares {
        self.store.shares()
    }

    async fn append_audit(&self, entry: &Entry) -> Result<(), StoreError> {
        let entry = entry.clone();
        self.pass("append audit", |store| async move {
            store.append_audit(&entry).await
        })
        .await
    }

    async fn audit_log(
        &self,
        filter: &AuditFilter,
        after: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.pass("audit log", |store| async move {
            store.audit_log(&filter, after.as_ref(), limit).await
        })
        .await
    }

    async fn erase(&self, teacher_id: &str, tombstone: &Assignment) -> Result<bool, StoreError> {
        let (teacher_id, tombstone) = (teacher_id.to_owned(), tombstone.clone());
        self.pass("erase", |store| async move {
            store.erase(&teacher_id, &tombstone).await
        })
        .await
    }

    async fn erasing(&self, teacher_id: &str, limit: u32) -> Result<Vec<Assignment>, StoreError> {
        let teacher_id = teacher_id.to_owned();
        self.pass("erasing", |store| async move {
            store.erasing(&teacher_id, limit).await
        })
        .await
    }

    async fn is_named_by_others(&self, picture: &str, id: &str) -> Result<bool, StoreError> {
        let (picture, id) = (picture.to_owned(), id.to_owned());
        self.pass("is named by others", |store| async move {
            store.is_named_by_others(&picture, &id).await
        })
        .await
    }

    async fn forget_person(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.pass("forget person", |store| async move {
            store.forget_person(&id).await
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.pass("ping", |store| async move { store.ping().await })
            .await
    }
}

/// Whether nothing more happens to a document by itself.
pub fn is_at_rest(document: &Assignment) -> bool {
    document.s3_upload_status != Status::Pending && document.wake_at.is_none()
}
