//! `atelier`: everything in one process; `atelier cloud`; `atelier audit`.

mod audit;
mod cloud;
mod everything;
mod flags;

use std::process::ExitCode;

use atelier_runtime::process;
use clap::FromArgMatches as _;

use flags::{Command, Flags};

fn main() -> ExitCode {
    process::install_tls();
    let matches = process::parse_flags(flags::command());
    let flags = match Flags::from_arg_matches(&matches) {
        Ok(flags) => flags,
        Err(error) => error.exit(),
    };
    match flags.command {
        None => everything::main(&flags.here, &flags.fleet),
        Some(Command::Cloud(here)) => cloud::main(&here),
        Some(Command::Audit(audit)) => audit::main(&audit),
    }
}
