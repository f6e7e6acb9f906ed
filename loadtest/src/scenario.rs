//! The scenarios: how many users there are at which time.

use std::time::Duration;

/// Users change evenly to `users` over `seconds`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stage {
    /// Users at its end.
    pub users: u32,
    /// Its length.
    pub seconds: f64,
}

/// A named course of users.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// The subcommand's name.
    pub name: &'static str,
    /// Users at the start.
    pub initial_users: u32,
    /// What follows, one after the other.
    pub stages: &'static [Stage],
}

/// 10 users for 5 minutes.
pub(crate) const BASELINE: Scenario = Scenario {
    name: "baseline",
    initial_users: 10,
    stages: &[stage(10, 300.0)],
};

/// 50 users for 10 minutes, 5 more each second at the start.
pub(crate) const STRESS: Scenario = Scenario {
    name: "stress",
    initial_users: 0,
    stages: &[stage(50, 10.0), stage(50, 590.0)],
};

/// 10 users, then 100 within 2 minutes, then a minute at the peak.
pub(crate) const SPIKE: Scenario = Scenario {
    name: "spike",
    initial_users: 10,
    stages: &[stage(10, 30.0), stage(100, 120.0), stage(100, 60.0)],
};

/// 25 users for 60 minutes.
pub(crate) const ENDURANCE: Scenario = Scenario {
    name: "endurance",
    initial_users: 0,
    stages: &[stage(25, 5.0), stage(25, 3595.0)],
};

const fn stage(users: u32, seconds: f64) -> Stage {
    Stage { users, seconds }
}

/// A scenario with its lengths and its peak as asked for.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    initial_users: f64,
    stages: Vec<(f64, f64)>,
}

impl Scenario {
    /// All times by `scale_time`, all users so that the peak is `peak` where it is given.
    pub(crate) fn course(&self, scale_time: f64, peak: Option<u32>) -> Course {
        let factor = peak.map_or(1.0, |peak| f64::from(peak) / f64::from(self.peak()));
        Course {
            initial_users: f64::from(self.initial_users) * factor,
            stages: self
                .stages
                .iter()
                .map(|stage| (f64::from(stage.users) * factor, stage.seconds * scale_time))
                .collect(),
        }
    }

    fn peak(&self) -> u32 {
        let stages = self.stages.iter().map(|stage| stage.users);
        stages.max().unwrap_or(0).max(self.initial_users)
    }
}

impl Course {
    /// How long it takes.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.stages.iter().map(|(_, seconds)| seconds).sum())
    }

    /// The most users at any time.
    pub(crate) fn peak(&self) -> usize {
        let ends = self.stages.iter().map(|(users, _)| *users);
        ends.fold(self.initial_users, f64::max).round() as usize
    }

    /// Users at `elapsed`.
    pub(crate) fn users_at(&self, elapsed: Duration) -> usize {
        let mut left = elapsed.as_secs_f64();
        let mut users = self.initial_users;
        for &(end, seconds) in &self.stages {
            if left < seconds {
                return (users + (end - users) * left / seconds).round() as usize;
            }
            left -= seconds;
            users = end;
        }
        users.round() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(course: &Course, seconds: f64) -> usize {
        course.users_at(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn lengths_and_peaks_are_the_portals() {
        let lengths: Vec<_> = [BASELINE, STRESS, SPIKE, ENDURANCE]
            .map(|scenario| scenario.course(1.0, None))
            .iter()
            .map(|course| (course.peak(), course.length().as_secs()))
            .collect();
        assert_eq!(lengths, [(10, 300), (50, 600), (100, 210), (25, 3600)]);
    }

    #[test]
    fn stress_brings_five_users_a_second() {
        let course = STRESS.course(1.0, None);
        assert_eq!(
            [0.0, 1.0, 5.0, 10.0, 599.0].map(|s| at(&course, s)),
            [0, 5, 25, 50, 50]
        );
    }

    #[test]
    fn spike_goes_from_10_to_100_within_two_minutes() {
        let course = SPIKE.course(1.0, None);
        assert_eq!(
            [0.0, 30.0, 90.0, 150.0].map(|s| at(&course, s)),
            [10, 10, 55, 100]
        );
    }

    #[test]
    fn scale_time_shortens_every_stage() {
        let course = SPIKE.course(0.1, None);
        assert_eq!(course.length(), Duration::from_secs(21));
        assert_eq!(at(&course, 9.0), 55);
    }

    #[test]
    fn the_peak_can_be_given() {
        let course = SPIKE.course(1.0, Some(20));
        assert_eq!((at(&course, 0.0), course.peak()), (2, 20));
    }

    // Feature: s3-image-storage, Property 21: Concurrent user simulation
    #[test]
    fn stress_and_spike_reach_at_least_fifty_users() {
        assert!(STRESS.course(1.0, None).peak() >= 50);
        assert!(SPIKE.course(1.0, None).peak() >= 50);
    }
}
