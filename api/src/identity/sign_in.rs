//! Sign-in with the page: OpenID Connect's code flow with PKCE, and the sessions that it begins.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::identity::caller::{Caller, Proof};
use crate::identity::claims;
use crate::identity::id_token::{self, BadIdToken};
use crate::identity::provider::{Known, Provider};
use crate::identity::return_address::return_address;
use crate::identity::sealed::{SealedCookies, pairs, set_cookie};
use crate::identity::session::{self, Session};
use crate::identity::settings::SignInConfig;

/// How long somebody may take to sign in at the provider.
const FLOW_LIFETIME: Duration = Duration::from_secs(600);

/// Sign-ins that one browser may have begun at a time, so that their cookies do not fill the head
/// of its requests.
const MAX_FLOWS: usize = 5;

/// Random bytes of a state.
const STATE_BYTES: u32 = 32;

/// The start of the name of a sign-in's cookie; the first characters of its state follow.
const FLOW_COOKIE: &str = "__Host-atelier-sign-in-";

/// How many.
const FLOW_NAME: usize = 8;

/// The longest that the provider may take for tokens.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSignedIn {
    /// Later it may go better.
    #[error("the identity provider does not answer")]
    Away,
    /// This browser began no such sign-in, or too long ago, or it is done already.
    #[error("no such sign-in was begun")]
    NotBegun,
    /// The provider refuses, by its error code.
    #[error("the identity provider refuses: {0}")]
    Refused(String),
    /// What the provider says proves nothing.
    #[error("{0}")]
    NoProof(&'static str),
}

/// A sign-in that is under way, sealed in a cookie of the browser that began it.
#[derive(Serialize, Deserialize)]
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    return_to: String,
    /// In seconds since 1970.
    until: u64,
}

/// Where a browser is sent, and which cookies it keeps.
#[derive(Debug)]
pub(crate) struct Leads {
    pub to: String,
    pub cookies: Vec<HeaderValue>,
}

/// What the provider sends back to us with the browser.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    error: Option<String>,
    iss: Option<String>,
}

/// The token response's field that OAuth 2.0 alone does not have.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct IdTokenField {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

type Tokens = StandardTokenResponse<IdTokenField, BasicTokenType>;
type Client = oauth2::Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Signs people in at one identity provider.
#[derive(Debug)]
pub(crate) struct SignIn {
    config: SignInConfig,
    provider: Arc<Provider>,
    http: reqwest::Client,
    cookies: SealedCookies,
}

impl SignIn {
    /// As `config` has it.
    pub(crate) fn new(config: SignInConfig, provider: Arc<Provider>) -> Self {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // The answer of a token endpoint leads nowhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("the TLS provider was installed first in main");
        Self {
            cookies: SealedCookies::new(&config.session_keys),
            config,
            provider,
            http,
        }
    }

    /// The address that people open, which the cookies of a sign-in belong to; `None` where nothing
    /// is said.
    pub(crate) fn public_url(&self) -> Option<&str> {
        self.config.public_url.as_deref()
    }

