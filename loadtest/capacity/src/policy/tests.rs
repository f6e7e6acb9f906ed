use super::*;
use crate::numbers::tests::shipped;

fn reading(visible: f64, running: u32) -> Reading {
    Reading {
        visible,
        in_flight: 8.0 * f64::from(running),
        running,
        cpu_percent: 10.0,
    }
}

fn capacity(desired: u32) -> Capacity {
    Capacity {
        desired,
        warming: false,
        min: 1,
        max: 20,
    }
}

/// What the policy asks for at each minute.
fn by_minute(policy: &mut Policy, readings: &[Reading], mut capacity: Capacity) -> Vec<u32> {
    let minutes = readings.iter().enumerate();
    minutes
        .map(|(minute, reading)| {
            capacity.desired = policy.decide(minute as f64 * 60.0, reading, capacity);
            capacity.desired
        })
        .collect()
}

#[test]
fn three_datapoints_above_the_target_scale_out_in_proportion() {
    let mut policy = Policy::target_tracking(&shipped(), &[Metric::BacklogPerWorker, Metric::Cpu]);
    let asked = by_minute(&mut policy, &[reading(480.0, 1); 4], capacity(1));
    assert_eq!(asked, [1, 1, 10, 10]);
}

#[test]
fn one_datapoint_below_starts_the_count_again() {
    let mut policy = Policy::target_tracking(&shipped(), &[Metric::BacklogPerWorker]);
    let high = reading(480.0, 1);
    let asked = by_minute(
        &mut policy,
        &[high, high, reading(0.0, 1), high, high],
        capacity(1),
    );
    assert_eq!(asked, [1; 5]);
}

#[test]
fn fifteen_datapoints_below_nine_tenths_scale_in_a_little_at_a_time() {
    let mut policy = Policy::target_tracking(&shipped(), &[Metric::BacklogPerWorker]);
    let asked = by_minute(&mut policy, &[reading(30.0, 3); 15], capacity(3));
    assert_eq!((asked[13], asked[14]), (3, 2));
}

#[test]
fn nothing_scales_in_while_one_policy_is_against_it_or_workers_warm_up() {
    let mut policy = Policy::target_tracking(&shipped(), &[Metric::BacklogPerWorker, Metric::Cpu]);
    let busy = Reading {
        cpu_percent: 69.0,
        ..reading(0.0, 3)
    };
    assert_eq!(
        by_minute(&mut policy, &[busy; 30], capacity(3)).last(),
        Some(&3)
    );

    let mut policy = Policy::target_tracking(&shipped(), &[Metric::BacklogPerWorker]);
    let warming = Capacity {
        warming: true,
        ..capacity(3)
    };
    assert_eq!(
        by_minute(&mut policy, &[reading(0.0, 3); 30], warming).last(),
        Some(&3)
    );
}

#[test]
fn cpu_alone_sees_no_backlog() {
    let mut policy = Policy::target_tracking(&shipped(), &[Metric::Cpu]);
    assert_eq!(
        by_minute(&mut policy, &[reading(100_000.0, 1); 30], capacity(1)),
        [1; 30]
    );
}

#[test]
fn one_job_wakes_an_empty_fleet_and_no_second_worker_while_the_first_warms_up() {
    let mut numbers = shipped();
    numbers.worker.min = 0;
    let mut policy = Policy::target_tracking(&numbers, &[Metric::BacklogPerWorker, Metric::Cpu]);
    let empty = Capacity {
        min: 0,
        ..capacity(0)
    };
    let asked = by_minute(
        &mut policy,
        &[0.0, 1.0, 1.0, 1.0, 1.0].map(|visible| reading(visible, 0)),
        empty,
    );
    assert_eq!(asked, [0, 1, 1, 1, 2]);
}

#[test]
fn keda_counts_what_is_in_flight_too_and_at_most_doubles_or_adds_four() {
    let mut policy = Policy::Keda(Keda::new(&shipped()));
    let asked = policy.decide(0.0, &reading(4800.0, 1), capacity(1));
    assert_eq!(asked, 5);
    let mut policy = Policy::Keda(Keda::new(&shipped()));
    assert_eq!(
        policy.decide(0.0, &reading(41.0, 1), capacity(1)),
        1,
        "49 of 48 is within the tolerance"
    );
    assert_eq!(
        policy.decide(15.0, &reading(48.0, 1), capacity(1)),
        2,
        "56 of 48 is not"
    );
}

#[test]
fn keda_scales_in_one_at_a_time_to_the_most_it_wished_for_in_a_quarter_of_an_hour() {
    let mut keda = Policy::Keda(Keda::new(&shipped()));
    let mut capacity = capacity(1);
    let mut at = |seconds: f64, visible: f64| {
        capacity.desired = keda.decide(seconds, &reading(visible, capacity.desired), capacity);
        capacity.desired
    };
    assert_eq!(at(0.0, 200.0), 5);
    assert_eq!(at(15.0, 0.0), 5);
    assert_eq!(at(900.0, 0.0), 5);
    assert_eq!(at(915.0, 0.0), 4);
    assert_eq!(at(1200.0, 0.0), 4);
    assert_eq!(at(1215.0, 0.0), 3);
}

#[test]
fn keda_follows_the_cpu_too() {
    let mut keda = Policy::Keda(Keda::new(&shipped()));
    let busy = Reading {
        cpu_percent: 100.0,
        ..reading(0.0, 2)
    };
    assert_eq!(keda.decide(0.0, &busy, capacity(2)), 3);
}

#[test]
fn keda_lets_the_last_worker_finish_what_it_holds() {
    let mut keda = Policy::Keda(Keda::new(&shipped()));
    let mut capacity = Capacity {
        min: 0,
        ..capacity(1)
    };
    for seconds in (0..7200).step_by(15) {
        capacity.desired = keda.decide(f64::from(seconds), &reading(0.0, 1), capacity);
    }
    assert_eq!(capacity.desired, 1);
}

#[test]
fn keda_goes_to_none_and_back() {
    let mut keda = Policy::Keda(Keda::new(&shipped()));
    let mut capacity = Capacity {
        min: 0,
        ..capacity(1)
    };
    let idle = Reading {
        visible: 0.0,
        in_flight: 0.0,
        running: 1,
        cpu_percent: 0.0,
    };
    for seconds in (0..900).step_by(15) {
        capacity.desired = keda.decide(f64::from(seconds), &idle, capacity);
    }
    assert_eq!(capacity.desired, 1);
    capacity.desired = keda.decide(900.0, &idle, capacity);
    assert_eq!(capacity.desired, 0);
    capacity.desired = keda.decide(
        915.0,
        &Reading {
            visible: 1.0,
            ..idle
        },
        capacity,
    );
    assert_eq!(capacity.desired, 1);
}

#[test]
fn in_high_resolution_out_takes_as_many_datapoints_and_in_as_much_time() {
    let numbers = shipped();
    let mut policy = Policy::high_resolution(&numbers);
    assert_eq!((policy.period(&numbers), policy.delay(60.0)), (10.0, 15.0));
    let mut decide =
        |at: u32, reading, capacity| policy.decide(f64::from(at) * 10.0, &reading, capacity);
    let asked: Vec<u32> = (0..3)
        .map(|at| decide(at, reading(480.0, 1), capacity(1)))
        .collect();
    assert_eq!(asked, [1, 1, 10]);
    let asked: Vec<u32> = (100..190)
        .map(|at| decide(at, reading(30.0, 3), capacity(3)))
        .collect();
    assert_eq!((asked[88], asked[89]), (3, 2));
}
