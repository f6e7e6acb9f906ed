//! Our programs as real processes: a cloud, APIs and workers.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use atelier_cloud::config::StaticCredentials;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long a program may take for what it does at once on a machine that is not busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a log.
const LOOK: Duration = Duration::from_millis(10);

/// What a fleet consists of.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// API processes at the start.
    pub apis: usize,
    /// Worker processes at the start.
    pub workers: usize,
    /// How long the model takes for a picture.
    pub model_latency: Duration,
    /// Options of APIs and workers that differ from the defaults.
    pub options: &'a [(&'a str, &'a str)],
}

/// The cloud, the APIs and the workers. All end with it.
#[derive(Debug)]
pub struct Fleet {
    /// The APIs, each with its address.
    pub apis: Vec<(SocketAddr, Program)>,
    /// The workers.
    pub workers: Vec<Program>,
    programs: PathBuf,
    home: PathBuf,
    environment: Vec<(String, String)>,
    options: Vec<(String, String)>,
    cloud: Child,
    started: u32,
}

/// A running program with its log; killed when dropped.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    pid: u32,
    log: PathBuf,
}

impl Fleet {
    /// Starts a cloud over the folder `home`, and the processes of `plan`.
    ///
    /// # Errors
    /// The programs are not built, or cannot be started.
    pub async fn start(home: &Path, plan: Plan<'_>) -> anyhow::Result<Self> {
        let programs = programs()?;
        let latency = plan.model_latency.as_secs_f64().to_string();
        let mut cloud = Command::new(programs.join("atelier"))
            .args(["cloud", "--model-latency", &latency, "--data"])
            .arg(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(home.join("cloud.log"))?)
            .kill_on_drop(true)
            .spawn()
            .context("`atelier cloud` cannot be started")?;
        let printed = cloud.stdout.take().context("its output is piped")?;
        let environment = timeout(PATIENCE, read_environment(printed)).await??;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut fleet = Self {
            apis: Vec::new(),
            workers: Vec::new(),
            programs,
            home: home.to_owned(),
            environment,
            options: plan.options.iter().map(owned).collect(),
            cloud,
            started: 0,
        };
        for _ in 0..plan.apis {
            let address = free_address()?;
            let api = fleet.api(address)?;
            fleet.apis.push((address, api));
        }
        for _ in 0..plan.workers {
            let worker = fleet.worker()?;
            fleet.workers.push(worker);
        }
        Ok(fleet)
    }

    /// Sets an option of the processes that are started from now on; an empty value unsets it.
    pub fn set(&mut self, name: &str, value: &str) {
        self.options.push((name.to_owned(), value.to_owned()));
    }

    /// Starts an API that listens at `address`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn api(&mut self, address: SocketAddr) -> anyhow::Result<Program> {
        self.run("atelier-api", &[("LISTEN_ADDR", &address.to_string())])
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn worker(&mut self) -> anyhow::Result<Program> {
        self.run("atelier-worker", &[])
    }

    fn run(&mut self, name: &'static str, own: &[(&str, &str)]) -> anyhow::Result<Program> {
        let log = self.home.join(format!("{name}-{}.log", self.started));
        self.started += 1;
        let mut command = Command::new(self.programs.join(name));
        let common = self.environment.iter().chain(&self.options);
        let common = common.map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in common.chain(own.iter().copied()) {
            if value.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, value);
            }
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let pid = child.id().context("it has just been started")?;
        Ok(Program {
            name,
            child,
            pid,
            log,
        })
    }

    /// SIGKILL, then another in its place.
    ///
    /// # Errors
    /// It had ended by itself, or the next cannot be started.
    pub async fn kill_worker(&mut self, n: usize) -> anyhow::Result<()> {
        self.workers[n].kill().await?;
        self.workers[n] = self.worker()?;
        Ok(())
    }

    /// SIGKILL, then another in its place, at the same address.
    ///
    /// # Errors
    /// It had ended by itself, or the next cannot be started.
    pub async fn kill_api(&mut self, n: usize) -> anyhow::Result<()> {
        let address = self.apis[n].0;
        self.apis[n].1.kill().await?;
        self.apis[n].1 = self.api(address)?;
        Ok(())
    }

    /// What the cloud printed.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// A value of what the cloud printed.
    ///
    /// # Errors
    /// It did not print it.
    pub fn value(&self, name: &str) -> anyhow::Result<String> {
        let found = self.environment.iter().find(|(it, _)| it == name);
        let (_, value) = found.with_context(|| format!("the cloud did not print {name}"))?;
        Ok(value.clone())
    }

    /// The keys that the cloud accepts.
    ///
    /// # Errors
    /// It did not print them.
    pub fn credentials(&self) -> anyhow::Result<StaticCredentials> {
        Ok(StaticCredentials {
            access_key_id: self.value("AWS_ACCESS_KEY_ID")?,
            secret_access_key: self.value("AWS_SECRET_ACCESS_KEY")?,
        })
    }

    /// Where the APIs listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.apis.iter().map(|(address, _)| *address).collect()
    }

    /// What `atelier audit` finds.
    ///
    /// # Errors
    /// It could not look.
    pub async fn audit(&self) -> anyhow::Result<Value> {
        // Their store may be another than the cloud's.
        audit(self.environment.iter().chain(&self.options).cloned()).await
    }

    /// Ends everything, the cloud last.
    pub async fn stop(mut self) {
        let apis = self.apis.iter_mut().map(|(_, api)| &mut api.child);
        let workers = self.workers.iter_mut().map(|worker| &mut worker.child);
        for child in workers.chain(apis).chain([&mut self.cloud]) {
            let _ = child.kill().await;
        }
    }
}

