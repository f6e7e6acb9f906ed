//! The model: which steps are possible, and what each does.

use atelier_domain::assignment::Status;
use stateright::{Model, Property};

use crate::document::Document;
use crate::rules::Rules;
use crate::state::{Api, Faults, Keeper, State, Step, Violation, WORKERS, Worker};
use crate::worker::{ModelAnswer, leave};

/// All interleavings of one assignment's processes, under bounded faults.
#[derive(Clone, Debug)]
pub struct Interleavings {
    /// How often each fault happens at most.
    pub faults: Faults,
    /// The production rules, or one of them broken.
    pub rules: Rules,
}

/// One step of one process, or a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The API goes on.
    Api,
    /// The user retries.
    Retry,
    /// The user deletes.
    Delete,
    /// The bucket loses the picture that is shown.
    LosePicture,
    /// The keeper goes on.
    Keeper,
    /// A worker receives a job of this round.
    Receive(usize, u32),
    /// A worker goes on; a call to the model ends so.
    Work(usize, ModelAnswer),
    /// A worker renews a lease that has expired.
    Renew(usize),
    /// A worker notices that its lease has expired.
    Notice(usize),
    /// A worker is killed; its message is visible again.
    KillWorker(usize),
    /// The API is killed.
    KillApi,
    /// The keeper is killed.
    KillKeeper,
    /// The lease in the document expires.
    LeaseExpires,
    /// The document is due.
    WakeComes,
    /// `give_up_at` comes.
    GiveUpComes,
    /// The queue delivers a message twice.
    Duplicate(u32),
    /// The queue loses a message.
    Lose(u32),
}

const BAD_ANSWERS: [ModelAnswer; 3] = [
    ModelAnswer::Declined,
    ModelAnswer::Throttled,
    ModelAnswer::Garbage,
];

impl Interleavings {
    fn worker_actions(&self, state: &State, n: usize, actions: &mut Vec<Action>) {
        let worker = &state.workers[n];
        if *worker == Worker::Idle {
            let rounds = (1..=2).filter(|round| state.queue[*round as usize - 1] > 0);
            actions.extend(rounds.map(|round| Action::Receive(n, round)));
            return;
        }
        actions.push(Action::Work(n, ModelAnswer::Picture));
        if state.faults.crashes > 0 {
            actions.push(Action::KillWorker(n));
        }
        if let Worker::Working(job) = worker {
            if matches!(job.step, Step::Call { .. }) && state.faults.bad_answers > 0 {
                actions.extend(BAD_ANSWERS.map(|answer| Action::Work(n, answer)));
            }
            if !job.live {
                actions.extend([Action::Renew(n), Action::Notice(n)]);
            }
        }
    }

    fn time_actions(&self, state: &State, document: &Document, actions: &mut Vec<Action>) {
        let is_held = state.workers.iter().any(owns);
        if document.claim == Some(true) && (!is_held || state.faults.expiries > 0) {
            actions.push(Action::LeaseExpires);
        }
        // The second erasing comes so late that no put from before the delete is under way.
        let put_may_come = state
            .workers
            .iter()
            .any(|worker| matches!(worker, Worker::Working(_)));
        let last_erasing = document.status == Status::Deleted && document.erasures > 0;
        if document.wake == Some(false) && !(last_erasing && put_may_come) {
            actions.push(Action::WakeComes);
        }
        if document.gave_up == Some(false) {
            actions.push(Action::GiveUpComes);
        }
    }

    fn people_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let faults = &state.faults;
        let status = state.document.as_ref().map(|document| document.status);
        if status.is_none() || state.api != Api::Idle {
            actions.push(Action::Api);
        }
        let can_retry = match status {
            Some(Status::Failed) => true,
            Some(Status::Success) => state.is_lost,
            _ => false,
        };
        if state.api == Api::Idle && can_retry && faults.retries > 0 {
            actions.push(Action::Retry);
        }
        // A picture expires years after it was put: no worker holds a put as old.
        let is_put = state
            .workers
            .iter()
            .all(|it| !matches!(it, Worker::Working(_)));
        let is_shown = status == Some(Status::Success) && state.object.is_some();
        if is_shown && is_put && faults.expired_pictures > 0 {
            actions.push(Action::LosePicture);
        }
        if faults.deletes > 0 && status.is_some_and(|it| it != Status::Deleted) {
            actions.push(Action::Delete);
        }
    }
}

