//! Links and results in two tables.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use atelier_domain::share::{MAX_LINKS, MAX_RESULTS, NewShare, Share, StudentResult};
use atelier_domain::timestamp::Timestamp;

use super::{SqliteStore, queries};
use crate::StoreError;
use crate::shares::{Keep, Shared, Shares, Which};

fn share(row: &Row<'_>) -> rusqlite::Result<Share> {
    let time = |column: &str| -> rusqlite::Result<Option<Timestamp>> {
        let seconds: Option<f64> = row.get(column)?;
        Ok(seconds.map(Timestamp::from_exact_seconds))
    };
    Ok(Share {
        assignment_id: row.get("assignment_id")?,
        link: row.get("link")?,
        token: row.get("token")?,
        created_at: time("created_at")?.unwrap_or(Timestamp::from_seconds(0.0)),
        expires_at: time("expires_at")?,
        revoked_at: time("revoked_at")?,
    })
}

fn links(connection: &Connection, assignment_id: &str) -> rusqlite::Result<Vec<(Share, u32)>> {
    connection
        .prepare_cached(queries::LINKS)?
        .query_map([assignment_id], |row| {
            Ok((share(row)?, row.get("results")?))
        })?
        .collect()
}

fn results(
    connection: &Connection,
    assignment_id: &str,
    link: u32,
) -> rusqlite::Result<Vec<StudentResult>> {
    let texts: Vec<String> = connection
        .prepare_cached(queries::RESULTS)?
        .query_map(params![assignment_id, link], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    // Only this program writes them.
    let read = |text: &String| serde_json::from_str(text).ok();
    Ok(texts.iter().filter_map(read).collect())
}

fn make(connection: &Connection, wanted: &NewShare) -> rusqlite::Result<Shared> {
    let there = links(connection, &wanted.assignment_id)?;
    let mut shares = there.iter().map(|(share, _)| share);
    if let Some(live) = shares.find(|it| it.is_live(wanted.created_at)) {
        return Ok(Shared::Live(live.clone()));
    }
    if there.len() >= MAX_LINKS {
        return Ok(Shared::TooMany);
    }
    let made = Share {
        assignment_id: wanted.assignment_id.clone(),
        link: there.first().map_or(1, |(newest, _)| newest.link + 1),
        token: Some(wanted.token.clone()),
        created_at: wanted.created_at,
        expires_at: wanted.expires_at,
        revoked_at: None,
    };
    connection
        .prepare_cached(queries::ADD_LINK)?
        .execute(named_params! {
            ":assignment_id": made.assignment_id,
            ":link": made.link,
            ":token": made.token,
            ":created_at": made.created_at.seconds(),
            ":expires_at": made.expires_at.map(Timestamp::seconds),
        })?;
    Ok(Shared::New(made))
}

fn add(connection: &Connection, share: &Share, result: &StudentResult) -> rusqlite::Result<Keep> {
    let (id, link) = (&share.assignment_id, share.link);
    let live = connection
        .prepare_cached(queries::IS_LINK)?
        .query_row(params![id, link, share.token], |_| Ok(()))
        .optional()?;
    if live.is_none() {
        return Ok(Keep::Gone);
    }
    let there = params![id, link, result.id];
    if queries::number(connection, queries::HAS_RESULT, there)? > 0 {
        return Ok(Keep::Kept);
    }
    let count = queries::number(connection, queries::COUNT_RESULTS, params![id, link])?;
    if count as usize >= MAX_RESULTS {
        return Ok(Keep::Full);
    }
    let text = serde_json::to_string(result).expect("a result is plain data");
    connection
        .prepare_cached(queries::ADD_RESULT)?
        .execute(params![id, link, result.id, text])?;
    Ok(Keep::Kept)
}

fn erase(connection: &Connection, assignment_id: &str, which: &Which) -> rusqlite::Result<u32> {
    let mut erased = 0;
    for (share, _) in links(connection, assignment_id)? {
        if which.link.is_some_and(|link| link != share.link) {
            continue;
        }
        for result in results(connection, assignment_id, share.link)? {
            if which.admits(&result) {
                erased += connection
                    .prepare_cached(queries::ERASE_RESULT)?
                    .execute(params![assignment_id, share.link, result.id])?;
            }
        }
    }
    forget_ended(connection, assignment_id)?;
    Ok(erased as u32)
}

/// Forgets revoked links without results.
fn forget_ended(connection: &Connection, assignment_id: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(queries::FORGET_ENDED_LINKS)?
        .execute([assignment_id])
        .map(drop)
}

#[async_trait]
impl Shares for SqliteStore {
    async fn share(&self, wanted: &NewShare) -> Result<Shared, StoreError> {
        let wanted = wanted.clone();
        self.write(move |connection| make(connection, &wanted))
            .await
    }

    async fn by_token(&self, token: &str) -> Result<Option<Share>, StoreError> {
        let token = token.to_owned();
        self.read(move |connection| {
            connection
                .prepare_cached(queries::LINK_OF_TOKEN)?
                .query_row([token], share)
                .optional()
        })
        .await
    }

    async fn links(&self, assignment_id: &str) -> Result<Vec<(Share, u32)>, StoreError> {
        let id = assignment_id.to_owned();
        self.read(move |connection| links(connection, &id)).await
    }

    async fn revoke(&self, assignment_id: &str, now: Timestamp) -> Result<(), StoreError> {
        let id = assignment_id.to_owned();
        self.write(move |connection| {
            connection
                .prepare_cached(queries::REVOKE_LINKS)?
                .execute(params![id, now.seconds()])?;
            forget_ended(connection, &id)
        })
        .await
    }

    async fn keep(&self, share: &Share, result: &StudentResult) -> Result<Keep, StoreError> {
        let (share, result) = (share.clone(), result.clone());
        self.write(move |connection| add(connection, &share, &result))
            .await
    }

    async fn results(
        &self,
        assignment_id: &str,
        link: u32,
    ) -> Result<Vec<StudentResult>, StoreError> {
        let id = assignment_id.to_owned();
        self.read(move |connection| results(connection, &id, link))
            .await
    }

    async fn erase_results(&self, assignment_id: &str, which: &Which) -> Result<u32, StoreError> {
        let (id, which) = (assignment_id.to_owned(), which.clone());
        self.write(move |connection| erase(connection, &id, &which))
            .await
    }

    async fn erase(&self, assignment_id: &str) -> Result<(), StoreError> {
        let id = assignment_id.to_owned();
        self.write(move |connection| {
            for statement in [queries::ERASE_RESULTS, queries::ERASE_LINKS] {
                connection.prepare_cached(statement)?.execute([&id])?;
            }
            Ok(())
        })
        .await
    }
}
