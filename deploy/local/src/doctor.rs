//! `atelier doctor`: tries what workers and API need of the services, and says what is missing.
//!
//! It runs with the role of whoever starts it, so each service's own role is tried by running it
//! where that service runs. What it tries costs nothing, but for a guardrail's smallest charge, and
//! is seen by nobody: a job or a picture is never made.

mod models;

use std::process::ExitCode;

use atelier_cloud::client::Aws;
use atelier_cloud::pictures::Pictures;
use atelier_cloud::queue::Queues;
use atelier_doctor::{Options, Report, clock, services, store};
use atelier_runtime::config::EXIT_CODE;
use atelier_runtime::process;
use atelier_worker::Config;

use crate::environment;
use crate::flags::{Doctor, Role};

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
    let queues = Queues::new(&aws, &config.queue);
    let calls_models = role != Some(Role::Api);
    let options = Options {
        cloud: config.cloud.clone(),
        queue: config.queue.clone(),
        store: config.store.clone(),
        models: match calls_models {
            true => config.worker.models.clone(),
            false => Vec::new(),
        },
    };
    let mut findings = options.examine();
    findings.extend(store::examine(&config.store).await);
    findings.extend(match role {
        Some(Role::Api) => services::read_queues(&queues).await,
        _ => services::try_queues(&queues).await,
    });
    findings.push(services::try_bucket(&Pictures::new(&aws, &config.bucket)).await);
    if calls_models {
        findings.extend(models::examine(&aws, config).await);
    }
    findings.push(clock::examine(&config.queue.url).await);
    Report::of(findings)
}
