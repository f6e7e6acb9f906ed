//! The public keys that an identity provider signs tokens with.

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::Value;

/// Keys that are taken from one provider at most.
const MAX_KEYS: usize = 100;

/// A key, and what it may have signed.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub decoding: DecodingKey,
    /// The only algorithm that it is for, where the provider says so.
    algorithm: Option<Algorithm>,
}

impl Key {
    /// Whether a token signed by `algorithm` can be this key's. Only the provider can make those:
    /// an algorithm whose key is shared is none.
    pub(crate) fn is_for(&self, algorithm: Algorithm) -> bool {
        algorithm.family() != AlgorithmFamily::Hmac
            && algorithm.family() == self.decoding.family()
            && self.algorithm.is_none_or(|it| it == algorithm)
    }
}

/// The keys of a provider by their ids.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    by_id: HashMap<String, Arc<Key>>,
    /// The one without an id, or the one alone.
    only: Option<Arc<Key>>,
}

impl Keys {
    /// Reads a key set (RFC 7517). A key that cannot be used is left out.
    pub(crate) fn read(set: &Value) -> Self {
        let listed = set["keys"].as_array().map_or(&[][..], Vec::as_slice);
        let keys: Vec<(Option<String>, Arc<Key>)> =
            listed.iter().take(MAX_KEYS).filter_map(key).collect();
        let only = match keys.as_slice() {
            [(_, key)] => Some(key.clone()),
            _ => None,
        };
        let by_id = keys
            .into_iter()
            .filter_map(|(id, key)| Some((id?, key)))
            .collect();
        Self { by_id, only }
    }

    /// The key with this id; without an id, the one that there is.
    pub(crate) fn find(&self, id: Option<&str>) -> Option<Arc<Key>> {
        match id {
            Some(id) => self.by_id.get(id).cloned(),
            None => self.only.clone(),
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty() && self.only.is_none()
    }
}

fn key(value: &Value) -> Option<(Option<String>, Arc<Key>)> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    if decoding.family() == AlgorithmFamily::Hmac {
        return None;
    }
    let algorithm = match jwk.common.key_algorithm {
        Some(algorithm) => Some(Algorithm::try_from(algorithm).ok()?),
        None => None,
    };
    let id = jwk.common.key_id;
    Some((
        id,
        Arc::new(Key {
            decoding,
            algorithm,
        }),
    ))
}
