//! Signing in and out with the page, and who is signed in.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::{CACHE_CONTROL, HOST, SET_COOKIE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use utoipa::ToSchema;

use crate::app::App;
use crate::correlation::CorrelationId;
use crate::identity::caller::{Caller, Proof};
use crate::identity::session;
use crate::identity::settings::is_private;
use crate::identity::sign_in::{Answer, Leads, NotSignedIn, SignIn};
use crate::notice::Notice;
use crate::problem::{Problem, Refused};

/// Where the provider sends people who signed out; it has to know this address.
const SIGNED_OUT: &str = "/auth/signed-out";

/// How often the page asks who is signed in: twice in the second half of a session, which renews it.
const ASK_AGAIN_SECONDS: u64 = session::LIFETIME.as_secs() / 4;

/// What the page asks for when it sends somebody to sign in.
#[derive(Debug, Deserialize)]
pub(crate) struct Begin {
    return_to: Option<String>,
    /// Set where the browser was sent to our own name already.
    here: Option<String>,
}

/// `GET /auth/sign-in?return_to=`: to the identity provider.
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    CorrelationId(id): CorrelationId,
    query: Result<Query<Begin>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Some(sign_in) = app.gate.page() else {
        return uncached(Redirect::to("/").into_response());
    };
    let begin = query.map_or_else(
        |_| Begin {
            return_to: None,
            here: None,
        },
        |Query(begin)| begin,
    );
    let return_to = begin.return_to.unwrap_or_default();
    if begin.here.is_none()
        && let Some(there) = elsewhere(sign_in, &headers)
    {
        // The provider sends people to our own name, so the cookie has to be kept there.
        let return_to: String = form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
        let there = format!("{there}/auth/sign-in?here=&return_to={return_to}");
        return uncached(Redirect::to(&there).into_response());
    }
    let leads = match site(sign_in, &headers) {
        Ok(site) => sign_in.begin(&site, &return_to, &headers).await,
        Err(problem) => return problem.into_response(),
    };
    go(leads, &id)
}

/// `GET /auth/callback`: back from the identity provider.
pub(crate) async fn callback(
    State(app): State<Arc<App>>,
    CorrelationId(id): CorrelationId,
    query: Result<Query<Answer>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Some(sign_in) = app.gate.page() else {
        return uncached(Redirect::to("/").into_response());
    };
    let answer = query.map(|Query(answer)| answer).unwrap_or_default();
    let leads = match site(sign_in, &headers) {
        Ok(site) => sign_in.finish(&site, &answer, &headers).await,
        Err(problem) => return problem.into_response(),
    };
    go(leads, &id)
}

/// Where the page goes when somebody signed out.
#[derive(Debug, Serialize, ToSchema)]
struct SignedOut {
    /// The identity provider, which ends its session too and comes back to us.
    location: String,
}

/// Ends the session of the page, if there is one.
#[utoipa::path(
    post,
    path = "/auth/sign-out",
    tag = "session",
    operation_id = "sign_out",
    responses(
        (status = 200, description = "The session is ended.", body = SignedOut, headers(
            ("Set-Cookie" = String, description = "Removes the session's cookie"),
        )),
        Refused<403>,
    )
)]
pub(crate) async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let location = match app.gate.page() {
        Some(sign_in) => {
            let session = sign_in.session(&headers);
            match site(sign_in, &headers) {
                Ok(site) => sign_in.end(&site, SIGNED_OUT, session.as_ref()).await,
                Err(_) => SIGNED_OUT.to_owned(),
            }
        }
        None => "/".to_owned(),
    };
    let mut response = Json(SignedOut { location }).into_response();
    response.headers_mut().append(SET_COOKIE, session::end());
    uncached(response)
}

/// `GET /auth/signed-out`.
pub(crate) async fn signed_out(State(app): State<Arc<App>>) -> Response {
    if app.gate.page().is_none() {
        return uncached(Redirect::to("/").into_response());
    }
    Notice::new(StatusCode::OK, "You are signed out", "")
        .with_link("/auth/sign-in", "Sign in")
        .into_response()
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
struct Me {
    /// Whether one has to sign in here at all.
    sign_in: bool,
    /// Whether somebody is: by a session of the page, a token or an API key.
    signed_in: bool,
    /// The identity provider's name for the caller, or `key:` and the name of an API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// What to call it in front of people.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The `teacher_id` of its own assignments.
    #[serde(skip_serializing_if = "Option::is_none")]
    teacher_id: Option<String>,
    /// What it may do: `teacher`, `portal`, `operator`.
    roles: Vec<&'static str>,
    /// Seconds until the page asks again, which renews the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_again_seconds: Option<u64>,
}

impl Me {
    fn of(caller: &Caller, ask_again_seconds: Option<u64>) -> Self {
        Self {
            sign_in: true,
            signed_in: true,
            subject: Some(caller.subject.clone()),
            name: caller.name.clone(),
            teacher_id: caller.teacher.clone(),
            roles: names(caller),
            ask_again_seconds,
        }
    }

    fn nobody(sign_in: bool) -> Self {
        // Where there is no sign-in, everybody may do everything.
        let everybody = (!sign_in).then(Caller::everybody);
        Self {
            sign_in,
            signed_in: false,
            subject: None,
            name: None,
            teacher_id: None,
            roles: everybody.map_or_else(Vec::new, |it| names(&it)),
            ask_again_seconds: None,
        }
    }
}

fn names(caller: &Caller) -> Vec<&'static str> {
    caller.roles.iter().map(|role| role.as_str()).collect()
}

