//! Pays for calls to models out of the day's budgets.
//!
//! A call is charged before it is made, under a name that no other call has: to its teacher, then to
//! the fleet. Where the fleet's account refuses, the teacher's gets its money back. Whatever ends a
//! call before it is made returns the charge; only a crash in between does not, so that at most one
//! call a crash is charged and not made, and none is made and not charged.

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::assignment::{Assignment, Token};
use atelier_domain::budget::{Account, Budgets, Charged, Day, MicroUsd};
use atelier_domain::timestamp::Timestamp;
use atelier_store::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::time::sleep;
use tracing::Instrument as _;

/// Waits between tries to return a charge that the store did not answer for: doubled from the first to
/// the last.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// How often that is tried, about an hour. What is not returned then stays charged for the day.
const TRIES: u32 = 128;

/// Charges calls to the accounts of the day.
#[derive(Debug)]
pub(crate) struct Payer {
    store: Arc<dyn Store>,
    budgets: Budgets,
}

impl Payer {
    pub(crate) fn new(store: Arc<dyn Store>, budgets: Budgets) -> Self {
        Self { store, budgets }
    }

    /// Charges one call for `assignment`; `None` where a budget does not allow it.
    ///
    /// # Errors
    /// The store is away. What may have been charged is returned once it answers.
    pub(crate) async fn charge(
        &self,
        assignment: &Assignment,
        price: MicroUsd,
    ) -> Result<Option<Charge>, StoreError> {
        let today = Day::of(Timestamp::now());
        let accounts = self
            .budgets
            .accounts(today, assignment.teacher_id.as_deref());
        let mut charge = Charge {
            store: Some(Arc::clone(&self.store)),
            call: format!("{} {}", assignment.assignment_id, Token::random().as_str()),
            price,
            accounts: Vec::new(),
            called: false,
        };
        for (account, limit) in accounts {
            // Noted before the write: if its answer is lost, it is returned too.
            charge.accounts.push(account.clone());
            let charged = self.store.charge_call(&account, &charge.call, price, limit);
            if charged.await? == Charged::UsedUp {
                charge.accounts.pop();
                charge.refund().await;
                return Ok(None);
            }
        }
        Ok(Some(charge))
    }
}

/// What is charged for one call. Dropped before the call is made, it is returned in the background.
#[derive(Debug)]
pub struct Charge {
    store: Option<Arc<dyn Store>>,
    call: String,
    price: MicroUsd,
    /// Where it is open.
    accounts: Vec<Account>,
    called: bool,
}

impl Charge {
    /// A call that no budget pays for.
    pub const fn none() -> Self {
        Self {
            store: None,
            call: String::new(),
            price: MicroUsd::ZERO,
            accounts: Vec::new(),
            called: false,
        }
    }

    /// The call is made now: the model may bill it, whatever we hear of that.
    pub(crate) const fn calling(&mut self) {
        self.called = true;
    }

    /// The model billed the call, or may have.
    pub(crate) async fn settle(mut self) {
        for account in std::mem::take(&mut self.accounts) {
            if let Some(store) = &self.store
                && let Err(error) = store.settle_call(&account, &self.call).await
            {
                tracing::debug!(%error, "a charge stays open; that changes no sum");
            }
        }
    }

    /// The model did not bill the call, or was not called.
    pub(crate) async fn refund(mut self) {
        self.called = false;
        while let (Some(store), Some(account)) = (&self.store, self.accounts.last()) {
            let refunded = store.refund_call(account, &self.call, self.price).await;
            if let Err(error) = refunded {
                tracing::warn!(%error, "a charge is not returned yet");
                return;
            }
            self.accounts.pop();
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let accounts = std::mem::take(&mut self.accounts);
        let (Some(store), Ok(runtime)) = (self.store.take(), Handle::try_current()) else {
            return;
        };
        if accounts.is_empty() || self.called {
            return;
        }
        let (call, price) = (std::mem::take(&mut self.call), self.price);
        let refund = async move {
            for account in accounts {
                refund_once_answered(store.as_ref(), &account, &call, price).await;
            }
        };
        runtime.spawn(refund.in_current_span());
    }
}

async fn refund_once_answered(store: &dyn Store, account: &Account, call: &str, price: MicroUsd) {
    let (mut wait, longest) = AGAIN;
    for _ in 0..TRIES {
        match store.refund_call(account, call, price).await {
            Err(StoreError::Away(_)) => {}
            Ok(()) | Err(StoreError::Unreadable { .. }) => return,
        }
        sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
    tracing::warn!(call, "a charge was not returned: it stays charged today");
}
