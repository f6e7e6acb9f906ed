//! A teacher's side of sharing: the link, and what students answered there.

mod qr;

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::assignment::Assignment;
use atelier_domain::audit::Action;
use atelier_domain::questions;
use atelier_domain::share::{
    MAX_LINKS, MAX_NAME_CHARACTERS, NewShare, Share, StudentResult, TOKEN_CHARACTERS,
};
use atelier_domain::timestamp::Timestamp;
use atelier_store::shares::{Shared, Which};
use axum::Json;
use axum::extract::State;
use http::header::HOST;
use http::{HeaderMap, StatusCode};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::audit_log::note;
use crate::correlation::CorrelationId;
use crate::identity::caller::Caller;
use crate::input::id::Id;
use crate::input::number::{Number, Whole};
use crate::input::text::Shown;
use crate::input::{IdInPath, OptionalJsonBody, Parameters, input};
use crate::present::present;
use crate::problem::{Problem, Refused};

pub(crate) use qr::{__path_qr, qr};

/// The longest that a link may live by itself, in days.
const MAX_DAYS: u32 = 366;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

input! {
    /// How long a link lives.
    LinkWish() {
        /// The link ends by itself after this many days; without it, when it is revoked. A link that
        /// lives already keeps its end.
        expires_in_days: Whole<1, MAX_DAYS>,
    }
}

input! {
    /// Which results.
    ResultsQuery() {
        /// Those of this link; without it, of the newest.
        link: Number<1, 1_000_000>,
    }
}

input! {
    /// Which results are erased; without any of these all of the assignment.
    EraseQuery() {
        /// Only those of this link.
        link: Number<1, 1_000_000>,
        /// Only those under this very name.
        name: Shown<MAX_NAME_CHARACTERS>,
        /// Only the one with this id.
        result_id: Id,
    }
}

/// A link by which students see an assignment. Points in time are seconds since
/// 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Link, example = json!({
    "link": 1, "token": "Zr1nQ0nUeKx0c7C2fVdE3m4oYb5hT6_a",
    "url": "https://atelier.example.org/s/Zr1nQ0nUeKx0c7C2fVdE3m4oYb5hT6_a",
    "created_at": 1_767_225_600.0, "results": 12,
}))]
pub(crate) struct LinkView {
    /// Which link of the assignment it is, from 1.
    link: u32,
    /// What whoever has the link knows; absent once it is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// What to give to students; absent once it is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// When it was made.
    created_at: f64,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<f64>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<f64>,
    /// In a list: how many results it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<u32>,
}

impl LinkView {
    fn new(share: Share, results: Option<u32>, site: &str) -> Self {
        let url = share
            .token
            .as_ref()
            .map(|token| format!("{site}/s/{token}"));
        Self {
            link: share.link,
            url,
            token: share.token,
            created_at: share.created_at.seconds(),
            expires_at: share.expires_at.map(Timestamp::seconds),
            revoked_at: share.revoked_at.map(Timestamp::seconds),
            results,
        }
    }
}

/// What a student answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StudentResult, example = json!({
    "result_id": "019a0000-0000-7000-8000-000000000000", "name": "Ada",
    "answers": ["Jupiter", "seven"], "right": [true, false], "right_count": 1,
    "at": 1_767_225_660.5,
}))]
pub(crate) struct ResultView {
    /// Its id.
    result_id: String,
    /// The name that the student typed.
    name: String,
    /// The answers, in the order that the questions had then.
    answers: Vec<String>,
    /// Which of them were right; `null` where no answer was listed.
    right: Vec<Option<bool>>,
    /// How many were right.
    right_count: usize,
    /// When they were checked.
    at: f64,
}

impl From<StudentResult> for ResultView {
    fn from(result: StudentResult) -> Self {
        Self {
            right_count: right_count(&result.right),
            result_id: result.id,
            name: result.name,
            answers: result.answers,
            right: result.right,
            at: result.at.seconds(),
        }
    }
}

/// How many are right.
pub(crate) fn right_count(right: &[Option<bool>]) -> usize {
    right.iter().filter(|it| **it == Some(true)).count()
}

/// The links of an assignment, and the results of one of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Results {
    /// All links, newest first.
    links: Vec<LinkView>,
    /// The link whose results follow; `null` where there is none.
    link: Option<u32>,
    /// The questions as they are now.
    questions: Vec<String>,
    /// In the order in which they came.
    results: Vec<ResultView>,
}

/// How many results were erased.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"erased": 3}))]
pub(crate) struct Erased {
    /// How many.
    erased: u32,
}

/// The address of this site, for links: `PUBLIC_URL`, or the one that the caller used.
fn site(app: &App, headers: &HeaderMap) -> String {
    match &app.config.site.public_url {
        Some(url) => url.clone(),
        None => {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            host.map(|host| format!("http://{host}"))
                .unwrap_or_default()
        }
    }
}

fn new_token() -> Result<String, Problem> {
    let mut bytes = [0; TOKEN_CHARACTERS * 3 / 4];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Problem::internal("the system has no random numbers"))?;
    Ok(base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes))
}

