//! The processes of a storm.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail, ensure};
use atelier_shared::config::StaticCredentials;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Duration, timeout};

/// API processes.
pub(super) const APIS: usize = 2;

/// Worker processes.
pub(super) const WORKERS: usize = 4;

/// What differs from the defaults: what a crash costs in time is short enough for a minute's storm.
const OPTIONS: [(&str, &str); 6] = [
    ("CLAIM_SECONDS", "5"),
    ("RETRY_SECONDS", "0.5"),
    ("RESEND_SECONDS", "5"),
    ("CREATE_LIMIT_PER_MINUTE", "0"),
    ("LOG", "warn"),
    ("LOG_FORMAT", "text"),
];

/// The cloud, the APIs and the workers. All end with it.
#[derive(Debug)]
pub(super) struct Fleet {
    programs: PathBuf,
    home: PathBuf,
    environment: Vec<(String, String)>,
    cloud: Child,
    apis: Vec<(SocketAddr, Child)>,
    workers: Vec<Child>,
}

impl Fleet {
    pub(super) async fn start(home: &Path) -> anyhow::Result<Self> {
        let programs = programs().await?;
        let mut cloud = Command::new(programs.join("atelier"))
            .args(["cloud", "--model-latency", "0.2", "--data"])
            .arg(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(home.join("cloud.log"))?)
            .kill_on_drop(true)
            .spawn()
            .context("`atelier cloud` cannot be started")?;
        let printed = cloud.stdout.take().context("its output is piped")?;
        let environment = timeout(Duration::from_secs(30), read_environment(printed)).await??;
        let mut fleet = Self {
            programs,
            home: home.to_owned(),
            environment,
            cloud,
            apis: Vec::new(),
            workers: Vec::new(),
        };
        for n in 0..APIS {
            let address = free_address()?;
            fleet.apis.push((address, fleet.api(n, address)?));
        }
        for n in 0..WORKERS {
            fleet.workers.push(fleet.worker(n)?);
        }
        Ok(fleet)
    }

    fn api(&self, n: usize, address: SocketAddr) -> anyhow::Result<Child> {
        let mut command = self.command("atelier-api", n)?;
        Ok(command.env("LISTEN_ADDR", address.to_string()).spawn()?)
    }

    fn worker(&self, n: usize) -> anyhow::Result<Child> {
        Ok(self.command("atelier-worker", n)?.spawn()?)
    }

    fn command(&self, program: &str, n: usize) -> anyhow::Result<Command> {
        let path = self.home.join(format!("{program}-{n}.log"));
        let log = File::options().create(true).append(true).open(path)?;
        let mut command = Command::new(self.programs.join(program));
        command
            .envs(self.environment.iter().cloned())
            .envs(OPTIONS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        Ok(command)
    }

    /// SIGKILL, then another in its place.
    pub(super) async fn kill_worker(&mut self, n: usize) -> anyhow::Result<()> {
        still_runs(&mut self.workers[n], "atelier-worker")?;
        self.workers[n].kill().await?;
        self.workers[n] = self.worker(n)?;
        Ok(())
    }

    /// SIGKILL, then another in its place, at the same address.
    pub(super) async fn kill_api(&mut self, n: usize) -> anyhow::Result<()> {
        let address = self.apis[n].0;
        still_runs(&mut self.apis[n].1, "atelier-api")?;
        self.apis[n].1.kill().await?;
        self.apis[n].1 = self.api(n, address)?;
        Ok(())
    }

    /// What the cloud printed.
    pub(super) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    pub(super) fn value(&self, name: &str) -> anyhow::Result<String> {
        let found = self.environment.iter().find(|(it, _)| it == name);
        let (_, value) = found.with_context(|| format!("the cloud did not print {name}"))?;
        Ok(value.clone())
    }

    pub(super) fn credentials(&self) -> anyhow::Result<StaticCredentials> {
        Ok(StaticCredentials {
            access_key_id: self.value("AWS_ACCESS_KEY_ID")?,
            secret_access_key: self.value("AWS_SECRET_ACCESS_KEY")?,
        })
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.apis.iter().map(|(address, _)| *address).collect()
    }

    /// What `atelier audit` finds.
    pub(super) async fn audit(&self) -> anyhow::Result<Value> {
        let audit = Command::new(self.programs.join("atelier"))
            .args(["audit", "--json", "--data"])
            .arg(&self.home)
            .env("LOG", "off")
            .output()
            .await?;
        serde_json::from_slice(&audit.stdout)
            .with_context(|| format!("it said: {}", String::from_utf8_lossy(&audit.stderr)))
    }

    pub(super) async fn stop(mut self) {
        let apis = self.apis.iter_mut().map(|(_, api)| api);
        for child in self.workers.iter_mut().chain(apis).chain([&mut self.cloud]) {
            let _ = child.kill().await;
        }
    }
}

/// A process that ends by itself is a fault of its own.
fn still_runs(child: &mut Child, program: &str) -> anyhow::Result<()> {
    if let Some(status) = child.try_wait()? {
        bail!("{program} ended by itself: {status}");
    }
    Ok(())
}

fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

async fn read_environment(
    printed: tokio::process::ChildStdout,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut lines = BufReader::new(printed).lines();
    let mut environment = Vec::new();
    while let Some(line) = lines.next_line().await? {
        let (name, value) = line.split_once('=').context("NAME=value a line")?;
        environment.push((name.to_owned(), value.to_owned()));
        if name == "ATELIER_CONTROL_URL" {
            return Ok(environment);
        }
    }
    bail!("`atelier cloud` ended before it had printed its environment");
}

/// Where the programs lie: beside this one. Under `cargo run` they are built first.
async fn programs() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here
        .parent()
        .context("a program lies in a folder")?
        .to_owned();
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--bins"]);
        build.args(["-p", "atelier", "-p", "atelier-api", "-p", "atelier-worker"]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        ensure!(
            build.status().await?.success(),
            "the programs cannot be built"
        );
    }
    for program in ["atelier", "atelier-api", "atelier-worker"] {
        let path = folder.join(program);
        ensure!(
            path.exists(),
            "{} is missing: build it first",
            path.display()
        );
    }
    Ok(folder)
}
