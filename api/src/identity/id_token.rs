//! Checks the token that says who signed in.

use std::sync::Arc;

use jsonwebtoken::{AlgorithmFamily, Validation, decode, decode_header};
use serde_json::{Map, Value};

use crate::identity::provider::{NoKey, Provider};

/// How far the provider's clock may be off, in seconds.
const LEEWAY: u64 = 60;

/// Why a token is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadIdToken {
    /// The provider's keys cannot be had now; later they may.
    #[error("the provider's keys cannot be fetched")]
    Away,
    /// It is not of this provider, not for us, not of now, or not of this sign-in.
    #[error("{0}")]
    No(&'static str),
}

/// The claims of `token`, if `provider` made it for `client_id` and it holds now (OpenID Connect
/// Core, section 3.1.3.7). `nonce` is that of the sign-in; a renewal has none.
///
/// # Errors
/// Where it proves nothing.
pub(crate) async fn check(
    provider: &Arc<Provider>,
    issuer: &str,
    client_id: &str,
    token: &str,
    nonce: Option<&str>,
) -> Result<Map<String, Value>, BadIdToken> {
    let header = decode_header(token).map_err(|_| BadIdToken::No("the token cannot be read"))?;
    // A key that is shared signs for everybody who checks by it.
    if header.alg.family() == AlgorithmFamily::Hmac {
        return Err(BadIdToken::No("a shared key signed it"));
    }
    let key = provider.key(header.kid.as_deref(), header.alg).await;
    let key = key.map_err(|error| match error {
        NoKey::Away(_) => BadIdToken::Away,
        NoKey::Unknown => BadIdToken::No("no key of the provider signed it"),
    })?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_audience(&[client_id]);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<Map<String, Value>>(token, &key.decoding, &validation)
        .map_err(|_| BadIdToken::No("its signature, issuer, audience or time is wrong"))?
        .claims;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let several = matches!(claims.get("aud"), Some(Value::Array(list)) if list.len() > 1);
    if text("azp").map_or(several, |azp| azp != client_id) {
        return Err(BadIdToken::No("it was made for another client"));
    }
    if nonce.is_some() && text("nonce") != nonce {
        return Err(BadIdToken::No("it is of another sign-in"));
    }
    Ok(claims)
}
