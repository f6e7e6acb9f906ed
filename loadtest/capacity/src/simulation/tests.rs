use proptest::prelude::*;

use super::*;
use crate::conditions::{
    CLAIM_SECONDS, GIVE_UP_SECONDS, GRACE_SECONDS, MAX_ATTEMPTS, SPOT_PERCENT, Service,
};
use crate::fleet::Market;
use crate::numbers::tests::shipped;
use crate::policy::{Keda, Metric};
use crate::queueing::{mdc_wait, mmc_wait};
use crate::replay::built_on_aws;

fn calm(service: Service, seconds: f64) -> Conditions {
    Conditions {
        seconds,
        service,
        metric_delay: 60.0,
        cpu_seconds: 0.1,
        cores: 2.0,
        market: Market {
            on_demand_base: 1,
            spot_share: SPOT_PERCENT / 100.0,
            on_demand_usd: 0.085,
            spot_usd: 0.034,
        },
        spot_losses_per_hour: 0.0,
        abrupt_share: 0.0,
        try_failures: 0.0,
        max_attempts: MAX_ATTEMPTS,
        grace_seconds: GRACE_SECONDS,
        claim_seconds: CLAIM_SECONDS,
        give_up_seconds: GIVE_UP_SECONDS,
        quota: false,
        seed: 11,
    }
}

/// The mean wait in `slots` slots at a share of their capacity, over eight days of `jobs` jobs.
fn mean_wait(slots: u32, used: f64, service: Service, jobs: f64) -> (f64, f64) {
    let mut numbers = shipped();
    numbers.worker.slots = slots;
    let per_second = used * f64::from(slots) / service.mean();
    let day = Curve::flat(per_second * 60.0);
    let mut conditions = calm(service, jobs / per_second);
    let waits = (1..=8).map(|seed| {
        conditions.seed = seed;
        let outcome = replay("fixed", Policy::Fixed(1), &day, &numbers, &conditions);
        outcome.wait.mean
    });
    (waits.sum::<f64>() / 8.0, per_second)
}

fn within(found: f64, wanted: f64, share: f64) {
    assert!(
        (found - wanted).abs() <= share * wanted,
        "{found} is not within {share} of {wanted}"
    );
}

#[test]
fn waits_are_those_of_m_m_c() {
    for (slots, used) in [(1, 0.7), (8, 0.8), (16, 0.85)] {
        let (wait, per_second) = mean_wait(slots, used, Service::Exponential(10.0), 40_000.0);
        within(wait, mmc_wait(slots, per_second, 10.0), 0.05);
    }
}

#[test]
fn waits_are_those_of_m_d_c() {
    for (slots, used) in [(1, 0.7), (8, 0.8), (16, 0.85)] {
        let (wait, per_second) = mean_wait(slots, used, Service::Constant(10.0), 40_000.0);
        within(wait, mdc_wait(slots, per_second, 10.0), 0.05);
    }
}

#[test]
fn the_quota_holds_the_fleet_back() {
    let mut numbers = shipped();
    numbers.worker.model_quota_per_minute = 30.0;
    let mut conditions = calm(Service::Constant(1.0), 3600.0);
    conditions.quota = true;
    let outcome = replay(
        "fixed",
        Policy::Fixed(4),
        &Curve::flat(60.0),
        &numbers,
        &conditions,
    );
    // Twice as many arrive as may start: the last one waits as long again as the hour.
    within(outcome.wait.max, 3600.0, 0.1);
}

#[test]
fn what_waits_too_long_is_given_up() {
    let mut conditions = calm(Service::Constant(10.0), 3600.0);
    conditions.give_up_seconds = 60.0;
    let outcome = replay(
        "fixed",
        Policy::Fixed(1),
        &Curve::flat(480.0),
        &shipped(),
        &conditions,
    );
    assert!(outcome.success_ratio < 0.2, "{}", outcome.success_ratio);
    assert!(outcome.wait.max <= 60.0);
}

#[test]
fn cpu_alone_never_adds_a_worker_for_work_that_waits_for_the_model() {
    let numbers = shipped();
    let conditions = calm(Service::Constant(10.0), 7200.0);
    let curve = Curve::flat(90.0);
    let cpu = replay(
        "cpu",
        Policy::target_tracking(&numbers, &[Metric::Cpu]),
        &curve,
        &numbers,
        &conditions,
    );
    let backlog = replay(
        "backlog",
        built_on_aws(&numbers),
        &curve,
        &numbers,
        &conditions,
    );
    assert_eq!((cpu.most_workers, cpu.time_to_scale.never), (1, 1));
    assert_eq!(backlog.most_workers, 2);
    assert!(cpu.wait.p95 > 5.0 * backlog.wait.p95);
}

#[test]
fn the_same_seed_gives_the_same_day() {
    let numbers = shipped();
    let mut conditions = calm(Service::Constant(10.0), 20_000.0);
    conditions.spot_losses_per_hour = 1.0;
    conditions.try_failures = 0.05;
    let run = || {
        replay(
            "x",
            built_on_aws(&numbers),
            &Curve::school_day(72.0),
            &numbers,
            &conditions,
        )
    };
    assert_eq!(format!("{:?}", run()), format!("{:?}", run()));
}

#[test]
fn every_policy_meets_the_same_arrivals() {
    let numbers = shipped();
    let mut conditions = calm(Service::Measured(vec![6.0, 9.0, 20.0]), 20_000.0);
    conditions.spot_losses_per_hour = 1.0;
    conditions.try_failures = 0.05;
    let jobs: Vec<_> = crate::replay::policies(&numbers)
        .into_iter()
        .map(|(name, policy)| {
            let day = Curve::school_day(72.0);
            replay(name, policy, &day, &numbers, &conditions).jobs
        })
        .collect();
    assert_eq!(jobs, [jobs[0]; 6]);
}

