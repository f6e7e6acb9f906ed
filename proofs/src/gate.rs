//! Numbers the calls of one simulated process, and cuts it off from the world at one of them.

use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atelier_mongodb_proxy::{Fault, Kind, Proxy};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The process ends just before it.
    Before,
    /// It is done, but the process ends before it hears the answer.
    AnswerLost,
    /// It and all that follow are held until the release: the process is late.
    Frozen,
    /// It alone is held until the release.
    Held,
    /// It is held until the release; then it is done, and the process ends before it hears that.
    HeldAnswerLost,
    /// The server of the store does this with it; the process works on.
    Fault(Fault),
}

/// Which calls get a number: those that a process makes because of what it was asked to do. What
/// it does by the clock has no place in the order of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// A worker's, but for heartbeats and renewals.
    Worker,
    /// A worker's, renewals included.
    WorkerAndRenewals,
    /// Those of an API's requests and of the sweep's work.
    Api,
}

impl Numbered {
    fn has(self, call: &str, hides_for_renewal: bool) -> bool {
        match self {
            Self::Worker => {
                call != "store: record heartbeat" && !call.starts_with(RENEW) && !hides_for_renewal
            }
            Self::WorkerAndRenewals => call != "store: record heartbeat",
            Self::Api => {
                let stored = [
                    "store: insert",
                    "store: get",
                    "store: apply",
                    "store: charge",
                ];
                stored.iter().any(|it| call.starts_with(it))
                    || call == "sqs: SendMessage"
                    || call.starts_with("s3: ")
                    || call.starts_with("cdn: ")
            }
        }
    }
}

/// The commands that a call to the store is made of.
fn kind(call: &str) -> Kind {
    match call {
        "store: insert" => Kind::Insert,
        call if call.starts_with("store: apply") => Kind::FindAndModify,
        call if call.starts_with("store: get") => Kind::Read,
        call if call.contains(" call ") => Kind::FindAndModify,
        _ => Kind::Any,
    }
}

const RENEW: &str = "store: apply renew";
const HIDE: &str = "sqs: ChangeMessageVisibility";

/// Stands between one simulated process and everything that it calls.
pub struct Gate {
    numbered: Numbered,
    cut: Option<(usize, Cut)>,
    /// Between the process and the server of its store, where that is to be faulty.
    proxy: Option<Proxy>,
    state: Mutex<State>,
    reached: CancellationToken,
    released: CancellationToken,
    activity: watch::Sender<u64>,
    /// Calls are carried out here, so that they end whatever becomes of who made them.
    wire: Handle,
}

#[derive(Debug, Default)]
struct State {
    made: Vec<String>,
    done: Vec<String>,
    dead: bool,
    frozen: bool,
    held: usize,
    renewed: bool,
    renewals: usize,
}

