//! Retries or deletes many assignments at once: tells how many and what it costs first.
//!
//! Each assignment is changed as by a call of its own, with its entry in the audit log, so that
//! nothing is ever half done: who gets no answer asks again, and is told how many are left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::budget::MicroUsd;
use axum::Json;
use axum::extract::State;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use serde::Serialize;
use tracing::Instrument as _;
use utoipa::ToSchema;

use crate::app::App;
use crate::correlation::CorrelationId;
use crate::delete::delete_one;
use crate::identity::caller::Caller;
use crate::identity::client_address::ClientAddress;
use crate::identity::subject;
use crate::input::id::IdList;
use crate::input::listing::Operation;
use crate::input::number::Whole;
use crate::input::{JsonBody, Nested, input};
use crate::list::Selection;
use crate::problem::{FieldFault, Problem, ProblemDocument, Refused};
use crate::retry::{self, By, next_round};

/// The most assignments of one batch.
const MAX_BATCH: u32 = 500;

/// Assignments that are worked on at a time.
const AT_A_TIME: usize = 8;

/// After this time none is begun any more, so that the answer comes in time.
const BEGUN_WITHIN: Duration = Duration::from_secs(25);

input! {
    /// What is to be done to which assignments: those of `ids`, or those that `filter` selects.
    Batch("operation") {
        /// Whether they are retried or deleted.
        operation: Operation,
        /// These, 1 to 500 ids.
        ids: IdList<{ MAX_BATCH as usize }>,
        /// Those to which all of it applies, at most 500.
        filter: Nested<Selection>,
        /// How many there are, as told before. Without it nothing is done.
        confirm_count: Whole<0, MAX_BATCH>,
    }
}

/// How many assignments it is about, and what became of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchAnswer, example = json!({
    "count": 2, "cost_usd": 0.08, "confirmed": true, "done": 1,
    "failed": [{
        "assignment_id": "a-castle-by-the-sea",
        "problem": {
            "type": "about:blank", "title": "Too Many Requests", "status": 429,
            "detail": "You may create or retry 60 assignments a minute. Please try again in 20 s.",
            "correlation_id": "019a9f5e-3d6b-7c6e-8b1a-2f4d6c8e0a12",
        },
    }],
}))]
pub(crate) struct Answer {
    /// How many can be retried or deleted; what `confirm_count` must be.
    count: u32,
    /// Of a retry: what their pictures will cost by the list price of the first model, in US dollars.
    /// Of a delete: what the pictures that are lost have cost.
    cost_usd: f64,
    /// Whether `confirm_count` was given, so that it was done.
    confirmed: bool,
    /// How many were retried or deleted; absent where nothing was to be done yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<u32>,
    /// Those of `ids` that cannot be retried or deleted, and those where it failed.
    failed: Vec<Failed>,
}

/// An assignment that was not retried or deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchFailure)]
struct Failed {
    /// Its id.
    assignment_id: String,
    /// Why, as the call for it alone would answer.
    problem: ProblemDocument,
}

/// What a batch is about.
#[derive(Debug, Default)]
struct Selected {
    documents: Vec<Assignment>,
    failed: Vec<(String, Problem)>,
}