#[test]
fn with_no_worker_at_all_the_first_job_wakes_one() {
    let mut numbers = shipped();
    numbers.worker.min = 0;
    let conditions = calm(Service::Constant(10.0), 3600.0);
    let few = Curve::new("few", vec![(0.0, 2.0), (600.0, 2.0), (600.0, 0.0)]).expect("by time");
    for (name, policy) in policies(&numbers) {
        let outcome = replay(name, policy, &few, &numbers, &conditions);
        let scaled = &outcome.time_to_scale;
        assert_eq!((outcome.success_ratio, scaled.never), (1.0, 0), "{name}");
        // A minute until the sample, a minute late, a minute of boot.
        assert!(
            scaled.serving_max.is_some_and(|time| time <= 180.0),
            "{name}: {scaled:?}"
        );
    }
}

/// Any load: up to eight points over an hour, up to 300 jobs a minute.
fn any_load() -> impl Strategy<Value = Curve> {
    let points = prop::collection::vec((0.0..3_600.0f64, 0.0..300.0f64), 1..8);
    points.prop_map(|mut points| {
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        Curve::new("any", points).expect("sorted and positive")
    })
}

/// Any world: pictures heavy or light on the CPU, spot losses, failing tries.
fn any_conditions() -> impl Strategy<Value = Conditions> {
    (
        4.0..20.0f64,
        0.05..4.0f64,
        0.0..2.0f64,
        0.0..0.3f64,
        0.0..0.15f64,
        any::<u64>(),
    )
        .prop_map(
            |(service, cpu_seconds, losses, abrupt, failures, seed)| Conditions {
                cpu_seconds,
                spot_losses_per_hour: losses,
                abrupt_share: abrupt,
                try_failures: failures,
                quota: true,
                seed,
                ..calm(Service::Constant(service), 3_600.0)
            },
        )
}

/// Terraform's numbers with any quota of the model, and with none or one as the least number.
fn any_numbers() -> impl Strategy<Value = Numbers> {
    (0..=1u32, 60.0..2000.0f64).prop_map(|(min, quota)| {
        let mut numbers = shipped();
        numbers.worker.min = min;
        numbers.worker.model_quota_per_minute = quota;
        numbers
    })
}

fn policies(numbers: &Numbers) -> [(&'static str, Policy); 2] {
    [
        ("backlog and CPU", built_on_aws(numbers)),
        ("KEDA", Policy::Keda(Keda::new(numbers))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    // Feature: s3-image-storage, Property 27: Auto-scaling trigger
    #[test]
    fn a_need_is_met_within_five_minutes(load in any_load(), conditions in any_conditions(), numbers in any_numbers()) {
        let scaled = |conditions: &Conditions| {
            let policy = built_on_aws(&numbers);
            replay("backlog and CPU", policy, &load, &numbers, conditions).time_to_scale
        };
        let lossy = scaled(&conditions);
        prop_assert_eq!(lossy.never, 0);
        prop_assert!(lossy.launched_max.unwrap_or(0.0) <= 300.0, "added after {:?}", lossy.launched_max);
        // One that is lost while it boots has a successor, which boots once more.
        let safe = scaled(&Conditions { spot_losses_per_hour: 0.0, ..conditions });
        prop_assert_eq!(safe.never, 0);
        prop_assert!(safe.serving_max.unwrap_or(0.0) <= 300.0 + 1e-6, "served after {:?}", safe.serving_max);
    }

    #[test]
    fn by_the_metric_of_high_resolution_a_need_is_met_within_two_minutes(load in any_load(), conditions in any_conditions(), quota in 60.0..2000.0f64) {
        let mut numbers = shipped();
        numbers.worker.model_quota_per_minute = quota;
        // A lost worker's successor waits for the group's own health check, and what the CPU lacks is
        // the other policy's matter.
        let conditions = Conditions { spot_losses_per_hour: 0.0, cpu_seconds: 0.05, ..conditions };
        let policy = Policy::high_resolution(&numbers);
        let outcome = replay("high resolution", policy, &load, &numbers, &conditions);
        let scaled = &outcome.time_to_scale;
        prop_assert_eq!(scaled.never, 0);
        prop_assert!(scaled.serving_max.unwrap_or(0.0) <= 120.0, "served after {:?}", scaled.serving_max);
    }

    // Feature: s3-image-storage, Property 29: High availability during scaling
    #[test]
    fn more_than_95_percent_succeed_through_every_scale_event(load in any_load(), conditions in any_conditions(), numbers in any_numbers()) {
        // The load may be more than any quota; what is never served is another test's matter.
        let conditions = Conditions { give_up_seconds: f64::INFINITY, ..conditions };
        for (name, policy) in policies(&numbers) {
            let outcome = replay(name, policy, &load, &numbers, &conditions);
            let worst = outcome.worst_success_through_event.unwrap_or(1.0);
            prop_assert!(worst > 0.95, "{}: {}", name, worst);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_job_ends_once(load in any_load(), conditions in any_conditions()) {
        let numbers = shipped();
        for (name, policy) in policies(&numbers) {
            let outcome = replay(name, policy, &load, &numbers, &conditions);
            prop_assert!(outcome.success_ratio <= 1.0);
            prop_assert!(outcome.most_workers <= numbers.max_workers());
            prop_assert!(outcome.instance_hours >= 1.0 - 1e-6, "{}", name);
        }
    }
}
