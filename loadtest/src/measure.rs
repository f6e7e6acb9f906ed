//! What is measured while the load runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use atelier_report::chart::Bin;

use crate::browser::CdnAnswer;

/// What takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timing {
    /// `POST /assignments`.
    Post,
    /// From the POST until the document said `success`.
    TimeToPicture,
    /// From the send of the job to its claim, by the document.
    QueueWait,
    /// The model, by the document.
    Generate,
    /// Optimizing, by the document.
    Optimize,
    /// The put to S3, by the document.
    Upload,
    /// The picture's bytes, from the CDN or from the API where there is none.
    Download,
    /// The same, where the CDN had it.
    DownloadHit,
    /// The same, where the CDN had to ask the bucket.
    DownloadMiss,
    /// From asking the API for the picture to its last byte, redirect included.
    Retrieval,
    /// `GET /assignments/{id}`.
    Read,
    /// `GET /assignments`.
    List,
}

impl Timing {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 12] = [
        Self::Post,
        Self::TimeToPicture,
        Self::QueueWait,
        Self::Generate,
        Self::Optimize,
        Self::Upload,
        Self::Download,
        Self::DownloadHit,
        Self::DownloadMiss,
        Self::Retrieval,
        Self::Read,
        Self::List,
    ];

    /// The name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::TimeToPicture => "time_to_picture",
            Self::QueueWait => "queue_wait",
            Self::Generate => "generate",
            Self::Optimize => "optimize",
            Self::Upload => "upload",
            Self::Download => "download",
            Self::DownloadHit => "download_hit",
            Self::DownloadMiss => "download_miss",
            Self::Retrieval => "retrieval",
            Self::Read => "read",
            Self::List => "list",
        }
    }
}

/// Percentiles of one timing, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    /// How many were timed.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

/// A slice of the run's time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// Seconds from the start to its middle.
    pub at: f64,
    /// Operations that ended well, a second.
    pub operations_per_second: f64,
    /// Errors a second.
    pub errors_per_second: f64,
    /// 95th percentiles in seconds, absent where nothing ended in this slice.
    pub p95: BTreeMap<String, f64>,
}

/// Counts and timings of a run.
#[derive(Debug)]
pub(crate) struct Recorder {
    start: Instant,
    slice: Duration,
    state: Mutex<State>,
}

/// What a recorder holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    histograms: BTreeMap<Timing, Histogram<u64>>,
    slices: Vec<SliceState>,
    /// Errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// Operations that ended well.
    pub succeeded: u64,
    /// Operations that did not.
    pub failed: u64,
    /// Pictures that the CDN had.
    pub cdn_hits: u64,
    /// Pictures that it had to ask the bucket for.
    pub cdn_misses: u64,
    /// Pictures that the browser had.
    pub browser_hits: u64,
    /// Bytes of pictures that were downloaded.
    pub downloaded_bytes: u64,
    /// What the CDN answered to the address of a private picture without its signature.
    pub unsigned_status: Option<u16>,
}

#[derive(Clone, Debug, Default)]
struct SliceState {
    succeeded: u64,
    failed: u64,
    micros: BTreeMap<Timing, Vec<u64>>,
}

/// The timings that are drawn over time.
const DRAWN: [Timing; 3] = [Timing::Post, Timing::TimeToPicture, Timing::Download];

impl Recorder {
    /// For a run of about `length`.
    pub(crate) fn new(length: Duration) -> Self {
        Self {
            start: Instant::now(),
            slice: (length / 120).max(Duration::from_secs(1)),
            state: Mutex::default(),
        }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// A timing that is no operation of its own.
    pub(crate) fn time(&self, timing: Timing, took: Duration) {
        self.with_slice(|state, slice| state.time(slice, timing, took));
    }

    /// An operation ended well.
    pub(crate) fn succeeded(&self, timing: Timing, took: Duration) {
        self.with_slice(|state, slice| {
            state.succeeded += 1;
            state.slices[slice].succeeded += 1;
            state.time(slice, timing, took);
        });
    }

    /// An operation did not end well.
    pub(crate) fn failed(&self, kind: String) {
        self.with_slice(|state, slice| {
            state.failed += 1;
            state.slices[slice].failed += 1;
            *state.errors.entry(kind).or_default() += 1;
        });
    }

    /// The CDN answered `status` to the address of a private picture without its signature.
    pub(crate) fn unsigned(&self, status: u16) {
        self.with_slice(|state, _| state.unsigned_status = Some(status));
    }

    /// A picture came through the network.
    pub(crate) fn downloaded(&self, cdn: Option<CdnAnswer>, bytes: usize, took: Duration) {
        self.with_slice(|state, slice| {
            state.downloaded_bytes += bytes as u64;
            state.time(slice, Timing::Download, took);
            match cdn {
                Some(CdnAnswer::Hit) => {
                    state.cdn_hits += 1;
                    state.time(slice, Timing::DownloadHit, took);
                }
                Some(CdnAnswer::Miss) => {
                    state.cdn_misses += 1;
                    state.time(slice, Timing::DownloadMiss, took);
                }
                None => {}
            }
        });
    }

    /// A picture came from the browser's own cache.
    pub(crate) fn browser_had_it(&self) {
        self.with_slice(|state, _| state.browser_hits += 1);
    }

    /// All that was recorded so far.
    pub(crate) fn snapshot(&self) -> State {
        self.lock().clone()
    }

    /// Operations that ended well, and errors, so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.succeeded, state.failed)
    }

