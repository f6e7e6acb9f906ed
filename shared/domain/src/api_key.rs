//! Keys by which programs show who they are.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::role::Role;
use crate::timestamp::Timestamp;

/// What every key begins with, so that one that leaked is found.
pub const PREFIX: &str = "atl_";

/// Random bytes in a key.
pub const RANDOM_BYTES: usize = 32;

/// The longest name of a key, in characters.
pub const MAX_NAME: usize = 64;

/// A key as it is stored: without what opens anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Whose it is. No two keys ever have the same.
    pub name: String,
    /// The [`hash`] of the key.
    pub hash: String,
    /// What its program may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused; never, where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to about a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it is taken at `now`.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// What is stored of a key. Its 256 random bits cannot be tried through: a slow hash
/// would add nothing.
pub fn hash(key: &str) -> String {
    hex_simd::encode_to_string(Sha256::digest(key), hex_simd::AsciiCase::Lower)
}

/// Whether `name` has 1 to [`MAX_NAME`] characters of `[A-Za-z0-9._-]`.
pub fn is_valid_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_good_until_it_ends_or_is_revoked() {
        let at = Timestamp::from_seconds;
        let key = ApiKey {
            name: "portal".to_owned(),
            hash: hash("atl_x"),
            role: Role::Portal,
            created_at: at(1.0),
            expires_at: Some(at(10.0)),
            revoked_at: None,
            last_used_at: None,
        };
        assert!(key.is_good(at(9.0)));
        assert!(!key.is_good(at(10.0)));
        let revoked = ApiKey {
            revoked_at: Some(at(2.0)),
            ..key
        };
        assert!(!revoked.is_good(at(9.0)));
    }

    #[test]
    fn the_hash_is_sha_256_in_hexadecimal() {
        // The example of FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash("abc"), expected);
    }
}