/// Retries or deletes many assignments. Without `confirm_count` it tells how many, and what that costs,
/// and does nothing.
#[utoipa::path(
    post,
    path = "/assignments:batch",
    tag = "assignments",
    operation_id = "batch_assignments",
    request_body(content = Batch, example = json!({
        "operation": "retry",
        "filter": { "status": "failed", "from": "2026-11-28", "to": "2026-11-29" },
        "confirm_count": 12,
    })),
    responses(
        (status = 200, description = "How many; and, where it was confirmed, what became of them.", body = Answer),
        Refused<400>, Refused<403>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn batch(
    State(app): State<Arc<App>>,
    caller: Caller,
    ClientAddress(address): ClientAddress,
    correlation_id: CorrelationId,
    JsonBody(checked): JsonBody<Batch>,
) -> Result<Json<Answer>, Problem> {
    let batch = checked.finish()?;
    let operation = batch.operation.ok_or_else(|| {
        let fault = FieldFault::new("operation", "`operation` must be given.");
        Problem::bad_input(vec![fault])
    })?;
    let selected = match (batch.ids, batch.filter) {
        (Some(IdList(ids)), None) => named(&app, &caller, operation, ids).await?,
        (None, Some(Nested(filter))) => matching(&app, &caller, operation, filter).await?,
        (given, _) => return Err(one_of_two(given.is_some())),
    };
    let count = selected.documents.len() as u32;
    let confirmed = batch.confirm_count.map(|count| count.0);
    if let Some(confirmed) = confirmed
        && confirmed != count
    {
        let detail = format!("`confirm_count` must be {count}, as many as there are now.");
        let fault = FieldFault::beyond("confirm_count", detail.as_str(), count.into());
        return Err(Problem::new(StatusCode::CONFLICT, detail).with_errors(vec![fault]));
    }
    let cost_usd = cost(&app, operation, &selected.documents);
    let (mut done, mut failed) = (None, selected.failed);
    if confirmed.is_some() {
        let by = By {
            charged: subject::of_caller(&caller, address),
            caller,
            correlation_id: correlation_id.clone(),
        };
        // It goes on where the caller goes away, and a drain waits for it.
        let work = carry_out(app.clone(), by, operation, selected.documents);
        let work = app.background.spawn(work.in_current_span());
        let failures = work.await.map_err(Problem::internal)?;
        done = Some(count - failures.len() as u32);
        failed.extend(failures);
    }
    let failed = failed.into_iter().map(|(assignment_id, problem)| Failed {
        assignment_id,
        problem: problem.document(&correlation_id.0),
    });
    Ok(Json(Answer {
        count,
        cost_usd,
        confirmed: confirmed.is_some(),
        done,
        failed: failed.collect(),
    }))
}

fn one_of_two(both: bool) -> Problem {
    let detail = match both {
        true => "`ids` and `filter` must not be given together.",
        false => "`ids` or `filter` must be given.",
    };
    Problem::bad_input(vec![FieldFault::new("ids", detail)])
}

/// Those of `ids` to which the operation can be done.
async fn named(
    app: &App,
    caller: &Caller,
    operation: Operation,
    ids: Vec<String>,
) -> Result<Selected, Problem> {
    let found = app.store().get_many(&ids).await?;
    let mut found: HashMap<String, Assignment> = found
        .into_iter()
        .filter(|it| it.s3_upload_status != Status::Deleted && caller.may_see(it))
        .map(|it| (it.assignment_id.clone(), it))
        .collect();
    let mut selected = Selected::default();
    for id in ids {
        match found.remove(&id) {
            Some(document) => selected.documents.push(document),
            None => selected.failed.push((id, Problem::unknown_assignment())),
        }
    }
    Ok(match operation {
        Operation::Delete => selected,
        Operation::Retry => retryable(app, selected).await,
    })
}

/// Those that `filter` selects and to which the operation can be done.
async fn matching(
    app: &App,
    caller: &Caller,
    operation: Operation,
    filter: Selection,
) -> Result<Selected, Problem> {
    let Some(mut filter) = filter.filter(caller, "filter.")? else {
        return Ok(Selected::default());
    };
    if operation == Operation::Retry {
        filter.status.get_or_insert(Status::Failed);
    }
    let documents = app.store().list(&filter, None, MAX_BATCH + 1).await?;
    if documents.len() > MAX_BATCH as usize {
        let detail = format!(
            "`filter` must select at most {MAX_BATCH} assignments; `from` and `to` narrow it."
        );
        let fault = FieldFault::beyond("filter", detail, MAX_BATCH.into());
        return Err(Problem::bad_input(vec![fault]));
    }
    let selected = Selected {
        documents,
        failed: Vec::new(),
    };
    Ok(match operation {
        Operation::Delete => selected,
        Operation::Retry => {
            let mut selected = retryable(app, selected).await;
            // Nobody named those that have their picture.
            let conflict = StatusCode::CONFLICT;
            selected.failed.retain(|(_, why)| why.status() != conflict);
            selected
        }
    })
}

/// Those of `selected` that may get another round.
async fn retryable(app: &App, selected: Selected) -> Selected {
    let Selected {
        documents,
        mut failed,
    } = selected;
    let checks = documents.into_iter().map(|document| async move {
        let check = retry::check(app, &document).await;
        (document, check)
    });
    let checked: Vec<_> = stream::iter(checks).buffered(AT_A_TIME).collect().await;
    let mut documents = Vec::new();
    for (document, check) in checked {
        match check {
            Ok(()) => documents.push(document),
            Err(problem) => failed.push((document.assignment_id, problem)),
        }
    }
    Selected { documents, failed }
}

fn cost(app: &App, operation: Operation, documents: &[Assignment]) -> f64 {
    let micros: u64 = match operation {
        Operation::Retry => {
            let first = app.config.models.models.first();
            let price = first.map_or(MicroUsd::ZERO, |model| model.price());
            price.micros() * documents.len() as u64
        }
        Operation::Delete => {
            let costs = documents.iter().map(|it| MicroUsd::from_usd(it.cost_usd));
            costs.map(MicroUsd::micros).sum()
        }
    };
    MicroUsd::new(micros).usd()
}

/// Does it to all of `documents`; returns those where it failed, and why.
async fn carry_out(
    app: Arc<App>,
    by: By,
    operation: Operation,
    documents: Vec<Assignment>,
) -> Vec<(String, Problem)> {
    let begun = Instant::now();
    let (app, by) = (&*app, &by);
    let work = documents.into_iter().map(|document| async move {
        let done = if begun.elapsed() > BEGUN_WITHIN {
            let words = "There was no time left for it. Please try again.";
            Err(Problem::away(words, "the batch takes too long"))
        } else {
            carry_out_one(app, by, operation, &document).await
        };
        done.err().map(|problem| (document.assignment_id, problem))
    });
    let done = stream::iter(work).buffered(AT_A_TIME);
    done.filter_map(std::future::ready).collect().await
}

async fn carry_out_one(
    app: &App,
    by: &By,
    operation: Operation,
    document: &Assignment,
) -> Result<(), Problem> {
    match operation {
        Operation::Retry => next_round(app, by, document, None).await.map(drop),
        Operation::Delete => {
            let id = &document.assignment_id;
            delete_one(app, id, &by.caller, &by.correlation_id).await
        }
    }
}
