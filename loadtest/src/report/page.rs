//! The report of a run.

use crate::fleet::FleetHistory;
use crate::results::Results;
use atelier_report::chart::{self, Axes, Scale, Series};
use atelier_report::page::Page;
use atelier_report::text::{bytes, figure, seconds};

/// The page of a run, compared with an earlier one where that is given.
///
/// # Errors
/// When a chart cannot be drawn.
pub(super) fn render(results: &Results, earlier: Option<&Results>) -> anyhow::Result<String> {
    let title = format!("Load test: {}", results.scenario);
    let mut page = Page::new(&title, &about(results, earlier), &results.criteria);
    page.criteria(
        &results.criteria,
        earlier.map(|earlier| earlier.criteria.as_slice()),
    );
    page.figures(&key_figures(results));
    over_time(&mut page, results)?;
    percentiles(&mut page, results, earlier);
    histograms(&mut page, results)?;
    errors(&mut page, results);
    cost(&mut page, results);
    fleet(&mut page, results);
    Ok(page.finish())
}

fn about(results: &Results, earlier: Option<&Results>) -> String {
    let load = match results.rate {
        Some(rate) => format!("{} POSTs a second", figure(rate)),
        None => format!("up to {} users", results.users),
    };
    let mut about = format!(
        "{}, {load} for {}, from {}.",
        results.url,
        seconds(results.seconds),
        results.started_at
    );
    if results.scale_time != 1.0 {
        about += &format!(
            " All times of the scenario were multiplied by {}.",
            results.scale_time
        );
    }
    if let Some(earlier) = earlier {
        about += &format!(" Compared with the run from {}.", earlier.started_at);
    }
    about
}

fn key_figures(results: &Results) -> Vec<(&'static str, String)> {
    let p95 = |name: &str| {
        results
            .operations
            .get(name)
            .map_or("–".to_owned(), |found| seconds(found.p95))
    };
    let percent = |ratio: Option<f64>| {
        ratio.map_or("–".to_owned(), |ratio| format!("{:.1}%", ratio * 100.0))
    };
    vec![
        ("POST p95", p95("post")),
        ("time to picture p95", p95("time_to_picture")),
        ("download p95", p95("download")),
        ("CDN hits", percent(results.cdn.hit_ratio)),
        ("storage saved", percent(results.storage.saved_ratio)),
        ("errors", percent(Some(results.error_ratio))),
        (
            "requests a second",
            figure(results.throughput.requests_per_second),
        ),
        (
            "pictures a minute",
            figure(results.throughput.pictures_per_minute),
        ),
    ]
}

fn over_time(page: &mut Page, results: &Results) -> anyhow::Result<()> {
    let slices = &results.timeline;
    let to = results.seconds;
    let p95 = |name: &str, label: &str| {
        Series::new(
            label,
            slices
                .iter()
                .filter_map(|slice| Some((slice.at, *slice.p95.get(name)?))),
        )
    };
    page.section("Over time").open_charts();
    let done = [
        Series::new(
            "done",
            slices
                .iter()
                .map(|slice| (slice.at, slice.operations_per_second)),
        ),
        Series::new(
            "errors",
            slices
                .iter()
                .map(|slice| (slice.at, slice.errors_per_second)),
        ),
    ];
    draw(page, "Operations", "a second", to, &done)?;
    draw(
        page,
        "POST and download, p95",
        "seconds",
        to,
        &[p95("post", "POST"), p95("download", "download")],
    )?;
    draw(
        page,
        "Time to picture, p95",
        "seconds",
        to,
        &[p95("time_to_picture", "time to picture")],
    )?;
    if !results.fleet.samples.is_empty() {
        fleet_over_time(page, &results.fleet, to)?;
    }
    page.close_charts();
    Ok(())
}

fn fleet_over_time(page: &mut Page, fleet: &FleetHistory, to: f64) -> anyhow::Result<()> {
    let samples = &fleet.samples;
    let queue = [
        Series::new(
            "waiting",
            samples.iter().map(|sample| (sample.at, sample.visible)),
        ),
        Series::new(
            "in flight",
            samples.iter().map(|sample| (sample.at, sample.in_flight)),
        ),
    ];
    draw(page, "Queue", "jobs", to, &queue)?;
    let slots = [
        Series::new(
            "slots",
            samples.iter().map(|sample| (sample.at, sample.slots)),
        ),
        Series::new(
            "in use",
            samples
                .iter()
                .map(|sample| (sample.at, sample.slots_in_use)),
        ),
        Series::new(
            "workers",
            samples
                .iter()
                .map(|sample| (sample.at, sample.workers as f64)),
        ),
    ];
    draw(page, "Fleet", "", to, &slots)?;
    let mut workers: Vec<&String> = samples
        .iter()
        .flat_map(|sample| sample.resident_bytes.keys())
        .collect();
    workers.sort();
    workers.dedup();
    let memory = workers.iter().map(|worker| {
        let points = samples
            .iter()
            .filter_map(|sample| Some((sample.at, sample.resident_bytes.get(*worker)? / 1e6)));
        Series::new(worker.as_str(), points)
    });
    let memory: Vec<_> = memory.collect();
    if !memory.is_empty() {
        draw(page, "Memory of each worker", "MB", to, &memory)?;
    }
    Ok(())
}

