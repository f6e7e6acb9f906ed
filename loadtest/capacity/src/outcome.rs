//! What a replay found.

use serde::Serialize;

/// One policy through one day.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// The policy.
    pub policy: String,
    /// The arrivals.
    pub arrivals: String,
    /// Jobs that arrived.
    pub jobs: u64,
    /// Of these, the share that got their picture.
    pub success_ratio: f64,
    /// How fast capacity came.
    pub time_to_scale: TimeToScale,
    /// How long jobs waited for a slot, seconds.
    pub wait: Wait,
    /// Changes of capacity, those by lost instances included.
    pub scale_events: u64,
    /// The lowest share of success in the minutes after any of them; absent where nothing ended
    /// then.
    pub worst_success_through_event: Option<f64>,
    /// Hours of all instances.
    pub instance_hours: f64,
    /// What they cost, in USD.
    pub cost_usd: f64,
    /// The most workers at once.
    pub most_workers: u32,
    /// The day, a sample a minute.
    pub timeline: Vec<Moment>,
}

/// How long it took from the need for more capacity until it was there, in seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct TimeToScale {
    /// How often more capacity was needed and came.
    pub episodes: usize,
    /// The longest time until an instance was added.
    pub launched_max: Option<f64>,
    /// The median time until it served.
    pub serving_p50: Option<f64>,
    /// The longest.
    pub serving_max: Option<f64>,
    /// Times that capacity was needed for longer than the limit, and was not added.
    pub never: usize,
}

/// How long jobs waited, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Wait {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The longest.
    pub max: f64,
}

/// The fleet at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Moment {
    /// Seconds since the start.
    pub at: f64,
    /// Jobs waiting.
    pub waiting: usize,
    /// Workers that serve.
    pub serving: u32,
    /// Workers asked for.
    pub desired: u32,
}

impl Wait {
    /// Of all waits, in any order.
    pub(crate) fn of(mut waits: Vec<f64>) -> Self {
        if waits.is_empty() {
            return Self::default();
        }
        waits.sort_by(f64::total_cmp);
        let mean = waits.iter().sum::<f64>() / waits.len() as f64;
        Self {
            mean,
            p50: quantile(&waits, 0.5),
            p95: quantile(&waits, 0.95),
            max: quantile(&waits, 1.0),
        }
    }
}

/// Times from the need to its end, while the replay runs.
#[derive(Debug)]
pub(crate) struct Episodes {
    limit: f64,
    /// Since when the backlog and the CPU have needed more. One need may end as the other begins: that
    /// is no long one.
    since: [Option<f64>; 2],
    launched: Vec<f64>,
    serving: Vec<f64>,
    launch_noted: bool,
    never: usize,
}

impl Episodes {
    /// With the limit above which a need that nothing meets counts as missed.
    pub(crate) fn new(limit: f64) -> Self {
        Self {
            limit,
            since: [None; 2],
            launched: Vec::new(),
            serving: Vec::new(),
            launch_noted: false,
            never: 0,
        }
    }

    /// Whether the backlog and the CPU need more capacity at `now`; a need that ends by itself is no
    /// episode, unless it lasted longer than the limit.
    pub(crate) fn need(&mut self, now: f64, needed: [bool; 2]) {
        if self.since == [None; 2] {
            self.launch_noted = false;
        }
        for (since, needed) in self.since.iter_mut().zip(needed) {
            match (needed, *since) {
                (true, None) => *since = Some(now),
                (false, Some(at)) if !self.launch_noted => {
                    *since = None;
                    self.never += usize::from(now - at > self.limit);
                }
                _ => {}
            }
        }
    }

    /// An instance was added at `now`.
    pub(crate) fn launch(&mut self, now: f64) {
        if let Some(since) = self.earliest()
            && !self.launch_noted
        {
            self.launched.push(now - since);
            self.launch_noted = true;
        }
    }

    /// An instance began to serve at `now`.
    pub(crate) fn serve(&mut self, now: f64) {
        if let Some(since) = self.earliest() {
            self.serving.push(now - since);
        }
        self.since = [None; 2];
    }

    fn earliest(&self) -> Option<f64> {
        self.since.into_iter().flatten().reduce(f64::min)
    }

    /// What came of it until `now`.
    pub(crate) fn finish(mut self, now: f64) -> TimeToScale {
        let missed = self.earliest().filter(|since| now - since > self.limit);
        self.never += usize::from(missed.is_some() && !self.launch_noted);
        self.serving.sort_by(f64::total_cmp);
        let most = |times: &[f64]| times.iter().copied().reduce(f64::max);
        TimeToScale {
            episodes: self.serving.len(),
            launched_max: most(&self.launched),
            serving_p50: (!self.serving.is_empty()).then(|| quantile(&self.serving, 0.5)),
            serving_max: most(&self.serving),
            never: self.never,
        }
    }
}

/// The least share of success in a window after any event.
pub(crate) fn worst_success(events: &[f64], ends: &[(f64, bool)], window: f64) -> Option<f64> {
    let shares = events.iter().filter_map(|event| {
        let first = ends.partition_point(|(at, _)| at < event);
        let within = ends[first..]
            .iter()
            .take_while(|(at, _)| *at <= event + window);
        let (good, all) = within.fold((0u32, 0u32), |(good, all), (_, ok)| {
            (good + u32::from(*ok), all + 1)
        });
        (all > 0).then(|| f64::from(good) / f64::from(all))
    });
    shares.min_by(f64::total_cmp)
}

fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (sorted.len() as f64 * quantile).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_runs_from_the_need_to_the_one_that_serves() {
        let mut episodes = Episodes::new(300.0);
        episodes.need(10.0, [true, false]);
        episodes.need(20.0, [true, false]);
        episodes.launch(100.0);
        episodes.launch(110.0);
        episodes.need(120.0, [false, false]);
        episodes.serve(160.0);
        let found = episodes.finish(1000.0);
        assert_eq!(
            (
                found.episodes,
                found.launched_max,
                found.serving_max,
                found.never
            ),
            (1, Some(90.0), Some(150.0), 0)
        );
    }

    #[test]
    fn a_need_that_nothing_meets_is_missed_after_the_limit() {
        let mut episodes = Episodes::new(300.0);
        episodes.need(0.0, [true, false]);
        episodes.need(200.0, [false, false]);
        episodes.need(1000.0, [true, false]);
        let found = episodes.finish(1400.0);
        assert_eq!((found.episodes, found.never), (0, 1));
    }

    #[test]
    fn a_need_that_ends_as_another_begins_is_two() {
        let mut episodes = Episodes::new(300.0);
        episodes.need(0.0, [false, true]);
        episodes.need(200.0, [true, true]);
        episodes.need(210.0, [true, false]);
        episodes.launch(400.0);
        episodes.serve(460.0);
        let found = episodes.finish(1000.0);
        assert_eq!(
            (found.launched_max, found.serving_max),
            (Some(200.0), Some(260.0))
        );
        assert_eq!((found.episodes, found.never), (1, 0));
    }

    #[test]
    fn the_worst_window_counts() {
        let ends = [(1.0, true), (10.0, true), (11.0, false), (50.0, true)];
        assert_eq!(worst_success(&[0.0, 10.0], &ends, 5.0), Some(0.5));
        assert_eq!(worst_success(&[20.0], &ends, 5.0), None);
    }
}
