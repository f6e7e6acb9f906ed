//! The criteria of a run.

use atelier_report::criterion::{Comparison, Criterion};

use crate::audit::Audit;
use crate::fleet::{FleetHistory, Growth};
use crate::ledger::Totals;
use crate::measure::{State, Timing};

/// What the criteria are checked on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence<'a> {
    /// Timings and errors.
    pub measured: &'a State,
    /// The final documents' sums.
    pub totals: &'a Totals,
    /// What the fleet reported.
    pub fleet: &'a FleetHistory,
    /// Jobs waiting for one worker above which the fleet ought to grow.
    pub backlog_per_worker: f64,
    /// Whether the fleet behind the address is said to scale by itself.
    pub fleet_scales: bool,
    /// Ids that are doubled by their documents.
    pub doubled: &'a [String],
    /// What the audit said, where one was asked for.
    pub audit: Option<&'a Audit>,
}

/// The criteria of the scenarios (the portal's success criteria and metrics).
pub(crate) fn of_scenario(evidence: &Evidence<'_>) -> Vec<Criterion> {
    let p95 = |timing| evidence.measured.percentiles(timing).map(|it| it.p95);
    let totals = evidence.totals;
    let saved = (totals.original_bytes > 0)
        .then(|| 1.0 - totals.stored_bytes as f64 / totals.original_bytes as f64);
    vec![
        Criterion::check(
            "upload_p95_seconds",
            Comparison::Below,
            3.0,
            p95(Timing::Upload),
        ),
        Criterion::check(
            "download_p95_seconds",
            Comparison::Below,
            1.0,
            p95(Timing::Download),
        ),
        error_ratio(evidence.measured),
        cdn_hit_ratio(evidence.measured),
        unsigned_refused(evidence.measured),
        scaling(evidence),
        Criterion::check(
            "retrieval_p95_seconds",
            Comparison::Below,
            2.0,
            p95(Timing::Retrieval),
        ),
        Criterion::check("storage_saved_ratio", Comparison::AtLeast, 0.30, saved),
        all_final(totals),
        none_doubled(evidence),
    ]
}

/// The share of operations that failed, below 5%.
pub(crate) fn error_ratio(measured: &State) -> Criterion {
    Criterion::check(
        "error_ratio",
        Comparison::Below,
        0.05,
        Some(measured.error_ratio()),
    )
}

/// Fewer downloads than these say nothing of a CDN: the first of each picture is a miss.
const HIT_RATIO_NEEDS: u64 = 10;

/// The CDN has most of what it is asked for.
fn cdn_hit_ratio(measured: &State) -> Criterion {
    let check = |figure| Criterion::check("cdn_hit_ratio", Comparison::Above, 0.70, figure);
    match measured.cdn_hits + measured.cdn_misses {
        0 => check(None).noted("no x-cache: no CDN answered"),
        few if few < HIT_RATIO_NEEDS => check(None).noted(format!("only {few} downloads")),
        _ => check(measured.hit_ratio()),
    }
}

/// Where the API hands out signed addresses, the CDN serves no other.
fn unsigned_refused(measured: &State) -> Criterion {
    let check = |figure| Criterion::check("unsigned_served", Comparison::AtMost, 0.0, figure);
    match measured.unsigned_status {
        None => check(None).noted("no address was signed: pictures are public"),
        Some(403) => check(Some(0.0)).noted("403 without the signature"),
        Some(status) => check(Some(1.0)).noted(format!("{status} without the signature")),
    }
}

/// No accepted assignment is left pending.
pub(crate) fn all_final(totals: &Totals) -> Criterion {
    let figure = (totals.accepted > 0).then_some(totals.pending as f64);
    Criterion::check("accepted_not_final", Comparison::AtMost, 0.0, figure)
        .noted(format!("of {} accepted", totals.accepted))
}

