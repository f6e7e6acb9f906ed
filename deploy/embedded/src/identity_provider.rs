//! The embedded identity provider: OpenID Connect's code flow with PKCE, for trying sign-in out.
//!
//! Its sign-in page asks who one is and believes it: there are no passwords. So it listens on
//! loopback only, and nothing but a trial may trust it. Its key, its codes and its refresh tokens
//! are in memory and end with it.

mod account;
mod authorize;
mod client;
mod clock;
mod form;
mod grants;
mod pages;
mod provider;
mod session;
mod signer;
mod token;

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use grants::Grants;
use provider::Provider;
use signer::Signer;

pub use account::{ACCOUNTS, Account};
pub use client::Client;

/// The identity provider that is reached at `issuer` and knows `clients`.
///
/// # Errors
/// Where no key can be made.
pub fn router(issuer: &str, clients: Vec<Client>) -> anyhow::Result<Router> {
    let provider = Arc::new(Provider {
        issuer: issuer.to_owned(),
        clients,
        signer: Signer::generate()?,
        grants: Grants::default(),
    });
    Ok(Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/jwks", get(jwks))
        .route("/authorize", get(authorize::ask).post(authorize::choose))
        .route("/token", post(token::token))
        .route(
            "/end-session",
            get(session::end_by_query).post(session::end_by_form),
        )
        .route("/style.css", get(pages::style))
        .with_state(provider))
}

/// OpenID Connect Discovery 1.0, section 3.
async fn discovery(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", provider.issuer);
    Json(json!({
        "issuer": provider.issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "jwks_uri": at("/jwks"),
        "end_session_endpoint": at("/end-session"),
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account"],
        "authorization_response_iss_parameter_supported": true,
        "claims_supported": ["sub", "name", "email", "email_verified", "roles"],
    }))
}

async fn jwks(State(provider): State<Arc<Provider>>) -> Json<Value> {
    Json(json!({"keys": [provider.signer.public_key()]}))
}
