//! What is wrong with the fleet now, in words, and what to do about it. `docs/OPERATIONS.md` has a row
//! for each.

use std::collections::BTreeMap;
use std::time::Duration;

use atelier_domain::heartbeat::{Heartbeat, ModelBreaker, Service};
use atelier_domain::timestamp::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A job that waits for longer than this, ten minutes, is a finding.
const OLD: Duration = Duration::from_secs(600);

/// Something that an operator has to know.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "code": "outage_of_bucket",
    "words": "2 of 5 workers are paused by an outage of the bucket: AccessDenied: s3:PutObject.",
    "to_do": "Fix the bucket, the permission or the key that the cause names. Pictures that are made are kept and stored then; no job is lost.",
    "since": 1_795_971_600.0,
}))]
pub(super) struct Finding {
    /// Its row in docs/OPERATIONS.md, under "What the fleet page finds".
    pub(super) code: &'static str,
    /// What is wrong.
    words: String,
    /// What to do about it.
    to_do: &'static str,
    /// Since when, in seconds since 1970-01-01T00:00:00Z; `null` where that is not known.
    since: Option<f64>,
}

/// What findings are made of.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) now: Timestamp,
    pub(super) workers: &'a [Heartbeat],
    /// Since when an operator has paused the fleet.
    pub(super) paused_since: Option<f64>,
    /// When the oldest pending assignment was posted.
    pub(super) oldest_pending: Option<Timestamp>,
    pub(super) dead_letters: u64,
    pub(super) budget_is_used_up: bool,
}

/// A finding's code with what to do.
type Kind = (&'static str, &'static str);

const FLEET_PAUSED: Kind = (
    "fleet_paused",
    "Resume the fleet when the reason is gone. Assignments are accepted meanwhile and wait; what is older than GIVE_UP_SECONDS fails as too busy. Autoscaling still counts what waits.",
);
const OUTAGE_OF_STORE: Kind = (
    "outage_of_store",
    "Look after the store: is it reachable from the workers, has it a majority and room on its disk? Workers go on by themselves when it answers; no attempt is burned.",
);
const OUTAGE_OF_BUCKET: Kind = (
    "outage_of_bucket",
    "Fix the bucket, the permission or the key that the cause names. Pictures that are made are kept and stored then; no job is lost.",
);
const OUTAGE_OF_MODEL: Kind = (
    "outage_of_model",
    "Fix the role's credentials, or put a model that is enabled into BEDROCK_MODELS; atelier doctor names what is missing. Workers go on by themselves within half a minute.",
);
const OUTAGE: Kind = (
    "outage",
    "The workers' logs say which service: the lines before `paused:`. Workers go on by themselves when it answers.",
);
const MODEL_REFUSED: Kind = (
    "model_refused",
    "The log line with code=model_refused says why. Enable the model, name its inference profile (us.…) in BEDROCK_MODELS, or take it out.",
);
const MODEL_BUSY: Kind = (
    "model_busy",
    "Nothing at once: other models of the list are called, else the fleet slows down by itself. If it stays so, ask for quota or add a model.",
);
const NO_WORKERS: Kind = (
    "no_workers",
    "Start workers. If there should be some, look why they do not start: the platform's events, then their logs. They need the store to be seen here.",
);
const OLD_JOBS: Kind = (
    "old_jobs",
    "Add workers, or quota where models are busy. Are jobs waiting in the queue? If not, the queue forgot them, and they are sent again within half a minute.",
);
const DEAD_LETTERS: Kind = (
    "dead_letters",
    "Look into each below: send it again when its cause is gone, or drop it.",
);
const BUDGET_USED_UP: Kind = (
    "budget_used_up",
    "Wait for midnight (UTC), or raise BUDGET_USD_PER_DAY and roll API and workers. What is pending waits and burns no attempt.",
);

fn finding((code, to_do): Kind, words: String, since: Option<f64>) -> Finding {
    Finding {
        code,
        words,
        to_do,
        since,
    }
}

/// Everything that is wrong, what stops most first.
pub(super) fn findings(seen: &Seen<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(since) = seen.paused_since {
        let words = "An operator has paused the fleet: workers take no new jobs.".to_owned();
        found.push(finding(FLEET_PAUSED, words, Some(since)));
    }
    if seen.workers.is_empty() && seen.oldest_pending.is_some() {
        let words = "Assignments wait, and no worker has spoken for 30 s.".to_owned();
        found.push(finding(NO_WORKERS, words, None));
    }
    found.extend(outages(seen.workers));
    if seen.budget_is_used_up {
        let words = "Today's budget for pictures is used up.".to_owned();
        found.push(finding(BUDGET_USED_UP, words, None));
    }
    found.extend(models(seen.workers));
    let others_say_why = !found.is_empty();
    if let Some(at) = seen.oldest_pending
        && seen.now.since(at) > OLD
        && !others_say_why
    {
        let minutes = seen.now.since(at).as_secs() / 60;
        let words = format!("The oldest assignment has waited for {minutes} minutes.");
        found.push(finding(OLD_JOBS, words, Some(at.seconds())));
    }
    if seen.dead_letters > 0 {
        let words = match seen.dead_letters {
            1 => "1 dead letter waits for an operator.".to_owned(),
            more => format!("{more} dead letters wait for an operator."),
        };
        found.push(finding(DEAD_LETTERS, words, None));
    }
    found
}

