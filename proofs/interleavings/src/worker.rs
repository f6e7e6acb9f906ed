//! A worker's way through a job, as `worker/src/work.rs`, `lease.rs`, `upload.rs` and `settle.rs` go
//! it.

use atelier_domain::assignment::{Assignment, ImageMetadata, StageSeconds, Status, Token};
use atelier_domain::failure::Failure;
use atelier_domain::transition::{self, Budget, Finished};

use crate::document::{CURRENT, Document, NEW, STALE, claim, later, now, seen, token};
use crate::rules::{Rules, Write};
use crate::state::{Job, Seen, State, Step, Violation, Worker};

/// The attempts of a round.
const MAX_ATTEMPTS: u32 = 2;

/// How a call to the model ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelAnswer {
    /// With a picture.
    Picture,
    /// The prompt is declined: the assignment fails.
    Declined,
    /// The attempt does not count.
    Throttled,
    /// The attempt counts.
    Garbage,
}

impl Rules {
    /// The next step of worker `n`. A call to the model ends with `answer`.
    pub(crate) fn work(&self, state: &mut State, n: usize, answer: ModelAnswer) {
        match state.workers[n].clone() {
            Worker::Idle => {}
            Worker::Received { round } => look(state, n, round),
            Worker::Claiming {
                round,
                attempts,
                takes_over,
            } => self.claim(state, n, &seen(round, attempts), takes_over),
            Worker::Working(job) => self.step(state, n, job, answer),
            // The message is deleted.
            Worker::Settled { .. } => state.workers[n] = Worker::Idle,
        }
    }

    fn claim(&self, state: &mut State, n: usize, seen: &Assignment, takes_over: Seen) {
        let (round, new) = (seen.round, claim(NEW));
        let (write, take) = match takes_over {
            Seen::Free => (Write::Claim, transition::claim(seen, &new, later())),
            expired => {
                let from = token(if expired == Seen::Current {
                    CURRENT
                } else {
                    STALE
                });
                let take = transition::take_over(seen, &from, &new, now(), later());
                (Write::TakeOver, take)
            }
        };
        if !self.apply(state, write, take) {
            return look(state, n, round);
        }
        let document = state.document.as_ref().expect("it was just claimed");
        state.workers[n] = Worker::Working(Job {
            round,
            prompt: document.prompt.expect("what is pending has a prompt"),
            attempts: document.attempts,
            owns: true,
            live: true,
            step: if document.gave_up == Some(true) || document.attempts > MAX_ATTEMPTS {
                Step::Fail
            } else {
                Step::Find
            },
        });
    }

    fn step(&self, state: &mut State, n: usize, mut job: Job, answer: ModelAnswer) {
        job.step = match job.step {
            Step::Find if state.object == Some(job.prompt) => Step::Succeed { stored: false },
            Step::Find => Step::CountCall,
            Step::CountCall => {
                let count = transition::count_model_call(&own_token(&job), 0);
                match self.write(state, &job, Write::CountCall, count) {
                    Some(counted) => Step::Call {
                        counted: counted > 0,
                    },
                    None => return leave(state, n, job.round),
                }
            }
            Step::Call { counted } => {
                if !counted {
                    state.violation.get_or_insert(Violation::UncountedCall);
                }
                after_call(&job, answer)
            }
            Step::Put if state.object.is_none() => {
                state.put_object(Some(job.prompt));
                Step::Succeed { stored: true }
            }
            Step::Put => Step::LookAgain,
            Step::LookAgain => match state.object {
                None => Step::Put,
                Some(prompt) if prompt == job.prompt => Step::Succeed { stored: false },
                Some(_) => Step::StillOurs { same: true },
            },
            Step::StillOurs { same } if holds(state, &job) => Step::Replace { same },
            Step::StillOurs { .. } => return leave(state, n, job.round),
            Step::Replace { same: true } => {
                self.check_replaced(state);
                state.put_object(Some(job.prompt));
                Step::Succeed { stored: true }
            }
            Step::Replace { same: false } => Step::LookAgain,
            Step::Succeed { stored } => return self.succeed(state, n, &job, stored),
            Step::Fail => return self.fail(state, n, &job),
            Step::Release { burns } => return self.release(state, n, &job, burns),
        };
        state.workers[n] = Worker::Working(job);
    }

    fn check_replaced(&self, state: &mut State) {
        let document = state.document.as_ref();
        let shown = document
            .zip(state.object)
            .is_some_and(|(document, prompt)| {
                document.status == Status::Success && document.shows(prompt)
            });
        if shown {
            state.violation.get_or_insert(Violation::PictureReplaced);
        }
    }

