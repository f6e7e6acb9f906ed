//! What the operator sees: what is wrong, the queue, the workers, the last 15 minutes, the teachers'
//! shares, the dead letters.

pub(crate) mod control;
pub(crate) mod dead_letters;
mod findings;
pub(crate) mod pause;
mod teachers;
mod workers;

use std::sync::Arc;

use atelier_domain::heartbeat::SILENCE;
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
use findings::{Finding, Seen, findings};
use pause::PauseView;
use teachers::{Fairness, Spending};
use workers::WorkerView;

/// The state of the fleet. Points in time are seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fleet {
    /// When this was so.
    now: f64,
    /// What is wrong now, what stops most first.
    findings: Vec<Finding>,
    /// An operator's pause of the fleet; `null` where there is none.
    paused: Option<PauseView>,
    /// The queue.
    queue: QueueView,
    /// Workers that spoke lately.
    workers: Vec<WorkerView>,
    /// How what is pending is divided among teachers.
    fairness: Fairness,
    /// What pictures cost today, by teacher.
    spending: Spending,
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

/// The state of the fleet.
#[utoipa::path(get, path = "/fleet.json", tag = "fleet", operation_id = "get_fleet", responses(
    (status = 200, description = "The state of the fleet.", body = Fleet), Refused<500>, Refused<503>,
))]
pub(crate) async fn fleet_json(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let now = Timestamp::now();
    let (store, history) = (app.store(), &app.findings.history);
    let (mut workers, paused, fairness, spending, budget) = tokio::try_join!(
        store.heartbeats(now - SILENCE),
        pause::present(store),
        teachers::fairness(store, now),
        teachers::spending(store, history, now, app.budgets.has_teachers()),
        app.budgets.view(None),
    )?;
    workers.sort_by(|one, other| (&one.host, &one.worker).cmp(&(&other.host, &other.worker)));
    let depths = history.depths();
    let oldest_pending = app.findings.throughput.latest().oldest_pending;
    let fleet = Fleet {
        now: now.seconds(),
        findings: findings(&Seen {
            now,
            workers: &workers,
            paused_since: paused.as_ref().map(|pause| pause.since),
            oldest_pending,
            dead_letters: depths.dead_letters,
            budget_is_used_up: budget.is_used_up(),
        }),
        paused,
        queue: QueueView {
            visible: depths.visible,
            in_flight: depths.in_flight,
            delayed: depths.delayed,
            oldest_seconds: oldest_pending.map(|at| now.since(at).as_secs_f64()),
            dead_letters: depths.dead_letters,
        },
        workers: workers.into_iter().map(Into::into).collect(),
        fairness,
        spending,
        samples: history.samples(),
        totals: history.totals(),
        done_per_minute: history.done_per_minute(now),
        budget,
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