/// The fleet grew within five minutes of the need.
fn scaling(evidence: &Evidence<'_>) -> Criterion {
    let check = |figure| {
        Criterion::check(
            "scaling_seconds",
            Comparison::AtMost,
            SCALING_LIMIT_SECONDS,
            figure,
        )
    };
    match evidence.fleet.growth(evidence.backlog_per_worker) {
        Growth::NotNeeded => check(None).noted("the backlog never asked for more workers"),
        Growth::After(seconds) => check(Some(seconds)),
        Growth::Never(seconds) if evidence.fleet_scales && seconds > SCALING_LIMIT_SECONDS => {
            check(Some(seconds)).noted("needed for this long, and no worker came")
        }
        Growth::Never(_) => check(None).noted("needed, but this fleet did not show that it scales"),
    }
}

/// Property 27's five minutes.
const SCALING_LIMIT_SECONDS: f64 = 300.0;

/// Nothing exists twice: by the documents, and by the audit where one was asked for.
pub(crate) fn none_doubled(evidence: &Evidence<'_>) -> Criterion {
    let check = |figure| Criterion::check("doubled", Comparison::AtMost, 0.0, figure);
    let doubled = evidence.doubled.len() as u64;
    match evidence.audit {
        None if doubled == 0 => check(None).noted("no --audit-command; the documents show none"),
        None => check(Some(doubled as f64)).noted(evidence.doubled.join(", ")),
        Some(audit) => {
            let unclean = if audit.is_clean() {
                0
            } else {
                audit.findings.unwrap_or(0).max(1)
            };
            let code = audit
                .exit_code
                .map_or("a signal".to_owned(), |code| format!("exit code {code}"));
            check(Some((doubled + unclean) as f64)).noted(format!("audit: {code}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use atelier_report::criterion::all_hold;

    use super::*;

    fn evidence<'a>(
        measured: &'a State,
        totals: &'a Totals,
        fleet: &'a FleetHistory,
    ) -> Evidence<'a> {
        Evidence {
            measured,
            totals,
            fleet,
            backlog_per_worker: 48.0,
            fleet_scales: false,
            doubled: &[],
            audit: None,
        }
    }

    #[test]
    fn what_cannot_be_shown_does_not_fail() {
        let (mut measured, totals, fleet) = <(State, Totals, FleetHistory)>::default();
        measured.succeeded = 1;
        let criteria = of_scenario(&evidence(&measured, &totals, &fleet));
        assert_eq!(criteria.len(), 10);
        assert!(all_hold(&criteria));
        assert_eq!(
            criteria.iter().filter(|each| each.holds.is_none()).count(),
            9
        );
    }

    #[test]
    fn a_cdn_that_serves_a_private_picture_without_a_signature_fails_the_run() {
        let check = |unsigned_status| {
            let mut measured = State::default();
            measured.unsigned_status = unsigned_status;
            unsigned_refused(&measured)
        };
        assert_eq!(check(None).holds, None);
        assert_eq!(check(Some(403)).holds, Some(true));
        assert_eq!(check(Some(200)).holds, Some(false));
    }

    #[test]
    fn one_that_fails_fails_the_run() {
        let (mut measured, fleet) = <(State, FleetHistory)>::default();
        let totals = Totals {
            accepted: 2,
            pending: 1,
            ..Totals::default()
        };
        measured.succeeded = 1;
        let criteria = of_scenario(&evidence(&measured, &totals, &fleet));
        assert!(!all_hold(&criteria));
    }

    #[test]
    fn an_unclean_audit_counts_as_doubled() {
        let (measured, totals, fleet) = <(State, Totals, FleetHistory)>::default();
        let check = |exit_code, findings| {
            let audit = Audit {
                exit_code: Some(exit_code),
                findings,
            };
            none_doubled(&Evidence {
                audit: Some(&audit),
                ..evidence(&measured, &totals, &fleet)
            })
        };
        assert_eq!(check(0, Some(0)).holds, Some(true));
        assert_eq!(check(1, None).figure, Some(1.0));
        assert_eq!(check(1, Some(3)).figure, Some(3.0));
    }

    #[test]
    fn limits_are_strict_where_the_portal_says_below() {
        let check = |comparison, figure| Criterion::check("x", comparison, 3.0, Some(figure)).holds;
        assert_eq!(check(Comparison::Below, 3.0), Some(false));
        assert_eq!(check(Comparison::AtMost, 3.0), Some(true));
        assert_eq!(check(Comparison::Above, 3.0), Some(false));
        assert_eq!(check(Comparison::AtLeast, 3.0), Some(true));
    }
}
