//! Whether this process lives and can do its work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atelier_shared::timestamp::Timestamp;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::problem::{Problem, Refused};

/// A loop that was not seen for so long hangs; its longest step takes less.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the store may take to answer.
const PING: Duration = Duration::from_secs(2);

/// When the loops of the process were seen last, in seconds since the epoch.
#[derive(Debug)]
pub struct Pulse {
    sweep: AtomicU64,
    pace: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            sweep: AtomicU64::new(now()),
            pace: AtomicU64::new(now()),
        }
    }
}

fn now() -> u64 {
    Timestamp::now().seconds() as u64
}

impl Pulse {
    /// The sweep is at work.
    pub fn beat_sweep(&self) {
        self.sweep.store(now(), Ordering::Relaxed);
    }

    /// The measuring of the pace is at work.
    pub fn beat_pace(&self) {
        self.pace.store(now(), Ordering::Relaxed);
    }

    fn is_alive(&self) -> bool {
        let recent = now().saturating_sub(PATIENCE.as_secs());
        self.sweep.load(Ordering::Relaxed) >= recent && self.pace.load(Ordering::Relaxed) >= recent
    }
}

/// All is well.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`
    status: &'static str,
}

const WELL: Json<Health> = Json(Health { status: "ok" });

/// Whether the process lives: if not, it should be restarted.
#[utoipa::path(get, path = "/health/live", tag = "health", responses(
    (status = 200, description = "It lives.", body = Health), Refused<503>,
))]
pub async fn live(State(app): State<Arc<App>>) -> Result<Json<Health>, Problem> {
    if app.pulse.is_alive() {
        Ok(WELL)
    } else {
        let detail = "The sweep hangs; this process should be restarted.";
        Err(Problem::away(detail, "no pulse"))
    }
}

/// Whether requests should be sent to this process.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 200, description = "It is ready.", body = Health), Refused<503>,
))]
pub async fn ready(State(app): State<Arc<App>>) -> Result<Json<Health>, Problem> {
    if app.draining.is_cancelled() {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This process is stopping.",
        ));
    }
    let away = |cause: String| Problem::away("The store does not answer.", cause);
    match tokio::time::timeout(PING, app.store().ping()).await {
        Ok(Ok(())) => Ok(WELL),
        Ok(Err(error)) => Err(away(error.to_string())),
        Err(_) => Err(away(format!("no answer in {PING:?}"))),
    }
}
