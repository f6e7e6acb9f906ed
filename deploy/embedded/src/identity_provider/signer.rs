//! The key that tokens are signed with.

use base64_simd::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

/// A key for ES256 that was made at the start. (One for RS256 would take a crate more.)
pub(super) struct Signer {
    key: EcdsaKeyPair,
    id: String,
    random: SystemRandom,
}

impl Signer {
    /// A new key.
    pub(super) fn generate() -> anyhow::Result<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
            .map_err(|_| anyhow::anyhow!("no key for tokens can be made"))?;
        Ok(Self {
            key: EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random)?,
            id: uuid::Uuid::now_v7().to_string(),
            random,
        })
    }

    /// Its public half, as a JSON Web Key (RFC 7518, section 6.2.1).
    pub(super) fn public_key(&self) -> Value {
        // 4, then both coordinates in 32 bytes each (SEC 1, section 2.3.3).
        let point = &self.key.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        json!({
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode_to_string(x),
            "y": URL_SAFE_NO_PAD.encode_to_string(y),
        })
    }

    /// A token with these claims (RFC 7515, section 7.1).
    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "ES256", "kid": self.id});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self
            .key
            .sign(&self.random, signed.as_bytes())
            .expect("the system has random bytes");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode_to_string(signature))
    }
}
