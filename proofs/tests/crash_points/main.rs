//! Every crash point: the calls of one piece of work to queue, store, model and bucket are numbered;
//! at each of them its process is cut off in every way, alone and beside another that does the same,
//! and the server of its store does with the call what a MongoDB does that loses its majority, steps
//! down or is cut off.
//! Then time runs on until nothing is due, and promises 1 to 3 are checked.
//!
//! Processes are our own worker and API on runtimes of their own, behind gates; everything that they
//! call speaks its real protocol.

mod api;
mod job;

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use atelier_mongodb_proxy::Fault;
use atelier_proofs::case::{Case, PATIENCE};
use atelier_proofs::gate::Cut;
use atelier_proofs::process::Process;
use atelier_proofs::world::{Home, World};
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Cases at a time: they wait for hidden messages more than they work.
static AT_ONCE: Semaphore = Semaphore::const_new(16);

/// Where and how a process is cut off.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: usize,
    cut: Cut,
    /// Whether another process gets the same to do: a second delivery of the message, a repeated
    /// request.
    second: bool,
}

impl Point {
    /// Whether the server of the store is at fault, and the process works on.
    const fn is_faulty(self) -> bool {
        matches!(self.cut, Cut::Fault(_))
    }
}

/// In all the ways that a process can go away, or be late.
const EVERY_WAY: [(Cut, bool); 6] = [
    (Cut::Before, false),
    (Cut::Before, true),
    (Cut::AnswerLost, false),
    (Cut::AnswerLost, true),
    (Cut::Frozen, true),
    (Cut::Held, true),
];

/// What the server of a store may do with a call to it.
fn faults(home: &Home, call: &str) -> Vec<(Cut, bool)> {
    match home {
        Home::MongoDb(_) if call.starts_with("store: ") => Fault::ALL
            .into_iter()
            .map(|(_, fault)| (Cut::Fault(fault), false))
            .collect(),
        _ => Vec::new(),
    }
}

/// Runs `work` once to number its calls, then once for each call and way to be cut off there.
async fn prove<W: Copy + fmt::Debug, F>(
    world: &Arc<World>,
    home: &Home,
    work: W,
    ways: &'static [(Cut, bool)],
    run: fn(Arc<World>, Home, W, Option<Point>) -> F,
) -> Vec<String>
where
    F: Future<Output = anyhow::Result<Vec<String>>>,
{
    let start = Instant::now();
    let name = format!("{work:?} on {}", home.name());
    let calls = match run(Arc::clone(world), home.clone(), work, None).await {
        Ok(calls) => calls,
        Err(error) => {
            let failure = format!("{name}, undisturbed: {error:#}");
            say(&failure);
            return vec![failure];
        }
    };
    let points = (0..calls.len()).flat_map(|at| {
        let faults = faults(home, &calls[at]);
        ways.iter()
            .copied()
            .chain(faults)
            .map(move |(cut, second)| Point { at, cut, second })
    });
    let cases: Vec<_> = points
        .map(|point| {
            let (world, home) = (Arc::clone(world), home.clone());
            let what = format!("{name}: call {} ({}), {point:?}", point.at, calls[point.at]);
            async move {
                let _turn = AT_ONCE.acquire().await;
                let error = run(world, home, work, Some(point)).await.err()?;
                let failure = format!("{what}: {error:#}");
                say(&failure);
                Some(failure)
            }
        })
        .collect();
    let count = cases.len();
    let failures: Vec<_> = stream::iter(cases)
        .buffer_unordered(count.max(1))
        .filter_map(async |failure| failure)
        .collect()
        .await;
    say(&format!(
        "{name}: {} calls, {count} crash points, {} failed, {:.1} s\n    {}",
        calls.len(),
        failures.len(),
        start.elapsed().as_secs_f64(),
        calls.join(", ")
    ));
    failures
}

/// The test runner keeps what a passing test prints to itself; this is to be seen.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// No case failed, and what they all left behind fits together.
async fn hold_to(world: &World, failures: Vec<String>) {
    assert!(failures.is_empty(), "{} cases failed", failures.len());
    let audit = world.audit().await.unwrap();
    assert_eq!(audit["ok"], true, "{audit:#}");
    let (assignments, objects) = (&audit["assignments"], &audit["objects"]);
    say(&format!(
        "audit of {assignments} assignments and {objects} objects: all is well"
    ));
}

async fn reached(process: &Process) -> anyhow::Result<()> {
    timeout(PATIENCE, process.gate.reached())
        .await
        .with_context(|| {
            format!(
                "it did not come to the call; made: {:?}",
                process.gate.made()
            )
        })
}

/// Lets a process that was held go on, and returns when its held calls are done.
async fn let_go(case: &Case, process: &Process) -> anyhow::Result<()> {
    process.gate.release();
    case.eventually("done with what was held", async || {
        Ok(process.gate.held() == 0)
    })
    .await
}
