//! The authorization endpoint: who asks, who one is, and back with a code.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::HeaderMap;
use url::Url;

use super::account::Account;
use super::clock::now;
use super::form::{one, parameters};
use super::grants::{CodeGrant, Grant};
use super::provider::Provider;
use super::{pages, session};

/// A request that is in order as far as client and return address go: what else is wrong with it is
/// told to the client.
struct Asked {
    client_id: String,
    redirect_uri: String,
    state: Option<String>,
    scope: String,
    nonce: Option<String>,
    prompt: Option<String>,
    /// Why it is refused, or its code challenge.
    challenge: Result<String, (&'static str, &'static str)>,
}

impl Asked {
    /// # Errors
    /// Words for the person: nobody may be sent to an address that is not registered.
    fn read(provider: &Provider, query: &str) -> Result<Self, &'static str> {
        let parameters = parameters(query);
        let text = |name| one(&parameters, name).map(str::to_owned);
        let client = provider
            .client(one(&parameters, "client_id"))
            .ok_or("No such client is registered here.")?;
        let redirect_uri = text("redirect_uri")
            .filter(|uri| client.may_return_to(uri))
            .ok_or("The address to come back to is not registered.")?;
        Ok(Self {
            client_id: client.id.clone(),
            redirect_uri,
            state: text("state"),
            scope: text("scope").unwrap_or_default(),
            nonce: text("nonce"),
            prompt: text("prompt"),
            challenge: challenge(&parameters),
        })
    }

    fn back(&self, provider: &Provider, answer: &[(&str, &str)]) -> Response {
        let mut url = Url::parse(&self.redirect_uri).expect("only addresses are registered");
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(answer);
            query.extend_pairs(self.state.iter().map(|state| ("state", state)));
            query.append_pair("iss", &provider.issuer);
        }
        Redirect::to(url.as_str()).into_response()
    }

    fn refuse(&self, provider: &Provider, (error, words): (&str, &str)) -> Response {
        let answer = [("error", error), ("error_description", words)];
        self.back(provider, &answer)
    }

    /// Back to the client with a code for `account`.
    fn grant(&self, provider: &Provider, account: &'static Account, auth_time: u64) -> Response {
        let code_challenge = match &self.challenge {
            Ok(challenge) => challenge.clone(),
            Err(fault) => return self.refuse(provider, *fault),
        };
        let code = provider.grants.code(CodeGrant {
            grant: Grant {
                account,
                client_id: self.client_id.clone(),
                scope: self.scope.clone(),
                nonce: self.nonce.clone(),
                auth_time,
            },
            redirect_uri: self.redirect_uri.clone(),
            code_challenge,
        });
        self.back(provider, &[("code", &code)])
    }
}

/// PKCE with S256 is required of every client (RFC 7636).
fn challenge(parameters: &[(String, String)]) -> Result<String, (&'static str, &'static str)> {
    let text = |name| one(parameters, name);
    if text("response_type") != Some("code") {
        return Err(("unsupported_response_type", "response_type must be code"));
    }
    if !text("scope").is_some_and(|scope| scope.split(' ').any(|it| it == "openid")) {
        return Err(("invalid_scope", "scope must have openid"));
    }
    match (text("code_challenge"), text("code_challenge_method")) {
        (Some(challenge), Some("S256")) => Ok(challenge.to_owned()),
        _ => Err(("invalid_request", "code_challenge with S256 is required")),
    }
}

/// `GET /authorize`: asks who one is, unless that is known or the request is not in order.
pub(super) async fn ask(
    State(provider): State<Arc<Provider>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let asked = match Asked::read(&provider, &query) {
        Ok(asked) => asked,
        Err(words) => return pages::refused(words),
    };
    if let Err(fault) = asked.challenge {
        return asked.refuse(&provider, fault);
    }
    match (session::of(&headers), asked.prompt.as_deref()) {
        (_, Some("login" | "select_account")) => pages::sign_in(&query),
        (Some((account, since)), _) => asked.grant(&provider, account, since),
        (None, Some("none")) => asked.refuse(&provider, ("login_required", "nobody is signed in")),
        (None, _) => pages::sign_in(&query),
    }
}

/// `POST /authorize`: the answer to the question who one is.
pub(super) async fn choose(
    State(provider): State<Arc<Provider>>,
    RawQuery(query): RawQuery,
    body: String,
) -> Response {
    let query = query.unwrap_or_default();
    let asked = match Asked::read(&provider, &query) {
        Ok(asked) => asked,
        Err(words) => return pages::refused(words),
    };
    let form = parameters(&body);
    let Some(account) = one(&form, "account").and_then(Account::find) else {
        return pages::sign_in(&query);
    };
    let since = now();
    let mut response = asked.grant(&provider, account, since);
    session::begin(&mut response, account, since);
    response
}
