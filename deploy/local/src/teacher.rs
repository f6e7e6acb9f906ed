//! `atelier teacher`: exports and erases all that is kept of a teacher.
//!
//! [`places::Belonging`] lists what that is. Both commands go through the list, so what is kept of a
//! teacher in another place becomes another entry of it, and the compiler names what is to be written.

mod config;
mod erase;
mod export;
mod places;

use std::process::ExitCode;

use atelier_runtime::config::EXIT_CODE;
use atelier_runtime::process;

use crate::flags::{Teacher, TeacherCommand};

pub(crate) use config::Config;

pub(crate) fn main(flags: &Teacher) -> ExitCode {
    let mut code = ExitCode::FAILURE;
    let ended = process::block_on(async {
        let is_done = match &flags.command {
            TeacherCommand::Export(export) => export::run(export).await?,
            TeacherCommand::Erase(erase) => erase::run(erase).await?,
        };
        if is_done {
            code = ExitCode::SUCCESS;
        }
        Ok(())
    });
    let unusable = ExitCode::from(EXIT_CODE);
    if ended == unusable { unusable } else { code }
}
