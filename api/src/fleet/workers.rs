//! The workers, as their heartbeats tell.

use atelier_domain::heartbeat::{Heartbeat, ModelBreaker, ModelLoad, Outage, Service};
use serde::Serialize;
use utoipa::ToSchema;

/// A worker's last heartbeat. What an older worker does not tell is empty. Points in time are seconds
/// since 1970-01-01T00:00:00Z; counts are since the worker's start.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Worker)]
pub(super) struct WorkerView {
    worker: String,
    /// The machine, container or pod that it runs in.
    host: String,
    started_at: f64,
    at: f64,
    /// Jobs that it works on at most.
    slots: u32,
    /// Jobs that it takes by its present concurrency limit.
    limit: Option<u32>,
    /// Jobs that it works on.
    slots_in_use: u32,
    /// Whether an outage has paused it.
    paused: bool,
    /// The outages.
    outages: Vec<OutageView>,
    /// Whether it takes no jobs since an operator paused the fleet.
    fleet_paused: bool,
    /// The models of its list, at most 16.
    models: Vec<ModelView>,
    throttles: u64,
    model_calls: u64,
    /// What its calls to models cost, those without a picture among them.
    spent_usd: f64,
    jobs_finished: u64,
    resident_bytes: u64,
}

/// A circuit breaker that is open: the service would fail every job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Outage)]
struct OutageView {
    service: Service,
    since: f64,
    /// What the service last answered.
    cause: String,
}

/// How a worker uses one model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelLoad)]
struct ModelView {
    model: String,
    /// Calls at a time by its concurrency limit.
    limit: u32,
    /// Calls under way.
    in_flight: u32,
    breaker: ModelBreaker,
    /// What calls to it cost.
    spent_usd: f64,
}

impl From<Heartbeat> for WorkerView {
    fn from(it: Heartbeat) -> Self {
        Self {
            spent_usd: it.spent().usd(),
            worker: it.worker,
            host: it.host,
            started_at: it.started_at.seconds(),
            at: it.at.seconds(),
            slots: it.slots,
            limit: it.limit,
            slots_in_use: it.slots_in_use,
            paused: it.paused,
            outages: it.outages.into_iter().map(Into::into).collect(),
            fleet_paused: it.fleet_paused,
            models: it.models.into_iter().map(Into::into).collect(),
            throttles: it.throttles,
            model_calls: it.model_calls,
            jobs_finished: it.jobs_finished,
            resident_bytes: it.resident_bytes,
        }
    }
}

impl From<Outage> for OutageView {
    fn from(it: Outage) -> Self {
        Self {
            service: it.service,
            since: it.since.seconds(),
            cause: it.cause,
        }
    }
}

impl From<ModelLoad> for ModelView {
    fn from(it: ModelLoad) -> Self {
        Self {
            model: it.model,
            limit: it.limit,
            in_flight: it.in_flight,
            breaker: it.breaker,
            spent_usd: it.spent.usd(),
        }
    }
}
