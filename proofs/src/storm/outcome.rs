//! What a storm leaves behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use atelier_domain::assignment::Status;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, interval};

use crate::people::Acknowledged;
use crate::view::{View, messages};

/// What is not final after this time without any change is stuck.
const STANDSTILL: Duration = Duration::from_secs(90);

/// What was done, and what was found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Whether every promise was kept.
    pub ok: bool,
    /// Assignments posted.
    pub jobs: u32,
    /// From the start until nothing was left to do.
    pub seconds: f64,
    /// SIGKILLs.
    pub workers_killed: u32,
    /// SIGKILLs.
    pub apis_killed: u32,
    /// Assignments that an API acknowledged.
    pub acknowledged: usize,
    /// Posts that were made again.
    pub posts_repeated: u64,
    /// Final with a picture.
    pub success: usize,
    /// Final without, by code.
    pub failed: BTreeMap<String, usize>,
    /// Claims that were taken over from workers that went away.
    pub takeovers: u64,
    /// Messages that the queue delivered.
    pub deliveries: u64,
    /// Calls to the model that documents tell of.
    pub model_calls_counted: u64,
    /// Calls that the model got.
    pub model_calls: u64,
    /// Acknowledged, but there is no document.
    pub lost: Vec<String>,
    /// Neither success nor failed.
    pub stuck: Vec<String>,
    /// More than one version of a picture.
    pub doubles: Vec<String>,
    /// Messages that nobody took from the queue.
    pub messages_left: u64,
    /// What `atelier audit` says.
    pub audit: Value,
}

impl Report {
    /// With the verdict.
    pub(super) fn checked(mut self) -> Self {
        self.ok = self.lost.is_empty()
            && self.stuck.is_empty()
            && self.doubles.is_empty()
            && self.messages_left == 0
            && self.model_calls <= self.model_calls_counted
            && self.audit["ok"] == true;
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} jobs in {:.0} s", self.jobs, self.seconds)?;
        let (workers, apis) = (self.workers_killed, self.apis_killed);
        writeln!(
            f,
            "killed: {workers} workers, {apis} APIs; {} claims taken over",
            self.takeovers
        )?;
        let (acknowledged, repeated) = (self.acknowledged, self.posts_repeated);
        writeln!(f, "acknowledged: {acknowledged}; {repeated} posts repeated")?;
        writeln!(f, "success: {}; failed: {:?}", self.success, self.failed)?;
        writeln!(f, "deliveries: {}", self.deliveries)?;
        let (calls, counted) = (self.model_calls, self.model_calls_counted);
        writeln!(f, "calls to the model: {calls}, counted: {counted}")?;
        for (what, found) in [
            ("lost", &self.lost),
            ("stuck", &self.stuck),
            ("doubles", &self.doubles),
        ] {
            writeln!(f, "{what}: {} {}", found.len(), found.join(" "))?;
        }
        writeln!(f, "messages left: {}", self.messages_left)?;
        writeln!(
            f,
            "audit: {}",
            if self.audit["ok"] == true {
                "all is well"
            } else {
                "NOT WELL"
            }
        )?;
        f.write_str(if self.ok {
            "every promise is kept"
        } else {
            "A PROMISE IS BROKEN"
        })
    }
}

/// Returns when every document is final and the queue is empty, or nothing changes any more.
pub(super) async fn rest(view: &View, tell: fn(&str)) -> anyhow::Result<()> {
    let mut looks = interval(Duration::from_secs(1));
    let (mut before, mut changed) = (u64::MAX, Instant::now());
    loop {
        looks.tick().await;
        let documents = view.documents().await?;
        let left = documents
            .iter()
            .filter(|it| it.s3_upload_status == Status::Pending)
            .count();
        let left = left as u64 + messages(&view.stats().await?);
        if left == 0 {
            return Ok(());
        }
        if left != before {
            (before, changed) = (left, Instant::now());
        }
        if changed.elapsed() > STANDSTILL {
            tell(&format!("nothing changes for {} s", STANDSTILL.as_secs()));
            return Ok(());
        }
    }
}

/// Reads what is left.
pub(super) async fn find(view: &View, acknowledged: &Acknowledged) -> anyhow::Result<Report> {
    let documents = view.documents().await?;
    let stats = view.stats().await?;
    let present: BTreeSet<_> = documents.iter().map(|it| &it.assignment_id).collect();
    let mut report = Report {
        acknowledged: acknowledged.ids.len(),
        posts_repeated: acknowledged.repeated,
        lost: acknowledged
            .ids
            .iter()
            .filter(|id| !present.contains(id))
            .cloned()
            .collect(),
        doubles: view.doubles().await?,
        messages_left: messages(&stats),
        deliveries: stats["sqs"]["received"].as_u64().unwrap_or_default(),
        model_calls: stats["bedrock"]["calls"]
            .as_u64()
            .context("the model counts its calls")?,
        ..Report::default()
    };
    for document in documents {
        report.takeovers += u64::from(document.takeovers);
        report.model_calls_counted += u64::from(document.model_calls);
        match document.s3_upload_status {
            Status::Success => report.success += 1,
            Status::Failed => {
                let code = document
                    .failure
                    .map_or_else(String::new, |failure| failure.code);
                *report.failed.entry(code).or_default() += 1;
            }
            _ => report.stuck.push(document.assignment_id),
        }
    }
    Ok(report)
}
