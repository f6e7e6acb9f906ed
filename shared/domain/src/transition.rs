//! Every change of a document's status and claim, as data. Both stores carry these out unchanged.
//!
//! ```text
//!              claim, renew, release,
//!              note the send, count a call
//!                     ┌──────┐
//!  insert ──────────► │pending│ ──── succeed (token) ─────────► success
//!     │               └──────┘
//!     │                 │  ▲ └──── fail (token, or unclaimed) ► failed
//!     │                 │  └────────── retry (round + 1) ──────── │  (and from a success whose
//!     │                 │                                         │   picture is lost)
//!     └──► no_image     │                                         │
//!             └─────────┴──── delete, from any of the four ───────┴──► deleted
//! ```
//!
//! An import moves what another program made, `no_image` and `failed` to `success`.
//!
//! Every write of a worker has its claim's token and `pending` in the guard, so a worker whose
//! claim was taken over, or whose assignment is final or deleted, changes nothing.
//!
//! Nothing is incremented blindly: a count that grows has the value that it starts from in the
//! guard. So a write that arrives twice changes the document once, and whether it was carried out
//! shows in the document ([`Transition::is_made_in`]).

mod renditions;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::assignment::{
    Assignment, Claim, FailureNote, ImageMetadata, StageSeconds, Status, Token, prompt_hash,
};
use crate::timestamp::Timestamp;

pub use renditions::{
    claim_renditions, give_up_renditions, note_renditions, release_renditions, renew_renditions,
    send_renditions,
};

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
    /// Its counts are these.
    pub counts: Vec<(Count, u32)>,
    /// Its picture and its prompt are these.
    pub shows: Option<Shows>,
}

/// What a document shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shows {
    /// [`Assignment::s3_image_key`] as it reads: `s3_image_name` where another program wrote that
    /// alone.
    pub picture: Option<String>,
    /// [`Assignment::prompt`].
    pub prompt: String,
}

impl Shows {
    fn of(document: &Assignment) -> Self {
        Self {
            picture: document.s3_image_key.clone(),
            prompt: document.prompt.clone(),
        }
    }

    fn is_shown_by(&self, document: &Assignment) -> bool {
        self.picture == document.s3_image_key && self.prompt == document.prompt
    }
}

/// A field that counts something, 0 where it is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// [`Assignment::attempts`].
    Attempts,
    /// [`Assignment::takeovers`].
    Takeovers,
    /// [`Assignment::model_calls`].
    ModelCalls,
    /// [`Assignment::s3_upload_attempts`].
    Uploads,
    /// [`Assignment::erasures`].
    Erasures,
    /// [`Assignment::rendition_sends`].
    RenditionSends,
}

impl Count {
    /// The field's name in the document.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Takeovers => "takeovers",
            Self::ModelCalls => "model_calls",
            Self::Uploads => "s3_upload_attempts",
            Self::Erasures => "erasures",
            Self::RenditionSends => "rendition_sends",
        }
    }

    /// What it is in `document`.
    pub const fn of(self, document: &Assignment) -> u32 {
        match self {
            Self::Attempts => document.attempts,
            Self::Takeovers => document.takeovers,
            Self::ModelCalls => document.model_calls,
            Self::Uploads => document.s3_upload_attempts,
            Self::Erasures => document.erasures,
            Self::RenditionSends => document.rendition_sends,
        }
    }
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
            counts: Vec::new(),
            shows: None,
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
            && self
                .shows
                .as_ref()
                .is_none_or(|it| it.is_shown_by(document))
            && self
                .counts
                .iter()
                .all(|(count, it)| count.of(document) == *it)
    }
}

fn value(of: impl Serialize) -> Value {
    serde_json::to_value(of).expect("fields of a document are plain data")
}

/// Collects edits, and the values that counts start from.
struct Edits {
    edits: Vec<Edit>,
    counts: Vec<(Count, u32)>,
}

impl Edits {
    fn new() -> Self {
        Self {
            edits: Vec::new(),
            counts: Vec::new(),
        }
    }

    fn set(mut self, field: &'static str, to: impl Serialize) -> Self {
        self.edits.push(Edit::Set(field, value(to)));
        self
    }

