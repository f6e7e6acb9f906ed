//! A circuit breaker for each service: opens on a fault that would fail every job, lets a probe
//! through at growing intervals, closes at the first success.

use std::collections::HashMap;
use std::time::Duration;

pub(crate) use atelier_domain::heartbeat::Service;
use atelier_domain::heartbeat::{MAX_CAUSE_CHARACTERS, Outage, shortened};
use atelier_domain::timestamp::Timestamp;
use tokio::time::Instant;

/// Attempts in a row that got no answer from a service: this many are not the jobs' fault.
const NO_ANSWERS_IN_A_ROW: u32 = 5;

/// The first wait before a probe, and the longest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbeWaits {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Default for ProbeWaits {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
        }
    }
}

const SERVICES: [Service; 3] = [Service::Store, Service::Bucket, Service::Model];

/// Whose fault a failed attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The job's own.
    Job,
    /// The service's: it would fail every job.
    Outage {
        /// Whether this attempt was the first to show it.
        opened: bool,
    },
}

/// The circuits of one worker.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    waits: ProbeWaits,
    circuits: [Circuit; 3],
}

#[derive(Debug, Default)]
struct Circuit {
    pause: Option<Pause>,
    no_answers_in_a_row: u32,
    /// Refusals that no table foresees, since the last success, each with the first job that met it.
    refusals: HashMap<String, String>,
}

#[derive(Debug)]
struct Pause {
    since: Timestamp,
    /// What the service last answered.
    cause: String,
    wait: Duration,
    probe_at: Instant,
}

impl Breaker {
    pub(crate) fn new(waits: ProbeWaits) -> Self {
        Self {
            waits,
            ..Self::default()
        }
    }

    fn circuit(&mut self, service: Service) -> &mut Circuit {
        &mut self.circuits[service as usize]
    }

    /// A fault that would fail every job.
    pub(crate) fn outage(&mut self, service: Service, cause: &str) -> Verdict {
        let waits = self.waits;
        let circuit = self.circuit(service);
        let opened = circuit.pause.is_none();
        circuit.open(service, cause, waits);
        Verdict::Outage { opened }
    }

    /// The service gave no answer, or a server's error.
    pub(crate) fn no_answer(&mut self, service: Service, cause: &str) -> Verdict {
        let circuit = self.circuit(service);
        circuit.no_answers_in_a_row += 1;
        if circuit.pause.is_some() || circuit.no_answers_in_a_row >= NO_ANSWERS_IN_A_ROW {
            self.outage(service, cause)
        } else {
            Verdict::Job
        }
    }

    /// A refusal that no table foresees: the job's own fault until another job meets the same.
    pub(crate) fn refusal(
        &mut self,
        service: Service,
        code: &str,
        job: &str,
        cause: &str,
    ) -> Verdict {
        let circuit = self.circuit(service);
        let first = circuit
            .refusals
            .entry(code.to_owned())
            .or_insert_with(|| job.to_owned());
        if circuit.pause.is_some() || first != job {
            self.outage(service, cause)
        } else {
            Verdict::Job
        }
    }

    /// The service did for one job what it does for all: an outage is over.
    pub(crate) fn answered(&mut self, service: Service) {
        let circuit = self.circuit(service);
        circuit.no_answers_in_a_row = 0;
        circuit.refusals.clear();
        if circuit.pause.take().is_some() {
            tracing::info!(?service, "the outage is over: receiving jobs again");
        }
    }

    /// When `service` may be probed next; `None` where there is no outage.
    pub(crate) fn probe_at(&self, service: Service) -> Option<Instant> {
        let pause = self.circuits[service as usize].pause.as_ref();
        pause.map(|pause| pause.probe_at)
    }

    /// When a job may probe store and model next, the later of the two.
    pub(crate) fn job_probe_at(&self) -> Option<Instant> {
        self.probe_at(Service::Store)
            .max(self.probe_at(Service::Model))
    }

    /// The outages that there are.
    pub(crate) fn outages(&self) -> Vec<Outage> {
        let circuits = SERVICES.into_iter().zip(&self.circuits);
        circuits
            .filter_map(|(service, circuit)| {
                let pause = circuit.pause.as_ref()?;
                Some(Outage {
                    service,
                    since: pause.since,
                    cause: pause.cause.clone(),
                })
            })
            .collect()
    }

    /// Whether there is an outage of any service.
    pub(crate) fn is_open(&self) -> bool {
        self.circuits.iter().any(|circuit| circuit.pause.is_some())
    }
}

impl Circuit {
    /// Opens, or stays open for longer. Jobs that began before and meet the same fault do not extend
    /// the pause.
    fn open(&mut self, service: Service, cause: &str, waits: ProbeWaits) {
        let now = Instant::now();
        let (since, wait) = match &self.pause {
            None => (Timestamp::now(), waits.first),
            Some(pause) if now < pause.probe_at => return,
            Some(pause) => (pause.since, (pause.wait * 2).min(waits.longest)),
        };
        let jittered = wait.mul_f64(0.75 + 0.25 * fastrand::f64());
        tracing::warn!(
            ?service,
            next_probe_ms = jittered.as_millis() as u64,
            "paused: a fault would fail every job; probing"
        );
        self.pause = Some(Pause {
            since,
            cause: shortened(cause, MAX_CAUSE_CHARACTERS),
            wait,
            probe_at: now + jittered,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_job_without_an_answer_is_no_outage_but_five_in_a_row_are() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert_eq!(breaker.no_answer(Service::Bucket, "timeout"), Verdict::Job);
        }
        breaker.answered(Service::Bucket);
        for _ in 0..4 {
            breaker.no_answer(Service::Bucket, "timeout");
        }
        assert!(!breaker.is_open());
        let opened = Verdict::Outage { opened: true };
        assert_eq!(breaker.no_answer(Service::Bucket, "timeout"), opened);
    }

    #[test]
    fn an_unknown_refusal_is_the_jobs_own_fault_until_another_job_meets_the_same() {
        let mut breaker = Breaker::default();
        let mut refused = |code, job| breaker.refusal(Service::Bucket, code, job, code);
        assert_eq!(refused("400 X", "a"), Verdict::Job);
        assert_eq!(refused("400 X", "a"), Verdict::Job);
        assert_eq!(refused("400 Y", "b"), Verdict::Job);
        assert_eq!(refused("400 X", "b"), Verdict::Outage { opened: true });
        assert_eq!(refused("400 Z", "c"), Verdict::Outage { opened: false });
    }

    #[test]
    fn an_answer_of_one_service_says_nothing_of_another() {
        let mut breaker = Breaker::default();
        let since = Timestamp::now();
        breaker.outage(Service::Bucket, &"AccessDenied ".repeat(99));
        breaker.answered(Service::Store);
        assert!(breaker.is_open());
        let outages = breaker.outages();
        assert_eq!(outages.len(), 1);
        assert_eq!(outages[0].service, Service::Bucket);
        assert!(outages[0].since >= since);
        assert!(outages[0].cause.starts_with("AccessDenied "));
        assert_eq!(outages[0].cause.len(), MAX_CAUSE_CHARACTERS);
        breaker.answered(Service::Bucket);
        assert!(!breaker.is_open() && breaker.outages().is_empty());
    }
}
