//! The fleet's scaling replayed: a day of arrivals through the policies, before it costs money.

mod args;
mod arrivals;
mod conditions;
mod fleet;
mod numbers;
mod outcome;
mod policy;
mod queueing;
mod quota;
mod replay;
mod report;
mod simulation;
mod timetable;

use atelier_report::criterion::all_hold;
use atelier_report::files::refuse_unwritable;

use crate::replay::Replay;

pub use crate::args::ScalingArgs;
pub use crate::numbers::Numbers;

/// Replays, prints, writes; returns whether every criterion holds.
///
/// # Errors
/// `BadUsage` for numbers, files or options that make no sense, or files that cannot be written.
pub fn replay(args: &ScalingArgs) -> anyhow::Result<bool> {
    args.check()?;
    refuse_unwritable([&args.report, &args.json, &args.svg])?;
    let numbers = args.numbers()?;
    let conditions = args.conditions(&numbers)?;
    let days = args.days(&numbers)?;
    let replay = Replay::of(&days, numbers, &conditions);
    report::write(&replay, &days, args)?;
    Ok(all_hold(&replay.criteria))
}