fn draw(
    page: &mut Page,
    caption: &str,
    unit: &str,
    to: f64,
    series: &[Series],
) -> anyhow::Result<()> {
    let axes = Axes {
        x: "seconds from the start",
        y: unit,
        x_to: to,
        scale: Scale::Linear,
    };
    let svg = chart::lines(axes, series)?;
    page.chart(caption, &svg, series);
    Ok(())
}

fn percentiles(page: &mut Page, results: &Results, earlier: Option<&Results>) {
    let mut head = vec!["", "count", "p50", "p95", "p99", "longest"];
    if earlier.is_some() {
        head.extend(["earlier p50", "earlier p95", "p95 changed"]);
    }
    let rows: Vec<_> = results
        .timed()
        .map(|(name, found)| {
            let mut row = vec![name.replace('_', " "), found.count.to_string()];
            row.extend([found.p50, found.p95, found.p99, found.max].map(seconds));
            if let Some(earlier) = earlier {
                match earlier.operations.get(name) {
                    Some(before) => {
                        row.extend([
                            seconds(before.p50),
                            seconds(before.p95),
                            changed(found.p95, before.p95),
                        ]);
                    }
                    None => row.extend(["–", "–", "–"].map(str::to_owned)),
                }
            }
            row
        })
        .collect();
    page.section("Percentiles").table(&head, &rows);
}

fn changed(now: f64, before: f64) -> String {
    match now / before {
        times if times >= 3.0 => format!("{times:.1} times"),
        times => format!("{:+.0}%", (times - 1.0) * 100.0),
    }
}

fn histograms(page: &mut Page, results: &Results) -> anyhow::Result<()> {
    page.section("Histograms").open_charts();
    for (name, caption) in [
        ("post", "POST"),
        ("time_to_picture", "Time to picture"),
        ("upload", "Upload to S3"),
        ("download", "Download"),
    ] {
        if let Some(bins) = results.histograms.get(name) {
            page.chart(caption, &chart::histogram(bins)?, &[]);
        }
    }
    page.close_charts();
    Ok(())
}

fn errors(page: &mut Page, results: &Results) {
    page.section("Errors");
    if results.errors.is_empty() {
        page.paragraph("None.");
    } else {
        let rows: Vec<_> = results
            .errors
            .iter()
            .map(|(kind, count)| vec![kind.clone(), count.to_string()])
            .collect();
        page.table(&["kind", "count"], &rows);
    }
}

fn cost(page: &mut Page, results: &Results) {
    let Some(cost) = &results.cost_per_thousand_pictures else {
        return;
    };
    let usd = |usd: f64| format!("${usd:.4}");
    page.section("A thousand pictures cost").figures(&[
        ("S3 requests", usd(cost.s3_requests_usd)),
        ("storage, a month", usd(cost.storage_month_usd)),
        (
            "the same unoptimized",
            usd(cost.storage_month_unoptimized_usd),
        ),
        ("model", format!("${:.2}", cost.model_usd)),
        (
            "bytes of originals",
            bytes(results.storage.original_bytes as f64),
        ),
        ("bytes stored", bytes(results.storage.stored_bytes as f64)),
    ]);
}

fn fleet(page: &mut Page, results: &Results) {
    page.section("Fleet");
    if results.fleet.samples.is_empty() {
        page.paragraph("This address tells nothing of its fleet.");
        return;
    }
    if let Some(memory) = &results.memory {
        let leak = match memory.leak {
            Some(true) => "this is a leak",
            Some(false) => "no leak",
            None => "too short a run to tell a leak",
        };
        let (mean, slope) = (bytes(memory.mean_bytes), bytes(memory.slope_bytes_per_hour));
        page.paragraph(&format!(
            "Memory of the worker that grows most: {mean}, {slope} an hour: {leak}."
        ));
    }
    if results.fleet.workers_added.is_empty() {
        page.paragraph("No worker was added.");
    } else {
        let rows = results
            .fleet
            .workers_added
            .iter()
            .map(|added| vec![added.worker.clone(), seconds(added.at)]);
        let rows: Vec<_> = rows.collect();
        page.table(&["worker added", "after"], &rows);
    }
}
