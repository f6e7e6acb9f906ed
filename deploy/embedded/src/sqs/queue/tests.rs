//! The queue over synthetic time.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

const RETENTION: Millis = 345_600_000;

fn message(body: &str, group: Option<&str>, sent_at: Millis) -> Parcel {
    Parcel::new(Content {
        message_id: body.to_owned(),
        body: body.to_owned(),
        attributes: Box::default(),
        group: group.map(str::to_owned),
        trace: None,
        sent_at,
        dead_letter_of: None,
    })
}

fn ask(max: usize, visibility: Millis) -> Receive {
    Receive {
        max,
        visibility,
        max_receives: None,
        duplicate: false,
    }
}

fn bodies(deliveries: &[Delivery]) -> Vec<&str> {
    let bodies = deliveries
        .iter()
        .map(|delivery| delivery.content.body.as_str());
    bodies.collect()
}

#[test]
fn a_busy_group_does_not_hold_up_a_quiet_one() {
    let mut queue = Queue::default();
    for number in 0..100 {
        queue.put(message(&format!("busy-{number}"), Some("busy"), 0), 0, 0);
    }
    queue.put(message("quiet", Some("quiet"), 0), 0, 0);
    queue.put(message("alone", None, 0), 0, 0);
    let (deliveries, _) = queue.receive(ask(4, 1000), 0);
    assert_eq!(bodies(&deliveries), ["busy-0", "quiet", "alone", "busy-1"]);
}

#[test]
fn the_depth_is_right_after_a_visibility_ran_out_or_was_set_to_zero() {
    let mut queue = Queue::default();
    for body in ["a", "b", "c"] {
        queue.put(message(body, None, 0), 0, 0);
    }
    let (deliveries, _) = queue.receive(ask(2, 1000), 0);
    let depth = |visible, in_flight| Depth {
        visible,
        in_flight,
        delayed: 0,
    };
    assert_eq!(queue.depth(), depth(1, 2));
    queue
        .change_visibility(deliveries[0].receipt, 0, 10)
        .unwrap();
    assert_eq!(queue.depth(), depth(2, 1));
    queue.advance(999, RETENTION);
    assert_eq!(queue.depth(), depth(2, 1));
    queue.advance(1000, RETENTION);
    assert_eq!(queue.depth(), depth(3, 0));
}

#[test]
fn a_visibility_of_zero_delivers_each_message_once_an_answer() {
    let mut queue = Queue::default();
    queue.put(message("a", None, 0), 0, 0);
    let (deliveries, _) = queue.receive(ask(10, 0), 0);
    assert_eq!(bodies(&deliveries), ["a"]);
    assert_eq!(queue.depth().visible, 1);
}

#[test]
fn a_stale_receipt_changes_nothing() {
    let mut queue = Queue::default();
    queue.put(message("a", None, 0), 0, 0);
    let first = queue.receive(ask(1, 1000), 0).0.remove(0).receipt;
    queue.advance(1000, RETENTION);
    let second = queue.receive(ask(1, 1000), 1000).0.remove(0).receipt;
    assert!(!queue.delete(first));
    assert_eq!(
        queue.change_visibility(first, 0, 1000),
        Err(Error::MessageNotInflight)
    );
    assert_eq!(queue.depth().in_flight, 1);
    assert!(queue.delete(second));
    assert_eq!(queue.depth(), Depth::default());
}

#[test]
fn a_message_that_ran_out_can_still_be_deleted_until_it_is_received_again() {
    let mut queue = Queue::default();
    queue.put(message("a", Some("g"), 0), 0, 0);
    let receipt = queue.receive(ask(1, 1000), 0).0.remove(0).receipt;
    queue.advance(5000, RETENTION);
    assert!(queue.delete(receipt));
    assert!(queue.receive(ask(1, 1000), 5000).0.is_empty());
}

#[test]
fn a_message_is_hidden_for_twelve_hours_at_most() {
    let mut queue = Queue::default();
    queue.put(message("a", None, 0), 0, 0);
    let receipt = queue.receive(ask(1, 1000), 0).0.remove(0).receipt;
    assert!(queue.change_visibility(receipt, MAX_HIDDEN, 0).is_ok());
    assert!(queue.change_visibility(receipt, MAX_HIDDEN, 1).is_err());
}

#[test]
fn a_message_received_too_often_is_dead_and_the_next_comes_in_its_place() {
    let mut queue = Queue::default();
    queue.put(message("poison", None, 0), 0, 0);
    let twice = Receive {
        max_receives: Some(2),
        ..ask(1, 0)
    };
    assert_eq!(queue.receive(twice, 0).0[0].receives.count, 1);
    assert_eq!(queue.receive(twice, 5).0[0].receives.first_at, 0);
    queue.put(message("good", None, 5), 5, 5);
    let (deliveries, dead) = queue.receive(twice, 5);
    assert_eq!(bodies(&deliveries), ["good"]);
    assert_eq!(dead[0].content.body, "poison");
    assert_eq!(queue.depth().visible, 1);
}

#[test]
fn a_message_ends_with_its_retention_wherever_it_is() {
    let mut queue = Queue::default();
    queue.put(message("hidden", None, 0), 0, 0);
    queue.receive(ask(1, 100_000), 0);
    queue.put(message("visible", None, 10), 10, 10);
    queue.put(message("delayed", None, 20), 99_000, 20);
    queue.advance(60_010, 60_000);
    assert_eq!(queue.depth().delayed, 1);
    queue.advance(60_020, 60_000);
    assert_eq!((queue.depth(), queue.next_due()), (Depth::default(), None));
}

