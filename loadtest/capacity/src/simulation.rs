//! A day replayed, event by event.

use std::collections::VecDeque;

use fastrand::Rng;

use super::arrivals::{Curve, exponential};
use super::conditions::Conditions;
use super::fleet::{Fleet, JobId, Life};
use super::numbers::Numbers;
use super::outcome::{Episodes, Moment, Outcome, Wait, worst_success};
use super::policy::{Capacity, Policy, Reading};
use super::quota::Quota;
use super::timetable::Timetable;

/// Replays arrivals through a policy.
pub(crate) fn replay(
    name: &str,
    policy: Policy,
    arrivals: &Curve,
    numbers: &Numbers,
    conditions: &Conditions,
) -> Outcome {
    Simulation::new(policy, arrivals, numbers, conditions).run(name)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Arrival,
    /// A try ends, unless it was interrupted before.
    Done {
        worker: usize,
        job: JobId,
        interruptions: u32,
    },
    Booted(usize),
    /// A worker leaves what it has not finished.
    Drained(usize),
    SpotLoss(usize),
    /// A job is in the queue again.
    Again(JobId),
    QuotaBack,
    /// The metrics are read.
    Sample,
    /// A reading reaches the policy.
    Decide(Reading),
    /// For the picture of the day.
    Minute,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    arrived: f64,
    attempts: u32,
    /// How often a try ended before its time.
    interruptions: u32,
    /// When the try that runs began.
    started: f64,
}

/// A retry's backoff, in seconds.
const RETRY_SECONDS: f64 = 2.0;

struct Simulation<'a> {
    numbers: &'a Numbers,
    conditions: &'a Conditions,
    arrivals: &'a Curve,
    policy: Policy,
    /// The arrivals' own chance, so that every policy meets the same day.
    arrivals_rng: Rng,
    rng: Rng,
    events: Timetable<Event>,
    now: f64,
    jobs: Vec<Job>,
    queue: VecDeque<JobId>,
    unfinished: usize,
    arriving: bool,
    fleet: Fleet,
    desired: u32,
    quota: Quota,
    cpu: CpuMeter,
    episodes: Episodes,
    cpu_needed: bool,
    waits: Vec<f64>,
    ends: Vec<(f64, bool)>,
    scale_events: Vec<f64>,
    most_workers: u32,
    timeline: Vec<Moment>,
}

impl<'a> Simulation<'a> {
    fn new(
        policy: Policy,
        arrivals: &'a Curve,
        numbers: &'a Numbers,
        conditions: &'a Conditions,
    ) -> Self {
        let per_second = numbers.worker.model_quota_per_minute / 60.0;
        let mut arrivals_rng = Rng::with_seed(conditions.seed);
        let rng = arrivals_rng.fork();
        let mut simulation = Self {
            numbers,
            conditions,
            arrivals,
            policy,
            arrivals_rng,
            rng,
            events: Timetable::default(),
            now: 0.0,
            jobs: Vec::new(),
            queue: VecDeque::new(),
            unfinished: 0,
            arriving: true,
            fleet: Fleet::new(numbers.worker.slots, conditions.market),
            desired: 0,
            quota: Quota::new(if conditions.quota {
                per_second
            } else {
                f64::INFINITY
            }),
            cpu: CpuMeter::default(),
            episodes: Episodes::new(numbers.scale_out_limit_seconds),
            cpu_needed: false,
            waits: Vec::new(),
            ends: Vec::new(),
            scale_events: Vec::new(),
            most_workers: 0,
            timeline: Vec::new(),
        };
        simulation.begin();
        simulation
    }

    /// The day begins with the least number of workers, in service.
    fn begin(&mut self) {
        self.desired = match &self.policy {
            Policy::Fixed(workers) => *workers,
            _ => self.numbers.worker.min,
        };
        for _ in 0..self.desired {
            let (number, spot) = self.fleet.launch(0.0);
            self.fleet.workers[number].life = Life::Serving;
            self.plan_loss(number, spot);
        }
        self.plan_arrival();
        self.plan(0.0, Event::Sample);
        self.plan(0.0, Event::Minute);
    }