fn owns(worker: &Worker) -> bool {
    matches!(worker, Worker::Working(job) if job.owns)
}

impl Model for Interleavings {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::of(self.faults)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.violation.is_some() {
            return;
        }
        self.people_actions(state, actions);
        let Some(document) = &state.document else {
            return;
        };
        for n in 0..WORKERS {
            self.worker_actions(state, n, actions);
        }
        self.time_actions(state, document, actions);
        if state.keeper != Keeper::Idle || document.wake == Some(true) {
            actions.push(Action::Keeper);
        }
        let faults = &state.faults;
        if faults.crashes > 0 && state.api != Api::Idle {
            actions.push(Action::KillApi);
        }
        if faults.crashes > 0 && state.keeper != Keeper::Idle {
            actions.push(Action::KillKeeper);
        }
        for round in (1..=2).filter(|round| state.queue[*round as usize - 1] > 0) {
            if faults.duplicates > 0 {
                actions.push(Action::Duplicate(round));
            }
            if faults.losses > 0 {
                actions.push(Action::Lose(round));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Api => self.rules.answer(&mut state),
            Action::Retry => {
                state.faults.retries -= 1;
                self.rules.retry(&mut state);
            }
            Action::Delete => {
                state.faults.deletes -= 1;
                self.rules.delete(&mut state);
            }
            Action::LosePicture => {
                state.faults.expired_pictures -= 1;
                state.put_object(None);
                state.is_lost = true;
            }
            Action::Keeper => self.rules.keep(&mut state),
            Action::Receive(n, round) => {
                *state.visible(round) -= 1;
                state.workers[n] = Worker::Received { round };
            }
            Action::Work(n, answer) => {
                if answer != ModelAnswer::Picture {
                    state.faults.bad_answers -= 1;
                }
                self.rules.work(&mut state, n, answer);
            }
            Action::Renew(n) => self.rules.renew(&mut state, n),
            Action::Notice(n) => drop_job(&mut state, n),
            Action::KillWorker(n) => {
                state.faults.crashes -= 1;
                drop_job(&mut state, n);
            }
            Action::KillApi => {
                state.faults.crashes -= 1;
                state.api = Api::Idle;
            }
            Action::KillKeeper => {
                state.faults.crashes -= 1;
                state.keeper = Keeper::Idle;
            }
            Action::LeaseExpires => expire(&mut state),
            Action::WakeComes => state.document.as_mut()?.wake = Some(true),
            Action::GiveUpComes => state.document.as_mut()?.gave_up = Some(true),
            Action::Duplicate(round) => {
                state.faults.duplicates -= 1;
                state.send(round);
            }
            Action::Lose(round) => {
                state.faults.losses -= 1;
                *state.visible(round) -= 1;
            }
        }
        let state = state.sorted();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let never = |name, holds: fn(&Self, &State) -> bool| Property::always(name, holds);
        vec![
            never("a stale token changes nothing", |_, state| {
                state.violation != Some(Violation::StaleTokenWrote)
            }),
            never("every call is counted before it is made", |_, state| {
                state.violation != Some(Violation::UncountedCall)
            }),
            never("a final status changes by a user alone", |_, state| {
                state.violation != Some(Violation::FinalStatusChanged)
            }),
            never("a shown picture is not replaced", |_, state| {
                state.violation != Some(Violation::PictureReplaced)
            }),
            never("no two calls under live claims", |_, state| {
                state.calls_under_live_claims() <= 1
            }),
            never("success shows the current prompt", |_, state| {
                let success = state
                    .document
                    .as_ref()
                    .filter(|it| it.status == Status::Success);
                success.is_none_or(|it| match state.object {
                    Some(prompt) => it.shows(prompt),
                    None => state.is_lost,
                })
            }),
        ]
    }
}

/// What a worker that forgets its job leaves behind.
fn drop_job(state: &mut State, n: usize) {
    let round = match &state.workers[n] {
        Worker::Idle => return,
        Worker::Received { round } | Worker::Claiming { round, .. } | Worker::Settled { round } => {
            *round
        }
        Worker::Working(job) => job.round,
    };
    leave(state, n, round);
}

fn expire(state: &mut State) {
    for worker in &mut state.workers {
        if let Worker::Working(job) = worker
            && job.owns
        {
            job.live = false;
            state.faults.expiries -= 1;
        }
    }
    if let Some(document) = &mut state.document {
        document.claim = Some(false);
    }
}
