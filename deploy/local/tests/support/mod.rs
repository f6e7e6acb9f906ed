//! Processes as a person starts them.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longer than anything here takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is killed when the test ends.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts `program` (a name of ours) and reads its standard output.
    pub(crate) fn start(program: &str, flags: &[&str], environment: &[(String, String)]) -> Self {
        Self::spawn(Command::new(binary(program)), flags, environment)
    }

    fn spawn(mut command: Command, flags: &[&str], environment: &[(String, String)]) -> Self {
        command.args(flags).envs(environment.iter().cloned());
        command.stderr(if std::env::var_os("LOG").is_some() {
            Stdio::inherit()
        } else {
            Stdio::null()
        });
        Self::of(command)
    }

    /// Starts `command` and reads its standard output.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        Self { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The lines of its standard error, if that is a pipe.
    pub(crate) fn log(&mut self) -> mpsc::Receiver<String> {
        lines_of(self.child.stderr.take().expect("a pipe"))
    }

    /// Standard output up to the first line that `is_last`, which is in it.
    pub(crate) fn read_until(&self, is_last: impl Fn(&str) -> bool) -> Vec<String> {
        let mut read = Vec::new();
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .expect("it says what is waited for");
            read.push(line);
            if is_last(read.last().unwrap()) {
                return read;
            }
        }
    }

    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end, whether or not somebody takes the lines.
fn lines_of(out: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (say, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = say.send(line);
        }
    });
    lines
}

/// A binary of this workspace: `cargo test --workspace` builds all of them into one folder.
pub(crate) fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_atelier")).with_file_name(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --workspace`",
        path.display()
    );
    path
}

/// All of Atelier in one process.
pub(crate) struct Atelier {
    pub process: Process,
    pub url: String,
}

impl Atelier {
    pub(crate) fn start(data: &Path, flags: &[&str]) -> Self {
        Self::run(Command::new(binary("atelier")), data, flags)
    }

    /// With at most `most` open files.
    pub(crate) fn start_with_open_files(most: usize, data: &Path, flags: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        let limited = format!("ulimit -n {most} && exec \"$0\" \"$@\"");
        shell.args(["-c", &limited]).arg(binary("atelier"));
        Self::run(shell, data, flags)
    }

    fn run(command: Command, data: &Path, flags: &[&str]) -> Self {
        let mut all = vec!["--port", "0", "--data", data.to_str().unwrap()];
        all.extend(flags);
        Self::ready(Process::spawn(command, &all, &[]))
    }

    /// Waits until `process` says where it is.
    pub(crate) fn ready(process: Process) -> Self {
        let said = process.read_until(|line| line.starts_with("Atelier is ready"));
        let url = said.last().unwrap().split_whitespace().last().unwrap();
        Self {
            url: url.trim_end_matches('/').to_owned(),
            process,
        }
    }
}

pub(crate) fn client() -> reqwest::Client {
    atelier_runtime::process::install_tls();
    reqwest::Client::new()
}

pub(crate) async fn post(client: &reqwest::Client, url: &str, id: &str, prompt: &str) -> Value {
    let body = json!({"assignment_id": id, "prompt": prompt, "teacher_id": "t", "fresh": true});
    let answer = client
        .post(format!("{url}/assignments"))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 202);
    answer.json().await.unwrap()
}

/// The assignment when it is final.
pub(crate) async fn finished(client: &reqwest::Client, url: &str, id: &str) -> Value {
    let end = Instant::now() + PATIENCE * 3;
    loop {
        let answer = client
            .get(format!("{url}/assignments/{id}?wait=20"))
            .send()
            .await
            .unwrap();
        let document: Value = answer.json().await.unwrap();
        if document["s3_upload_status"] != "pending" {
            return document;
        }
        assert!(Instant::now() < end, "never final: {document}");
    }
}
