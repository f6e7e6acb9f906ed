//! Finds out who calls, and lets in who may.

use std::sync::Arc;

use atelier_store::Store;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use crate::identity::access::Access;
use crate::identity::api_keys::KnownApiKeys;
use crate::identity::bearer::{BearerTokens, NoCaller, TokenFault};
use crate::identity::caller::Caller;
use crate::identity::provider::Provider;
use crate::identity::settings::IdentityConfig;
use crate::identity::sign_in::SignIn as PageSignIn;
use crate::problem::Problem;

/// The gate before every call.
#[derive(Debug)]
pub(crate) struct Gate {
    /// `None` lets everybody do everything.
    sign_in: Option<SignIn>,
}

/// Those who are trusted to say who calls.
#[derive(Debug)]
struct SignIn {
    provider: Arc<Provider>,
    page: PageSignIn,
    tokens: BearerTokens,
    api_keys: KnownApiKeys,
}

impl Gate {
    /// The gate that `config` asks for, with the API keys in `store`.
    pub(crate) fn new(config: &IdentityConfig, store: &Arc<dyn Store>) -> Arc<Self> {
        let sign_in = config.sign_in.as_ref().map(|config| {
            let provider = Arc::new(Provider::new(&config.issuer));
            SignIn {
                tokens: BearerTokens::new(provider.clone(), config.clone()),
                page: PageSignIn::new(config.clone(), provider.clone()),
                provider,
                api_keys: KnownApiKeys::new(store.clone()),
            }
        });
        Arc::new(Self { sign_in })
    }

    /// Whether callers are told apart.
    pub(crate) fn knows_callers(&self) -> bool {
        self.sign_in.is_some()
    }

    /// The identity provider, where there is one.
    pub(crate) fn provider(&self) -> Option<&Arc<Provider>> {
        self.sign_in.as_ref().map(|it| &it.provider)
    }

    /// Where people sign in with the page; `None` where nobody has to.
    pub(crate) fn page(&self) -> Option<&PageSignIn> {
        self.sign_in.as_ref().map(|it| &it.page)
    }

    /// The caller who sends `headers`; `None` where they bear no credentials.
    ///
    /// # Errors
    /// 401 where the credentials are not taken; 503 while nobody can tell.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
        let Some(sign_in) = &self.sign_in else {
            return Ok(Some(Caller::everybody()));
        };
        match bearer(headers)? {
            Some(token) => sign_in.bearer(token).await.map(Some),
            None => Ok(sign_in.page.session(headers).map(|it| it.caller())),
        }
    }

    /// Lets the caller who sends `headers` in, if `access` does.
    ///
    /// # Errors
    /// 401 where nobody can be told who calls; 403 where the caller may not; 503 while nobody can
    /// tell.
    pub(crate) async fn admit(
        &self,
        access: Access,
        headers: &HeaderMap,
    ) -> Result<Option<Caller>, Problem> {
        let Access::Roles(roles) = access else {
            return Ok(None);
        };
        let caller = self.caller(headers).await?.ok_or_else(no_credentials)?;
        if caller.roles.has_any(roles) {
            return Ok(Some(caller));
        }
        let names: Vec<_> = roles.iter().map(|role| format!("`{role}`")).collect();
        let needed = match names.as_slice() {
            [role] => format!("the role {role}"),
            roles => format!("one of the roles {}", roles.join(", ")),
        };
        let detail = format!("You may not do this: it needs {needed}.");
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }
}

impl SignIn {
    async fn bearer(&self, token: &str) -> Result<Caller, Problem> {
        if KnownApiKeys::is_key(token) {
            let caller = self.api_keys.caller(token).await;
            let caller = caller.map_err(|error| Problem::away(STORE_AWAY, error))?;
            return caller.ok_or_else(|| refused(TokenFault::ApiKey));
        }
        self.tokens.caller(token).await.map_err(|why| match why {
            NoCaller::Fault(fault) => refused(fault),
            NoCaller::Away(away) => {
                Problem::away(PROVIDER_AWAY, "the provider was never reached so far")
                    .retry_after(away.retry_after)
            }
        })
    }
}

const STORE_AWAY: &str = "API keys cannot be checked right now. Please try again in a moment.";
const PROVIDER_AWAY: &str =
    "The identity provider cannot be reached right now. Please try again in a moment.";

/// The token of `Authorization: Bearer`, by RFC 6750, section 2.1.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let (Some(credentials), None) = (sent.next(), sent.next()) else {
        return match headers.contains_key(AUTHORIZATION) {
            true => Err(refused(TokenFault::Malformed)),
            false => Ok(None),
        };
    };
    let parts = credentials.to_str().ok().and_then(|it| it.split_once(' '));
    match parts {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(refused(TokenFault::Malformed)),
    }
}

fn no_credentials() -> Problem {
    let detail = "Please sign in, or send a token or an API key.";
    Problem::new(StatusCode::UNAUTHORIZED, detail).challenge("Bearer realm=\"atelier\"".to_owned())
}

fn refused(fault: TokenFault) -> Problem {
    let words = fault.words();
    Problem::new(StatusCode::UNAUTHORIZED, words).challenge(format!(
        "Bearer realm=\"atelier\", error=\"invalid_token\", error_description=\"{words}\""
    ))
}
