//! How many assignments one subject may create or retry a minute, and how often answers are checked
//! for one address; counted in the store, so that all API processes share the count.

use std::sync::Arc;

use atelier_domain::timestamp::Timestamp;
use atelier_store::Store;
use http::StatusCode;

use crate::problem::Problem;

const WINDOW_SECONDS: i64 = 60;

/// The limit of one minute.
#[derive(Debug)]
pub(crate) struct RateLimit {
    store: Arc<dyn Store>,
    per_minute: u32,
    deed: Deed,
}

/// What is limited.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    /// To create an assignment, or retry one.
    Create,
    /// To have answers checked.
    Answer,
}

impl Deed {
    /// What stands before the subject in the count's name.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Create => "",
            Self::Answer => "answers ",
        }
    }

    fn words(self, limit: u32) -> String {
        match self {
            Self::Create => format!("You may create or retry {limit} assignments a minute."),
            Self::Answer => format!("Answers may be checked {limit} times a minute from here."),
        }
    }
}

impl RateLimit {
    /// `per_minute` deeds for each subject; 0 = no limit.
    pub(crate) fn new(store: Arc<dyn Store>, per_minute: u32, deed: Deed) -> Self {
        Self {
            store,
            per_minute,
            deed,
        }
    }

    /// Charges `subject` for one deed.
    ///
    /// # Errors
    /// 429 above the limit, with the seconds until the next minute begins.
    pub(crate) async fn charge(&self, subject: &str) -> Result<(), Problem> {
        let limit = self.per_minute;
        if limit == 0 {
            return Ok(());
        }
        let now = Timestamp::now().seconds() as i64;
        let window = now - now.rem_euclid(WINDOW_SECONDS);
        let charged = format!("{}{subject}", self.deed.prefix());
        if self.store.charge(&charged, window).await? <= limit {
            return Ok(());
        }
        let left = window + WINDOW_SECONDS - now;
        Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("{} Please try again in {left} s.", self.deed.words(limit)),
        )
        .retry_after(left.unsigned_abs()))
    }
}
