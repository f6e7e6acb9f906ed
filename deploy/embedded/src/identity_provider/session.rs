//! That somebody is signed in here, in a cookie. It needs no protection: whoever comes here may say
//! to be anybody.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use url::Url;

use super::account::Account;
use super::form::{one, parameters};
use super::pages;
use super::provider::Provider;

/// Cookies are shared by all ports of a host, so the name must be one that nobody else takes.
const NAME: &str = "atelier-identity-provider";

/// Who is signed in, and since when in seconds since 1970.
pub(super) fn of(headers: &HeaderMap) -> Option<(&'static Account, u64)> {
    let cookies = headers.get_all(COOKIE).iter();
    let pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs
        .filter(|(name, _)| *name == NAME)
        .map(|(_, value)| value);
    let (id, since) = values.next_back()?.split_once('.')?;
    Some((Account::find(id)?, since.parse().ok()?))
}

/// Remembers that `account` signed in.
pub(super) fn begin(response: &mut Response, account: &Account, since: u64) {
    let value = format!("{}.{since}", account.id);
    set(
        response,
        &format!("{NAME}={value}; Path=/; HttpOnly; SameSite=Lax"),
    );
}

fn set(response: &mut Response, cookie: &str) {
    let value = HeaderValue::from_str(cookie).expect("ids of accounts are plain");
    response.headers_mut().append(SET_COOKIE, value);
}

/// RP-Initiated Logout 1.0. It asks no question: there is little to lose here.
pub(super) async fn end_by_query(
    State(provider): State<Arc<Provider>>,
    RawQuery(query): RawQuery,
) -> Response {
    end(&provider, query.as_deref().unwrap_or_default())
}

pub(super) async fn end_by_form(State(provider): State<Arc<Provider>>, body: String) -> Response {
    end(&provider, &body)
}

fn end(provider: &Provider, query: &str) -> Response {
    let parameters = parameters(query);
    let client = provider.client(one(&parameters, "client_id"));
    let mut response = match one(&parameters, "post_logout_redirect_uri") {
        None => pages::signed_out(),
        Some(uri) => match client {
            Some(client) if client.may_leave_to(uri) => leave_to(uri, one(&parameters, "state")),
            _ => pages::refused("The address to go to after signing out is not registered."),
        },
    };
    set(
        &mut response,
        &format!("{NAME}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
    );
    response
}

fn leave_to(uri: &str, state: Option<&str>) -> Response {
    let mut url = Url::parse(uri).expect("only addresses are registered");
    if let Some(state) = state {
        url.query_pairs_mut().append_pair("state", state);
    }
    Redirect::to(url.as_str()).into_response()
}
