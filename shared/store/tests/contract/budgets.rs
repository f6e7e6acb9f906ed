//! Accounts of the budgets.

use std::sync::Arc;

use atelier_domain::budget::{Account, Balance, Charged, Day, MicroUsd, Scope};
use atelier_store::Store;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{NOW, at};

// Not on FerretDB, whose `$push` knows no `$slice`.
crate::for_each!(
    a_call_is_charged_once_however_often_it_is_asked_for,
    what_does_not_fit_the_limit_is_not_charged,
    a_call_is_returned_once_and_not_after_it_was_settled,
    accounts_of_other_days_and_scopes_have_nothing_to_do_with_it,
    racing_charges_never_exceed_the_limit_and_use_it_up,
    racing_returns_of_one_call_return_it_once,
);

const PRICE: MicroUsd = MicroUsd::new(40_000);
const LIMIT: MicroUsd = MicroUsd::new(100_000);

fn fleet() -> Account {
    Account {
        day: Day::of(NOW),
        scope: Scope::Fleet,
    }
}

fn teacher(id: &str) -> Account {
    Account {
        scope: Scope::Teacher(id.to_owned()),
        ..fleet()
    }
}

async fn charged(store: &dyn Store, account: &Account) -> u64 {
    let charged = store.charged(std::slice::from_ref(account)).await.unwrap();
    assert_eq!(charged.len(), 1);
    charged[0].micros()
}

async fn charge(store: &dyn Store, account: &Account, call: &str) -> Charged {
    let charged = store.charge_call(account, call, PRICE, LIMIT).await;
    charged.unwrap()
}

async fn a_call_is_charged_once_however_often_it_is_asked_for(store: Arc<dyn Store>) {
    assert_eq!(charged(&*store, &fleet()).await, 0);
    for _ in 0..3 {
        assert_eq!(charge(&*store, &fleet(), "a").await, Charged::Done);
        assert_eq!(charged(&*store, &fleet()).await, 40_000);
    }
    assert_eq!(charge(&*store, &fleet(), "b").await, Charged::Done);
    assert_eq!(charged(&*store, &fleet()).await, 80_000);
}

async fn what_does_not_fit_the_limit_is_not_charged(store: Arc<dyn Store>) {
    let none = MicroUsd::new(39_999);
    let refused = store.charge_call(&fleet(), "a", PRICE, none).await.unwrap();
    assert_eq!(refused, Charged::UsedUp);
    assert_eq!(charged(&*store, &fleet()).await, 0);
    charge(&*store, &fleet(), "a").await;
    charge(&*store, &fleet(), "b").await;
    assert_eq!(charge(&*store, &fleet(), "c").await, Charged::UsedUp);
    assert_eq!(charged(&*store, &fleet()).await, 80_000);
    // One that is charged already stays so.
    assert_eq!(charge(&*store, &fleet(), "b").await, Charged::Done);
    // To the last millionth.
    let rest = MicroUsd::new(20_000);
    let exact = store.charge_call(&fleet(), "d", rest, LIMIT).await.unwrap();
    assert_eq!(exact, Charged::Done);
    assert_eq!(charged(&*store, &fleet()).await, 100_000);
}

async fn a_call_is_returned_once_and_not_after_it_was_settled(store: Arc<dyn Store>) {
    store.refund_call(&fleet(), "a", PRICE).await.unwrap();
    store.settle_call(&fleet(), "a").await.unwrap();
    assert_eq!(charged(&*store, &fleet()).await, 0);
    for call in ["a", "b"] {
        charge(&*store, &fleet(), call).await;
    }
    store.settle_call(&fleet(), "a").await.unwrap();
    for call in ["a", "b", "b"] {
        store.refund_call(&fleet(), call, PRICE).await.unwrap();
    }
    assert_eq!(charged(&*store, &fleet()).await, 40_000);
    assert_eq!(charge(&*store, &fleet(), "c").await, Charged::Done);
}

async fn accounts_of_other_days_and_scopes_have_nothing_to_do_with_it(store: Arc<dyn Store>) {
    let tomorrow = Account {
        day: Day::of(fleet().day.end()),
        scope: Scope::Fleet,
    };
    let accounts = [fleet(), teacher("t"), teacher("u"), tomorrow.clone()];
    for (place, account) in accounts.iter().enumerate() {
        let price = MicroUsd::new(place as u64 + 1);
        let charged = store.charge_call(account, "a", price, LIMIT).await.unwrap();
        assert_eq!(charged, Charged::Done);
    }
    store
        .refund_call(&teacher("u"), "a", MicroUsd::new(3))
        .await
        .unwrap();
    let charged = store.charged(&accounts).await.unwrap();
    let charged: Vec<u64> = charged.into_iter().map(MicroUsd::micros).collect();
    assert_eq!(charged, [1, 2, 0, 4]);
    let none = store.charged(&[]).await.unwrap();
    assert!(none.is_empty());
    // After some days it is forgotten, or may be.
    let later = Account {
        day: Day::of(at(30.0 * 24.0 * 3600.0)),
        scope: Scope::Fleet,
    };
    charge(&*store, &later, "a").await;
    assert_eq!(super::budgets::charged(&*store, &later).await, 40_000);
}

