//! Every change of a document's status and claim, as data. Both stores carry these out unchanged.
//!
//! ```text
//!              claim, renew, release,
//!              note the send, count a call
//!                     ┌──────┐
//!  insert ──────────► │pending│ ──── succeed (token) ─────────► success
//!     │               └──────┘
//!     │                 │  ▲ └──── fail (token, or unclaimed) ► failed
//!     │                 │  └────────── retry (round + 1) ──────── │
//!     └──► no_image     │                                         │
//!             └─────────┴──── delete, from any of the four ───────┴──► deleted
//! ```
//!
//! Every write of a worker has its claim's token and `pending` in the guard, so a worker whose
//! claim was taken over, or whose assignment is final or deleted, changes nothing.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::assignment::{
    Assignment, Claim, FailureNote, ImageMetadata, StageSeconds, Status, Token, prompt_hash,
};
use crate::timestamp::Timestamp;

/// What must be true of a document for a transition to happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// Its status is one of these.
    pub statuses: &'static [Status],
    /// It is in this round.
    pub round: Option<u32>,
    /// What its claim must be.
    pub claim: ClaimGuard,
    /// Its `wake_at` is this one.
    pub wake_at: Option<Timestamp>,
    /// Its `permanent` is this.
    pub permanent: Option<bool>,
    /// Its `erasures` is this.
    pub erasures: Option<u32>,
}

/// What the claim of a document must be for a transition to happen.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimGuard {
    /// Anything.
    Any,
    /// There is none.
    Absent,
    /// It has this token.
    Held(Token),
    /// It has this token and has expired at that time.
    RunOut(Token, Timestamp),
    /// There is none, or it has expired at that time.
    NotLive(Timestamp),
}

