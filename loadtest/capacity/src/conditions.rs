//! The world that a replayed fleet lives in.

use fastrand::Rng;

use super::arrivals::exponential;
use super::fleet::Market;

/// `MAX_ATTEMPTS` of the services that Terraform builds.
pub(crate) const MAX_ATTEMPTS: u32 = 5;
/// Their `GRACE_SECONDS`.
pub(crate) const GRACE_SECONDS: f64 = 25.0;
/// Their `CLAIM_SECONDS`.
pub(crate) const CLAIM_SECONDS: f64 = 60.0;
/// Their `GIVE_UP_SECONDS`.
pub(crate) const GIVE_UP_SECONDS: f64 = 21_600.0;
/// Share of the workers above the first that are spot, in percent.
pub(crate) const SPOT_PERCENT: f64 = 80.0;

/// How long a slot works on one picture.
#[derive(Clone, Debug)]
pub(crate) enum Service {
    /// Always this number of seconds.
    Constant(f64),
    /// Exponentially distributed with this mean.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the formulas that check the replay need it")
    )]
    Exponential(f64),
    /// As measured: seconds at even percentiles.
    Measured(Vec<f64>),
}

impl Service {
    /// One draw, in seconds.
    pub(crate) fn draw(&self, rng: &mut Rng) -> f64 {
        match self {
            Self::Constant(seconds) => *seconds,
            Self::Exponential(mean) => exponential(*mean, rng),
            Self::Measured(quantiles) => {
                let place = rng.f64() * (quantiles.len() - 1) as f64;
                let below = quantiles[place as usize];
                let above = quantiles[(place as usize + 1).min(quantiles.len() - 1)];
                below + (above - below) * place.fract()
            }
        }
    }

    /// The mean, in seconds.
    pub(crate) fn mean(&self) -> f64 {
        match self {
            Self::Constant(seconds) | Self::Exponential(seconds) => *seconds,
            Self::Measured(quantiles) => quantiles.iter().sum::<f64>() / quantiles.len() as f64,
        }
    }
}

/// The world that the fleet lives in.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    /// Seconds of arrivals.
    pub seconds: f64,
    /// How long a picture takes.
    pub service: Service,
    /// Seconds until CloudWatch shows a datapoint.
    pub metric_delay: f64,
    /// CPU-seconds a picture takes.
    pub cpu_seconds: f64,
    /// Cores of a worker.
    pub cores: f64,
    /// How instances are bought.
    pub market: Market,
    /// How often a spot instance is lost, an hour.
    pub spot_losses_per_hour: f64,
    /// Share of these that come without a notice in which to drain.
    pub abrupt_share: f64,
    /// Share of tries that fail and are tried again.
    pub try_failures: f64,
    /// Tries that a job has (`MAX_ATTEMPTS`).
    pub max_attempts: u32,
    /// Seconds that a worker drains (`GRACE_SECONDS`).
    pub grace_seconds: f64,
    /// Seconds after which a dead worker's job is free again (`CLAIM_SECONDS`).
    pub claim_seconds: f64,
    /// Seconds after which a job fails that was never started (`GIVE_UP_SECONDS`).
    pub give_up_seconds: f64,
    /// Whether the model's quota limits.
    pub quota: bool,
    /// Seed of chance.
    pub seed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The default of one of Terraform's variables.
    fn of_terraform(variable: &str) -> f64 {
        let text = include_str!("../../../terraform/variables.tf");
        let mut body = text
            .lines()
            .skip_while(|line| *line != format!("variable \"{variable}\" {{"))
            .take_while(|line| *line != "}");
        let default = body.find_map(|line| line.trim().strip_prefix("default"));
        let value = default.and_then(|line| line.trim().strip_prefix("= "));
        value.expect(variable).parse().expect(variable)
    }

    #[test]
    fn the_services_are_those_that_terraform_builds() {
        for (variable, here) in [
            ("max_attempts", f64::from(MAX_ATTEMPTS)),
            ("grace_seconds", GRACE_SECONDS),
            ("claim_seconds", CLAIM_SECONDS),
            ("give_up_seconds", GIVE_UP_SECONDS),
            ("worker_spot_percent", SPOT_PERCENT),
        ] {
            assert_eq!(of_terraform(variable), here, "{variable}");
        }
    }
}
