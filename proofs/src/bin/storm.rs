//! A storm over real processes: `cargo run -p atelier-proofs --bin storm -- --jobs 2000`.

use std::process::ExitCode;
use std::time::Duration;

use atelier_proofs::fleet;
use atelier_proofs::storm::{Plan, Report, storm};
use atelier_runtime::process;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};

/// Kills workers and APIs while queue, bucket, store and model fail in turn, then says what became
/// of every job. Exit code 0: every promise was kept, 1: one was not, 2: it could not be found out, 64: bad
/// usage.
#[derive(Debug, Parser)]
#[command(name = "storm")]
struct Flags {
    /// Assignments that are posted.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// Seconds that the storm lasts, at least 20; the jobs may need longer.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(20..=86_400))]
    seconds: u64,
    /// A MongoDB for the documents, behind a proxy that rolls writes back, steps down and is cut
    /// off; without it they are in SQLite.
    #[arg(long, value_name = "URL", env = "ATELIER_TEST_MONGODB_URI")]
    mongodb: Option<String>,
    /// One JSON object on stdout instead of lines for people.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    process::install_tls();
    let matches = process::parse_flags(Flags::command());
    let flags = Flags::from_arg_matches(&matches).expect("what was parsed fits");
    let plan = Plan {
        jobs: flags.jobs,
        length: Duration::from_secs(flags.seconds),
        mongodb: flags.mongodb,
    };
    let report = match run(plan).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::from(2);
        }
    };
    if flags.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&report).expect("a report is plain data")
        );
    } else {
        println!("{report}");
    }
    if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn run(plan: Plan) -> anyhow::Result<Report> {
    fleet::build().await?;
    storm(plan, |what| eprintln!("{what}")).await
}
