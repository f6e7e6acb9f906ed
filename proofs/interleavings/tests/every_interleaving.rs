//! Explores every interleaving under the production rules, and shows that a broken one is found.
//!
//! A debug build explores one crash and one expired lease; a release build (`cargo test --release -p
//! atelier-interleavings`) explores the rest too, which would take a debug build minutes.

use std::time::Instant;

use atelier_domain::assignment::Status;
use atelier_domain::transition::{ClaimGuard, Edit};
use atelier_interleavings::{Change, Faults, Interleavings, Rules, Write, stuck};
use stateright::{Checker, Model as _};

const NONE: Faults = Faults {
    crashes: 0,
    expiries: 0,
    duplicates: 0,
    losses: 0,
    bad_answers: 0,
    retries: 0,
    deletes: 0,
    expired_pictures: 0,
};

/// One crash, and one lease that expires while its worker lives.
const ONE: Faults = Faults {
    crashes: 1,
    expiries: 1,
    ..NONE
};

fn with(faults: Faults) -> Interleavings {
    Interleavings {
        faults,
        rules: Rules::default(),
    }
}

/// Every promise holds in all states that can be reached, and each of them leads to a final one.
fn hold(name: &str, faults: Faults) {
    let start = Instant::now();
    let model = with(faults);
    let checker = model.clone().checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    let (states, stuck) = stuck(&model);
    assert!(stuck.is_none(), "never final: {stuck:#?}");
    assert_eq!(states, checker.unique_state_count());
    println!(
        "{name}: {states} states, {} transitions, {:.1} s",
        checker.state_count(),
        start.elapsed().as_secs_f64()
    );
}

#[test]
fn one_crash_and_one_expired_lease() {
    hold("one crash, one expired lease", ONE);
}

#[test]
fn a_picture_that_is_lost_is_made_again() {
    let faults = Faults {
        retries: 1,
        expired_pictures: 1,
        ..NONE
    };
    hold("a lost picture", faults);
}

#[test]
#[cfg(not(debug_assertions))]
fn two_crashes_and_two_expired_leases() {
    let faults = Faults {
        crashes: 2,
        expiries: 2,
        ..NONE
    };
    hold("two crashes, two expired leases", faults);
}

#[test]
#[cfg(not(debug_assertions))]
fn a_queue_that_duplicates_delays_and_loses() {
    let faults = Faults {
        duplicates: 1,
        losses: 1,
        ..ONE
    };
    hold("a queue that duplicates, delays and loses", faults);
}

#[test]
#[cfg(not(debug_assertions))]
fn a_model_that_declines_throttles_and_fails() {
    let faults = Faults {
        duplicates: 1,
        bad_answers: 1,
        ..ONE
    };
    hold("a model that declines, throttles and fails", faults);
}

#[test]
#[cfg(not(debug_assertions))]
fn a_user_who_retries() {
    hold("a user who retries", Faults { retries: 1, ..ONE });
}

#[test]
#[cfg(not(debug_assertions))]
fn a_user_who_retries_for_a_lost_picture() {
    let faults = Faults {
        retries: 1,
        expired_pictures: 1,
        ..ONE
    };
    hold("a user who retries for a lost picture", faults);
}

#[test]
#[cfg(not(debug_assertions))]
fn a_user_who_deletes() {
    let faults = Faults {
        crashes: 2,
        deletes: 1,
        ..ONE
    };
    hold("a user who deletes", faults);
}

/// The production rules but for one, under `faults`.
fn broken(faults: Faults, write: Write, change: Change) -> Interleavings {
    Interleavings {
        faults,
        rules: Rules::broken(write, change),
    }
}

/// The checker finds a state in which the property does not hold.
fn found(model: Interleavings, property: &'static str) {
    let checker = model.checker().spawn_bfs().join();
    let path = checker.discovery(property);
    let path = path.unwrap_or_else(|| panic!("no state breaks `{property}`"));
    println!(
        "{property}: broken after {} steps",
        path.into_actions().len()
    );
}

#[test]
fn a_take_over_of_a_live_lease_is_found() {
    let model = broken(ONE, Write::TakeOver, |take| {
        if let ClaimGuard::RunOut(token, _) = &take.guard.claim {
            take.guard.claim = ClaimGuard::Held(token.clone());
        }
    });
    found(model, "no two calls under live claims");
}

#[test]
fn a_finish_without_the_token_is_found() {
    let model = broken(ONE, Write::Succeed, |succeed| {
        succeed.guard.claim = ClaimGuard::Any;
    });
    found(model, "a stale token changes nothing");
}

#[test]
fn a_call_that_is_not_counted_is_found() {
    let model = broken(NONE, Write::CountCall, |count| count.edits.clear());
    found(model, "every call is counted before it is made");
}

#[test]
fn a_success_over_a_final_status_is_found() {
    let model = broken(Faults { deletes: 1, ..NONE }, Write::Succeed, |succeed| {
        succeed.guard.claim = ClaimGuard::Any;
        succeed.guard.statuses = &[Status::Pending, Status::Deleted];
    });
    found(model, "a final status changes by a user alone");
}

/// Some state leads to no final one.
fn never_final(model: &Interleavings) {
    let (states, stuck) = stuck(model);
    assert!(
        stuck.is_some(),
        "all of {states} states lead to a final one"
    );
}

#[test]
fn a_sweep_that_forgets_what_it_took_is_found() {
    let one_loss = Faults {
        crashes: 1,
        losses: 1,
        ..NONE
    };
    never_final(&broken(one_loss, Write::TakeDue, |take| {
        take.edits = vec![Edit::Unset("wake_at")];
    }));
}

#[test]
fn a_tombstone_that_is_erased_only_once_is_found() {
    let one_delete = Faults {
        crashes: 1,
        deletes: 1,
        ..NONE
    };
    never_final(&broken(one_delete, Write::NoteErased, |erased| {
        erased.edits.push(Edit::Unset("wake_at"));
    }));
}