/// A change of one top-level field.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// The field becomes this.
    Set(&'static str, Value),
    /// The field is removed.
    Unset(&'static str),
    /// This is added to the number in the field (to 0 where the field is absent).
    Add(&'static str, i64),
    /// As `Add`, for a field that holds a float.
    AddFloat(&'static str, f64),
}

/// A compare-and-set on one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// What must be true before.
    pub guard: Guard,
    /// What changes then; no field twice.
    pub edits: Vec<Edit>,
}

impl Guard {
    fn status(statuses: &'static [Status]) -> Self {
        Self {
            statuses,
            round: None,
            claim: ClaimGuard::Any,
            wake_at: None,
            permanent: None,
            erasures: None,
        }
    }

    fn pending() -> Self {
        Self::status(&[Status::Pending])
    }

    fn held(token: &Token) -> Self {
        Self {
            claim: ClaimGuard::Held(token.clone()),
            ..Self::pending()
        }
    }

    fn unclaimed(round: u32, now: Timestamp) -> Self {
        Self {
            round: Some(round),
            claim: ClaimGuard::NotLive(now),
            ..Self::pending()
        }
    }

    /// Whether `document` meets every condition of the guard.
    pub fn admits(&self, document: &Assignment) -> bool {
        let claim = document.claim.as_ref();
        let claim_fits = match &self.claim {
            ClaimGuard::Any => true,
            ClaimGuard::Absent => claim.is_none(),
            ClaimGuard::Held(token) => document.is_held_by(token),
            ClaimGuard::RunOut(token, now) => {
                document.is_held_by(token) && !document.is_claimed(*now)
            }
            ClaimGuard::NotLive(now) => !document.is_claimed(*now),
        };
        claim_fits
            && self.statuses.contains(&document.s3_upload_status)
            && self.round.is_none_or(|round| document.round == round)
            && self.wake_at.is_none_or(|at| document.wake_at == Some(at))
            && self.permanent.is_none_or(|it| document.permanent == it)
            && self.erasures.is_none_or(|it| document.erasures == it)
    }
}

fn value(of: impl Serialize) -> Value {
    serde_json::to_value(of).expect("fields of a document are plain data")
}

/// Collects edits.
struct Edits(Vec<Edit>);

impl Edits {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn set(mut self, field: &'static str, to: impl Serialize) -> Self {
        self.0.push(Edit::Set(field, value(to)));
        self
    }

    fn unset(mut self, fields: &[&'static str]) -> Self {
        self.0.extend(fields.iter().copied().map(Edit::Unset));
        self
    }

    fn set_or_unset(self, field: &'static str, to: Option<impl Serialize>) -> Self {
        match to {
            Some(to) => self.set(field, to),
            None => self.unset(&[field]),
        }
    }

    fn add(mut self, field: &'static str, by: i64) -> Self {
        if by != 0 {
            self.0.push(Edit::Add(field, by));
        }
        self
    }

    fn add_float(mut self, field: &'static str, by: f64) -> Self {
        if by != 0.0 {
            self.0.push(Edit::AddFloat(field, by));
        }
        self
    }

    fn when(self, guard: Guard) -> Transition {
        Transition {
            guard,
            edits: self.0,
        }
    }
}

/// What a worker knows when it has stored a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The key of the picture in the bucket.
    pub key: String,
    /// Its address at the CDN, if one is configured.
    pub url: Option<String>,
    /// What optimizing did.
    pub metadata: ImageMetadata,
    /// The model that made it.
    pub model: String,
    /// As in [`Assignment::reuse_key`].
    pub reuse_key: String,
    /// Where the time went.
    pub stage_seconds: StageSeconds,
    /// Puts tried in this claim.
    pub uploads: u32,
    /// What the model's answer cost, in US dollars; 0 where no model was called.
    pub cost_usd: f64,
}

/// Notes that the job was sent; the sweep reads the document again at `wake_at`.
pub fn note_sent(round: u32, now: Timestamp, wake_at: Timestamp) -> Transition {
    Edits::new()
        .set("sent_at", now)
        .set("wake_at", wake_at)
        .when(Guard::unclaimed(round, now))
}

/// Claims an assignment that nobody holds.
pub fn claim(round: u32, claim: &Claim, wake_at: Timestamp) -> Transition {
    Edits::new()
        .set("claim", claim)
        .set("wake_at", wake_at)
        .add("attempts", 1)
        .when(Guard {
            round: Some(round),
            claim: ClaimGuard::Absent,
            ..Guard::pending()
        })
}

/// Takes over an expired claim.
pub fn take_over(
    round: u32,
    from: &Token,
    claim: &Claim,
    now: Timestamp,
    wake_at: Timestamp,
) -> Transition {
    Edits::new()
        .set("claim", claim)
        .set("wake_at", wake_at)
        .add("attempts", 1)
        .add("takeovers", 1)
        .when(Guard {
            round: Some(round),
            claim: ClaimGuard::RunOut(from.clone(), now),
            ..Guard::pending()
        })
}

/// Extends the lease to `claim.until`.
pub fn renew(claim: &Claim, wake_at: Timestamp) -> Transition {
    Edits::new()
        .set("claim", claim)
        .set("wake_at", wake_at)
        .when(Guard::held(&claim.token))
}

/// Whether an attempt that ended without a result counts against the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// It does: the fault may be the job's own.
    Burn,
    /// It does not: a throttle, a drain or an outage ended it.
    GiveBack,
}

/// Gives the lease back.
pub fn release(token: &Token, budget: Budget, uploads: u32, wake_at: Timestamp) -> Transition {
    let attempts = match budget {
        Budget::Burn => 0,
        Budget::GiveBack => -1,
    };
    Edits::new()
        .unset(&["claim"])
        .set("wake_at", wake_at)
        .add("attempts", attempts)
        .add("s3_upload_attempts", uploads.into())
        .when(Guard::held(token))
}

/// Counts a call to a model, before it is made.
pub fn count_model_call(token: &Token) -> Transition {
    Edits::new().add("model_calls", 1).when(Guard::held(token))
}

/// `pending` -> `success`.
pub fn succeed(token: &Token, finished: &Finished, now: Timestamp) -> Transition {
    succeeded(finished, now)
        .unset(&["wake_at"])
        .when(Guard::held(token))
}

/// `pending` -> `success` with a picture whose tag may differ from `permanent`; the keeper
/// repairs it at `wake_at`.
pub fn succeed_tag_due(
    token: &Token,
    finished: &Finished,
    now: Timestamp,
    wake_at: Timestamp,
) -> Transition {
    succeeded(finished, now)
        .set("tag_due", true)
        .set("wake_at", wake_at)
        .when(Guard::held(token))
}

fn succeeded(finished: &Finished, now: Timestamp) -> Edits {
    Edits::new()
        .set("s3_upload_status", Status::Success)
        .set("s3_image_key", &finished.key)
        .set_or_unset("cloudfront_url", finished.url.as_ref())
        .set("image_metadata", &finished.metadata)
        .set("model", &finished.model)
        .set("reuse_key", &finished.reuse_key)
        .set("stage_seconds", finished.stage_seconds)
        .set("finished_at", now)
        .set("updated_at", now)
        .add("s3_upload_attempts", finished.uploads.into())
        .add_float("cost_usd", finished.cost_usd)
        .unset(&["claim", "give_up_at", "failure"])
}

fn failed(note: &FailureNote, now: Timestamp) -> Edits {
    Edits::new()
        .set("s3_upload_status", Status::Failed)
        .set("failure", note)
        .set("finished_at", now)
        .set("updated_at", now)
        .unset(&["claim", "wake_at", "give_up_at"])
}

/// `pending` -> `failed`, by the worker that holds it.
pub fn fail(token: &Token, note: &FailureNote, uploads: u32, now: Timestamp) -> Transition {
    failed(note, now)
        .add("s3_upload_attempts", uploads.into())
        .when(Guard::held(token))
}

/// `pending` -> `failed`, by the sweep, where no worker holds it.
pub fn fail_unclaimed(round: u32, note: &FailureNote, now: Timestamp) -> Transition {
    failed(note, now).when(Guard::unclaimed(round, now))
}

/// A person's retry: `failed` -> `pending`, next round, with another prompt or the same.
pub fn retry(
    document: &Assignment,
    prompt: Option<&str>,
    correlation_id: &str,
    now: Timestamp,
    wake_at: Timestamp,
    give_up_at: Timestamp,
) -> Transition {
    let mut edits = Edits::new()
        .set("s3_upload_status", Status::Pending)
        .set("round", document.round + 1)
        .set("attempts", 0)
        .set("takeovers", 0)
        .set("wake_at", wake_at)
        .set("give_up_at", give_up_at)
        .set("updated_at", now)
        .set("stage_seconds", StageSeconds::default())
        .set("correlation_id", correlation_id)
        .unset(&["claim", "failure", "finished_at", "sent_at"]);
    if let Some(prompt) = prompt {
        edits = edits
            .set("prompt", prompt)
            .set("prompt_hash", prompt_hash(prompt));
    }
    edits.when(Guard {
        round: Some(document.round),
        ..Guard::status(&[Status::Failed])
    })
}

/// Sets whether the picture is kept from the lifecycle. Where it may be stored already its tag is
/// due; the keeper repairs a failed tagging at `wake_at`.
pub fn set_permanent(
    document: &Assignment,
    permanent: bool,
    now: Timestamp,
    wake_at: Timestamp,
) -> Transition {
    let edits = Edits::new()
        .set("permanent", permanent)
        .set("updated_at", now);
    match document.s3_upload_status {
        Status::Success => edits
            .set("tag_due", true)
            .set("wake_at", wake_at)
            .when(Guard::status(&[Status::Success])),
        Status::Pending => edits.when(Guard::pending()),
        _ => edits.when(Guard::status(&[Status::Failed, Status::NoImage])),
    }
}

/// Notes that the object's tag equals `permanent`; refused if that has changed meanwhile.
pub fn tagged(permanent: bool) -> Transition {
    Edits::new()
        .set("tag_due", false)
        .unset(&["wake_at"])
        .when(Guard {
            permanent: Some(permanent),
            ..Guard::status(&[Status::Success])
        })
}

/// Any status but `deleted` -> `deleted`: leaves a tombstone, without the personal data. Its
/// object is erased at `wake_at`.
pub fn delete(now: Timestamp, wake_at: Timestamp) -> Transition {
    Edits::new()
        .set("s3_upload_status", Status::Deleted)
        .set("prompt", "")
        .set("prompt_hash", "")
        .set("post_hash", "")
        .set("updated_at", now)
        .set("wake_at", wake_at)
        .set("erasures", 0)
        .set("tag_due", false)
        .unset(&[
            "teacher_id",
            "question_answers",
            "claim",
            "failure",
            "give_up_at",
            "finished_at",
            "s3_image_key",
            "cloudfront_url",
            "image_metadata",
            "reuse_key",
        ])
        .when(Guard::status(&[
            Status::Pending,
            Status::Success,
            Status::Failed,
            Status::NoImage,
        ]))
}

/// Notes on a tombstone that its object was erased and invalidated at the CDN; `again` is when to
/// erase once more.
pub fn erased(document: &Assignment, again: Option<Timestamp>) -> Transition {
    Edits::new()
        .add("erasures", 1)
        .set_or_unset("wake_at", again)
        .when(Guard {
            erasures: Some(document.erasures),
            ..Guard::status(&[Status::Deleted])
        })
}

/// A sweep takes a due document, so that no other sweep does: its `wake_at` moves on by `hold`.
/// `None` where it is not due at all.
pub fn take_due(document: &Assignment, now: Timestamp, hold: Duration) -> Option<Transition> {
    let due = document.wake_at?;
    Some(Edits::new().set("wake_at", now + hold).when(Guard {
        wake_at: Some(due),
        ..Guard::status(&[
            Status::Pending,
            Status::Success,
            Status::Failed,
            Status::NoImage,
            Status::Deleted,
        ])
    }))
}

impl Transition {
    /// Notes when the job was sent, too: a worker can claim it before its sender has noted that.
    #[must_use]
    pub fn noting_sent(mut self, at: Option<Timestamp>) -> Self {
        self.edits
            .extend(at.map(|at| Edit::Set("sent_at", value(at))));
        self
    }

    /// Only where `permanent` is this, too.
    #[must_use]
    pub fn if_permanent_is(mut self, permanent: bool) -> Self {
        self.guard.permanent = Some(permanent);
        self
    }

    /// Makes the edits on a document's JSON form.
    pub fn edit(&self, document: &mut Map<String, Value>) {
        for edit in &self.edits {
            match edit {
                Edit::Set(field, to) => {
                    document.insert((*field).to_owned(), to.clone());
                }
                Edit::Unset(field) => {
                    document.shift_remove(*field);
                }
                Edit::Add(field, by) => {
                    let before = document.get(*field).and_then(Value::as_i64).unwrap_or(0);
                    document.insert((*field).to_owned(), (before + by).into());
                }
                Edit::AddFloat(field, by) => {
                    let before = document.get(*field).and_then(Value::as_f64).unwrap_or(0.0);
                    document.insert((*field).to_owned(), (before + by).into());
                }
            }
        }
    }
}
