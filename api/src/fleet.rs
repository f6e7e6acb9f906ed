//! What the operator sees: the queue, the workers, the last 15 minutes, the dead letters.

pub(crate) mod control;
pub(crate) mod dead_letters;

use std::sync::Arc;

use atelier_domain::heartbeat::{Heartbeat, SILENCE};
use atelier_domain::history::{Sample, Totals};
use atelier_domain::timestamp::Timestamp;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::budgets::BudgetView;
use crate::identity::access::Access;
use crate::page;
use crate::problem::{Problem, Refused};

/// The state of the fleet. Points in time are seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fleet {
    /// When this was so.
    now: f64,
    /// The queue.
    queue: QueueView,
    /// Workers that spoke lately.
    workers: Vec<HeartbeatView>,
    /// The last 15 minutes, a sample every 5 s, the oldest first.
    samples: Vec<Sample>,
    /// All since this process began to watch, and up to 15 minutes before.
    totals: Totals,
    /// Assignments that became `success` in the last minute.
    done_per_minute: u64,
    /// What is left of the day's budget.
    budget: BudgetView,
    /// Whether there are switches of an embedded cloud.
    control: bool,
}

/// The queue of the jobs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobQueue)]
struct QueueView {
    /// Waiting to be received.
    visible: u64,
    /// Being worked on.
    in_flight: u64,
    /// Sent, but not to be received yet.
    delayed: u64,
    /// How long the oldest pending assignment waits.
    oldest_seconds: Option<f64>,
    /// Messages that no worker could read, or that the queue gave up on.
    dead_letters: u64,
}

/// A worker's last heartbeat.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Worker)]
struct HeartbeatView {
    worker: String,
    started_at: f64,
    at: f64,
    slots: u32,
    slots_in_use: u32,
    paused: bool,
    throttles: u64,
    model_calls: u64,
    jobs_finished: u64,
    resident_bytes: u64,
}

impl From<Heartbeat> for HeartbeatView {
    fn from(it: Heartbeat) -> Self {
        Self {
            worker: it.worker,
            started_at: it.started_at.seconds(),
            at: it.at.seconds(),
            slots: it.slots,
            slots_in_use: it.slots_in_use,
            paused: it.paused,
            throttles: it.throttles,
            model_calls: it.model_calls,
            jobs_finished: it.jobs_finished,
            resident_bytes: it.resident_bytes,
        }
    }
}

/// The state of the fleet.
#[utoipa::path(get, path = "/fleet.json", tag = "fleet", operation_id = "get_fleet", responses(
    (status = 200, description = "The state of the fleet.", body = Fleet), Refused<500>, Refused<503>,
))]
pub(crate) async fn fleet_json(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let now = Timestamp::now();
    let mut workers = app.store().heartbeats(now - SILENCE).await?;
    workers.sort_by(|one, other| one.worker.cmp(&other.worker));
    let depths = app.findings.history.depths();
    let oldest = app.findings.throughput.latest().oldest_pending;
    let fleet = Fleet {
        now: now.seconds(),
        queue: QueueView {
            visible: depths.visible,
            in_flight: depths.in_flight,
            delayed: depths.delayed,
            oldest_seconds: oldest.map(|at| now.since(at).as_secs_f64()),
            dead_letters: depths.dead_letters,
        },
        workers: workers.into_iter().map(Into::into).collect(),
        samples: app.findings.history.samples(),
        totals: app.findings.history.totals(),
        done_per_minute: app.findings.history.done_per_minute(now),
        budget: app.budgets.view(None).await?,
        control: app.config.control.is_some(),
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(fleet)).into_response())
}

/// The page of the fleet, or its JSON twin for who asks for that.
pub(crate) async fn fleet(state: State<Arc<App>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let accept = accept.unwrap_or_default();
    if accept.contains("application/json") && !accept.contains("text/html") {
        match state.gate.admit(Access::OPERATORS, &headers).await {
            Ok(_) => fleet_json(state).await.into_response(),
            Err(problem) => problem.into_response(),
        }
    } else {
        page::file(&state.0, "fleet.html", &headers)
    }
}