    fn run(mut self, name: &str) -> Outcome {
        while self.arriving || self.unfinished > 0 {
            let Some((at, event)) = self.events.next() else {
                break;
            };
            let percent = 100.0 * self.conditions.cpu_seconds
                / self.conditions.service.mean()
                / self.conditions.cores;
            self.cpu.run(
                at - self.now,
                self.fleet.busy() as f64 * percent,
                f64::from(self.fleet.serving()),
            );
            self.now = at;
            self.handle(event);
            self.dispatch();
            let may_grow = self.desired < self.max();
            let needed = [self.backlog_is_high(), self.cpu_needed].map(|it| it && may_grow);
            self.episodes.need(self.now, needed);
        }
        self.outcome(name)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival => {
                self.jobs.push(Job {
                    arrived: self.now,
                    attempts: 0,
                    interruptions: 0,
                    started: 0.0,
                });
                self.unfinished += 1;
                self.queue.push_back(self.jobs.len() - 1);
                self.plan_arrival();
            }
            Event::Done {
                worker,
                job,
                interruptions,
            } if self.jobs[job].interruptions == interruptions => {
                self.fleet.end(worker, job);
                self.try_ended(job);
            }
            Event::Done { .. } | Event::QuotaBack => {}
            Event::Booted(worker) if self.fleet.workers[worker].life == Life::Booting => {
                self.fleet.workers[worker].life = Life::Serving;
                self.most_workers = self.most_workers.max(self.fleet.serving());
                self.episodes.serve(self.now);
            }
            Event::Booted(_) => {}
            Event::Drained(worker) => self.give_back(worker, 0.0),
            Event::SpotLoss(worker) => self.lose(worker),
            Event::Again(job) => self.queue.push_front(job),
            Event::Sample => self.sample(),
            Event::Decide(reading) => self.decide(&reading),
            Event::Minute => {
                let (waiting, serving) = (self.queue.len(), self.fleet.serving());
                self.timeline.push(Moment {
                    at: self.now,
                    waiting,
                    serving,
                    desired: self.desired,
                });
                self.plan(60.0, Event::Minute);
            }
        }
    }

    /// Gives waiting jobs to free slots, as far as the model's quota goes.
    fn dispatch(&mut self) {
        while let Some(&job) = self.queue.front() {
            if self.now - self.jobs[job].arrived > self.conditions.give_up_seconds {
                self.queue.pop_front();
                self.finish(job, false);
                continue;
            }
            let Some(worker) = self.fleet.freest() else {
                return;
            };
            if let Err(seconds) = self.quota.take(self.now) {
                if let Some(seconds) = seconds {
                    self.plan(seconds, Event::QuotaBack);
                }
                return;
            }
            self.queue.pop_front();
            self.fleet.take(worker, job);
            self.jobs[job].started = self.now;
            let service = self.conditions.service.draw(&mut self.rng);
            let interruptions = self.jobs[job].interruptions;
            self.plan(
                service,
                Event::Done {
                    worker,
                    job,
                    interruptions,
                },
            );
        }
    }

    fn try_ended(&mut self, job: JobId) {
        let failed = self.rng.f64() < self.conditions.try_failures;
        let state = &mut self.jobs[job];
        state.attempts += 1;
        if !failed {
            self.finish(job, true);
        } else if state.attempts >= self.conditions.max_attempts {
            self.finish(job, false);
        } else {
            self.plan(RETRY_SECONDS, Event::Again(job));
        }
    }

    fn finish(&mut self, job: JobId, success: bool) {
        if success {
            self.waits
                .push(self.jobs[job].started - self.jobs[job].arrived);
        }
        self.ends.push((self.now, success));
        self.unfinished -= 1;
    }

    /// The end of a worker: its jobs are free again after `seconds`.
    fn give_back(&mut self, worker: usize, seconds: f64) {
        if self.fleet.workers[worker].life == Life::Gone {
            return;
        }
        for job in self.fleet.remove(worker, self.now) {
            self.jobs[job].interruptions += 1;
            self.plan(seconds, Event::Again(job));
        }
    }

    fn lose(&mut self, worker: usize) {
        if !matches!(
            self.fleet.workers[worker].life,
            Life::Booting | Life::Serving
        ) {
            return;
        }
        self.scale_events.push(self.now);
        if self.rng.f64() < self.conditions.abrupt_share {
            // Nobody gave the claims back: they have to run out, and the try is spent.
            let jobs = self.fleet.workers[worker].jobs.clone();
            for job in jobs {
                self.jobs[job].attempts += 1;
            }
            self.give_back(worker, self.conditions.claim_seconds);
        } else {
            self.drain(worker);
        }
        self.fill_up();
    }

    fn drain(&mut self, worker: usize) {
        self.fleet.workers[worker].life = Life::Draining;
        self.plan(self.conditions.grace_seconds, Event::Drained(worker));
    }

    fn sample(&mut self) {
        let reading = Reading {
            visible: self.queue.len() as f64,
            in_flight: self.fleet.busy() as f64,
            running: self.fleet.serving(),
            cpu_percent: self.cpu.read(),
        };
        self.cpu_needed = reading.cpu_percent > self.numbers.worker.cpu_percent;
        self.plan(
            self.policy.delay(self.conditions.metric_delay),
            Event::Decide(reading),
        );
        self.plan(self.policy.period(self.numbers), Event::Sample);
    }

    fn decide(&mut self, reading: &Reading) {
        let capacity = Capacity {
            desired: self.desired,
            warming: self.fleet.serving() < self.desired,
            min: self.numbers.worker.min,
            max: self.max(),
        };
        let desired = self.policy.decide(self.now, reading, capacity);
        if desired == self.desired {
            return;
        }
        self.scale_events.push(self.now);
        if desired > self.desired {
            self.episodes.launch(self.now);
        }
        self.desired = desired;
        self.fill_up();
        while self.fleet.capacity() > self.desired {
            match self.fleet.most_dispensable() {
                Some(worker) if self.fleet.workers[worker].life == Life::Booting => {
                    self.give_back(worker, 0.0)
                }
                Some(worker) => self.drain(worker),
                None => break,
            }
        }
    }

    /// Launches what is missing.
    fn fill_up(&mut self) {
        while self.fleet.capacity() < self.desired {
            let (worker, spot) = self.fleet.launch(self.now);
            self.plan(self.numbers.worker.boot_seconds, Event::Booted(worker));
            self.plan_loss(worker, spot);
        }
    }

    fn max(&self) -> u32 {
        self.numbers.max_workers()
    }

    /// More than the target for each worker, or anything at all where there is no worker.
    fn backlog_is_high(&self) -> bool {
        let target = self.numbers.worker.backlog_per_worker * f64::from(self.fleet.serving());
        self.queue.len() as f64 > target
    }

    fn plan(&mut self, seconds: f64, event: Event) {
        self.events.plan(self.now + seconds, event);
    }

    fn plan_arrival(&mut self) {
        let end = self.conditions.seconds;
        match self.arrivals.next(self.now, end, &mut self.arrivals_rng) {
            Some(at) => self.plan(at - self.now, Event::Arrival),
            None => self.arriving = false,
        }
    }

    fn plan_loss(&mut self, worker: usize, spot: bool) {
        if spot && self.conditions.spot_losses_per_hour > 0.0 {
            let seconds = exponential(3600.0 / self.conditions.spot_losses_per_hour, &mut self.rng);
            self.plan(seconds, Event::SpotLoss(worker));
        }
    }

    fn outcome(mut self, name: &str) -> Outcome {
        let end = self.now.max(self.conditions.seconds);
        let (instance_hours, cost_usd) = self.fleet.close(end);
        let window = self.conditions.grace_seconds
            + self.conditions.claim_seconds
            + self.numbers.scale_out_limit_seconds;
        let good = self.ends.iter().filter(|(_, success)| *success).count();
        Outcome {
            policy: name.to_owned(),
            arrivals: self.arrivals.name.clone(),
            jobs: self.jobs.len() as u64,
            success_ratio: if self.jobs.is_empty() {
                1.0
            } else {
                good as f64 / self.jobs.len() as f64
            },
            time_to_scale: self.episodes.finish(end),
            wait: Wait::of(self.waits),
            worst_success_through_event: worst_success(&self.scale_events, &self.ends, window),
            scale_events: self.scale_events.len() as u64,
            instance_hours,
            cost_usd,
            most_workers: self
                .most_workers
                .max(self.timeline.first().map_or(0, |moment| moment.serving)),
            timeline: self.timeline,
        }
    }
}

/// The average CPU of the serving workers over a period, in percent.
#[derive(Default)]
struct CpuMeter {
    used: f64,
    there: f64,
}

impl CpuMeter {
    fn run(&mut self, seconds: f64, used_percent: f64, workers: f64) {
        self.used += seconds * used_percent.min(100.0 * workers);
        self.there += seconds * workers;
    }

    fn read(&mut self) -> f64 {
        let percent = if self.there > 0.0 {
            self.used / self.there
        } else {
            0.0
        };
        *self = Self::default();
        percent
    }
}

#[cfg(test)]
mod tests;