    /// The 95th percentile so far, in seconds.
    pub(crate) fn p95(&self, timing: Timing) -> Option<f64> {
        self.lock().percentiles(timing).map(|it| it.p95)
    }

    /// The run over time.
    pub(crate) fn timeline(&self) -> Vec<Slice> {
        let width = self.slice.as_secs_f64();
        let state = self.lock();
        let slices = state.slices.iter().enumerate();
        slices
            .map(|(index, slice)| Slice {
                at: (index as f64 + 0.5) * width,
                operations_per_second: slice.succeeded as f64 / width,
                errors_per_second: slice.failed as f64 / width,
                p95: slice
                    .micros
                    .iter()
                    .map(|(timing, micros)| (timing.name().to_owned(), p95(micros)))
                    .collect(),
            })
            .collect()
    }

    fn with_slice(&self, change: impl FnOnce(&mut State, usize)) {
        let slice = (self.start.elapsed().as_secs_f64() / self.slice.as_secs_f64()) as usize;
        let mut state = self.lock();
        if state.slices.len() <= slice {
            state.slices.resize_with(slice + 1, SliceState::default);
        }
        change(&mut state, slice);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Percentiles of a timing; none where nothing was timed.
    pub(crate) fn percentiles(&self, timing: Timing) -> Option<Percentiles> {
        let histogram = self.histograms.get(&timing)?;
        let seconds = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e6;
        Some(Percentiles {
            count: histogram.len(),
            p50: seconds(0.50),
            p95: seconds(0.95),
            p99: seconds(0.99),
            max: histogram.max() as f64 / 1e6,
            mean: histogram.mean() / 1e6,
        })
    }

    /// A timing's histogram, five bins a factor of ten.
    pub(crate) fn bins(&self, timing: Timing) -> Vec<Bin> {
        let Some(histogram) = self.histograms.get(&timing) else {
            return Vec::new();
        };
        let step = 10f64.powf(0.2);
        let mut bins = Vec::new();
        let mut from = 1u64;
        while from <= histogram.max() {
            let to = ((from as f64 * step) as u64).max(from + 1);
            let count = histogram
                .iter_recorded()
                .map(|v| (v.value_iterated_to(), v.count_at_value()));
            let count = count
                .filter(|(value, _)| (from..to).contains(value))
                .map(|(_, count)| count)
                .sum();
            bins.push(Bin {
                from: from as f64 / 1e6,
                to: to as f64 / 1e6,
                count,
            });
            from = to;
        }
        let first = bins
            .iter()
            .position(|bin| bin.count > 0)
            .unwrap_or(bins.len());
        bins.split_off(first)
    }

    /// The share of operations that failed; 1 where nothing was done at all.
    pub(crate) fn error_ratio(&self) -> f64 {
        match self.succeeded + self.failed {
            0 => 1.0,
            all => self.failed as f64 / all as f64,
        }
    }

    /// The share of pictures that the CDN had; none where no CDN answered.
    pub(crate) fn hit_ratio(&self) -> Option<f64> {
        let all = self.cdn_hits + self.cdn_misses;
        (all > 0).then(|| self.cdn_hits as f64 / all as f64)
    }

    fn time(&mut self, slice: usize, timing: Timing, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        // Three figures; resizes by itself, so that no time is cut off.
        let histogram = self
            .histograms
            .entry(timing)
            .or_insert_with(|| Histogram::new(3).expect("3 figures are allowed"));
        histogram.record(micros).expect("it resizes by itself");
        if DRAWN.contains(&timing) {
            self.slices[slice]
                .micros
                .entry(timing)
                .or_default()
                .push(micros);
        }
    }
}

fn p95(micros: &[u64]) -> f64 {
    let mut sorted = micros.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() as f64 * 0.95).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1] as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    // Feature: s3-image-storage, Property 22: Load test metrics collection
    #[test]
    fn percentiles_are_those_of_what_was_timed() {
        let recorder = Recorder::new(millis(1000));
        for each in 1..=1000 {
            recorder.succeeded(Timing::Upload, millis(each));
        }
        let found = recorder.snapshot().percentiles(Timing::Upload).unwrap();
        assert_eq!(found.count, 1000);
        for (figure, wanted) in [
            (found.p50, 0.5),
            (found.p95, 0.95),
            (found.p99, 0.99),
            (found.max, 1.0),
        ] {
            assert!((figure - wanted).abs() < 0.002, "{figure} is not {wanted}");
        }
    }

    #[test]
    fn every_timing_falls_into_one_bin() {
        let recorder = Recorder::new(millis(1000));
        for each in [1, 2, 5, 30, 700, 700, 8000] {
            recorder.time(Timing::Post, millis(each));
        }
        let bins = recorder.snapshot().bins(Timing::Post);
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 7);
        assert!(bins.windows(2).all(|pair| pair[0].to == pair[1].from));
    }

    #[test]
    fn nothing_done_is_all_errors() {
        assert_eq!(State::default().error_ratio(), 1.0);
    }

    #[test]
    fn hits_and_misses_make_the_ratio() {
        let recorder = Recorder::new(millis(1000));
        assert_eq!(recorder.snapshot().hit_ratio(), None);
        recorder.downloaded(Some(CdnAnswer::Miss), 10, millis(9));
        for _ in 0..3 {
            recorder.downloaded(Some(CdnAnswer::Hit), 10, millis(1));
        }
        recorder.downloaded(None, 10, millis(1));
        let state = recorder.snapshot();
        assert_eq!(
            (state.hit_ratio(), state.downloaded_bytes),
            (Some(0.75), 50)
        );
    }
}
