//! The keeper brings every acknowledged assignment to its end, whatever was lost on the way. It
//! runs inside every API process; several keepers share the work by compare-and-set.
//!
//! | loop | what it does |
//! | --- | --- |
//! | [`sweep`](Sweep) | sends again, gives up, erases and tags what is due |
//! | [`dead_letters`](DeadLetterReader) | fails the assignments of dead letters |
//! | [`budget`](BudgetMeter) | measures what is left of the day's budget |
//! | [`throughput`](ThroughputMeter) | measures how fast the fleet is, for expected waits |
//! | [`backlog`](BacklogMeter) | says how many jobs wait for each worker, where an Auto Scaling group follows that |
//! | [`history`](HistoryRecorder) | samples the fleet, and finds out that the queue lost its jobs |

mod backlog;
mod budget;
mod dead_letters;
mod fail;
mod history;
mod lost_queue;
mod sweep;
mod throughput;

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::cdn::Cdn;
use atelier_cloud::dead_letters::DeadLetters;
use atelier_cloud::pictures::Pictures;
use atelier_cloud::queue::Queues;
use atelier_domain::budget::Budgets;
use atelier_domain::history::History;
use atelier_domain::throughput::Throughput;
use atelier_runtime::config::JobConfig;
use atelier_runtime::liveness::Liveness;
use atelier_store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use backlog::BacklogMeter;
pub use budget::BudgetMeter;
pub use dead_letters::DeadLetterReader;
pub use history::HistoryRecorder;
pub use sweep::Sweep;
pub use throughput::ThroughputMeter;

/// A loop whose last turn began longer ago than this hangs: its longest step takes less.
const LIVENESS_LIMIT: Duration = Duration::from_secs(120);

/// What a keeper works with.
#[derive(Debug)]
pub struct Services {
    /// The documents.
    pub store: Arc<dyn Store>,
    /// The jobs and the dead letters.
    pub queues: Queues,
    /// The bucket.
    pub pictures: Pictures,
    /// What stands before it.
    pub cdn: Cdn,
}

/// What a keeper finds out, shared with whoever shows it.
#[derive(Clone, Debug)]
pub struct Findings {
    /// How fast the fleet is.
    pub throughput: Arc<Throughput>,
    /// What the fleet did lately.
    pub history: Arc<History>,
    /// The dead letters that wait for an operator.
    pub dead_letters: Arc<DeadLetters>,
    /// Whether the sweep goes round.
    pub sweep: Arc<Liveness>,
    /// Whether the throughput is measured.
    pub meter: Arc<Liveness>,
}

impl Findings {
    /// Nothing found yet.
    pub fn new(queues: &Queues) -> Self {
        Self {
            throughput: Arc::default(),
            history: Arc::default(),
            dead_letters: Arc::new(DeadLetters::new(queues.clone())),
            sweep: Arc::new(Liveness::new(LIVENESS_LIMIT)),
            meter: Arc::new(Liveness::new(LIVENESS_LIMIT)),
        }
    }
}

/// Starts all loops. Each ends after `stop` and returns its name; one that ends before is a fault.
pub fn start(
    services: Services,
    findings: &Findings,
    job: &JobConfig,
    budgets: &Budgets,
    sample: Duration,
    stop: &CancellationToken,
) -> JoinSet<&'static str> {
    let meter = ThroughputMeter {
        store: services.store.clone(),
        jobs: services.queues.jobs.clone(),
        throughput: findings.throughput.clone(),
        history: findings.history.clone(),
        liveness: findings.meter.clone(),
        stop: stop.clone(),
    };
    let budget = BudgetMeter {
        store: services.store.clone(),
        limit: budgets.fleet,
        stop: stop.clone(),
    };
    let recorder = HistoryRecorder {
        store: services.store.clone(),
        queues: services.queues.clone(),
        history: findings.history.clone(),
        interval: sample,
        stop: stop.clone(),
    };
    let reader = DeadLetterReader {
        store: services.store.clone(),
        queue: services.queues.dead_letters.clone(),
        staying: findings.dead_letters.clone(),
        stop: stop.clone(),
    };
    let sweep = Sweep {
        services,
        job: job.clone(),
        liveness: findings.sweep.clone(),
        stop: stop.clone(),
    };
    let mut loops = JoinSet::new();
    loops.spawn(named("throughput", meter.run()));
    loops.spawn(named("budget", budget.run()));
    loops.spawn(named("history", recorder.run()));
    loops.spawn(named("dead letters", reader.run()));
    loops.spawn(named("sweep", sweep.run()));
    loops
}

async fn named(name: &'static str, work: impl Future<Output = ()>) -> &'static str {
    work.await;
    name
}