enum Fate {
    Never,
    Done,
    AnswerLost,
    Held {
        answer_lost: bool,
    },
    /// The server of the store does this with it.
    Faulty(Fault),
    /// As the others of a frozen process, but nobody waits for its end: it may be a long poll.
    Late,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("cut", &self.cut)
            .finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate that cuts at the call of that number, counted from 0, if at all. Every call that ends
    /// shows in `activity`. A store's faults need a `proxy` before it. Must be called on the runtime that carries the calls out.
    pub fn new(
        numbered: Numbered,
        cut: Option<(usize, Cut)>,
        proxy: Option<Proxy>,
        activity: watch::Sender<u64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            numbered,
            cut,
            proxy,
            state: Mutex::default(),
            reached: CancellationToken::new(),
            released: CancellationToken::new(),
            activity,
            wire: Handle::current(),
        })
    }

    /// Carries out `work`, a call named `call`. Never returns where the process is not to hear the
    /// answer. Work that was begun ends, whether or not somebody waits for it.
    pub async fn pass<T: Send + 'static>(
        self: &Arc<Self>,
        call: String,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let gate = Arc::clone(self);
        let carried = self.wire.spawn(async move { gate.carry(call, work).await });
        match carried.await {
            Ok(Some(answer)) => answer,
            _ => pending().await,
        }
    }

    async fn carry<T>(&self, call: String, work: impl Future<Output = T>) -> Option<T> {
        let answer = match self.fate(&call) {
            Fate::Never => return None,
            Fate::Done => Some(work.await),
            Fate::AnswerLost => {
                work.await;
                self.reached.cancel();
                None
            }
            Fate::Faulty(fault) => {
                if let Some(proxy) = &self.proxy {
                    proxy.order(kind(&call), 1, fault);
                }
                let answer = work.await;
                self.reached.cancel();
                Some(answer)
            }
            Fate::Late => {
                self.released.cancelled().await;
                Some(work.await)
            }
            Fate::Held { answer_lost } => {
                self.released.cancelled().await;
                let answer = work.await;
                let mut state = self.state();
                state.held -= 1;
                state.dead |= answer_lost;
                (!answer_lost).then_some(answer)
            }
        };
        {
            let mut state = self.state();
            if call == HIDE && state.renewed {
                state.renewed = false;
                state.renewals += 1;
            }
            state.done.push(call);
        }
        self.activity.send_modify(|calls| *calls += 1);
        answer
    }

    fn fate(&self, call: &str) -> Fate {
        let mut state = self.state();
        if state.dead {
            return Fate::Never;
        }
        state.renewed |= call == RENEW && !state.frozen;
        let hides_for_renewal = call == HIDE && state.renewed;
        let is_numbered = self.numbered.has(call, hides_for_renewal);
        if state.frozen {
            if !is_numbered {
                return Fate::Late;
            }
            state.held += 1;
            return Fate::Held { answer_lost: false };
        }
        if !is_numbered {
            return Fate::Done;
        }
        state.made.push(call.to_owned());
        let cut = self.cut.filter(|(at, _)| state.made.len() == at + 1);
        let Some((_, cut)) = cut else {
            return Fate::Done;
        };
        match cut {
            Cut::Fault(fault) => Fate::Faulty(fault),
            Cut::Before => {
                state.dead = true;
                self.reached.cancel();
                Fate::Never
            }
            Cut::AnswerLost => {
                state.dead = true;
                Fate::AnswerLost
            }
            Cut::Frozen | Cut::Held | Cut::HeldAnswerLost => {
                state.frozen = cut == Cut::Frozen;
                state.held += 1;
                self.reached.cancel();
                Fate::Held {
                    answer_lost: cut == Cut::HeldAnswerLost,
                }
            }
        }
    }

    /// Returns when the process has come to the chosen call, and that is done where it is to be.
    pub async fn reached(&self) {
        self.reached.cancelled().await;
    }

    /// Whether nothing that the process does happens any more, or only late.
    pub fn is_cut(&self) -> bool {
        let state = self.state();
        state.dead || state.frozen
    }

    /// Lets the held calls go.
    pub fn release(&self) {
        self.state().frozen = false;
        self.released.cancel();
    }

    /// Nothing that the process still does happens.
    pub fn die(&self) {
        self.state().dead = true;
    }

    /// Numbered calls that are held, or let go and not done yet.
    pub fn held(&self) -> usize {
        self.state().held
    }

    /// The numbered calls made, in order.
    pub fn made(&self) -> Vec<String> {
        self.state().made.clone()
    }

    /// Whether a worker has deleted a message, or hidden it because it cannot work on it now.
    pub fn has_settled_a_message(&self) -> bool {
        let state = self.state();
        let count = |call| state.done.iter().filter(|done| *done == call).count();
        count("sqs: DeleteMessage") + count(HIDE) > state.renewals
    }

    /// Renewals of a claim and its message that are done.
    pub fn renewals(&self) -> usize {
        self.state().renewals
    }

    /// Changes whenever a call of the case ends.
    pub fn activity(&self) -> watch::Receiver<u64> {
        self.activity.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