impl Program {
    /// Its process, whose number is also in the name of a worker.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Fails if it has ended: by itself, since nobody told it to.
    ///
    /// # Errors
    /// How it ended.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended by itself: {status}", self.name);
        }
        Ok(())
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// It had ended by itself.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.still_runs()?;
        Ok(self.child.kill().await?)
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// It had ended.
    pub async fn terminate(&self) -> anyhow::Result<()> {
        let mut kill = Command::new("kill");
        let told = kill.args(["-s", "TERM", &self.pid.to_string()]).status();
        ensure!(told.await?.success(), "{} had ended", self.name);
        Ok(())
    }

    /// How it ends, when it does.
    ///
    /// # Errors
    /// It does not.
    pub async fn end(&mut self) -> anyhow::Result<ExitStatus> {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        Ok(ended.with_context(|| format!("{} does not end", self.name))??)
    }

    /// How often `words` are in its log.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn said(&self, words: &str) -> anyhow::Result<usize> {
        let log = std::fs::read_to_string(&self.log)?;
        Ok(log.lines().filter(|line| line.contains(words)).count())
    }

    /// Returns when its log has `words` this number of `times`.
    ///
    /// # Errors
    /// It never does.
    pub async fn says(&self, words: &str, times: usize) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        while self.said(words)? < times {
            ensure!(
                Instant::now() < end,
                "{} does not say `{words}` {times} times",
                self.name
            );
            sleep(LOOK).await;
        }
        Ok(())
    }
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
        // A value is quoted as for a shell.
        let words = shlex::split(&line).context("NAME=value a line")?;
        let [pair] = words.as_slice() else {
            bail!("NAME=value a line, not `{line}`");
        };
        let (name, value) = pair.split_once('=').context("NAME=value a line")?;
        environment.push((name.to_owned(), value.to_owned()));
        if name == "ATELIER_CONTROL_URL" {
            return Ok(environment);
        }
    }
    bail!("`atelier cloud` ended before it had printed its environment");
}

/// Where the programs of this workspace lie: beside this one, or a folder above a test.
fn folder() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().context("a program lies in a folder")?;
    let above = folder.parent().filter(|_| folder.ends_with("deps"));
    Ok(above.unwrap_or(folder).to_owned())
}

/// What `atelier audit` finds where these variables say that store and bucket are.
pub(crate) async fn audit(
    environment: impl IntoIterator<Item = (String, String)>,
) -> anyhow::Result<Value> {
    let audit = Command::new(programs()?.join("atelier"))
        .args(["audit", "--json"])
        .envs(environment)
        .env("LOG", "off")
        .output()
        .await?;
    serde_json::from_slice(&audit.stdout)
        .with_context(|| format!("it said: {}", String::from_utf8_lossy(&audit.stderr)))
}

fn programs() -> anyhow::Result<PathBuf> {
    let folder = folder()?;
    for program in ["atelier", "atelier-api", "atelier-worker"] {
        let path = folder.join(program);
        ensure!(
            path.exists(),
            "{} is not built: run `cargo build --workspace`",
            path.display()
        );
    }
    Ok(folder)
}

/// Builds the programs, where this one runs under `cargo run`.
///
/// # Errors
/// They cannot be built.
pub async fn build() -> anyhow::Result<()> {
    let Some(cargo) = std::env::var_os("CARGO") else {
        return Ok(());
    };
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--bins"]);
    build.args(["-p", "atelier", "-p", "atelier-api", "-p", "atelier-worker"]);
    if folder()?.ends_with("release") {
        build.arg("--release");
    }
    ensure!(
        build.status().await?.success(),
        "the programs cannot be built"
    );
    Ok(())
}
