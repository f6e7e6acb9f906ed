//! Measures every few seconds what the fleet has spent of the day's budget, for the metrics.

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::budget::{Account, Day, Left, MicroUsd, Scope};
use atelier_domain::timestamp::Timestamp;
use atelier_runtime::telemetry::metrics;
use atelier_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Between two measurements.
const INTERVAL: Duration = Duration::from_secs(10);

/// The loop that measures.
#[derive(Debug)]
pub struct BudgetMeter {
    pub(crate) store: Arc<dyn Store>,
    /// What the fleet may spend a day; without it nothing is measured.
    pub(crate) limit: Option<MicroUsd>,
    pub(crate) stop: CancellationToken,
}

impl BudgetMeter {
    /// Measures until the process stops.
    pub async fn run(self) {
        let Some(limit) = self.limit else {
            return self.stop.cancelled().await;
        };
        loop {
            match self.measure(limit).await {
                Ok(left) => metrics::get().budget(left.charged.usd(), left.amount().usd()),
                Err(error) => tracing::debug!(%error, "the budget was not measured"),
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    async fn measure(&self, limit: MicroUsd) -> Result<Left, StoreError> {
        let account = Account {
            day: Day::of(Timestamp::now()),
            scope: Scope::Fleet,
        };
        let charged = self.store.charged(&[account]).await?;
        Ok(Left {
            limit,
            charged: charged.first().copied().unwrap_or_default(),
        })
    }
}