fn outages(workers: &[Heartbeat]) -> impl Iterator<Item = Finding> {
    let all = workers.len();
    let of = move |kind: Kind, name: &str, service: Service| {
        let outages = workers.iter().flat_map(|it| &it.outages);
        let outages: Vec<_> = outages.filter(|it| it.service == service).collect();
        let latest = outages
            .iter()
            .max_by(|one, other| one.since.seconds().total_cmp(&other.since.seconds()))?;
        let since = outages.iter().map(|it| it.since.seconds());
        let words = format!(
            "{} of {all} workers {} paused by an outage of {name}: {}",
            outages.len(),
            if outages.len() == 1 { "is" } else { "are" },
            latest.cause
        );
        Some(finding(kind, words, since.reduce(f64::min)))
    };
    let unnamed = workers
        .iter()
        .filter(|it| it.paused && it.outages.is_empty());
    let unnamed = unnamed.count();
    let older = (unnamed > 0).then(|| {
        let words =
            format!("{unnamed} of {all} workers are paused and do not tell by which service.");
        finding(OUTAGE, words, None)
    });
    [
        of(OUTAGE_OF_STORE, "the store", Service::Store),
        of(OUTAGE_OF_BUCKET, "the bucket", Service::Bucket),
        of(OUTAGE_OF_MODEL, "the models", Service::Model),
        older,
    ]
    .into_iter()
    .flatten()
}

/// Models whose circuit breaker is open in some workers.
fn models(workers: &[Heartbeat]) -> impl Iterator<Item = Finding> {
    let mut open: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    for load in workers.iter().flat_map(|it| &it.models) {
        if load.breaker != ModelBreaker::Closed {
            let refused = load.breaker == ModelBreaker::Refused;
            *open.entry((&load.model, refused)).or_default() += 1;
        }
    }
    let all = workers.len();
    open.into_iter().map(move |((model, refused), count)| {
        let (kind, does) = match refused {
            true => (MODEL_REFUSED, "refuses calls"),
            false => (MODEL_BUSY, "has no capacity or does not answer calls"),
        };
        let words = format!("The model {model} {does} of {count} of {all} workers.");
        finding(kind, words, None)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn worker(fields: Value) -> Heartbeat {
        let mut heartbeat = json!({
            "worker": "w", "started_at": 1.0, "at": 2.0, "slots": 8, "slots_in_use": 3,
            "paused": false, "throttles": 0, "model_calls": 0, "jobs_finished": 0,
            "resident_bytes": 1,
        });
        let fields = fields.as_object().unwrap().clone();
        heartbeat.as_object_mut().unwrap().extend(fields);
        serde_json::from_value(heartbeat).unwrap()
    }

    fn seen(workers: &[Heartbeat]) -> Seen<'_> {
        Seen {
            now: Timestamp::from_seconds(10_000.0),
            workers,
            paused_since: None,
            oldest_pending: None,
            dead_letters: 0,
            budget_is_used_up: false,
        }
    }

    fn codes(found: &[Finding]) -> Vec<&'static str> {
        found.iter().map(|it| it.code).collect()
    }

    #[test]
    fn an_outage_is_told_with_service_cause_and_since_when() {
        let outage = |service: &str, since: f64, cause: &str| {
            let outage = json!({ "service": service, "since": since, "cause": cause });
            worker(json!({ "paused": true, "outages": [outage] }))
        };
        let workers = [
            outage("bucket", 9_000.0, "AccessDenied"),
            outage("bucket", 9_500.0, "NoSuchBucket"),
            worker(json!({ "paused": true })),
            worker(json!({})),
        ];
        let found = findings(&seen(&workers));
        assert_eq!(codes(&found), ["outage_of_bucket", "outage"]);
        assert_eq!(
            found[0].words,
            "2 of 4 workers are paused by an outage of the bucket: NoSuchBucket"
        );
        assert_eq!(found[0].since, Some(9_000.0));
    }

    #[test]
    fn a_model_is_told_that_refuses_us_or_has_no_capacity() {
        let model = |model: &str, breaker: &str| json!({ "model": model, "limit": 8, "in_flight": 0, "breaker": breaker });
        let models = [
            model("a", "closed"),
            model("b", "open"),
            model("c", "refused"),
        ];
        let workers = [worker(json!({ "models": models }))];
        let found = findings(&seen(&workers));
        assert_eq!(codes(&found), ["model_busy", "model_refused"]);
    }

    #[test]
    fn old_jobs_are_told_unless_something_else_says_why_they_wait() {
        let workers = [worker(json!({}))];
        let mut now = seen(&workers);
        assert_eq!(codes(&findings(&now)), [""; 0]);
        now.oldest_pending = Some(Timestamp::from_seconds(9_000.0));
        now.dead_letters = 1;
        assert_eq!(codes(&findings(&now)), ["old_jobs", "dead_letters"]);
        now.paused_since = Some(9_000.0);
        assert_eq!(codes(&findings(&now)), ["fleet_paused", "dead_letters"]);
        now.paused_since = None;
        now.workers = &[];
        now.budget_is_used_up = true;
        let expected = ["no_workers", "budget_used_up", "dead_letters"];
        assert_eq!(codes(&findings(&now)), expected);
    }

    #[test]
    fn the_runbook_has_a_row_for_each_finding() {
        let runbook = include_str!("../../../docs/OPERATIONS.md");
        for (code, _) in [
            FLEET_PAUSED,
            OUTAGE_OF_STORE,
            OUTAGE_OF_BUCKET,
            OUTAGE_OF_MODEL,
            OUTAGE,
            MODEL_REFUSED,
            MODEL_BUSY,
            NO_WORKERS,
            OLD_JOBS,
            DEAD_LETTERS,
            BUDGET_USED_UP,
        ] {
            assert!(runbook.contains(&format!("| `{code}` |")), "{code}");
        }
    }
}
