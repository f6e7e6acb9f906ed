//! What fails during a storm: a part of everything all the time, and each service as a whole in
//! turn.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

/// How long a service is away or hangs.
const SPELL: Duration = Duration::from_secs(10);

/// From the start of a spell to that of the next.
const TURN: Duration = Duration::from_secs(14);

/// From the start of the storm to the first spell.
const CALM: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug)]
enum Spell {
    /// A service of the cloud: its name, and the kind of fault.
    Cloud(&'static str, &'static str),
    /// Nobody can write.
    Store,
}

const SPELLS: [Spell; 7] = [
    Spell::Cloud("sqs", "refuse"),
    Spell::Cloud("s3", "hang"),
    Spell::Store,
    Spell::Cloud("bedrock", "refuse"),
    Spell::Cloud("sqs", "hang"),
    Spell::Cloud("s3", "refuse"),
    Spell::Cloud("bedrock", "hang"),
];

/// The faults of a storm.
#[derive(Debug)]
pub(super) struct Weather {
    http: reqwest::Client,
    faults: String,
    database: String,
}

impl Weather {
    /// For the cloud with this control address, and the store at this address.
    pub(super) fn new(control: String, store_url: &str) -> anyhow::Result<Self> {
        let database = store_url.strip_prefix("sqlite:");
        Ok(Self {
            http: reqwest::Client::new(),
            faults: format!("{control}/faults"),
            database: database.context("the storm's store is SQLite")?.to_owned(),
        })
    }

    /// Rages for `length`, then ends all faults.
    pub(super) async fn rage(
        self,
        start: Instant,
        length: Duration,
        tell: fn(&str),
    ) -> anyhow::Result<()> {
        for (service, kind, share) in [
            ("sqs", "duplicate", 0.1),
            ("bedrock", "throttle", 0.2),
            ("sqs", "lost_reply", 0.02),
            ("s3", "lost_reply", 0.02),
            ("bedrock", "lost_reply", 0.02),
        ] {
            self.order(json!({"service": service, "kind": kind, "share": share}))
                .await?;
            tell(&format!(
                "0 s: {service}: {kind}, {:.0}% of the calls",
                share * 100.0
            ));
        }
        let mut next = start + CALM;
        for spell in SPELLS.into_iter().cycle() {
            if next + SPELL > start + length {
                break;
            }
            sleep_until(next).await;
            let at = start.elapsed().as_secs_f64();
            match spell {
                Spell::Cloud(service, kind) => {
                    tell(&format!(
                        "{at:.0} s: {service}: {kind} for {} s",
                        SPELL.as_secs()
                    ));
                    let seconds = SPELL.as_secs();
                    self.order(json!({"service": service, "kind": kind, "for_seconds": seconds}))
                        .await?;
                }
                Spell::Store => {
                    tell(&format!(
                        "{at:.0} s: store: no writes for {} s",
                        SPELL.as_secs()
                    ));
                    let database = self.database.clone();
                    tokio::task::spawn_blocking(move || hold(&database)).await??;
                }
            }
            next += TURN;
        }
        sleep_until(start + length).await;
        let ended = self.http.delete(&self.faults).send().await?;
        ensure!(ended.status().is_success(), "{}", ended.status());
        Ok(())
    }

    /// What is ordered last strikes after what was ordered before.
    async fn order(&self, order: Value) -> anyhow::Result<()> {
        let answer = self.http.put(&self.faults).json(&order).send().await?;
        ensure!(
            answer.status().is_success(),
            "{order}: {}",
            answer.text().await?
        );
        Ok(())
    }
}

/// Keeps everybody from writing for the length of a spell.
fn hold(database: &str) -> rusqlite::Result<()> {
    let connection = Connection::open(database)?;
    connection.busy_timeout(SPELL)?;
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    std::thread::sleep(SPELL);
    connection.execute_batch("ROLLBACK")
}