    /// The session that a request brings.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<Session> {
        Session::read(&self.cookies, headers, session::now())
    }

    /// Sends a browser to the provider; `site` is our own address, `return_to` where it goes then.
    ///
    /// # Errors
    /// Where the provider was never reached.
    pub(crate) async fn begin(
        &self,
        site: &str,
        return_to: &str,
        headers: &HeaderMap,
    ) -> Result<Leads, NotSignedIn> {
        let known = self.known().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = CsrfToken::new_random();
        let scopes = self.config.scopes.iter().cloned().map(Scope::new);
        let (url, state) = self
            .client(&known, site)?
            .authorize_url(|| CsrfToken::new_random_len(STATE_BYTES))
            .add_scopes(scopes)
            .add_extra_param("nonce", nonce.secret())
            .set_pkce_challenge(challenge)
            .url();
        let flow = Flow {
            state: state.into_secret(),
            nonce: nonce.into_secret(),
            verifier: verifier.into_secret(),
            return_to: return_address(return_to),
            until: session::now() + FLOW_LIFETIME.as_secs(),
        };
        let name = flow_cookie(&flow.state).expect("a state of ours");
        let text = serde_json::to_string(&flow).expect("plain data");
        let mut cookies = vec![set_cookie(
            &name,
            &self.cookies.seal(&name, &text),
            FLOW_LIFETIME,
        )];
        // Browsers send the oldest first.
        let begun: Vec<_> = pairs(headers)
            .map(|(name, _)| name)
            .filter(|name| name.starts_with(FLOW_COOKIE))
            .collect();
        let too_many = begun.iter().rev().skip(MAX_FLOWS - 1);
        cookies.extend(too_many.map(|name| set_cookie(name, "", Duration::ZERO)));
        Ok(Leads {
            to: url.into(),
            cookies,
        })
    }

    /// Begins the session of whoever comes back from the provider.
    ///
    /// # Errors
    /// Where nobody is signed in by that.
    pub(crate) async fn finish(
        &self,
        site: &str,
        answer: &Answer,
        headers: &HeaderMap,
    ) -> Result<Leads, NotSignedIn> {
        let now = session::now();
        let name = flow_cookie(&answer.state).ok_or(NotSignedIn::NotBegun)?;
        let flow = self
            .cookies
            .open(&name, headers)
            .and_then(|text| serde_json::from_str::<Flow>(&text).ok())
            .filter(|flow| flow.state == answer.state && now < flow.until)
            .ok_or(NotSignedIn::NotBegun)?;
        // RFC 9207: the answer of another provider is not for this sign-in.
        if answer
            .iss
            .as_ref()
            .is_some_and(|iss| *iss != self.config.issuer)
        {
            return Err(NotSignedIn::NoProof("the answer is another provider's"));
        }
        if let Some(error) = &answer.error {
            return Err(NotSignedIn::Refused(error.clone()));
        }
        let known = self.known().await?;
        let tokens = self
            .client(&known, site)?
            .exchange_code(AuthorizationCode::new(answer.code.clone()))
            .set_pkce_verifier(PkceCodeVerifier::new(flow.verifier))
            .request_async(&|request| send(self.http.clone(), request))
            .await
            .map_err(refusal)?;
        let id_token = tokens.extra_fields().id_token.as_deref();
        let id_token = id_token.ok_or(NotSignedIn::NoProof("it gives no ID token"))?;
        let caller = self.caller(id_token, Some(&flow.nonce)).await?;
        let mut session = Session::begin(&caller, now);
        keep_tokens(&mut session, &tokens);
        tracing::info!(subject = caller.subject, "signed in");
        Ok(Leads {
            to: flow.return_to,
            cookies: vec![
                session.set_cookie(&self.cookies, now),
                set_cookie(&name, "", Duration::ZERO),
            ],
        })
    }

    /// `session` with more time, and the cookie for it: by its refresh token if it has one, so that
    /// what the provider says of the person counts anew; else just so. `None` while it has time, and
    /// where the provider gives none: then it ends when it ends.
    pub(crate) async fn renewed(
        &self,
        site: &str,
        session: &Session,
    ) -> Option<(Session, HeaderValue)> {
        let now = session::now();
        if !session.is_to_be_renewed(now) {
            return None;
        }
        let mut renewed = session.clone();
        if let Some(token) = &session.refresh_token {
            let refreshed = self.refresh(site, token, &mut renewed).await;
            if let Err(error) = refreshed {
                let subject = &session.subject;
                tracing::warn!(subject, %error, "a session is not renewed");
                return None;
            }
        }
        renewed.renew(now);
        let cookie = renewed.set_cookie(&self.cookies, now);
        Some((renewed, cookie))
    }

    async fn refresh(
        &self,
        site: &str,
        token: &str,
        session: &mut Session,
    ) -> Result<(), NotSignedIn> {
        let known = self.known().await?;
        let tokens = self
            .client(&known, site)?
            .exchange_refresh_token(&RefreshToken::new(token.to_owned()))
            .request_async(&|request| send(self.http.clone(), request))
            .await
            .map_err(refusal)?;
        // A provider need not say again who it is (Core, section 12.2).
        if let Some(id_token) = &tokens.extra_fields().id_token {
            let caller = self.caller(id_token, None).await?;
            if caller.subject != session.subject {
                return Err(NotSignedIn::NoProof("it names another person"));
            }
            session.take_over(&caller);
        }
        keep_tokens(session, &tokens);
        Ok(())
    }

    /// Where the browser goes to end the provider's session as well, or `signed_out` where the
    /// provider has no such place (RP-Initiated Logout 1.0).
    pub(crate) async fn end(
        &self,
        site: &str,
        signed_out: &str,
        session: Option<&Session>,
    ) -> String {
        let known = self.known().await.ok();
        let end = known
            .as_ref()
            .and_then(|known| known.endpoint("end_session_endpoint"))
            .and_then(|end| Url::parse(end).ok());
        let Some(mut url) = end else {
            return signed_out.to_owned();
        };
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", &self.config.client_id);
            query.append_pair("post_logout_redirect_uri", &format!("{site}{signed_out}"));
            if let Some(token) = session.and_then(|it| it.id_token.as_ref()) {
                query.append_pair("id_token_hint", token);
            }
        }
        url.into()
    }

    async fn known(&self) -> Result<Arc<Known>, NotSignedIn> {
        self.provider.known().await.map_err(|_| NotSignedIn::Away)
    }

    async fn caller(&self, id_token: &str, nonce: Option<&str>) -> Result<Caller, NotSignedIn> {
        let (issuer, client_id) = (&self.config.issuer, &self.config.client_id);
        let claims = id_token::check(&self.provider, issuer, client_id, id_token, nonce)
            .await
            .map_err(|error| match error {
                BadIdToken::Away => NotSignedIn::Away,
                BadIdToken::No(words) => NotSignedIn::NoProof(words),
            })?;
        claims::caller(&claims, &self.config.rules, Proof::Session)
            .map_err(|_| NotSignedIn::NoProof("it names no subject"))
    }

    fn client(&self, known: &Known, site: &str) -> Result<Client, NotSignedIn> {
        let no_endpoint = || NotSignedIn::NoProof("it has no usable endpoints for a sign-in");
        let endpoint = |name| {
            known
                .endpoint(name)
                .map(str::to_owned)
                .ok_or_else(no_endpoint)
        };
        let authorize = AuthUrl::new(endpoint("authorization_endpoint")?);
        let token = TokenUrl::new(endpoint("token_endpoint")?);
        let callback = RedirectUrl::new(format!("{site}/auth/callback"));
        let client = oauth2::Client::new(ClientId::new(self.config.client_id.clone()))
            .set_auth_uri(authorize.map_err(|_| no_endpoint())?)
            .set_token_uri(token.map_err(|_| no_endpoint())?)
            .set_redirect_uri(callback.map_err(|_| no_endpoint())?)
            .set_auth_type(auth_type(known));
        Ok(match &self.config.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.reveal().clone())),
            None => client,
        })
    }
}

