//! Whether a model may be called now: a concurrency limit (additive increase, multiplicative
//! decrease) and a circuit breaker for each model.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use atelier_domain::budget::MicroUsd;
use atelier_domain::heartbeat::{MAX_MODEL_CHARACTERS, ModelBreaker, ModelLoad, shortened};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::aimd::Aimd;

/// The breaker opens at this many points without a picture in between.
const POINTS_TO_OPEN: u32 = 10;

/// Points of an answer that says the model is overloaded: the concurrency limit comes first.
const OVERLOADED: u32 = 1;

/// Points of a call that got no answer.
const NO_ANSWER: u32 = 2;

/// How long the breaker is open at first, and at most; each probe that fails doubles it.
const OPEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// How long a model that refuses us is not called while another can be.
const REFUSED: Duration = Duration::from_secs(300);

/// Limit and breaker of one model.
#[derive(Debug)]
pub(super) struct Limit {
    state: Mutex<State>,
    /// Notified when there may be room in any model of the list.
    room: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    limit: Aimd,
    in_flight: u32,
    points: u32,
    open: Option<Open>,
    /// What calls cost that were billed, or may have been.
    spent: MicroUsd,
    /// The last refusal that no rule explains, and the prompt that met it.
    unexplained: Option<(String, String)>,
}

/// An open breaker. After `until` it is half open: one call at a time probes.
#[derive(Debug)]
struct Open {
    until: Instant,
    wait: Duration,
    refused: bool,
}

/// Whether a call may be made.
#[derive(Debug)]
pub(super) enum Room {
    /// Yes, while this is held.
    Call(Permit),
    /// Not before another call ends.
    Full,
    /// Not before the breaker's time is over.
    Open,
}

/// Room for one call; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Limit>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
        self.0.room.notify_waiters();
    }
}

impl Limit {
    /// At most `slots` calls at a time, 1 to 512.
    pub(super) fn new(slots: u32, room: Arc<Notify>) -> Arc<Self> {
        let state = Mutex::new(State {
            limit: Aimd::new(slots),
            in_flight: 0,
            points: 0,
            open: None,
            spent: MicroUsd::ZERO,
            unexplained: None,
        });
        Arc::new(Self { state, room })
    }

    /// Room for one call, if there is. `force` calls a model whose breaker is open.
    pub(super) fn enter(self: &Arc<Self>, force: bool) -> Room {
        let mut state = self.state();
        let most = match &state.open {
            _ if force => u32::MAX,
            Some(open) if Instant::now() < open.until => return Room::Open,
            Some(_) => 1,
            None => state.limit.limit(),
        };
        if state.in_flight >= most {
            return Room::Full;
        }
        state.in_flight += 1;
        drop(state);
        Room::Call(Permit(Arc::clone(self)))
    }

    /// Whether the model refuses us, so that others go first.
    pub(super) fn is_refused(&self) -> bool {
        self.state()
            .open
            .as_ref()
            .is_some_and(|open| open.refused && Instant::now() < open.until)
    }

    /// A call was billed, or may have been.
    pub(super) fn spend(&self, price: MicroUsd) {
        let mut state = self.state();
        state.spent = state.spent.plus(price);
    }

    /// How the model with this id is used, for a heartbeat.
    pub(super) fn load(&self, model: &str) -> ModelLoad {
        let state = self.state();
        let breaker = match &state.open {
            None => ModelBreaker::Closed,
            Some(open) if open.refused => ModelBreaker::Refused,
            Some(_) => ModelBreaker::Open,
        };
        ModelLoad {
            model: shortened(model, MAX_MODEL_CHARACTERS),
            limit: state.limit.limit(),
            in_flight: state.in_flight,
            breaker,
            spent: state.spent,
        }
    }

