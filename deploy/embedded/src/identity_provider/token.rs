//! The token endpoint.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::client::Client;
use super::clock::now;
use super::form::{one, parameters};
use super::grants::Grant;
use super::provider::Provider;

/// How long tokens hold, in seconds.
const TOKEN_SECONDS: u64 = 300;

/// Why no tokens are given (RFC 6749, section 5.2).
#[derive(Debug)]
enum Refusal {
    InvalidClient,
    InvalidGrant(&'static str),
    UnsupportedGrant,
}

impl Refusal {
    fn response(&self) -> Response {
        let (status, error, words) = match self {
            Self::InvalidClient => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "no such client, or another secret",
            ),
            Self::InvalidGrant(words) => (StatusCode::BAD_REQUEST, "invalid_grant", *words),
            Self::UnsupportedGrant => (
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "grant_type must be authorization_code or refresh_token",
            ),
        };
        let body = json!({"error": error, "error_description": words});
        (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
    }
}

/// `POST /token`.
pub(super) async fn token(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    match redeem(&provider, &headers, &parameters(&body)) {
        Ok(grant) => {
            let tokens = tokens(&provider, &grant);
            ([(CACHE_CONTROL, "no-store")], Json(tokens)).into_response()
        }
        Err(refusal) => refusal.response(),
    }
}

fn redeem(
    provider: &Provider,
    headers: &HeaderMap,
    form: &[(String, String)],
) -> Result<Grant, Refusal> {
    let client = client(provider, headers, form).ok_or(Refusal::InvalidClient)?;
    let grant = match one(form, "grant_type") {
        Some("authorization_code") => by_code(provider, form)?,
        Some("refresh_token") => one(form, "refresh_token")
            .and_then(|token| provider.grants.of_refresh_token(token))
            .ok_or(Refusal::InvalidGrant("the refresh token serves no more"))?,
        _ => return Err(Refusal::UnsupportedGrant),
    };
    if grant.client_id == client.id {
        Ok(grant)
    } else {
        Err(Refusal::InvalidGrant("it was granted to another client"))
    }
}

fn by_code(provider: &Provider, form: &[(String, String)]) -> Result<Grant, Refusal> {
    let found = one(form, "code")
        .and_then(|code| provider.grants.of_code(code))
        .ok_or(Refusal::InvalidGrant("the code serves no more"))?;
    if one(form, "redirect_uri") != Some(&found.redirect_uri) {
        return Err(Refusal::InvalidGrant("redirect_uri is another one"));
    }
    let verifier = one(form, "code_verifier").unwrap_or_default();
    let challenge = URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, verifier.as_bytes()));
    if challenge != found.code_challenge {
        return Err(Refusal::InvalidGrant("code_verifier does not fit"));
    }
    Ok(found.grant)
}

/// The client that asks: by HTTP Basic, or by fields of the form.
fn client<'a>(
    provider: &'a Provider,
    headers: &HeaderMap,
    form: &[(String, String)],
) -> Option<&'a Client> {
    let (id, secret) = match headers.get(AUTHORIZATION) {
        Some(value) => {
            let (id, secret) = basic(value.to_str().ok()?)?;
            (id, Some(secret))
        }
        None => (
            one(form, "client_id")?.to_owned(),
            one(form, "client_secret").map(str::to_owned),
        ),
    };
    let client = provider.client(Some(&id))?;
    client.is_shown_by(secret.as_deref()).then_some(client)
}

/// Both are form-encoded before they are joined (RFC 6749, section 2.3.1).
fn basic(value: &str) -> Option<(String, String)> {
    let text = STANDARD.decode_to_vec(value.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(text).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text)
            .decode_utf8()
            .ok()
            .map(String::from)
    };
    Some((decoded(id)?, decoded(secret)?))
}

fn tokens(provider: &Provider, grant: &Grant) -> Value {
    let now = now();
    let claims = |more: Value| {
        let mut claims = grant.account.claims();
        claims["iss"] = json!(provider.issuer);
        claims["aud"] = json!(grant.client_id);
        claims["iat"] = json!(now);
        claims["exp"] = json!(now + TOKEN_SECONDS);
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        provider.signer.sign(&claims)
    };
    let mut id_claims = json!({"auth_time": grant.auth_time});
    if let Some(nonce) = &grant.nonce {
        id_claims["nonce"] = json!(nonce);
    }
    let access_claims = json!({"client_id": grant.client_id, "scope": grant.scope});
    json!({
        "token_type": "Bearer",
        "expires_in": TOKEN_SECONDS,
        "scope": grant.scope,
        "id_token": claims(id_claims),
        "access_token": claims(access_claims),
        "refresh_token": provider.grants.refresh_token(grant.clone()),
    })
}