    fn unset(mut self, fields: &[&'static str]) -> Self {
        self.edits.extend(fields.iter().copied().map(Edit::Unset));
        self
    }

    fn set_or_unset(self, field: &'static str, to: Option<impl Serialize>) -> Self {
        match to {
            Some(to) => self.set(field, to),
            None => self.unset(&[field]),
        }
    }

    fn count(mut self, count: Count, from: u32, to: u32) -> Self {
        if from == to {
            return self;
        }
        self.counts.push((count, from));
        self.set(count.field(), to)
    }

    fn uploads(self, held: &Assignment, more: u32) -> Self {
        let so_far = held.s3_upload_attempts;
        self.count(Count::Uploads, so_far, so_far.saturating_add(more))
    }

    fn when(self, mut guard: Guard) -> Transition {
        guard.counts.extend(self.counts);
        Transition {
            guard,
            edits: self.edits,
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
    /// As in [`Assignment::thumbhash`].
    pub thumbhash: Option<String>,
}

/// Notes that the job was sent; the sweep reads the document again at `wake_at`.
pub fn note_sent(round: u32, now: Timestamp, wake_at: Timestamp) -> Transition {
    Edits::new()
        .set("sent_at", now)
        .set("wake_at", wake_at)
        .when(Guard::unclaimed(round, now))
}

/// Claims an assignment that nobody holds, as it was `seen`.
pub fn claim(seen: &Assignment, claim: &Claim, wake_at: Timestamp) -> Transition {
    claimed(seen, claim, wake_at).when(Guard {
        round: Some(seen.round),
        claim: ClaimGuard::Absent,
        ..Guard::pending()
    })
}

/// Takes over the expired claim `from` of an assignment as it was `seen`.
pub fn take_over(
    seen: &Assignment,
    from: &Token,
    claim: &Claim,
    now: Timestamp,
    wake_at: Timestamp,
) -> Transition {
    claimed(seen, claim, wake_at)
        .count(
            Count::Takeovers,
            seen.takeovers,
            seen.takeovers.saturating_add(1),
        )
        .when(Guard {
            round: Some(seen.round),
            claim: ClaimGuard::RunOut(from.clone(), now),
            ..Guard::pending()
        })
}

fn claimed(seen: &Assignment, claim: &Claim, wake_at: Timestamp) -> Edits {
    Edits::new()
        .set("claim", claim)
        .set("wake_at", wake_at)
        .count(
            Count::Attempts,
            seen.attempts,
            seen.attempts.saturating_add(1),
        )
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

/// Gives the lease on `held` back, with the attempt: no model of the list fits what is left of the
/// day's budget.
pub fn wait_for_budget(
    token: &Token,
    held: &Assignment,
    uploads: u32,
    wake_at: Timestamp,
) -> Transition {
    released(held, Budget::GiveBack, uploads, wake_at)
        .set("waits_for_budget", true)
        .when(Guard::held(token))
}

/// Gives the lease on `held` back.
pub fn release(
    token: &Token,
    held: &Assignment,
    budget: Budget,
    uploads: u32,
    wake_at: Timestamp,
) -> Transition {
    released(held, budget, uploads, wake_at)
        .unset(&["waits_for_budget"])
        .when(Guard::held(token))
}

fn released(held: &Assignment, budget: Budget, uploads: u32, wake_at: Timestamp) -> Edits {
    let attempts = match budget {
        Budget::Burn => held.attempts,
        Budget::GiveBack => held.attempts.saturating_sub(1),
    };
    Edits::new()
        .unset(&["claim"])
        .set("wake_at", wake_at)
        .count(Count::Attempts, held.attempts, attempts)
        .uploads(held, uploads)
}

/// Counts a call to a model, before it is made; `so_far` were counted before.
pub fn count_model_call(token: &Token, so_far: u32) -> Transition {
    Edits::new()
        .count(Count::ModelCalls, so_far, so_far.saturating_add(1))
        .when(Guard::held(token))
}

/// `pending` -> `success`.
pub fn succeed(
    token: &Token,
    held: &Assignment,
    finished: &Finished,
    now: Timestamp,
) -> Transition {
    succeeded(held, finished, now)
        .unset(&["wake_at"])
        .when(Guard::held(token))
}

/// `pending` -> `success` with a picture whose tag may differ from `permanent`; the keeper
/// repairs it at `wake_at`.
pub fn succeed_tag_due(
    token: &Token,
    held: &Assignment,
    finished: &Finished,
    now: Timestamp,
    wake_at: Timestamp,
) -> Transition {
    succeeded(held, finished, now)
        .set("tag_due", true)
        .set("wake_at", wake_at)
        .when(Guard::held(token))
}

fn succeeded(held: &Assignment, finished: &Finished, now: Timestamp) -> Edits {
    Edits::new()
        .set("s3_upload_status", Status::Success)
        .set("s3_image_key", &finished.key)
        .set_or_unset("cloudfront_url", finished.url.as_ref())
        .set("image_metadata", &finished.metadata)
        .set_or_unset("thumbhash", finished.thumbhash.as_ref())
        .set("model", &finished.model)
        .set("reuse_key", &finished.reuse_key)
        .set("stage_seconds", finished.stage_seconds)
        .set("finished_at", now)
        .set("updated_at", now)
        .uploads(held, finished.uploads)
        // Only this move changes it, and that leaves `pending`, so no guard is needed.
        .set("cost_usd", held.cost_usd + finished.cost_usd)
        .unset(&["claim", "give_up_at", "failure", "waits_for_budget"])
}

fn failed(note: &FailureNote, now: Timestamp) -> Edits {
    Edits::new()
        .set("s3_upload_status", Status::Failed)
        .set("failure", note)
        .set("finished_at", now)
        .set("updated_at", now)
        .unset(&["claim", "wake_at", "give_up_at", "waits_for_budget"])
}

/// `pending` -> `failed`, by the worker that holds it.
pub fn fail(
    token: &Token,
    held: &Assignment,
    note: &FailureNote,
    uploads: u32,
    now: Timestamp,
) -> Transition {
    failed(note, now)
        .uploads(held, uploads)
        .when(Guard::held(token))
}

/// `pending` -> `failed`, by the sweep, where no worker holds it.
pub fn fail_unclaimed(round: u32, note: &FailureNote, now: Timestamp) -> Transition {
    failed(note, now).when(Guard::unclaimed(round, now))
}

/// What a document says of its picture.
const PICTURE: [&str; 4] = [
    "s3_image_key",
    "cloudfront_url",
    "image_metadata",
    "reuse_key",
];

/// A person's retry: `failed` -> `pending`, next round, with another prompt or the same. From
/// `success`, too, where the caller has looked and the picture is lost: refused if the document shows
/// another by then. Another program's name for its picture stays.
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
        .set("round", document.round.saturating_add(1))
        .set("attempts", 0)
        .set("takeovers", 0)
        .set("wake_at", wake_at)
        .set("give_up_at", give_up_at)
        .set("updated_at", now)
        .set("stage_seconds", StageSeconds::default())
        .set("correlation_id", correlation_id)
        .unset(&["claim", "failure", "finished_at", "sent_at"])
        .unset(&[
            "variants",
            "avif_size_bytes",
            "thumbhash",
            "renditions_due",
            "rendition_sends",
        ]);
    if let Some(prompt) = prompt {
        edits = edits
            .set("prompt", prompt)
            .set("prompt_hash", prompt_hash(prompt));
    }
    let round = Some(document.round);
    if document.s3_upload_status == Status::Success {
        return edits
            .set("tag_due", false)
            .unset(&PICTURE)
            .unset(&["model"])
            .when(Guard {
                round,
                shows: Some(Shows::of(document)),
                ..Guard::status(&[Status::Success])
            });
    }
    edits.when(Guard {
        round,
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

/// Notes that something was changed of an assignment that is not deleted, which
/// [`Transition::with_question_answers`] adds.
pub fn touch(now: Timestamp) -> Transition {
    Edits::new().set("updated_at", now).when(Guard::status(&[
        Status::Pending,
        Status::Success,
        Status::Failed,
        Status::NoImage,
    ]))
}

/// Notes that the objects' tags equal `permanent` of the document as it was `seen`; refused if that
/// has changed meanwhile. `wake_at` stays where renditions are due.
pub fn tagged(seen: &Assignment) -> Transition {
    let edits = Edits::new().set("tag_due", false);
    let edits = match seen.renditions_due {
        true => edits,
        false => edits.unset(&["wake_at"]),
    };
    edits.when(Guard {
        round: Some(seen.round),
        permanent: Some(seen.permanent),
        ..Guard::status(&[Status::Success])
    })
}

/// A picture that another program made, and that an import stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The key of the picture in the bucket.
    pub key: String,
    /// Its address at the CDN, if one is configured.
    pub url: Option<String>,
    /// What optimizing did.
    pub metadata: ImageMetadata,
    /// The model that made it, if that is known.
    pub model: Option<String>,
    /// As in [`Assignment::thumbhash`].
    pub thumbhash: Option<String>,
    /// When the keeper has a worker make its variants and AVIFs; absent where none are wanted.
    pub renditions_at: Option<Timestamp>,
}

/// Whatever shows another program's picture, or none, and is not at work -> `success` with the
/// picture of the import. Refused if the document, as it was `seen`, shows something else by now.
/// `finished_at` stays as it is: the fleet did not make the picture, and counts what it makes by
/// that.
pub fn import(seen: &Assignment, imported: &Imported, now: Timestamp) -> Transition {
    let mut edits = Edits::new()
        .set("s3_upload_status", Status::Success)
        .set("s3_image_key", &imported.key)
        .set("image_metadata", &imported.metadata)
        .set("updated_at", now)
        .set_or_unset("thumbhash", imported.thumbhash.as_ref())
        .unset(&["failure", "variants", "avif_size_bytes", "rendition_sends"]);
    if let Some(at) = imported.renditions_at {
        edits = edits.set("renditions_due", true).set("wake_at", at);
    }
    if let Some(url) = &imported.url {
        edits = edits.set("cloudfront_url", url);
    }
    if seen.prompt_hash.is_empty() {
        edits = edits.set("prompt_hash", prompt_hash(&seen.prompt));
    }
    if let (None, Some(model)) = (&seen.model, &imported.model) {
        edits = edits.set("model", model);
    }
    edits.when(Guard {
        round: Some(seen.round),
        permanent: Some(seen.permanent),
        shows: Some(Shows::of(seen)),
        ..Guard::status(&[Status::Success, Status::Failed, Status::NoImage])
    })
}

/// Any status but `deleted` -> `deleted`: leaves a tombstone, without the personal data. Its
/// object is erased at `wake_at`. `variants` stay until then: the CDN is to forget them, too.
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
            "title",
            "question_answers",
            "claim",
            "failure",
            "give_up_at",
            "waits_for_budget",
            "finished_at",
            "s3_image_name",
            "avif_size_bytes",
            "thumbhash",
            "renditions_due",
            "rendition_sends",
        ])
        .unset(&PICTURE)
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
        .count(
            Count::Erasures,
            document.erasures,
            document.erasures.saturating_add(1),
        )
        .set_or_unset("wake_at", again)
        .unset(if again.is_none() {
            &["erasing_for", "variants"]
        } else {
            &["erasing_for"]
        })
        .when(Guard::status(&[Status::Deleted]))
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

    /// Replaces the questions and answers, too.
    #[must_use]
    pub fn with_question_answers(mut self, text: Option<&str>) -> Self {
        let edit = |text| Edit::Set("question_answers", value(text));
        self.edits.extend(text.map(edit));
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
            }
        }
    }

    /// Whether `document` is as this leaves it, by its own fields: what an unclear write is decided
    /// by. A write under a claim's token that does not end the claim is only made while that holds.
    pub fn is_made_in(&self, document: &Assignment) -> bool {
        let Value::Object(fields) = value(document) else {
            return false;
        };
        let ends_claim = self.edits.iter().any(|edit| edit.field() == "claim");
        let fits = match &self.guard.claim {
            ClaimGuard::Held(token) => ends_claim || document.is_held_by(token),
            _ => true,
        };
        fits && self.edits.iter().all(|edit| match edit {
            Edit::Set(field, to) => fields.get(*field) == Some(to),
            // Another program's name for its picture stays, and reads as this.
            Edit::Unset("s3_image_key") => true,
            Edit::Unset(field) => !fields.contains_key(*field),
        })
    }
}

impl Edit {
    /// The field that changes.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Set(field, _) | Self::Unset(field) => field,
        }
    }
}
