//! Accounts of the budgets: a row each. Every change is one statement of the writer's transaction, so
//! that no part of it can fail alone.

use std::time::Duration;

use atelier_domain::budget::{Account, Balance, Charged, KEEP, MicroUsd};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::queries;

/// How many days an account is kept after its own.
const KEEP_DAYS: i64 = (KEEP.as_secs() / Duration::from_secs(24 * 3600).as_secs()) as i64;

pub(super) fn charge(
    connection: &Connection,
    account: &Account,
    call: &str,
    price: MicroUsd,
    limit: MicroUsd,
) -> rusqlite::Result<Charged> {
    connection
        .prepare_cached(queries::DELETE_OLD_BUDGETS)?
        .execute([account.day.number() - KEEP_DAYS])?;
    change(connection, account, |balance| {
        balance.charge(call, price, limit)
    })
}

pub(super) fn refund(
    connection: &Connection,
    account: &Account,
    call: &str,
    price: MicroUsd,
) -> rusqlite::Result<()> {
    change(connection, account, |balance| balance.refund(call, price))
}

pub(super) fn settle(
    connection: &Connection,
    account: &Account,
    call: &str,
) -> rusqlite::Result<()> {
    change(connection, account, |balance| balance.settle(call))
}

pub(super) fn charged(
    connection: &Connection,
    accounts: &[Account],
) -> rusqlite::Result<Vec<MicroUsd>> {
    let balances = accounts.iter().map(|account| balance(connection, account));
    balances.map(|it| it.map(|it| it.charged)).collect()
}

fn change<T>(
    connection: &Connection,
    account: &Account,
    act: impl FnOnce(&mut Balance) -> T,
) -> rusqlite::Result<T> {
    let before = balance(connection, account)?;
    let mut after = before.clone();
    let outcome = act(&mut after);
    if after != before {
        let open = serde_json::to_string(&after.open).expect("a list of texts");
        let charged = i64::try_from(after.charged.micros()).unwrap_or(i64::MAX);
        connection
            .prepare_cached(queries::PUT_BALANCE)?
            .execute(params![account.id(), account.day.number(), charged, open])?;
    }
    Ok(outcome)
}

fn balance(connection: &Connection, account: &Account) -> rusqlite::Result<Balance> {
    let row = connection
        .prepare_cached(queries::BALANCE)?
        .query_row([account.id()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    Ok(
        row.map_or_else(Balance::default, |(charged, open)| Balance {
            charged: MicroUsd::new(charged.unsigned_abs()),
            open: serde_json::from_str(&open).unwrap_or_default(),
        }),
    )
}
