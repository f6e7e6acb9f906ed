//! Budgets: how much money calls to models may cost a day, for the fleet and for each teacher.
//!
//! A call is charged to an account before it is made, and returned where the model did not bill it.
//! A day is one of UTC. An account is of one day, so that a new day begins with nothing charged.

use std::fmt;
use std::time::Duration;

use hex_simd::AsciiCase;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::timestamp::Timestamp;

const SECONDS_A_DAY: i64 = 24 * 3600;

/// How long an account is kept after its day: a call that began before midnight is settled after it.
pub const KEEP: Duration = Duration::from_secs(48 * 3600);

/// The most calls of an account that are remembered as open. Beyond it the oldest is forgotten, and
/// cannot be returned any more.
pub const MAX_OPEN: usize = 4096;

/// An amount of money in millionths of a US dollar.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MicroUsd(u64);

impl MicroUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many millionths of a US dollar.
    pub const fn new(micros: u64) -> Self {
        Self(micros)
    }

    /// From US dollars, to the nearest millionth; nothing where they are below 0.
    pub const fn from_usd(usd: f64) -> Self {
        Self((usd * 1e6).round() as u64)
    }

    /// Millionths of a US dollar.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// US dollars.
    pub const fn usd(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference; nothing where `other` is more.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// A day of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// The day of a time.
    pub fn of(at: Timestamp) -> Self {
        Self((at.seconds().floor() as i64).div_euclid(SECONDS_A_DAY))
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// When the next day starts.
    pub const fn end(self) -> Timestamp {
        Timestamp::from_seconds(((self.0 + 1) * SECONDS_A_DAY) as f64)
    }
}

impl fmt::Display for Day {
    /// As in `2026-11-29`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = Timestamp::from_seconds((self.0 * SECONDS_A_DAY) as f64).rfc3339();
        f.write_str(start.split('T').next().unwrap_or_default())
    }
}

/// Whose money it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All of it.
    Fleet,
    /// That of the teacher with this id.
    Teacher(String),
}

/// What is charged for one scope on one day.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// The day.
    pub day: Day,
    /// Whose money it is.
    pub scope: Scope,
}

impl Account {
    /// Its key in a store. It does not tell the teacher's id, and is short however long that is.
    pub fn id(&self) -> String {
        match &self.scope {
            Scope::Fleet => format!("{} fleet", self.day),
            Scope::Teacher(id) => {
                let hash = hex_simd::encode_to_string(Sha256::digest(id), AsciiCase::Lower);
                format!("{} teacher {hash}", self.day)
            }
        }
    }

    /// When a store may delete it.
    pub fn expires_at(&self) -> Timestamp {
        self.day.end() + KEEP
    }
}

/// What may be charged a day; `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// For all calls together.
    pub fleet: Option<MicroUsd>,
    /// For the calls of one teacher's assignments.
    pub teacher: Option<MicroUsd>,
}

impl Budgets {
    /// The accounts that a call of this teacher's is charged to on that day, each with its limit: the
    /// teacher's first. What has no limit has no account.
    pub fn accounts(&self, day: Day, teacher: Option<&str>) -> Vec<(Account, MicroUsd)> {
        let teacher = teacher.map(|id| Scope::Teacher(id.to_owned()));
        [(teacher, self.teacher), (Some(Scope::Fleet), self.fleet)]
            .into_iter()
            .filter_map(|(scope, limit)| Some((Account { day, scope: scope? }, limit?)))
            .collect()
    }
}

/// The answer to a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charged {
    /// The call is charged, by this charge or by an earlier one of the same call.
    Done,
    /// More than the limit would be charged, so nothing is.
    UsedUp,
}

/// What an account says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// The sum of what is charged and not returned.
    pub charged: MicroUsd,
    /// Calls that are charged and neither settled nor returned, the oldest first; at most
    /// [`MAX_OPEN`].
    pub open: Vec<String>,
}

impl Balance {
    /// Charges `call`, once, unless more than `limit` would be charged then.
    pub fn charge(&mut self, call: &str, price: MicroUsd, limit: MicroUsd) -> Charged {
        if self.is_open(call) {
            return Charged::Done;
        }
        if !self.admits(price, limit) {
            return Charged::UsedUp;
        }
        self.charged = self.charged.plus(price);
        if self.open.len() >= MAX_OPEN {
            self.open.remove(0);
        }
        self.open.push(call.to_owned());
        Charged::Done
    }

    /// Returns the price of `call`, which was not billed. Where it is not open this changes nothing.
    pub fn refund(&mut self, call: &str, price: MicroUsd) {
        if self.is_open(call) {
            self.charged = self.charged.minus(price);
            self.settle(call);
        }
    }

    /// The price of `call` stays charged.
    pub fn settle(&mut self, call: &str) {
        self.open.retain(|open| open != call);
    }

    /// Whether `call` is charged and neither settled nor returned.
    pub fn is_open(&self, call: &str) -> bool {
        self.open.iter().any(|open| open == call)
    }

    /// Whether a call of that price fits the limit.
    pub fn admits(&self, price: MicroUsd, limit: MicroUsd) -> bool {
        self.charged.plus(price) <= limit
    }
}

