//! What the replay shows: a table on the terminal, one picture, one page, JSON.

use std::fmt::Write as _;

use atelier_report::chart::{self, Axes, Panel, Scale, Series};
use atelier_report::files::{write_file, write_json};
use atelier_report::page::Page;
use atelier_report::text::{self, seconds};

use super::arrivals::Curve;
use super::outcome::{Moment, Outcome};
use crate::args::ScalingArgs;
use crate::replay::Replay;

/// Writes what was asked for and prints the table and the verdict.
///
/// # Errors
/// When a file cannot be written or a chart cannot be drawn.
pub(crate) fn write(replay: &Replay, days: &[Curve], args: &ScalingArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.json {
        write_json(path, replay)?;
    }
    if let Some(path) = &args.svg {
        write_file(path, &chart::panels(&panels(replay, days))?)?;
    }
    if let Some(path) = &args.report {
        write_file(path, &page(replay, days, args)?)?;
    }
    print!("{}", table(replay));
    print!("{}", text::criteria(&replay.criteria));
    Ok(())
}

const HEAD: [&str; 11] = [
    "policy",
    "jobs",
    "success",
    "time to scale",
    "wait p50",
    "wait p95",
    "wait max",
    "worst success",
    "workers",
    "hours",
    "cost",
];

fn row(outcome: &Outcome) -> Vec<String> {
    let scaled = &outcome.time_to_scale;
    let time = match (scaled.never, scaled.serving_max) {
        (0, None) => "not needed".to_owned(),
        (0, Some(most)) => format!("{most:.0} s"),
        (never, _) => format!("missed {never}x"),
    };
    let percent = |share: f64| format!("{:.2}%", share * 100.0);
    vec![
        outcome.policy.clone(),
        outcome.jobs.to_string(),
        percent(outcome.success_ratio),
        time,
        seconds(outcome.wait.p50),
        seconds(outcome.wait.p95),
        seconds(outcome.wait.max),
        outcome
            .worst_success_through_event
            .map_or("–".to_owned(), percent),
        outcome.most_workers.to_string(),
        format!("{:.1}", outcome.instance_hours),
        format!("${:.2}", outcome.cost_usd),
    ]
}

fn table(replay: &Replay) -> String {
    let mut text = String::new();
    for needed in &replay.needed {
        let _ = writeln!(
            text,
            "\n{}: peak {:.0} jobs a minute; for the acceptable wait M/M/c asks for {} workers, M/D/c for {}; at most {}",
            needed.arrivals,
            needed.peak_per_minute,
            needed.workers_by_mmc,
            needed.workers_by_mdc,
            replay.max_workers,
        );
        let rows: Vec<_> = of_day(replay, &needed.arrivals).map(row).collect();
        let head = HEAD.map(str::to_owned).to_vec();
        for cells in std::iter::once(&head).chain(&rows) {
            let _ = write!(text, "{:<28}", cells[0]);
            for cell in &cells[1..] {
                let _ = write!(text, "{cell:>14}");
            }
            text.push('\n');
        }
    }
    text
}

fn of_day<'a>(replay: &'a Replay, day: &'a str) -> impl Iterator<Item = &'a Outcome> {
    replay
        .outcomes
        .iter()
        .filter(move |outcome| outcome.arrivals == day)
}

/// Moments of a quarter of an hour: what swings faster would only blacken the picture.
const QUARTER_HOUR: usize = 15;

/// Three panels a day: what arrives, who works, what waits; a line a policy.
fn panels(replay: &Replay, days: &[Curve]) -> Vec<Panel<'static>> {
    days.iter().flat_map(|day| panels_of(replay, day)).collect()
}

fn panels_of(replay: &Replay, day: &Curve) -> [Panel<'static>; 3] {
    let outcomes: Vec<_> = of_day(replay, &day.name).collect();
    let moments = outcomes.iter().flat_map(|outcome| &outcome.timeline);
    let x_to = moments.fold(0.0, |most: f64, moment| most.max(hours(moment.at)));
    let by_policy = |value: fn(&[Moment]) -> f64| -> Vec<Series> {
        let line = |outcome: &&Outcome| {
            let quarters = outcome.timeline.chunks(QUARTER_HOUR);
            let points = quarters.map(|quarter| (hours(quarter[0].at), value(quarter)));
            Series::new(&outcome.policy, points)
        };
        outcomes.iter().map(line).collect()
    };
    let minutes = (0..=(x_to * 60.0) as u32).map(|minute| f64::from(minute) * 60.0);
    let arrivals = minutes.map(|at| (hours(at), day.rate(at)));
    let panel = |what, unit, scale, series| Panel {
        title: format!("{}: {what}", day.name),
        axes: Axes {
            x: "hours",
            y: unit,
            x_to,
            scale,
        },
        series,
    };
    [
        panel(
            "arrivals",
            "a minute",
            Scale::Linear,
            vec![Series::new("arrivals", arrivals)],
        ),
        panel(
            "workers, mean of a quarter hour",
            "serving",
            Scale::Linear,
            by_policy(mean_serving),
        ),
        panel(
            "jobs waiting, most in a quarter hour",
            "jobs",
            Scale::Logarithmic,
            by_policy(most_waiting),
        ),
    ]
}

fn mean_serving(quarter: &[Moment]) -> f64 {
    let sum: u32 = quarter.iter().map(|moment| moment.serving).sum();
    f64::from(sum) / quarter.len() as f64
}

fn most_waiting(quarter: &[Moment]) -> f64 {
    let most = quarter.iter().map(|moment| moment.waiting).max();
    most.unwrap_or(0) as f64
}

fn hours(seconds: f64) -> f64 {
    seconds / 3600.0
}

fn page(replay: &Replay, days: &[Curve], args: &ScalingArgs) -> anyhow::Result<String> {
    let about = format!(
        "{} hours of arrivals through the policies, with Terraform's numbers: {} slots a worker, \
         a quota of {} pictures a minute, at most {} workers.",
        args.hours,
        replay.numbers.worker.slots,
        replay.numbers.worker.model_quota_per_minute,
        replay.max_workers,
    );
    let mut page = Page::new("Scaling replayed", &about, &replay.criteria);
    page.criteria(&replay.criteria, None);
    for (day, needed) in days.iter().zip(&replay.needed) {
        page.section(&day.name).paragraph(&format!(
            "The peak of {:.0} jobs a minute takes {} workers by M/M/c and {} by M/D/c for the acceptable wait.",
            needed.peak_per_minute, needed.workers_by_mmc, needed.workers_by_mdc,
        ));
        let rows: Vec<_> = of_day(replay, &day.name).map(row).collect();
        page.table(&HEAD, &rows);
        page.open_charts();
        for panel in panels(replay, std::slice::from_ref(day)) {
            page.chart(
                &panel.title,
                &chart::lines(panel.axes, &panel.series)?,
                &panel.series,
            );
        }
        page.close_charts();
    }
    Ok(page.finish())
}
