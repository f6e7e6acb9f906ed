//! When jobs arrive: a rate over the day, and a Poisson process that follows it.

use std::path::Path;

use fastrand::Rng;
use serde::Deserialize;

use atelier_report::files::BadUsage;

/// A rate over time: straight lines between points.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    /// Its name in reports.
    pub name: String,
    /// Seconds and arrivals a minute, by time.
    points: Vec<(f64, f64)>,
}

const HOUR: f64 = 3600.0;
/// The highest rate that is replayed, arrivals a minute.
pub(crate) const MOST_PER_MINUTE: f64 = 100_000.0;

impl Curve {
    /// From points.
    ///
    /// # Errors
    /// [`BadUsage`] when there are none, or when time runs back.
    pub(crate) fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Result<Self, BadUsage> {
        if points.is_empty() {
            return Err(BadUsage(
                "arrivals: there must be at least one point".to_owned(),
            ));
        }
        if points.windows(2).any(|pair| pair[1].0 < pair[0].0) {
            return Err(BadUsage("arrivals: seconds must not run back".to_owned()));
        }
        Ok(Self {
            name: name.into(),
            points,
        })
    }

    /// Teachers prepare before school, work on in the free periods and again in the evening.
    pub(crate) fn school_day(peak: f64) -> Self {
        let by_hour = [
            (0.0, 0.01),
            (5.5, 0.01),
            (7.0, 0.5),
            (7.75, 1.0),
            (8.5, 0.45),
            (10.0, 0.55),
            (11.5, 0.4),
            (13.0, 0.6),
            (15.0, 0.9),
            (16.5, 0.7),
            (18.0, 0.3),
            (20.0, 0.55),
            (21.5, 0.35),
            (23.0, 0.05),
            (24.0, 0.01),
        ];
        Self::by_hour(
            "school day",
            by_hour.map(|(hour, share)| (hour, share * peak)),
        )
    }

    /// A quiet day, but for the half hour in which everybody wants pictures for the exam.
    pub(crate) fn exam_morning(peak: f64) -> Self {
        let by_hour = [
            (0.0, 0.02),
            (7.0, 0.1),
            (7.9, 0.15),
            (7.92, 2.5),
            (8.2, 2.5),
            (8.4, 0.3),
            (12.0, 0.25),
            (18.0, 0.1),
            (24.0, 0.02),
        ];
        Self::by_hour(
            "exam morning",
            by_hour.map(|(hour, share)| (hour, share * peak)),
        )
    }

    /// The same rate all day.
    pub(crate) fn flat(rate: f64) -> Self {
        Self {
            name: "flat".to_owned(),
            points: vec![(0.0, rate)],
        }
    }

    /// From a file: CSV lines `seconds,per_minute`, or JSON `[{"seconds": …, "per_minute": …}]`.
    ///
    /// # Errors
    /// [`BadUsage`] naming file and line.
    pub(crate) fn read(path: &Path) -> Result<Self, BadUsage> {
        let named = |error: String| BadUsage(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
        let points = if text.trim_start().starts_with('[') {
            from_json(&text)
        } else {
            from_csv(&text)
        };
        let name = path
            .file_stem()
            .map_or("file".into(), |stem| stem.to_string_lossy().into_owned());
        points
            .and_then(|points| Self::new(name, points).map_err(|error| error.0))
            .map_err(named)
    }

    /// Arrivals a minute at a time.
    pub(crate) fn rate(&self, at: f64) -> f64 {
        let next = self.points.partition_point(|(time, _)| *time <= at);
        match (
            next.checked_sub(1).map(|last| self.points[last]),
            self.points.get(next),
        ) {
            (Some((t0, r0)), Some((t1, r1))) => r0 + (r1 - r0) * (at - t0) / (t1 - t0),
            (Some((_, rate)), None) | (None, Some(&(_, rate))) => rate,
            (None, None) => 0.0,
        }
    }

    /// The highest rate, a minute.
    pub(crate) fn peak(&self) -> f64 {
        self.points
            .iter()
            .fold(0.0, |most, (_, rate)| most.max(*rate))
    }

    /// The next arrival after `now`, of a Poisson process with this rate (by thinning); none
    /// after `end`.
    pub(crate) fn next(&self, mut now: f64, end: f64, rng: &mut Rng) -> Option<f64> {
        let most = self.peak() / 60.0;
        if most == 0.0 {
            return None;
        }
        while now < end {
            now += exponential(1.0 / most, rng);
            if rng.f64() * most < self.rate(now) / 60.0 {
                return (now < end).then_some(now);
            }
        }
        None
    }

    fn by_hour<const N: usize>(name: &str, points: [(f64, f64); N]) -> Self {
        Self {
            name: name.to_owned(),
            points: points.map(|(hour, rate)| (hour * HOUR, rate)).to_vec(),
        }
    }
}

/// A draw from the exponential distribution.
pub(crate) fn exponential(mean: f64, rng: &mut Rng) -> f64 {
    -mean * (1.0 - rng.f64()).ln()
}

fn from_json(text: &str) -> Result<Vec<(f64, f64)>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Point {
        seconds: f64,
        per_minute: f64,
    }
    let points: Vec<Point> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let numbered = points.into_iter().zip(1..);
    numbered
        .map(|(it, number)| {
            point(it.seconds, it.per_minute).map_err(|error| format!("point {number}: {error}"))
        })
        .collect()
}