/// How much of a limit is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// What may be charged.
    pub limit: MicroUsd,
    /// What is charged.
    pub charged: MicroUsd,
}

impl Left {
    /// What may still be charged.
    pub const fn amount(&self) -> MicroUsd {
        self.limit.minus(self.charged)
    }

    /// How many calls of that price still fit.
    pub const fn calls(&self, price: MicroUsd) -> u64 {
        self.amount().0 / if price.0 == 0 { 1 } else { price.0 }
    }

    /// Whether it is used up: less is left than the cheapest model of the list costs.
    pub fn is_used_up(&self, cheapest: MicroUsd) -> bool {
        self.amount() < cheapest
    }
}

/// What is left for pictures today, in words for a teacher.
pub fn words(pictures: u64) -> String {
    match pictures {
        0 => format!("{USED_UP} New pictures can be made tomorrow."),
        1 => "Today's budget: 1 more picture.".to_owned(),
        more => format!("Today's budget: {more} more pictures."),
    }
}

/// A budget is used up, in words for a teacher.
pub const USED_UP: &str = "Today's budget for pictures is used up.";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(usd: f64) -> MicroUsd {
        MicroUsd::from_usd(usd)
    }

    #[test]
    fn a_day_ends_at_midnight_of_utc() {
        // 2026-11-29T23:59:59Z
        let last_second = Timestamp::from_seconds(1_795_996_799.0);
        let day = Day::of(last_second);
        assert_eq!(day.to_string(), "2026-11-29");
        assert_eq!(day.end(), Timestamp::from_seconds(1_795_996_800.0));
        assert_ne!(Day::of(day.end()), day);
        assert_eq!(
            Day::of(Timestamp::from_seconds(-1.0)).to_string(),
            "1969-12-31"
        );
    }

    #[test]
    fn money_is_exact_to_the_millionth() {
        for (dollars, micros) in [
            (0.04, 40_000),
            (0.14, 140_000),
            (0.000_001, 1),
            (100.0, 100_000_000),
        ] {
            assert_eq!(usd(dollars).micros(), micros);
            assert_eq!(usd(dollars).usd(), dollars);
        }
        assert_eq!(usd(-1.0), MicroUsd::ZERO);
    }

    #[test]
    fn a_call_is_charged_to_the_teacher_and_then_to_the_fleet() {
        let day = Day::of(Timestamp::from_seconds(0.0));
        let both = Budgets {
            fleet: Some(usd(2.0)),
            teacher: Some(usd(1.0)),
        };
        let accounts = both.accounts(day, Some("Ms. Frizzle"));
        let scopes: Vec<_> = accounts.iter().map(|(it, _)| it.scope.clone()).collect();
        assert_eq!(
            scopes,
            [Scope::Teacher("Ms. Frizzle".to_owned()), Scope::Fleet]
        );
        assert!(!accounts[0].0.id().contains("Frizzle"));
        assert_eq!(accounts[1].0.id(), "1970-01-01 fleet");
        assert_eq!(both.accounts(day, None).len(), 1);
        assert!(Budgets::default().accounts(day, Some("t")).is_empty());
    }

    #[test]
    fn used_up_means_that_less_is_left_than_the_cheapest_model_costs() {
        let left = |charged| Left {
            limit: usd(0.10),
            charged: usd(charged),
        };
        assert!(!left(0.06).is_used_up(usd(0.04)));
        assert_eq!(left(0.06).calls(usd(0.04)), 1);
        assert!(left(0.060_001).is_used_up(usd(0.04)));
        assert_eq!(left(0.060_001).calls(usd(0.04)), 0);
        assert_eq!(left(0.2).amount(), MicroUsd::ZERO);
        assert_eq!(words(12), "Today's budget: 12 more pictures.");
        assert!(words(0).starts_with(USED_UP));
    }

    #[test]
    fn the_oldest_open_call_is_forgotten_and_stays_charged() {
        let mut balance = Balance::default();
        for n in 0..=MAX_OPEN {
            balance.charge(&n.to_string(), usd(0.04), usd(1e6));
        }
        let charged = balance.charged;
        assert_eq!(balance.open.len(), MAX_OPEN);
        balance.refund("0", usd(0.04));
        assert_eq!(balance.charged, charged);
        balance.refund("1", usd(0.04));
        assert_eq!(balance.charged, charged.minus(usd(0.04)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn doing_anything_twice_is_doing_it_once(
            acts in proptest::collection::vec((0..3_u8, 0..5_u8), 1..40),
        ) {
            let (mut once, mut twice) = (Balance::default(), Balance::default());
            let (price, limit) = (usd(0.04), usd(0.15));
            for (act, call) in acts {
                let call = call.to_string();
                let act = |balance: &mut Balance| match act {
                    0 => {
                        balance.charge(&call, price, limit);
                    }
                    1 => balance.refund(&call, price),
                    _ => balance.settle(&call),
                };
                act(&mut once);
                act(&mut twice);
                act(&mut twice);
                prop_assert_eq!(&once, &twice);
                prop_assert!(once.charged <= limit);
            }
        }
    }
}