    /// The model answered for the prompt, with a picture or by declining it: the limit grows by one
    /// for each round of calls, and the breaker closes.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        state.limit.increase();
        state.points = 0;
        state.open = None;
        state.unexplained = None;
        drop(state);
        self.room.notify_waiters();
    }

    /// The model is overloaded: the limit halves, once an event. `true` if the breaker opened.
    pub(super) fn overloaded(&self) -> bool {
        let mut state = self.state();
        let in_flight = state.in_flight;
        state.limit.decrease(in_flight);
        state.count(OVERLOADED)
    }

    /// The model gave no answer. `true` if the breaker opened.
    pub(super) fn no_answer(&self) -> bool {
        self.state().count(NO_ANSWER)
    }

    /// The model refuses us, whatever the prompt. `true` if that is news.
    pub(super) fn refused(&self) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        let known = state
            .open
            .as_ref()
            .is_some_and(|open| open.refused && now < open.until);
        state.open = Some(Open {
            until: now + REFUSED,
            wait: OPEN.0,
            refused: true,
        });
        !known
    }

    /// The model refused this prompt with `words` that no rule explains. `true` if another prompt
    /// met the same with no answer in between: then the prompt is not the reason.
    pub(super) fn unexplained(&self, words: &str, prompt: &str) -> bool {
        let words = without_numbers(words);
        let mut state = self.state();
        let repeated =
            matches!(&state.unexplained, Some((last, of)) if *last == words && of != prompt);
        if !repeated {
            state.unexplained = Some((words, prompt.to_owned()));
        }
        repeated
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

impl State {
    /// Counts a call without a picture; `true` if that opened the breaker.
    fn count(&mut self, points: u32) -> bool {
        let now = Instant::now();
        self.points += points;
        let wait = match &self.open {
            // It answers a call made before the breaker opened.
            Some(open) if now < open.until => return false,
            Some(open) => (open.wait * 2).min(OPEN.1),
            None if self.points < POINTS_TO_OPEN => return false,
            None => OPEN.0,
        };
        self.open = Some(Open {
            until: now + wait.mul_f64(0.75 + 0.25 * fastrand::f64()),
            wait,
            refused: false,
        });
        true
    }
}

/// The words without those that have a digit, such as ids of requests.
fn without_numbers(words: &str) -> String {
    let words = words.split(|c: char| !c.is_alphanumeric());
    let plain = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    plain.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(slots: u32) -> Arc<Limit> {
        Limit::new(slots, Arc::default())
    }

    fn call(limit: &Arc<Limit>) -> Permit {
        match limit.enter(false) {
            Room::Call(permit) => permit,
            other => panic!("no room: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn overload_halves_the_limit_once_an_event_and_answers_raise_it() {
        let limit = limit(8);
        let calls: Vec<_> = (0..8).map(|_| call(&limit)).collect();
        assert!(matches!(limit.enter(false), Room::Full));
        for _ in 0..5 {
            limit.overloaded();
        }
        drop(calls);
        assert_eq!(limit.load("m").limit, 4);
        let calls: Vec<_> = (0..4).map(|_| call(&limit)).collect();
        assert!(matches!(limit.enter(false), Room::Full));
        drop(calls);
        for _ in 0..100 {
            limit.answered();
        }
        let _calls: Vec<_> = (0..8).map(|_| call(&limit)).collect();
        assert!(matches!(limit.enter(false), Room::Full));
    }

    #[tokio::test(start_paused = true)]
    async fn the_breaker_opens_probes_with_one_call_and_closes() {
        let limit = limit(8);
        assert_eq!(
            (0..5).map(|_| limit.no_answer()).collect::<Vec<_>>(),
            [false, false, false, false, true]
        );
        for expected in [1, 2, 4, 8, 10, 10] {
            assert!(matches!(limit.enter(false), Room::Open), "{expected}");
            tokio::time::advance(Duration::from_secs(expected)).await;
            let probe = call(&limit);
            assert!(
                matches!(limit.enter(false), Room::Full),
                "one probe at a time"
            );
            assert!(limit.overloaded());
            drop(probe);
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        drop(call(&limit));
        limit.answered();
        let _calls = [call(&limit), call(&limit)];
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_lasts_five_minutes_unless_the_model_answers() {
        let limit = limit(1);
        assert!(limit.refused() && !limit.refused(), "it is news once");
        assert_eq!(limit.load("m").breaker, ModelBreaker::Refused);
        assert!(limit.is_refused() && matches!(limit.enter(false), Room::Open));
        assert!(matches!(limit.enter(true), Room::Call(_)));
        tokio::time::advance(REFUSED).await;
        assert!(!limit.is_refused());
        limit.refused();
        limit.answered();
        assert!(!limit.is_refused());
    }

    #[test]
    fn an_unexplained_refusal_is_the_prompts_until_another_prompt_meets_it() {
        let limit = limit(1);
        assert!(!limit.unexplained("odd: request 17", "a fox"));
        assert!(
            !limit.unexplained("odd: request 18", "a fox"),
            "the same prompt"
        );
        assert!(limit.unexplained("odd: request 19c0-f3a", "a castle"));
        limit.answered();
        assert!(
            !limit.unexplained("odd: request 20", "a castle"),
            "it answered since"
        );
        assert!(!limit.unexplained("other words", "a train"));
    }
}
