//! Checks the tokens of the identity provider that programs send.

use std::sync::Arc;

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, AlgorithmFamily, Validation, decode, decode_header};
use serde_json::{Map, Value};

use crate::identity::caller::{Caller, Proof};
use crate::identity::claims;
use crate::identity::provider::{NoKey, Provider, ProviderAway};
use crate::identity::settings::SignInConfig;
use crate::identity::signatures;

/// How far the provider's clock may be from ours, in seconds.
const LEEWAY: u64 = 60;

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// It is no token, or says nothing of somebody.
    Malformed,
    /// It is signed by none of the provider's keys.
    Signature,
    /// Another provider made it.
    Issuer,
    /// It was made for somebody else.
    Audience,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It is an API key that is unknown, over or revoked.
    ApiKey,
}

impl TokenFault {
    /// What is told to the caller.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Malformed => "The token cannot be read.",
            Self::Signature => "The token is not signed by the identity provider.",
            Self::Issuer => "The token is another identity provider's.",
            Self::Audience => "The token is not made for this service.",
            Self::Expired => "The token has expired.",
            Self::NotYet => "The token is not valid yet.",
            Self::ApiKey => "The API key is not known, has expired or is revoked.",
        }
    }
}

/// Why a token gave no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoCaller {
    /// It is not taken.
    Fault(TokenFault),
    /// The provider was never reached so far, so that nobody can tell.
    Away(ProviderAway),
}

impl From<TokenFault> for NoCaller {
    fn from(fault: TokenFault) -> Self {
        Self::Fault(fault)
    }
}

/// Checks tokens by the keys of one provider.
#[derive(Debug)]
pub(crate) struct BearerTokens {
    provider: Arc<Provider>,
    config: SignInConfig,
}

impl BearerTokens {
    /// Takes the tokens that `provider` made for us, as `config` says.
    pub(crate) fn new(provider: Arc<Provider>, config: SignInConfig) -> Self {
        signatures::use_ring();
        Self { provider, config }
    }

    /// The caller of whom `token` speaks.
    ///
    /// # Errors
    /// Where it is not taken, or the provider was never reached.
    pub(crate) async fn caller(&self, token: &str) -> Result<Caller, NoCaller> {
        let header = decode_header(token).map_err(|_| TokenFault::Malformed)?;
        // A key that is shared signs for everybody who checks by it: such a token may be anybody's.
        if header.alg.family() == AlgorithmFamily::Hmac {
            return Err(TokenFault::Signature.into());
        }
        let key = self.provider.key(header.kid.as_deref(), header.alg).await;
        let key = key.map_err(|fault| match fault {
            NoKey::Away(away) => NoCaller::Away(away),
            NoKey::Unknown => TokenFault::Signature.into(),
        })?;
        let decoded = decode::<Map<String, Value>>(token, &key.decoding, &self.rules(header.alg));
        let claims = decoded.map_err(|error| fault_of(&error))?.claims;
        if claims.get("aud").is_none_or(Value::is_null) && !self.is_for_client(&claims) {
            return Err(TokenFault::Audience.into());
        }
        claims::caller(&claims, &self.config.rules, Proof::Token)
            .map_err(|_| TokenFault::Malformed.into())
    }

    fn rules(&self, algorithm: Algorithm) -> Validation {
        let mut rules = Validation::new(algorithm);
        rules.leeway = LEEWAY;
        rules.validate_nbf = true;
        rules.set_issuer(&[&self.config.issuer]);
        rules.set_audience(&self.config.audiences);
        rules.set_required_spec_claims(&["exp", "iss"]);
        rules
    }

    /// An access token of Cognito names nobody in `aud`, but the client that it was made for
    /// ("Verifying JSON web tokens" of its developer guide).
    fn is_for_client(&self, claims: &Map<String, Value>) -> bool {
        let client = claims.get("client_id").and_then(Value::as_str);
        claims.get("token_use").and_then(Value::as_str) == Some("access")
            && client.is_some_and(|client| self.config.audiences.iter().any(|it| it == client))
    }
}

fn fault_of(error: &Error) -> TokenFault {
    match error.kind() {
        ErrorKind::ExpiredSignature => TokenFault::Expired,
        ErrorKind::ImmatureSignature => TokenFault::NotYet,
        ErrorKind::InvalidIssuer => TokenFault::Issuer,
        ErrorKind::InvalidAudience => TokenFault::Audience,
        ErrorKind::InvalidSignature
        | ErrorKind::InvalidAlgorithm
        | ErrorKind::UnsupportedAlgorithm
        | ErrorKind::InvalidKeyFormat => TokenFault::Signature,
        _ => TokenFault::Malformed,
    }
}
