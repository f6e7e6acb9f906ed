//! `atelier doctor`: tries what workers and API need of the services, and says what is missing.
//!
//! It runs with the role of whoever starts it, so each service's own role is tried by running it
//! where that service runs. What it tries costs nothing, but for a guardrail's smallest charge, and
//! is seen by nobody: a job or a picture is never made.

mod report;
mod services;
mod store;

use std::process::ExitCode;

use atelier_cloud::client::Aws;
use atelier_runtime::config::EXIT_CODE;
use atelier_runtime::process;
use atelier_worker::Config;

use crate::environment;
use crate::flags::{Doctor, Role};
use report::Report;

pub(crate) fn main(flags: &Doctor) -> ExitCode {
    let mut code = ExitCode::FAILURE;
    let ended = process::block_on(async {
        let config = configure(flags)?;
        let report = examine(&config, flags.of).await;
        match flags.json {
            true => println!("{}", serde_json::to_string(&report)?),
            false => print!("{report}"),
        }
        if report.ok {
            code = ExitCode::SUCCESS;
        }
        Ok(())
    });
    let unusable = ExitCode::from(EXIT_CODE);
    if ended == unusable { unusable } else { code }
}

fn configure(flags: &Doctor) -> anyhow::Result<Config> {
    let (environment, credentials) = environment::read(flags.data.as_deref())?;
    let mut config = Config::read(environment)?;
    config.cloud.credentials = credentials;
    Ok(config)
}

async fn examine(config: &Config, role: Option<Role>) -> Report {
    let aws = Aws::connect(&config.cloud).await;
    let mut findings = store::examine(&config.store).await;
    findings.extend(services::queues(&aws, &config.queue, role).await);
    findings.push(services::bucket(&aws, &config.bucket).await);
    if role != Some(Role::Api) {
        findings.extend(services::models(&aws, config).await);
    }
    findings.push(services::clock(config).await);
    Report::of(findings)
}
