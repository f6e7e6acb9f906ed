//! How the load test goes on, on the terminal.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::fleet::Watch;
use crate::measure::Timing;
use crate::users::World;

/// Writes a line a second over itself, or, where stderr is no terminal, a line a minute, until
/// `stop`.
pub(crate) async fn show(
    name: &str,
    length: Duration,
    world: &Arc<World>,
    fleet: &Watch,
    stop: CancellationToken,
) {
    let live = std::io::stderr().is_terminal();
    let mut ticks = tokio::time::interval(Duration::from_secs(if live { 1 } else { 60 }));
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => break,
        }
        let line = line(name, length, world, fleet);
        let mut out = std::io::stderr().lock();
        // Where the terminal went away, the test goes on.
        let _ = if live {
            write!(out, "\r\x1b[2K{line}")
        } else {
            writeln!(out, "{line}")
        };
        let _ = out.flush();
    }
    if live {
        eprintln!();
    }
}

fn line(name: &str, length: Duration, world: &World, fleet: &Watch) -> String {
    let elapsed = world.recorder.elapsed();
    let (succeeded, failed) = world.recorder.counts();
    let totals = world.ledger.totals();
    let mut line = format!(
        "{name} {}/{}  {} users  {succeeded} done ({:.0}/s)  {failed} errors  {} pictures of {}",
        clock(elapsed),
        clock(length),
        world.users.load(Ordering::Relaxed),
        succeeded as f64 / elapsed.as_secs_f64().max(0.001),
        totals.pictures,
        totals.accepted,
    );
    if let Some(p95) = world.recorder.p95(Timing::Post) {
        line += &format!("  POST p95 {:.1} ms", p95 * 1000.0);
    }
    if let Some(sample) = fleet.latest() {
        line += &format!(
            "  queue {}+{}  workers {}",
            sample.visible, sample.in_flight, sample.workers
        );
    }
    line
}

fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}
