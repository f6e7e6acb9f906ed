//! How jobs are worked on, and how a process ends.

use std::time::Duration;

use atelier_domain::timestamp::Timestamp;

use super::environment::{Environment, Setting};

/// How long jobs take and how often they are tried; API and workers must agree on it.
#[derive(Clone, Debug)]
pub struct JobConfig {
    /// Length of a claim and of a message's invisibility.
    pub claim: Duration,
    /// Tries of a job that count.
    pub max_attempts: u32,
    /// Wait before the second try of a job; doubles with each further one.
    pub retry: Duration,
    /// From the start of a round until it fails if it is still pending.
    pub give_up: Duration,
    /// How long the queue keeps a message.
    pub retention: Duration,
    /// Between two looks of the sweep, and how soon a send that was not noted is made again.
    pub sweep: SweepConfig,
}

/// How the sweep paces itself.
#[derive(Clone, Debug)]
pub struct SweepConfig {
    /// Between two looks.
    pub interval: Duration,
    /// From the insert until the sweep sends a job whose send was not noted.
    pub resend: Duration,
}

const CLAIM_SECONDS: Setting = Setting {
    name: "CLAIM_SECONDS",
    default: Some("60"),
    help: "Length of a worker's claim in seconds, 1 to 3600; renewed at a third of it.",
};
const MAX_ATTEMPTS: Setting = Setting {
    name: "MAX_ATTEMPTS",
    default: Some("5"),
    help: "Tries of a job before it fails, 1 to 100.",
};
const RETRY_SECONDS: Setting = Setting {
    name: "RETRY_SECONDS",
    default: Some("5"),
    help: "Wait before the second try of a job in seconds, 0.05 to 300; doubles with each further one, up to 300.",
};
const GIVE_UP_SECONDS: Setting = Setting {
    name: "GIVE_UP_SECONDS",
    default: Some("21600"),
    help: "After how many seconds an assignment fails that is still pending, 1 to 1209600.",
};
const QUEUE_RETENTION_SECONDS: Setting = Setting {
    name: "QUEUE_RETENTION_SECONDS",
    default: Some("345600"),
    help: "How long the queue keeps a message, in seconds, 60 to 1209600 (the queue's MessageRetentionPeriod).",
};
const SWEEP_SECONDS: Setting = Setting {
    name: "SWEEP_SECONDS",
    default: Some("1"),
    help: "Between two looks at what is due, in seconds, 0.05 to 60.",
};
const RESEND_SECONDS: Setting = Setting {
    name: "RESEND_SECONDS",
    default: Some("30"),
    help: "After how many seconds a job is sent again whose send was not noted, 0.1 to 3600.",
};

/// How long before the queue deletes an old message the keeper looks at its assignment.
const RETENTION_MARGIN: Duration = Duration::from_secs(600);

impl JobConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[
        CLAIM_SECONDS,
        MAX_ATTEMPTS,
        RETRY_SECONDS,
        GIVE_UP_SECONDS,
        QUEUE_RETENTION_SECONDS,
        SWEEP_SECONDS,
        RESEND_SECONDS,
    ];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        let seconds = Duration::from_secs_f64;
        Self {
            claim: seconds(environment.number(&CLAIM_SECONDS, 1.0..=3600.0)),
            max_attempts: environment.number(&MAX_ATTEMPTS, 1..=100),
            retry: seconds(environment.number(&RETRY_SECONDS, 0.05..=300.0)),
            give_up: seconds(environment.number(&GIVE_UP_SECONDS, 1.0..=1_209_600.0)),
            retention: Duration::from_secs(
                environment.number(&QUEUE_RETENTION_SECONDS, 60..=1_209_600),
            ),
            sweep: SweepConfig {
                interval: seconds(environment.number(&SWEEP_SECONDS, 0.05..=60.0)),
                resend: seconds(environment.number(&RESEND_SECONDS, 0.1..=3600.0)),
            },
        }
    }

    /// When the keeper looks at an assignment whose job was sent at `sent_at`: shortly before the
    /// queue's retention deletes the message, or when it gives up.
    pub fn wake_at_after_send(
        &self,
        sent_at: Timestamp,
        give_up_at: Option<Timestamp>,
    ) -> Timestamp {
        let kept_for = self
            .retention
            .saturating_sub(RETENTION_MARGIN)
            .max(self.retention / 2);
        let expires = sent_at + kept_for;
        give_up_at.map_or(expires, |give_up_at| expires.min(give_up_at))
    }
}

const GRACE_SECONDS: Setting = Setting {
    name: "GRACE_SECONDS",
    default: Some("25"),
    help: "Seconds from SIGTERM until the process ends, 1 to 3600; work that is not done is given back before.",
};
/// How a process ends.
#[derive(Clone, Debug)]
pub struct DrainConfig {
    /// From the first signal until the process ends.
    pub grace: Duration,
}

impl DrainConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[GRACE_SECONDS];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        Self {
            grace: Duration::from_secs_f64(environment.number(&GRACE_SECONDS, 1.0..=3600.0)),
        }
    }

    /// The part of the grace that is for work. The rest, a tenth and at most a second, is for sending
    /// telemetry.
    pub fn for_work(&self) -> Duration {
        let for_telemetry = (self.grace / 10).min(Duration::from_secs(1));
        self.grace - for_telemetry
    }
}
