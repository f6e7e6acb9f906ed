//! Reads what is left of the day's budgets.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::header::{CACHE_CONTROL, HeaderName};

use crate::app::App;
use crate::budgets::BudgetView;
use crate::input::field::TeacherId;
use crate::input::{Parameters, input};
use crate::problem::{Problem, Refused};

input! {
    /// Whose budget.
    BudgetQuery() {
        /// The teacher whose budget is told beside the fleet's.
        teacher_id: TeacherId,
    }
}

/// Tells what is left of the day's budgets.
#[utoipa::path(
    get,
    path = "/budget",
    tag = "assignments",
    params(BudgetQuery),
    responses(
        (status = 200, description = "What is left today.", body = BudgetView),
        Refused<400>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn read_budget(
    State(app): State<Arc<App>>,
    Parameters(query): Parameters<BudgetQuery>,
) -> Result<([(HeaderName, &'static str); 1], Json<BudgetView>), Problem> {
    let teacher = query.teacher_id.map(|id| id.0);
    let view = app.budgets.view(teacher.as_deref()).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(view)))
}