    fn succeed(&self, state: &mut State, n: usize, job: &Job, stored: bool) {
        let finished = Finished {
            key: "generated_images/a.webp".to_owned(),
            url: None,
            metadata: ImageMetadata::new(2, 1, "webp", String::new()),
            model: "a model".to_owned(),
            reuse_key: String::new(),
            stage_seconds: StageSeconds::default(),
            uploads: 1,
            cost_usd: 0.0,
            thumbhash: None,
        };
        let succeed = transition::succeed(&own_token(job), &held(job), &finished, now());
        let done = self.write(state, job, Write::Succeed, succeed).is_some();
        let deleted = is_deleted(state);
        if !done && deleted && stored {
            // Its own version; in this model the bucket has one object.
            state.put_object(None);
        }
        state.workers[n] = if done || deleted || is_settled(state, job.round) {
            Worker::Settled { round: job.round }
        } else {
            return leave(state, n, job.round);
        };
    }

    fn fail(&self, state: &mut State, n: usize, job: &Job) {
        let note = Failure::Declined.note("c");
        let fail = transition::fail(&own_token(job), &held(job), &note, 0, now());
        if self.write(state, job, Write::Fail, fail).is_some() || is_settled(state, job.round) {
            state.workers[n] = Worker::Settled { round: job.round };
        } else {
            leave(state, n, job.round);
        }
    }

    fn release(&self, state: &mut State, n: usize, job: &Job, burns: bool) {
        let budget = if burns {
            Budget::Burn
        } else {
            Budget::GiveBack
        };
        let release = transition::release(&own_token(job), &held(job), budget, 0, later());
        self.write(state, job, Write::Release, release);
        leave(state, n, job.round);
    }

    /// A write of a worker under its claim. The number of calls that it counted, or `None` where it
    /// is fenced.
    fn write(
        &self,
        state: &mut State,
        job: &Job,
        write: Write,
        transition: transition::Transition,
    ) -> Option<u32> {
        let counted = self.apply_counting(state, write, transition)?;
        if !job.owns {
            state.violation.get_or_insert(Violation::StaleTokenWrote);
        }
        Some(counted)
    }

    /// A slow worker, whose lease has expired, renews it if nobody has taken it over.
    pub(crate) fn renew(&self, state: &mut State, n: usize) {
        let Worker::Working(mut job) = state.workers[n].clone() else {
            return;
        };
        let name = if job.owns { CURRENT } else { STALE };
        let renew = transition::renew(&claim(name), later());
        if self.write(state, &job, Write::Renew, renew).is_some() {
            job.live = true;
            state.workers[n] = Worker::Working(job);
        } else {
            leave(state, n, job.round);
        }
    }
}

/// Reads the document after a claim that was refused, or before the first.
fn look(state: &mut State, n: usize, round: u32) {
    let Some(document) = &state.document else {
        return leave(state, n, round);
    };
    state.workers[n] = if document.status != Status::Pending || document.round > round {
        Worker::Settled { round }
    } else if document.round < round || document.claim == Some(true) {
        return leave(state, n, round);
    } else {
        let takes_over = match document.claim {
            None => Seen::Free,
            Some(_) => Seen::Current,
        };
        Worker::Claiming {
            round,
            attempts: document.attempts,
            takes_over,
        }
    };
}

/// The message is visible again.
pub(crate) fn leave(state: &mut State, n: usize, round: u32) {
    state.send(round);
    state.workers[n] = Worker::Idle;
}

fn after_call(job: &Job, answer: ModelAnswer) -> Step {
    match answer {
        ModelAnswer::Picture => Step::Put,
        ModelAnswer::Declined => Step::Fail,
        ModelAnswer::Throttled => Step::Release { burns: false },
        ModelAnswer::Garbage if job.attempts >= MAX_ATTEMPTS => Step::Fail,
        ModelAnswer::Garbage => Step::Release { burns: true },
    }
}

fn held(job: &Job) -> Assignment {
    seen(job.round, job.attempts)
}

fn own_token(job: &Job) -> Token {
    token(if job.owns { CURRENT } else { STALE })
}

fn holds(state: &State, job: &Job) -> bool {
    let pending = |document: &Document| document.status == Status::Pending;
    job.owns && state.document.as_ref().is_some_and(pending)
}

fn is_deleted(state: &State) -> bool {
    let deleted = |document: &Document| document.status == Status::Deleted;
    state.document.as_ref().is_some_and(deleted)
}

fn is_settled(state: &State, round: u32) -> bool {
    let settled =
        |document: &Document| document.status != Status::Pending || document.round > round;
    state.document.as_ref().is_some_and(settled)
}