/// A point, if it can be replayed.
fn point(seconds: f64, per_minute: f64) -> Result<(f64, f64), String> {
    if !(seconds >= 0.0 && seconds.is_finite()) {
        return Err(format!("seconds must be 0 or more, not {seconds}"));
    }
    if !(0.0..=MOST_PER_MINUTE).contains(&per_minute) {
        return Err(format!(
            "per_minute must be from 0 to {MOST_PER_MINUTE}, not {per_minute}"
        ));
    }
    Ok((seconds, per_minute))
}

fn from_csv(text: &str) -> Result<Vec<(f64, f64)>, String> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let mut points = Vec::new();
    for (index, line) in lines {
        let pair = line
            .split_once(',')
            .and_then(|(at, rate)| Some((at.trim().parse().ok()?, rate.trim().parse().ok()?)));
        let found = match pair {
            Some((at, rate)) => point(at, rate),
            None if index == 0 => continue, // The heading.
            None => Err("must be seconds,per_minute".to_owned()),
        };
        points.push(found.map_err(|error| format!("line {}: {error}", index + 1))?);
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_lie_on_the_lines_between_points() {
        let curve = Curve::new("x", vec![(0.0, 0.0), (10.0, 20.0), (10.0, 5.0)]).unwrap();
        assert_eq!(
            [0.0, 5.0, 10.0, 99.0].map(|at| curve.rate(at)),
            [0.0, 10.0, 5.0, 5.0]
        );
    }

    #[test]
    fn arrivals_follow_the_rate() {
        let curve = Curve::new("ramp", vec![(0.0, 0.0), (36_000.0, 60.0)]).unwrap();
        let mut rng = Rng::with_seed(3);
        let (mut now, mut count) = (0.0, 0);
        while let Some(next) = curve.next(now, 36_000.0, &mut rng) {
            (now, count) = (next, count + 1);
        }
        // 600 minutes at 30 a minute in the mean: 18,000, give or take four standard deviations.
        assert!((17_460..18_540).contains(&count), "{count}");
    }

    #[test]
    fn files_are_csv_or_json() {
        let csv = from_csv("seconds,per_minute\n0,1\n60, 2.5\n").unwrap();
        let json =
            from_json(r#"[{"seconds":0,"per_minute":1},{"seconds":60,"per_minute":2.5}]"#).unwrap();
        assert_eq!(csv, json);
        assert_eq!(
            from_csv("0,1\nx,2").unwrap_err(),
            "line 2: must be seconds,per_minute"
        );
        assert!(Curve::new("x", vec![]).is_err());
    }

    #[test]
    fn a_rate_that_cannot_be_replayed_is_refused_by_its_place_and_limit() {
        for (text, place, limit) in [
            ("0,1e12", "line 1", "per_minute must be from 0 to 100000"),
            (
                "seconds,per_minute\n0,1\n60,-1",
                "line 3",
                "from 0 to 100000",
            ),
            ("0,NaN", "line 1", "from 0 to 100000"),
            ("-1,1", "line 1", "seconds must be 0 or more"),
        ] {
            let error = from_csv(text).unwrap_err();
            assert!(error.starts_with(place) && error.contains(limit), "{error}");
        }
        let error = from_json(r#"[{"seconds":0,"per_minute":1e12}]"#).unwrap_err();
        assert!(error.starts_with("point 1: per_minute"), "{error}");
    }
}