async fn racing_charges_never_exceed_the_limit_and_use_it_up(store: Arc<dyn Store>) {
    let limit = MicroUsd::new(7 * PRICE.micros() + 1);
    let racing = (0..20).map(|n: u32| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let call = n.to_string();
            // The store may ask to come again where many write at once.
            for _ in 0..20 {
                if let Ok(charged) = store.charge_call(&fleet(), &call, PRICE, limit).await {
                    return charged;
                }
            }
            panic!("never charged");
        })
    });
    let outcomes = futures_util::future::try_join_all(racing).await.unwrap();
    let done = outcomes.iter().filter(|it| **it == Charged::Done).count();
    assert_eq!(done, 7);
    assert_eq!(charged(&*store, &fleet()).await, 7 * PRICE.micros());
}

async fn racing_returns_of_one_call_return_it_once(store: Arc<dyn Store>) {
    charge(&*store, &fleet(), "a").await;
    charge(&*store, &fleet(), "b").await;
    let racing = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.refund_call(&fleet(), "a", PRICE).await.unwrap() })
    });
    futures_util::future::try_join_all(racing).await.unwrap();
    assert_eq!(charged(&*store, &fleet()).await, PRICE.micros());
}

/// What a worker may do with a call, in any order and more than once.
#[derive(Clone, Copy, Debug)]
enum Act {
    Charge,
    Refund,
    Settle,
}

/// Does `acts` in the store, by four workers at once, each with calls of its own. Nobody ever sees more
/// than the limit charged, and in the end it is what the calls that were not returned cost.
async fn interleave(store: Arc<dyn Store>, day: i64, workers: Vec<Vec<(Act, u8)>>) {
    let account = Account {
        day: Day::of(at(day as f64 * 24.0 * 3600.0)),
        scope: Scope::Fleet,
    };
    let limit = MicroUsd::new(5 * PRICE.micros());
    let tasks = workers.into_iter().enumerate().map(|(worker, acts)| {
        let (store, account) = (Arc::clone(&store), account.clone());
        tokio::spawn(async move {
            // What of this worker's calls is charged, by its own account.
            let mut mine = Balance::default();
            let mut settled = 0;
            for (act, call) in acts {
                let call = format!("{worker} {call}");
                match act {
                    Act::Charge => {
                        let done = store.charge_call(&account, &call, PRICE, limit).await;
                        if done.unwrap() == Charged::Done {
                            mine.charge(&call, PRICE, MicroUsd::new(u64::MAX));
                        }
                    }
                    Act::Refund => {
                        store.refund_call(&account, &call, PRICE).await.unwrap();
                        mine.refund(&call, PRICE);
                    }
                    Act::Settle => {
                        store.settle_call(&account, &call).await.unwrap();
                        settled += u32::from(mine.is_open(&call));
                        mine.settle(&call);
                    }
                }
                let now = store.charged(std::slice::from_ref(&account)).await.unwrap();
                assert!(now[0] <= limit, "{now:?}");
            }
            assert!(mine.charged.micros() >= u64::from(settled) * PRICE.micros());
            mine.charged.micros()
        })
    });
    let sums = futures_util::future::try_join_all(tasks).await.unwrap();
    let expected: u64 = sums.into_iter().sum();
    assert_eq!(charged(&*store, &account).await, expected);
}

fn check_interleavings(runtime: &tokio::runtime::Runtime, store: &Arc<dyn Store>, cases: u32) {
    let act = prop_oneof![
        4 => Just(Act::Charge),
        2 => Just(Act::Refund),
        1 => Just(Act::Settle),
    ];
    let acts = proptest::collection::vec((act, 0..4_u8), 1..12);
    // Each case has a day of its own.
    let day = std::cell::Cell::new(0);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&proptest::collection::vec(acts, 4), |workers| {
            day.set(day.get() + 1);
            runtime.block_on(interleave(Arc::clone(store), day.get(), workers));
            Ok(())
        })
        .unwrap();
}

#[test]
fn sqlite_never_exceeds_a_limit_and_ends_exact() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = super::sqlite();
    check_interleavings(&runtime, &home.store, 120);
}

#[test]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
fn mongodb_never_exceeds_a_limit_and_ends_exact() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = runtime.block_on(super::mongodb(super::MONGODB_URI));
    check_interleavings(&runtime, &home.store, 120);
    runtime.block_on(home.clear());
}
