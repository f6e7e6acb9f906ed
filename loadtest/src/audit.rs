//! The audit command: the system's own checker, run after the load.

use std::process::Command;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an audit said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Audit {
    /// Its exit code; absent where a signal ended it.
    pub exit_code: Option<i32>,
    /// What its JSON counts, where it printed such (`atelier audit --json`).
    pub findings: Option<u64>,
}

impl Audit {
    /// Whether it found nothing.
    pub(crate) fn is_clean(&self) -> bool {
        self.exit_code == Some(0)
    }

    /// Runs it by the shell.
    ///
    /// # Errors
    /// When no shell can be started.
    pub(crate) async fn run(command: &str) -> std::io::Result<Self> {
        let command = command.to_owned();
        let run = move || Command::new("sh").args(["-c", &command]).output();
        let output = tokio::task::spawn_blocking(run).await??;
        if !output.status.success() {
            eprintln!(
                "audit: {}",
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        Ok(Self {
            exit_code: output.status.code(),
            findings: findings(&output.stdout),
        })
    }
}

/// The sum over all kinds: `"orphans": {"count": 2, …}`, or a list of them.
fn findings(stdout: &[u8]) -> Option<u64> {
    let report: serde_json::Map<String, Value> = serde_json::from_slice(stdout).ok()?;
    let of_kind = |kind: &Value| match kind {
        Value::Array(list) => list.len() as u64,
        Value::Object(kind) => kind.get("count").and_then(Value::as_u64).unwrap_or(0),
        _ => 0,
    };
    Some(report.values().map(of_kind).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_exit_code_says_whether_it_is_clean() {
        let clean = Audit::run(r#"echo '{"orphans":[],"missing":[]}'"#)
            .await
            .unwrap();
        assert_eq!((clean.is_clean(), clean.findings), (true, Some(0)));
        let found = Audit::run(
            r#"echo '{"ok":false,"objects":9,"orphans":["a","b"],"stuck":{"count":1}}'; exit 1"#,
        )
        .await
        .unwrap();
        assert_eq!((found.is_clean(), found.findings), (false, Some(3)));
    }
}
