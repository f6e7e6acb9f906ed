//! Reads what is left of the day's budgets.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderName};

use crate::app::App;
use crate::budgets::BudgetView;
use crate::identity::caller::Caller;
use crate::input::text::TeacherId;
use crate::input::{Parameters, input};
use crate::problem::{Problem, Refused};

input! {
    /// Whose budget.
    BudgetQuery() {
        /// The teacher whose budget is told beside the fleet's; a teacher is told its own.
        teacher_id: TeacherId,
    }
}

/// Tells what is left of the day's budgets.
#[utoipa::path(
    get,
    path = "/budget",
    tag = "assignments",
    operation_id = "get_budget",
    params(BudgetQuery),
    responses(
        (status = 200, description = "What is left today.", body = BudgetView),
        Refused<400>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn read_budget(
    State(app): State<Arc<App>>,
    caller: Caller,
    Parameters(query): Parameters<BudgetQuery>,
) -> Result<([(HeaderName, &'static str); 1], Json<BudgetView>), Problem> {
    let wanted = query.teacher_id.map(|id| id.0);
    let teacher = caller.teacher_of_new(wanted).map_err(|own| {
        let words = format!("This is the budget of another teacher; you are `{own}`.");
        Problem::new(StatusCode::FORBIDDEN, words)
    })?;
    let view = app.budgets.view(teacher.as_deref()).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(view)))
}