/// Makes a link by which students see an assignment without an account: its picture, its title and
/// its questions. While it lives, the same call answers with the same link.
#[utoipa::path(
    post,
    path = "/assignments/{id}/share",
    tag = "students",
    operation_id = "share_assignment",
    params(("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$")),
    request_body(content = Option<LinkWish>, example = json!({"expires_in_days": 14})),
    responses(
        (status = 201, description = "The link is made.", body = LinkView),
        (status = 200, description = "The link that lives already.", body = LinkView),
        Refused<400>, Refused<403>, Refused<404>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn share(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    caller: Caller,
    correlation_id: CorrelationId,
    headers: HeaderMap,
    OptionalJsonBody(wish): OptionalJsonBody<LinkWish>,
) -> Result<(StatusCode, Json<LinkView>), Problem> {
    present(app.store(), &id, &caller).await?;
    let now = Timestamp::now();
    let shares = app.store().shares();
    let mut links = shares.links(&id).await?.into_iter();
    if let Some((live, _)) = links.find(|(link, _)| link.is_live(now)) {
        let view = LinkView::new(live, None, &site(&app, &headers));
        return Ok((StatusCode::OK, Json(view)));
    }
    let wanted = NewShare {
        assignment_id: id.clone(),
        token: new_token()?,
        created_at: now,
        expires_at: wish.expires_in_days.map(|days| now + DAY * days.0),
    };
    let noted = note(&app, &caller, Action::ShareIssued, &id, &correlation_id).await?;
    let made = make_link(&app, &caller, &wanted).await;
    let (status, share) = match made {
        Ok(Shared::New(share)) => (StatusCode::CREATED, share),
        not_made => {
            noted.failed(&app).await;
            match not_made? {
                // Somebody else made it meanwhile.
                Shared::New(share) | Shared::Live(share) => (StatusCode::OK, share),
                Shared::TooMany => return Err(too_many()),
            }
        }
    };
    if status == StatusCode::CREATED {
        tracing::info!(assignment = id, link = share.link, "link made");
    }
    let view = LinkView::new(share, None, &site(&app, &headers));
    Ok((status, Json(view)))
}

/// Makes the link, if the assignment is still there then.
async fn make_link(app: &App, caller: &Caller, wanted: &NewShare) -> Result<Shared, Problem> {
    let shares = app.store().shares();
    let made = shares.share(wanted).await?;
    // Whoever deleted it meanwhile has erased its links already.
    if let Err(problem) = present(app.store(), &wanted.assignment_id, caller).await {
        if problem.status() == StatusCode::NOT_FOUND {
            shares.erase(&wanted.assignment_id).await?;
        }
        return Err(problem);
    }
    Ok(made)
}

fn too_many() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        format!(
            "The assignment has {MAX_LINKS} links with results. Erase the results of old ones first."
        ),
    )
}

/// Revokes the link of an assignment: from now on it opens nothing. Results stay.
#[utoipa::path(
    delete,
    path = "/assignments/{id}/share",
    tag = "students",
    operation_id = "revoke_share",
    params(("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$")),
    responses(
        (status = 204, description = "No link of it opens anything."),
        Refused<403>, Refused<404>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    caller: Caller,
    correlation_id: CorrelationId,
) -> Result<StatusCode, Problem> {
    present(app.store(), &id, &caller).await?;
    let shares = app.store().shares();
    let links = shares.links(&id).await?;
    if links.iter().all(|(link, _)| link.revoked_at.is_some()) {
        return Ok(StatusCode::NO_CONTENT);
    }
    let noted = note(&app, &caller, Action::ShareRevoked, &id, &correlation_id).await?;
    let revoked = shares.revoke(&id, Timestamp::now()).await;
    noted.outcome(&app, revoked).await?;
    tracing::info!(assignment = id, "link revoked");
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the links of an assignment, and what students answered at one of them.
#[utoipa::path(
    get,
    path = "/assignments/{id}/results",
    tag = "students",
    operation_id = "list_results",
    params(
        ("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$"),
        ResultsQuery,
    ),
    responses(
        (status = 200, description = "The links, and the results of one.", body = Results),
        Refused<400>, Refused<404>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn results(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    caller: Caller,
    Parameters(query): Parameters<ResultsQuery>,
    headers: HeaderMap,
) -> Result<Json<Results>, Problem> {
    let document = present(app.store(), &id, &caller).await?;
    let shares = app.store().shares();
    let links = shares.links(&id).await?;
    let newest = links.first().map(|(share, _)| share.link);
    let link = query.link.map(|link| link.0).or(newest);
    let results = match link {
        Some(link) => shares.results(&id, link).await?,
        None => Vec::new(),
    };
    let site = site(&app, &headers);
    let view = |(share, count)| LinkView::new(share, Some(count), &site);
    Ok(Json(Results {
        links: links.into_iter().map(view).collect(),
        link,
        questions: questions_of(&document).map(|it| it.text).collect(),
        results: results.into_iter().map(ResultView::from).collect(),
    }))
}

/// The questions of an assignment, in their order.
pub(crate) fn questions_of(
    document: &Assignment,
) -> impl Iterator<Item = questions::Question> + use<> {
    let text = document.question_answers.as_deref().unwrap_or_default();
    questions::read(text).into_iter()
}

/// Erases what students answered: one result, all under a name, all of a link, or all of an
/// assignment.
#[utoipa::path(
    delete,
    path = "/assignments/{id}/results",
    tag = "students",
    operation_id = "erase_results",
    params(
        ("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$"),
        EraseQuery,
    ),
    responses(
        (status = 200, description = "They are gone.", body = Erased),
        Refused<400>, Refused<403>, Refused<404>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn erase_results(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    caller: Caller,
    correlation_id: CorrelationId,
    Parameters(query): Parameters<EraseQuery>,
) -> Result<Json<Erased>, Problem> {
    present(app.store(), &id, &caller).await?;
    let which = Which {
        link: query.link.map(|link| link.0),
        name: query.name.map(|name| name.0),
        id: query.result_id.map(|id| id.0),
    };
    let noted = note(&app, &caller, Action::ResultsErased, &id, &correlation_id).await?;
    let erased = app.store().shares().erase_results(&id, &which).await;
    let erased = noted.outcome(&app, erased).await?;
    tracing::info!(assignment = id, erased, "results erased");
    Ok(Json(Erased { erased }))
}
