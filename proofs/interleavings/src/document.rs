//! The document, without what no guard reads, and the production transitions on it.

use std::sync::LazyLock;

use atelier_domain::assignment::{Assignment, Claim, Post, Status, Token};
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::Transition;
use serde_json::{Value, json};

/// The time of every step. What is before it is past, due or expired.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_seconds(1_000_000.0)
}

/// A time that has not come.
pub(crate) fn later() -> Timestamp {
    Timestamp::from_seconds(2_000_000.0)
}

fn past() -> Timestamp {
    Timestamp::from_seconds(500_000.0)
}

/// A prompt: the one that was posted, or that of a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Prompt {
    First,
    Second,
}

impl Prompt {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::First => "a fox",
            Self::Second => "a comet",
        }
    }
}

/// The token of the claim in the document, whoever holds it.
pub(crate) const CURRENT: &str = "current";
/// A token that the document does not have.
pub(crate) const STALE: &str = "stale";
/// The token of a claim that is being made.
pub(crate) const NEW: &str = "new";

pub(crate) fn token(text: &str) -> Token {
    serde_json::from_value(json!(text)).expect("a token is a string")
}

/// A claim that is live.
pub(crate) fn claim(text: &str) -> Claim {
    Claim {
        token: token(text),
        worker: String::new(),
        until: later(),
    }
}

/// The parts of an assignment that guards read or promises speak of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Document {
    pub(crate) status: Status,
    pub(crate) round: u32,
    /// None on a tombstone.
    pub(crate) prompt: Option<Prompt>,
    /// Whether there is a claim, and whether it is live.
    pub(crate) claim: Option<bool>,
    pub(crate) attempts: u32,
    /// Whether the sweep has something to do here, and whether it is due.
    pub(crate) wake: Option<bool>,
    /// Whether `give_up_at` is past; none on what is final.
    pub(crate) gave_up: Option<bool>,
    pub(crate) erasures: u32,
}

/// What a transition did.
pub(crate) struct Changed {
    pub(crate) document: Document,
    /// The claim's token after it.
    pub(crate) token: Option<Token>,
    /// How many calls of a model it counted.
    pub(crate) counted_calls: u32,
}

static POSTED: LazyLock<Assignment> = LazyLock::new(|| {
    let post = Post {
        assignment_id: "a".to_owned(),
        prompt: Prompt::First.text().to_owned(),
        ..Post::default()
    };
    Assignment::new(post, now(), later(), later())
});

/// What a worker knows of the document that it has read.
pub(crate) fn seen(round: u32, attempts: u32) -> Assignment {
    Assignment {
        round,
        attempts,
        ..POSTED.clone()
    }
}

impl Document {
    /// As the API inserts it.
    pub(crate) fn posted() -> Self {
        Self::of(&POSTED)
    }

    /// With the production rules' view of it.
    pub(crate) fn assignment(&self) -> Assignment {
        let time = |passed: bool| if passed { past() } else { later() };
        let prompt = self.prompt.map_or("", Prompt::text);
        Assignment {
            s3_upload_status: self.status,
            round: self.round,
            prompt: prompt.to_owned(),
            claim: self.claim.map(|live| Claim {
                until: time(!live),
                ..claim(CURRENT)
            }),
            attempts: self.attempts,
            wake_at: self.wake.map(time),
            give_up_at: self.gave_up.map(time),
            erasures: self.erasures,
            ..POSTED.clone()
        }
    }

    fn of(assignment: &Assignment) -> Self {
        let prompt = [Prompt::First, Prompt::Second]
            .into_iter()
            .find(|prompt| prompt.text() == assignment.prompt);
        Self {
            status: assignment.s3_upload_status,
            round: assignment.round,
            prompt,
            claim: assignment.claim.as_ref().map(|it| it.is_live(now())),
            attempts: assignment.attempts,
            wake: assignment.wake_at.map(|at| at <= now()),
            gave_up: assignment.give_up_at.map(|at| at <= now()),
            erasures: assignment.erasures,
        }
    }

    /// Carries out `transition` as a store does: guard and edits in one step. `None` where the guard
    /// refuses.
    pub(crate) fn apply(&self, transition: &Transition) -> Option<Changed> {
        let before = self.assignment();
        if !transition.guard.admits(&before) {
            return None;
        }
        let Ok(Value::Object(mut fields)) = serde_json::to_value(&before) else {
            unreachable!("a document is an object");
        };
        transition.edit(&mut fields);
        let after: Assignment =
            serde_json::from_value(Value::Object(fields)).expect("edits keep a document readable");
        Some(Changed {
            document: Self::of(&after),
            counted_calls: after.model_calls - before.model_calls,
            token: after.claim.map(|claim| claim.token),
        })
    }

    /// Whether a stored picture of `prompt` is of the current one.
    pub(crate) fn shows(&self, prompt: Prompt) -> bool {
        self.prompt == Some(prompt)
    }
}
