//! `atelier`: everything in one process; `atelier cloud`; `atelier audit`; `atelier backup`;
//! `atelier doctor`; `atelier import`; `atelier indexes`; `atelier key`; `atelier teacher`.

mod audit;
mod backup;
mod cloud;
mod doctor;
mod environment;
mod everything;
mod flags;
mod import;
mod indexes;
mod key;
mod operator;
mod patience;
mod progress;
mod sign_in;
mod teacher;

use std::process::ExitCode;

use atelier_runtime::config::{EXIT_CODE, describe};
use atelier_runtime::process;
use atelier_runtime::telemetry::TelemetryConfig;
use clap::{CommandFactory as _, FromArgMatches as _};

use flags::{Command, Flags};

fn main() -> ExitCode {
    process::install_tls();
    let matches = process::parse_flags(command());
    let flags = match Flags::from_arg_matches(&matches) {
        Ok(flags) => flags,
        Err(error) => {
            let _ = error.print();
            return EXIT_CODE.into();
        }
    };
    match flags.command {
        None => everything::main(&flags.here, &flags.fleet),
        Some(Command::Cloud(here)) => cloud::main(&here),
        Some(Command::Audit(audit)) => audit::main(&audit),
        Some(Command::Doctor(doctor)) => doctor::main(&doctor),
        Some(Command::Import(import)) => import::main(&import),
        Some(Command::Backup(backup)) => backup::main(&backup),
        Some(Command::Indexes) => indexes::main(),
        Some(Command::Key(key)) => key::main(&key),
        Some(Command::Teacher(teacher)) => teacher::main(&teacher),
    }
}

/// The command line with the options of the environment.
fn command() -> clap::Command {
    Flags::command()
        .after_help(describe(everything::SETTINGS, &everything::ON_ONE_MACHINE))
        .mut_subcommand("cloud", |it| {
            it.after_help(describe(&[TelemetryConfig::SETTINGS], &[]))
        })
        .mut_subcommand("audit", |it| {
            it.after_help(describe(audit::Config::SETTINGS, &[]))
        })
        .mut_subcommand("doctor", |it| {
            it.after_help(describe(atelier_worker::Config::SETTINGS, &[]))
        })
        .mut_subcommand("import", |it| {
            it.after_help(describe(import::Config::SETTINGS, &[]))
        })
        .mut_subcommand("backup", |it| {
            it.after_help(describe(backup::SETTINGS, &[]))
        })
        .mut_subcommand("key", |it| it.after_help(describe(key::SETTINGS, &[])))
        .mut_subcommand("indexes", |it| {
            it.after_help(describe(indexes::SETTINGS, &[]))
        })
        .mut_subcommand("teacher", |it| {
            it.after_help(describe(teacher::Config::SETTINGS, &[]))
        })
}
