//! Steps the primary of a replica set down under load, again and again:
//! `ATELIER_TEST_MONGODB_REPLICA_SET=mongodb://… cargo run -p atelier-proofs --bin step_down`.

use std::time::Duration;

use anyhow::Context as _;
use atelier_proofs::failover;
use atelier_runtime::process;
use atelier_store::config::StoreConfig;
use atelier_store::{Indexes, open};
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use mongodb::bson::doc;
use mongodb::{Client, Database};
use tokio::time::{Instant, sleep};

/// How long a primary that stepped down may not become one again.
const STEPPED_DOWN: i32 = 5;

/// Steps the primary of a replica set down while assignments are written, and checks that what was
/// acknowledged is there and was done once. Writes into a database of its own, and drops that.
#[derive(Debug, Parser)]
struct Flags {
    /// The replica set: `mongodb://HOST,HOST,HOST/?replicaSet=NAME`.
    #[arg(long, env = "ATELIER_TEST_MONGODB_REPLICA_SET")]
    url: String,
    /// Seconds of load.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds between two steps down.
    #[arg(long, default_value_t = 15)]
    every: u64,
    /// Writers at a time.
    #[arg(long, default_value_t = 16)]
    writers: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    process::install_tls();
    let matches = process::parse_flags(Flags::command());
    let flags = Flags::from_arg_matches(&matches)?;
    let name = format!("step-down-{:016x}", fastrand::u64(..));
    let url = with_database(&flags.url, &name);
    let client = Client::with_uri_str(&url).await?;
    let admin = client.database("admin");
    let hello = admin.run_command(doc! { "hello": 1 }).await?;
    hello
        .get_str("setName")
        .context("the address names no replica set")?;
    let store = open(&StoreConfig::at(&url), Indexes::Make).await?;
    let length = Duration::from_secs(flags.seconds);
    let stepping = step_down(admin, flags.every, length);
    let (steps, report) = tokio::join!(stepping, failover::run(&store, flags.writers, length));
    client.database(&name).drop().await?;
    let report = report?;
    println!(
        "{steps} steps down, {} assignments, {} writes repeated: all that was acknowledged is there",
        report.assignments, report.repeated
    );
    anyhow::ensure!(steps > 0, "the primary did not step down once");
    Ok(())
}

/// Steps the primary down until the end. Returns how often.
async fn step_down(admin: Database, every: u64, length: Duration) -> u32 {
    let end = Instant::now() + length;
    let mut steps = 0;
    while Instant::now() + Duration::from_secs(every) < end {
        sleep(Duration::from_secs(every)).await;
        let step = doc! { "replSetStepDown": STEPPED_DOWN, "force": true };
        match admin.run_command(step).await {
            Ok(_) => steps += 1,
            Err(error) => eprintln!("it did not step down: {error}"),
        }
    }
    steps
}

/// `url` with this database in place of its own.
fn with_database(url: &str, database: &str) -> String {
    let (address, options) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").unwrap_or(("mongodb", address));
    let hosts = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{hosts}/{database}?{options}")
}