/// Tells who is signed in. A session that is past half its time is renewed; the page asks in one tab at
/// a time, since a refresh token serves once.
#[utoipa::path(
    get,
    path = "/auth/me",
    tag = "session",
    operation_id = "get_session",
    responses(
        (status = 200, description = "Who calls.", body = Me),
        Refused<401>, Refused<503>,
    )
)]
pub(crate) async fn me(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(sign_in) = app.gate.page() else {
        return Ok(uncached(Json(Me::nobody(false)).into_response()));
    };
    let (me, cookie) = match app.gate.caller(&headers).await? {
        None => (Me::nobody(true), None),
        Some(caller) if caller.proof == Proof::Session => {
            let renewed = renewed(sign_in, &headers).await;
            let (caller, cookie) =
                renewed.map_or((caller, None), |(now, cookie)| (now, Some(cookie)));
            (Me::of(&caller, Some(ASK_AGAIN_SECONDS)), cookie)
        }
        Some(caller) => (Me::of(&caller, None), None),
    };
    let mut response = Json(me).into_response();
    response
        .headers_mut()
        .extend(cookie.map(|it| (SET_COOKIE, it)));
    Ok(uncached(response))
}

/// Whose session is renewed, and its cookie.
async fn renewed(sign_in: &SignIn, headers: &HeaderMap) -> Option<(Caller, HeaderValue)> {
    let session = sign_in.session(headers)?;
    let site = site(sign_in, headers).ok()?;
    let (session, cookie) = sign_in.renewed(&site, &session).await?;
    Some((session.caller(), cookie))
}

/// Our own address as the browser has it. Where nothing says what it is, only this machine reaches
/// us, by whatever name it likes.
fn site(sign_in: &SignIn, headers: &HeaderMap) -> Result<String, Problem> {
    if let Some(url) = sign_in.public_url() {
        return Ok(url.to_owned());
    }
    let host = host(headers).map(|host| format!("http://{host}"));
    host.filter(|site| is_private(site)).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "People cannot sign in at this address; PUBLIC_URL says where they can.",
        )
    })
}

/// Our own address, if the browser has loaded the page from another one.
fn elsewhere<'a>(sign_in: &'a SignIn, headers: &HeaderMap) -> Option<&'a str> {
    let url = sign_in.public_url()?;
    let ours: http::Uri = url.parse().ok()?;
    let here = host(headers)?;
    let is_here = ours
        .authority()?
        .as_str()
        .eq_ignore_ascii_case(here.as_str());
    (!is_here).then_some(url)
}

fn host(headers: &HeaderMap) -> Option<Authority> {
    headers.get(HOST)?.to_str().ok()?.parse().ok()
}

fn go(leads: Result<Leads, NotSignedIn>, correlation_id: &str) -> Response {
    let leads = match leads {
        Ok(leads) => leads,
        Err(why) => return refused(&why, correlation_id),
    };
    let mut response = Redirect::to(&leads.to).into_response();
    for cookie in leads.cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    uncached(response)
}

fn refused(why: &NotSignedIn, correlation_id: &str) -> Response {
    tracing::warn!(%why, "nobody is signed in");
    let (status, words) = match why {
        NotSignedIn::Away => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The service that signs people in does not answer. Please try again in a moment."
                .to_owned(),
        ),
        NotSignedIn::NotBegun => (
            StatusCode::BAD_REQUEST,
            "This sign-in was begun in another browser, took too long, or is done already."
                .to_owned(),
        ),
        NotSignedIn::Refused(code) => (
            StatusCode::FORBIDDEN,
            format!(
                "The service that signs people in refused ({}).",
                shown(code)
            ),
        ),
        NotSignedIn::NoProof(_) => (
            StatusCode::BAD_GATEWAY,
            "What the service that signs people in says cannot be trusted.".to_owned(),
        ),
    };
    let words = if status.is_server_error() {
        format!("{words} Reference: {correlation_id}")
    } else {
        words
    };
    Notice::new(status, "You are not signed in", words)
        .with_link("/auth/sign-in", "Sign in again")
        .into_response()
}

/// An error code as it may be shown (RFC 6749, section 4.1.2.1), shortened.
fn shown(code: &str) -> String {
    let plain = code.chars().filter(|it| it.is_ascii_graphic());
    plain.take(40).collect()
}

fn uncached(mut response: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}
