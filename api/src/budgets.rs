//! What is left of the day's budgets, and the refusal where nothing is.

use std::sync::Arc;

use atelier_domain::budget::{self, Budgets, Day, Left, MicroUsd, Scope, USED_UP};
use atelier_domain::timestamp::Timestamp;
use atelier_store::{Store, StoreError};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// What is left of the day's budgets. Where none is set, there are as many pictures as one likes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Budget)]
pub(crate) struct BudgetView {
    /// The day, of UTC, as in `2026-11-29`.
    day: String,
    /// When the next day starts, in seconds since 1970-01-01T00:00:00Z.
    next_day_at: f64,
    /// What the cheapest model of the list costs a picture, in US dollars.
    cheapest_usd: f64,
    /// Pictures of the cheapest model that all budgets allow; absent where none is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pictures_left: Option<u64>,
    /// That in plain words; absent where none is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
    /// That of the fleet, if one is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    fleet: Option<LeftView>,
    /// That of the teacher, if one is set and the teacher was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    teacher: Option<LeftView>,
}

/// What is left of one budget.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetLeft)]
struct LeftView {
    /// US dollars that may be charged a day.
    limit_usd: f64,
    /// US dollars that are charged, calls under way among them.
    charged_usd: f64,
    /// US dollars that are left.
    left_usd: f64,
    /// Pictures of the cheapest model that fit.
    pictures_left: u64,
    /// Less is left than the cheapest model costs.
    used_up: bool,
}

/// The budgets of the day.
#[derive(Debug)]
pub(crate) struct BudgetReader {
    store: Arc<dyn Store>,
    budgets: Budgets,
    cheapest: MicroUsd,
}

impl BudgetView {
    /// Whether the fleet's budget is used up.
    pub(crate) fn is_used_up(&self) -> bool {
        self.fleet.as_ref().is_some_and(|fleet| fleet.used_up)
    }
}

impl BudgetReader {
    /// `cheapest` is what the cheapest model costs.
    pub(crate) fn new(store: Arc<dyn Store>, budgets: Budgets, cheapest: MicroUsd) -> Self {
        Self {
            store,
            budgets,
            cheapest,
        }
    }

    /// What is left on `day` of each budget that is set.
    async fn left(
        &self,
        day: Day,
        teacher: Option<&str>,
    ) -> Result<Vec<(Scope, Left)>, StoreError> {
        let (accounts, limits): (Vec<_>, Vec<_>) =
            self.budgets.accounts(day, teacher).into_iter().unzip();
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        let charged = self.store.charged(&accounts).await?;
        let left = limits
            .into_iter()
            .zip(charged)
            .map(|(limit, charged)| Left { limit, charged });
        Ok(accounts.into_iter().map(|it| it.scope).zip(left).collect())
    }

    /// Refuses what asks for a picture while the fleet's budget, or that of the teacher, is used up.
    ///
    /// # Errors
    /// 429, with the seconds until the next day.
    pub(crate) async fn refuse_if_used_up(&self, teacher: Option<&str>) -> Result<(), Problem> {
        let now = Timestamp::now();
        let day = Day::of(now);
        let left = self.left(day, teacher).await?;
        let used_up = left.iter().any(|(_, left)| left.is_used_up(self.cheapest));
        if !used_up {
            return Ok(());
        }
        let tomorrow = day.end();
        let words = format!(
            "{USED_UP} New pictures can be made from {} on.",
            tomorrow.rfc3339()
        );
        let wait = tomorrow.since(now).as_secs_f64().ceil() as u64;
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, words).retry_after(wait))
    }

    /// Whether each teacher has a budget.
    pub(crate) const fn has_teachers(&self) -> bool {
        self.budgets.teacher.is_some()
    }

    /// What is left now.
    pub(crate) async fn view(&self, teacher: Option<&str>) -> Result<BudgetView, StoreError> {
        let day = Day::of(Timestamp::now());
        let mut view = BudgetView {
            day: day.to_string(),
            next_day_at: day.end().seconds(),
            cheapest_usd: self.cheapest.usd(),
            pictures_left: None,
            words: None,
            fleet: None,
            teacher: None,
        };
        for (scope, left) in self.left(day, teacher).await? {
            let pictures = left.calls(self.cheapest);
            let least = view.pictures_left.map_or(pictures, |it| it.min(pictures));
            view.pictures_left = Some(least);
            view.words = Some(budget::words(least));
            let shown = LeftView {
                limit_usd: left.limit.usd(),
                charged_usd: left.charged.usd(),
                left_usd: left.amount().usd(),
                pictures_left: pictures,
                used_up: left.is_used_up(self.cheapest),
            };
            match scope {
                Scope::Fleet => view.fleet = Some(shown),
                Scope::Teacher(_) => view.teacher = Some(shown),
            }
        }
        Ok(view)
    }
}