/// How we show our secret: by HTTP Basic unless the provider takes it in the form only (Discovery,
/// section 3).
fn auth_type(known: &Known) -> AuthType {
    let methods = known.document["token_endpoint_auth_methods_supported"].as_array();
    let takes = |name: &str| methods.is_some_and(|it| it.iter().any(|method| method == name));
    if takes("client_secret_post") && !takes("client_secret_basic") {
        AuthType::RequestBody
    } else {
        AuthType::BasicAuth
    }
}

/// The name of the cookie of the sign-in with this state.
fn flow_cookie(state: &str) -> Option<String> {
    let start = state.get(..FLOW_NAME)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    start
        .bytes()
        .all(plain)
        .then(|| format!("{FLOW_COOKIE}{start}"))
}

fn keep_tokens(session: &mut Session, tokens: &Tokens) {
    if let Some(token) = tokens.refresh_token() {
        session.refresh_token = Some(token.secret().clone());
    }
    if let Some(token) = &tokens.extra_fields().id_token {
        session.id_token = Some(token.clone());
    }
}

fn refusal(error: RequestTokenError<reqwest::Error, BasicErrorResponse>) -> NotSignedIn {
    match error {
        RequestTokenError::ServerResponse(said) => NotSignedIn::Refused(said.error().to_string()),
        RequestTokenError::Request(error) => {
            tracing::warn!(?error, "the token endpoint does not answer");
            NotSignedIn::Away
        }
        // What it said may hold a token: it is not logged.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            tracing::warn!("the token endpoint answers something else");
            NotSignedIn::Away
        }
    }
}

async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let (parts, body) = request.into_parts();
    let call = http.request(parts.method, parts.uri.to_string());
    let answer = call.headers(parts.headers).body(body).send().await?;
    let mut response = HttpResponse::default();
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await?.to_vec();
    Ok(response)
}
