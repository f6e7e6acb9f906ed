//! How variants and AVIFs come into the document of a `success`. Whoever makes them has a claim with
//! a token of its own, so a worker that is late with them changes nothing.
//!
//! A `wake_at` may be there for the picture's tag, too. So these have the `wake_at` that they saw in
//! the guard, and leave it where a tag is due.

use super::{ClaimGuard, Count, Edit, Edits, Guard, Transition, value};
use crate::assignment::{Assignment, Claim, Status, Token};
use crate::rendition::Renditions;
use crate::timestamp::Timestamp;

/// Claims the renditions of a `success` that nobody makes, as it was `seen`.
pub fn claim_renditions(
    seen: &Assignment,
    claim: &Claim,
    now: Timestamp,
    wake_at: Timestamp,
) -> Transition {
    let guard = match &seen.claim {
        Some(other) => ClaimGuard::RunOut(other.token.clone(), now),
        None => ClaimGuard::Absent,
    };
    Edits::new()
        .set("claim", claim)
        .set("wake_at", wake_at)
        .when(of_seen(seen, guard))
}

/// Extends the claim to `claim.until`; one that ran out is extended, too, if nobody has taken it over.
pub fn renew_renditions(seen: &Assignment, claim: &Claim, wake_at: Timestamp) -> Transition {
    let mut edits = Edits::new().set("claim", claim);
    if !seen.tag_due {
        edits = edits.set("wake_at", wake_at);
    }
    edits.when(of_seen(seen, ClaimGuard::Held(claim.token.clone())))
}

/// Notes what was made under the claim of `token`. With `complete` nothing is due any more, and the
/// claim ends. Refused if `permanent` has changed, since the objects' tags are made by it.
pub fn note_renditions(
    token: &Token,
    seen: &Assignment,
    made: &Renditions,
    complete: bool,
    now: Timestamp,
) -> Transition {
    let variants = (!made.variants.is_empty()).then_some(&made.variants);
    let mut edits = Edits::new()
        .set_or_unset("variants", variants)
        .set_or_unset("avif_size_bytes", made.avif_size_bytes)
        .set_or_unset("thumbhash", made.thumbhash.as_ref())
        .set("updated_at", now);
    if complete {
        edits = ended(edits, seen);
    }
    edits.when(Guard {
        permanent: Some(seen.permanent),
        ..of_seen(seen, ClaimGuard::Held(token.clone()))
    })
}

/// Ends the claim of `token`; the keeper sends for another worker at `wake_at`.
pub fn release_renditions(token: &Token, seen: &Assignment, wake_at: Timestamp) -> Transition {
    let mut edits = Edits::new().unset(&["claim"]);
    if !seen.tag_due {
        edits = edits.set("wake_at", wake_at);
    }
    edits.when(of_seen(seen, ClaimGuard::Held(token.clone())))
}

/// Counts that the keeper sends for a worker, before it does; it looks again at `wake_at`.
pub fn send_renditions(seen: &Assignment, now: Timestamp, wake_at: Timestamp) -> Transition {
    Edits::new()
        .count(
            Count::RenditionSends,
            seen.rendition_sends,
            seen.rendition_sends.saturating_add(1),
        )
        .set("wake_at", wake_at)
        .when(of_seen(seen, ClaimGuard::NotLive(now)))
}

/// Nobody made them, however often a worker was sent for: what is there is all.
pub fn give_up_renditions(seen: &Assignment, now: Timestamp) -> Transition {
    ended(Edits::new(), seen).when(of_seen(seen, ClaimGuard::NotLive(now)))
}

fn ended(edits: Edits, seen: &Assignment) -> Edits {
    let edits = edits.unset(&["claim", "renditions_due", "rendition_sends"]);
    match seen.tag_due {
        true => edits,
        false => edits.unset(&["wake_at"]),
    }
}

fn of_seen(seen: &Assignment, claim: ClaimGuard) -> Guard {
    Guard {
        round: Some(seen.round),
        claim,
        wake_at: seen.wake_at,
        ..Guard::status(&[Status::Success])
    }
}

impl Transition {
    /// A success whose variants and AVIFs are still to be made: by `claim`, which goes on, or where
    /// there is none by a worker that the keeper sends for at `wake_at`.
    #[must_use]
    pub fn with_renditions_due(mut self, claim: Option<&Claim>, wake_at: Timestamp) -> Self {
        let tag_wakes = |edit: &Edit| matches!(edit, Edit::Set("wake_at", _));
        if !self.edits.iter().any(tag_wakes) {
            self.edits.retain(|edit| edit.field() != "wake_at");
            self.edits.push(Edit::Set("wake_at", value(wake_at)));
        }
        if let Some(claim) = claim {
            self.edits.retain(|edit| edit.field() != "claim");
            self.edits.push(Edit::Set("claim", value(claim)));
        }
        self.edits.push(Edit::Set("renditions_due", value(true)));
        self
    }
}
