//! Load tests of an Atelier at any address, with criteria; and the replay of its fleet's scaling.

mod audit;
mod browser;
mod classroom;
mod cli;
mod client;
mod cost;
mod criteria;
mod fleet;
mod ledger;
mod measure;
mod open;
mod progress;
mod prompts;
mod report;
mod results;
mod run;
mod scenario;
mod settle;
mod users;

use std::process::ExitCode;

use atelier_report::files::BadUsage;

use crate::cli::{Cli, Command};

/// The exit code for bad usage, `EX_USAGE` of sysexits.h.
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::of_process() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            // Nothing is left to say where even the terminal is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match execute(cli.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("atelier-loadtest: {error:#}");
            ExitCode::from(if error.is::<BadUsage>() {
                EXIT_USAGE
            } else {
                1
            })
        }
    }
}

/// Whether every criterion that could be checked holds.
fn execute(command: Command) -> anyhow::Result<bool> {
    // The one TLS provider, before the first HTTP client; a second install changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new()?;
    match command {
        Command::Baseline(args) => runtime.block_on(run::scenario(scenario::BASELINE, args)),
        Command::Stress(args) => runtime.block_on(run::scenario(scenario::STRESS, args)),
        Command::Spike(args) => runtime.block_on(run::scenario(scenario::SPIKE, args)),
        Command::Endurance(args) => runtime.block_on(run::scenario(scenario::ENDURANCE, args)),
        Command::Post(args) => runtime.block_on(run::post(args)),
        Command::Scaling(args) => atelier_capacity::replay(&args),
    }
}