#[test]
fn a_duplicate_is_a_delivery_of_its_own_and_comes_once() {
    let mut queue = Queue::default();
    queue.put(message("a", None, 0), 0, 0);
    let twice = Receive {
        duplicate: true,
        ..ask(10, 1000)
    };
    let first = queue.receive(twice, 0).0.remove(0);
    let second = queue.receive(twice, 0).0.remove(0);
    assert_eq!(first.content.message_id, second.content.message_id);
    assert!(queue.receive(twice, 0).0.is_empty());
    assert!(queue.delete(first.receipt) && queue.delete(second.receipt));
    assert_eq!(queue.depth(), Depth::default());
}

#[test]
fn a_receive_costs_the_same_however_many_wait() {
    let time = |depth: usize| {
        let mut queue = Queue::default();
        for number in 0..depth {
            let group = format!("group-{}", number % 1000);
            queue.put(message(&number.to_string(), Some(&group), 0), 0, 0);
        }
        let start = Instant::now();
        for round in 0..1000 {
            queue.advance(round, RETENTION);
            for delivery in queue.receive(ask(10, 30_000), round).0 {
                queue
                    .change_visibility(delivery.receipt, 60_000, round)
                    .unwrap();
                queue.change_visibility(delivery.receipt, 0, round).unwrap();
            }
        }
        start.elapsed()
    };
    time(100);
    let fastest = |depth| (0..3).map(|_| time(depth)).min().unwrap();
    let (shallow, deep) = (fastest(100), fastest(100_000));
    // Logarithms and caches may make it a few times dearer; a scan would make it 1000 times.
    assert!(
        deep < shallow * 20,
        "{shallow:?} at 100, {deep:?} at 100,000"
    );
}

#[derive(Clone, Debug)]
enum Step {
    Send { group: Option<u8>, delay: Millis },
    Receive { max: usize, visibility: Millis },
    Delete(prop::sample::Index),
    Change(prop::sample::Index, Millis),
    Wait(Millis),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (prop::option::of(0u8..3), prop_oneof![Just(0), 0u64..50])
            .prop_map(|(group, delay)| Step::Send { group, delay }),
        (1usize..=10, 0u64..50).prop_map(|(max, visibility)| Step::Receive { max, visibility }),
        index().prop_map(Step::Delete),
        (index(), 0u64..50).prop_map(|(which, visibility)| Step::Change(which, visibility)),
        (0u64..40).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Against a list that is scanned: a message is delivered only while it is visible, its last
    /// receipt alone works, and the depth is right at all times.
    #[test]
    fn the_queue_does_what_a_scanned_list_would(steps in prop::collection::vec(step(), 1..80)) {
        /// Body, hidden or delayed until, hidden by a receive, last receipt.
        struct Entry(String, Millis, bool, Option<Receipt>);
        let mut queue = Queue::default();
        let (mut model, mut receipts) = (Vec::<Entry>::new(), Vec::new());
        let mut now = 1000;
        for (number, step) in steps.into_iter().enumerate() {
            queue.advance(now, RETENTION);
            match step {
                Step::Send { group, delay } => {
                    let (body, group) = (number.to_string(), group.map(|group| group.to_string()));
                    queue.put(message(&body, group.as_deref(), now), now + delay, now);
                    model.push(Entry(body, now + delay, false, None));
                }
                Step::Receive { max, visibility } => {
                    let visible = model.iter().filter(|entry| entry.1 <= now).count();
                    let (deliveries, _) = queue.receive(ask(max, visibility), now);
                    prop_assert_eq!(deliveries.len(), visible.min(max));
                    for delivery in deliveries {
                        let body = &delivery.content.body;
                        let entry = model.iter_mut().find(|entry| entry.0 == *body).unwrap();
                        prop_assert!(entry.1 <= now, "delivered while it was hidden");
                        (entry.1, entry.2) = (now + visibility, true);
                        entry.3 = Some(delivery.receipt);
                        receipts.push(delivery.receipt);
                    }
                }
                Step::Delete(which) if !receipts.is_empty() => {
                    let receipt = *which.get(&receipts);
                    let at = model.iter().position(|entry| entry.3 == Some(receipt));
                    prop_assert_eq!(queue.delete(receipt), at.is_some());
                    at.map(|at| model.remove(at));
                }
                Step::Change(which, visibility) if !receipts.is_empty() => {
                    let receipt = *which.get(&receipts);
                    let entry = model
                        .iter_mut()
                        .find(|entry| entry.3 == Some(receipt) && entry.1 > now);
                    let changed = queue.change_visibility(receipt, visibility, now).is_ok();
                    prop_assert_eq!(changed, entry.is_some());
                    if let Some(entry) = entry {
                        entry.1 = now + visibility;
                    }
                }
                Step::Wait(span) => now += span,
                Step::Delete(_) | Step::Change(..) => {}
            }
            queue.advance(now, RETENTION);
            let hidden = |by_receive| {
                let hidden = model.iter().filter(|entry| entry.1 > now);
                hidden.filter(|entry| entry.2 == by_receive).count()
            };
            let depth = Depth {
                visible: model.iter().filter(|entry| entry.1 <= now).count(),
                in_flight: hidden(true),
                delayed: hidden(false),
            };
            prop_assert_eq!(queue.depth(), depth);
            let due = model.iter().map(|entry| entry.1).filter(|until| *until > now).min();
            prop_assert_eq!(queue.next_due(), due);
        }
    }
}
