//! A link by which students see an assignment, and what they answered there.

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// The most links of one assignment that are kept; those that were revoked count as long as they have
/// results.
pub const MAX_LINKS: usize = 20;

/// The most results that one link takes.
pub const MAX_RESULTS: usize = 500;

/// The longest name that a student may type, in characters.
pub const MAX_NAME_CHARACTERS: usize = 80;

/// The longest answer, in characters.
pub const MAX_ANSWER_CHARACTERS: usize = 500;

/// The most that all answers of a student have together, in bytes. A MongoDB's documents have at most
/// 16 MiB, and all results of a link are in one.
pub const MAX_ANSWERS_BYTES: usize = 8 * 1024;

/// The characters of a token: 192 random bits in URL-safe base64.
pub const TOKEN_CHARACTERS: usize = 32;

/// Whether `text` may be the token of a link.
pub fn is_token(text: &str) -> bool {
    text.len() == TOKEN_CHARACTERS
        && text
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
}

/// A link to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewShare {
    /// What it shows.
    pub assignment_id: String,
    /// What whoever has it knows: 192 random bits.
    pub token: String,
    /// When it is made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// A link. An assignment has at most one that lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// What it shows.
    pub assignment_id: String,
    /// Which link of the assignment it is, from 1.
    pub link: u32,
    /// What whoever has it knows. It is forgotten when the link is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl Share {
    /// Whether it opens at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        let ended = self.expires_at.is_some_and(|at| at <= now);
        self.token.is_some() && self.revoked_at.is_none() && !ended
    }
}

/// What a student answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudentResult {
    /// Its id; later ones are greater.
    pub id: String,
    /// The name that the student typed, 1 to 80 characters.
    pub name: String,
    /// The answers, in the order of the questions.
    pub answers: Vec<String>,
    /// Which of them were right; `None` where the teacher listed no answer.
    pub right: Vec<Option<bool>>,
    /// When they were checked.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share() -> Share {
        Share {
            assignment_id: "a".to_owned(),
            link: 1,
            token: Some("t".repeat(TOKEN_CHARACTERS)),
            created_at: Timestamp::from_seconds(10.0),
            expires_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn a_link_lives_until_it_is_revoked_or_expires() {
        let at = Timestamp::from_seconds;
        assert!(share().is_live(at(1e9)));
        let expiring = Share {
            expires_at: Some(at(20.0)),
            ..share()
        };
        assert!(expiring.is_live(at(19.0)) && !expiring.is_live(at(20.0)));
        let revoked = Share {
            revoked_at: Some(at(20.0)),
            token: None,
            ..share()
        };
        assert!(!revoked.is_live(at(30.0)));
    }

    #[test]
    fn only_what_looks_like_a_token_is_one() {
        assert!(is_token(&"aZ0-_9bC".repeat(4)));
        for not in [
            "",
            "short",
            &"ä".repeat(16),
            &"a".repeat(33),
            &"a/".repeat(16),
        ] {
            assert!(!is_token(not), "{not}");
        }
    }
}
