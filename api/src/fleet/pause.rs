//! Pauses and resumes the fleet. The API goes on accepting assignments meanwhile.

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::audit::Action;
use atelier_domain::pause::{MAX_DAYS, MAX_REASON_CHARACTERS, Pause};
use atelier_domain::timestamp::Timestamp;
use atelier_store::{AuditFilter, Store, StoreError};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::audit_log::note;
use crate::correlation::CorrelationId;
use crate::identity::caller::Caller;
use crate::input::listing::Time;
use crate::input::text::Shown;
use crate::input::{OptionalJsonBody, input};
use crate::problem::{FieldFault, Problem, Refused};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

input! {
    /// For how long, and why.
    PauseWish() {
        /// When the pause ends by itself: later than now, at most 30 days ahead. Without it, when an
        /// operator resumes the fleet.
        until: Time,
        /// Why, for other operators.
        reason: Shown<MAX_REASON_CHARACTERS>,
    }
}

/// An operator's pause of the fleet. Points in time are seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = FleetPause, example = json!({
    "by": "key:night-shift", "name": null, "since": 1_795_971_600.0, "until": 1_795_975_200.0,
    "reason": "The bucket moves to another account.",
}))]
pub(crate) struct PauseView {
    /// Who paused it, as the audit log has it.
    by: String,
    /// The person's id; `null` for others, and where it was erased.
    name: Option<String>,
    /// Since when.
    pub(crate) since: f64,
    /// When it ends by itself; `null` where an operator has to resume the fleet.
    pub(crate) until: Option<f64>,
    /// Why.
    reason: Option<String>,
}

impl PauseView {
    fn new(pause: Pause, name: Option<String>) -> Self {
        Self {
            by: pause.by,
            name,
            since: pause.since.seconds(),
            until: pause.until.map(Timestamp::seconds),
            reason: pause.reason,
        }
    }
}

/// The pause that holds now, if there is one.
pub(crate) async fn present(store: &dyn Store) -> Result<Option<PauseView>, StoreError> {
    let now = Timestamp::now();
    let Some(pause) = store.pause().await?.filter(|pause| pause.holds(now)) else {
        return Ok(None);
    };
    // The log knows the names that may still be known.
    let of_actor = AuditFilter {
        actor: Some(pause.by.clone()),
        ..AuditFilter::default()
    };
    let latest = store.audit_log(&of_actor, None, 1).await?.pop();
    let name = latest.and_then(|entry| entry.person);
    Ok(Some(PauseView::new(pause, name)))
}

/// Pauses the fleet: workers take no new jobs from a few seconds on, and finish those that they have.
/// A pause that holds already is replaced.
#[utoipa::path(post, path = "/fleet/pause", tag = "fleet", operation_id = "pause_fleet",
    request_body = Option<PauseWish>,
    responses(
        (status = 200, description = "The fleet is paused.", body = PauseView),
        Refused<400>, Refused<403>, Refused<408>, Refused<413>, Refused<415>, Refused<500>, Refused<503>,
    ))]
pub(crate) async fn pause(
    State(app): State<Arc<App>>,
    caller: Caller,
    correlation_id: CorrelationId,
    OptionalJsonBody(wish): OptionalJsonBody<PauseWish>,
) -> Result<Json<PauseView>, Problem> {
    let now = Timestamp::now();
    let until = wish.until.map(|until| until.0);
    if let Some(until) = until
        && !(now < until && until <= now + DAY * MAX_DAYS)
    {
        let words = format!("`until` must be later than now and at most {MAX_DAYS} days ahead.");
        let fault = FieldFault::beyond("until", words, MAX_DAYS.into());
        return Err(Problem::bad_input(vec![fault]));
    }
    let actor = caller.actor();
    let pause = Pause {
        by: actor.recorded(),
        since: now,
        until,
        reason: wish.reason.map(|reason| reason.0),
    };
    let noted = note(&app, &caller, Action::FleetPaused, "", &correlation_id).await?;
    let done = app.store().set_pause(Some(&pause)).await;
    noted.outcome(&app, done).await?;
    let name = actor.person().map(str::to_owned);
    Ok(Json(PauseView::new(pause, name)))
}

/// Ends the pause of the fleet: workers take jobs again within a few seconds.
#[utoipa::path(post, path = "/fleet/resume", tag = "fleet", operation_id = "resume_fleet",
    responses(
        (status = 204, description = "The fleet is not paused."),
        Refused<403>, Refused<500>, Refused<503>,
    ))]
pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    correlation_id: CorrelationId,
) -> Result<StatusCode, Problem> {
    let pause = app.store().pause().await?;
    if pause.is_none_or(|pause| !pause.holds(Timestamp::now())) {
        return Ok(StatusCode::NO_CONTENT);
    }
    let noted = note(&app, &caller, Action::FleetResumed, "", &correlation_id).await?;
    let done = app.store().set_pause(None).await;
    noted.outcome(&app, done).await?;
    Ok(StatusCode::NO_CONTENT)
}
