//! `atelier audit`: compares the documents in the store with the pictures in the bucket.
//!
//! Both are read in pages, and of each kind only the first findings are kept, so memory does not grow
//! with the number of assignments. The system may be at work: a job in progress is no finding.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use atelier_cloud::client::Aws;
use atelier_cloud::config::{BucketConfig, CloudConfig};
use atelier_cloud::pictures::{self, Page, Pictures, Version, assignment_of, is_probe};
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::timestamp::Timestamp;
use atelier_runtime::config::{ConfigFaults, EXIT_CODE, Environment, Setting};
use atelier_runtime::process;
use atelier_store::config::StoreConfig;
use atelier_store::{Indexes, Store};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use crate::environment;
use crate::flags::Audit;

/// Documents in one query.
const PAGE: u32 = 1000;

/// Objects that are looked up at a time at most.
const AT_ONCE: usize = 16;

/// Findings of a kind that are listed at most; the rest are counted.
const LISTED: usize = 1000;

/// An assignment that was due longer ago than this is stuck.
const OVERDUE: Duration = Duration::from_secs(300);

/// The exit code if the audit could not be made.
const UNKNOWN: u8 = 2;

/// The configuration of an audit.
#[derive(Debug)]
pub(crate) struct Config {
    cloud: CloudConfig,
    bucket: BucketConfig,
    store: StoreConfig,
}

impl Config {
    pub(crate) const SETTINGS: &[&[Setting]] = &[
        StoreConfig::SETTINGS,
        BucketConfig::SETTINGS,
        CloudConfig::SETTINGS,
    ];

    fn read(mut environment: Environment) -> Result<Self, ConfigFaults> {
        let config = Self {
            cloud: CloudConfig::read(&mut environment),
            bucket: BucketConfig::read(&mut environment),
            store: StoreConfig::read(&mut environment),
        };
        environment.finish(config)
    }
}

/// Findings of one kind: the first of them, and how many in all.
#[derive(Debug, Default, Serialize)]
struct Findings {
    count: u64,
    first: Vec<String>,
}

impl Findings {
    fn add(&mut self, what: String) {
        self.count += 1;
        if self.first.len() < LISTED {
            self.first.push(what);
        }
    }
}

/// The result of an audit.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Whether nothing was found.
    ok: bool,
    assignments: u64,
    objects: u64,
    /// Pictures that no `success` points at, and variants and AVIFs that their documents do not name.
    orphans: Findings,
    /// A `success` without its picture, or without a variant or AVIF that its document names.
    missing: Findings,
    /// Assignments that nothing will change any more, though they are not final.
    stuck: Findings,
    /// Pictures or documents whose metadata contradict each other.
    wrong_metadata: Findings,
    /// Documents that cannot be read.
    unreadable: Findings,
    /// Versions of deleted assignments' pictures.
    versions_left: Findings,
}

impl Report {
    /// The findings by kind. docs/OPERATIONS.md has a row for each.
    fn findings(&self) -> [(&'static str, &Findings); 6] {
        [
            ("orphans", &self.orphans),
            ("missing", &self.missing),
            ("stuck", &self.stuck),
            ("wrong metadata", &self.wrong_metadata),
            ("unreadable", &self.unreadable),
            ("versions left", &self.versions_left),
        ]
    }
}

pub(crate) fn main(flags: &Audit) -> ExitCode {
    let mut code = ExitCode::from(UNKNOWN);
    let ended = process::block_on(async {
        let config = configure(flags)?;
        let report = audit(&config)
            .await
            .context("the audit could not be made")?;
        code = print(&report, flags.json)?;
        Ok(())
    });
    let unusable = ExitCode::from(EXIT_CODE);
    if ended == unusable { unusable } else { code }
}

fn configure(flags: &Audit) -> anyhow::Result<Config> {
    let (environment, credentials) = environment::read(flags.data.as_deref())?;
    let mut config = Config::read(environment)?;
    config.cloud.credentials = credentials;
    Ok(config)
}

async fn audit(config: &Config) -> anyhow::Result<Report> {
    let aws = Aws::connect(&config.cloud).await;
    let pictures = Pictures::new(&aws, &config.bucket);
    let store = atelier_store::open(&config.store, Indexes::Leave).await?;
    let mut report = Report::default();
    audit_bucket(&pictures, &store, &mut report).await?;
    audit_store(&pictures, &store, &mut report).await?;
    report.ok = report
        .findings()
        .iter()
        .all(|(_, findings)| findings.count == 0);
    Ok(report)
}

/// Finds versions in the bucket that belong to no assignment, or to one without a picture.
async fn audit_bucket(
    pictures: &Pictures,
    store: &Arc<dyn Store>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut page: Option<Page> = None;
    while page.as_ref().is_none_or(|page| !page.is_last()) {
        let next = pictures.page(page.as_ref()).await?;
        // Documents are read after the objects, so the picture of an assignment that is deleted
        // meanwhile has its tombstone.
        let mut ids: Vec<_> = next
            .versions
            .iter()
            .filter_map(|version| assignment_of(&version.key).map(str::to_owned))
            .collect();
        ids.dedup();
        let owners = store.get_many(&ids).await?;
        let pictures = next.versions.iter().filter(|it| !is_probe(&it.key));
        for version in pictures {
            let owner = assignment_of(&version.key)
                .and_then(|id| owners.iter().find(|owner| owner.assignment_id == id));
            audit_version(version, owner, report);
        }
        report.objects += next.versions.len() as u64;
        page = Some(next);
    }
    Ok(())
}

fn audit_version(version: &Version, owner: Option<&Assignment>, report: &mut Report) {
    let key = &version.key;
    let readable = version.is_latest && !version.is_marker;
    match owner {
        None => report.orphans.add(format!("{key}: no such assignment")),
        Some(owner) => match owner.s3_upload_status {
            Status::Deleted if owner.erasures > 0 && owner.wake_at.is_none() => {
                report
                    .versions_left
                    .add(format!("{key}: its assignment is deleted"));
            }
            Status::Failed | Status::NoImage if readable => {
                let status = owner.s3_upload_status;
                report
                    .orphans
                    .add(format!("{key}: its assignment is `{status}`"));
            }
            Status::Success if readable && is_unreferenced(key, owner) => {
                let what = format!("{key}: its assignment does not name it");
                report.orphans.add(what);
            }
            _ => {}
        },
    }
}

/// Whether it is a variant or an AVIF that its document would name if it was needed.
fn is_unreferenced(key: &String, owner: &Assignment) -> bool {
    let picture = pictures::key(&owner.assignment_id);
    *key != picture && !owner.renditions_due && !renditions(owner).contains(key)
}

/// Where the variants and AVIFs lie that a document names.
fn renditions(document: &Assignment) -> Vec<String> {
    let id = &document.assignment_id;
    let avif = document.avif_size_bytes.map(|_| pictures::avif_key(id));
    // The picture's own keys come first.
    let variants = pictures::keys(document).into_iter().skip(2);
    avif.into_iter().chain(variants).collect()
}

/// Finds assignments that are stuck, or lack the picture that their status promises.
async fn audit_store(
    pictures: &Pictures,
    store: &Arc<dyn Store>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut after: Option<String> = None;
    loop {
        let page = store.scan(after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.assignment_id.clone());
        report.assignments += page.len() as u64;
        let now = Timestamp::now();
        for stuck in page
            .iter()
            .filter_map(|assignment| why_stuck(assignment, now))
        {
            report.stuck.add(stuck);
        }
        for unreadable in page.iter().filter(|it| it.is_stand_in()) {
            report.unreadable.add(unreadable.assignment_id.clone());
        }
        let shown = page
            .into_iter()
            .filter(|it| it.s3_upload_status == Status::Success);
        let mut looks = stream::iter(shown.map(|assignment| look(pictures, store, assignment)))
            .buffer_unordered(AT_ONCE);
        while let Some(finding) = looks.try_next().await? {
            match finding {
                Finding::None => {}
                Finding::Missing(what) => report.missing.add(what),
                Finding::Wrong(what) => report.wrong_metadata.add(what),
            }
        }
    }
}

fn why_stuck(assignment: &Assignment, now: Timestamp) -> Option<String> {
    let overdue = |at: Option<Timestamp>| at.is_some_and(|at| at + OVERDUE < now);
    let id = &assignment.assignment_id;
    match assignment.s3_upload_status {
        Status::Pending if assignment.wake_at.is_none() => {
            Some(format!("{id}: pending, and no sweep will look at it"))
        }
        Status::Success if assignment.renditions_due && assignment.wake_at.is_none() => Some(
            format!("{id}: lacks renditions, and no sweep will look at it"),
        ),
        Status::Pending if overdue(assignment.give_up_at) => {
            Some(format!("{id}: pending after it should have been given up"))
        }
        _ if overdue(assignment.wake_at) => Some(format!("{id}: due, and no sweep looks at it")),
        _ => None,
    }
}

/// Whether another program made the picture: it lies where that put it, without our metadata.
fn is_of_the_portal(assignment: &Assignment) -> bool {
    let ours = [&assignment.correlation_id, &assignment.prompt_hash];
    ours.iter().all(|it| it.is_empty()) && assignment.image_metadata.is_none()
}

enum Finding {
    None,
    Missing(String),
    Wrong(String),
}

async fn look(
    pictures: &Pictures,
    store: &Arc<dyn Store>,
    assignment: Assignment,
) -> anyhow::Result<Finding> {
    let id = &assignment.assignment_id;
    let key = pictures::key(id);
    if is_of_the_portal(&assignment) {
        return Ok(Finding::None);
    }
    if assignment.s3_image_key.as_ref() != Some(&key) {
        return Ok(Finding::Wrong(format!("{id}: `s3_image_key` is not {key}")));
    }
    let Some(found) = pictures.find(&key, (&assignment).into()).await? else {
        let now = store.get(id).await?;
        let still = now.is_some_and(|now| now.s3_upload_status == Status::Success);
        return Ok(if still {
            Finding::Missing(key)
        } else {
            Finding::None
        });
    };
    for key in renditions(&assignment) {
        if pictures.find(&key, (&assignment).into()).await?.is_none() {
            let now = store.get(id).await?;
            let still = now.is_some_and(|now| renditions(&now).contains(&key));
            if still {
                return Ok(Finding::Missing(key));
            }
        }
    }
    Ok(match found.label {
        None => Finding::Wrong(format!("{key}: its metadata cannot be read")),
        Some(label) if !label.is_of(&assignment) => {
            Finding::Wrong(format!("{key}: it is of another assignment or prompt"))
        }
        Some(label) if Some(&label.metadata) != assignment.image_metadata.as_ref() => {
            Finding::Wrong(format!("{key}: it says other sizes than its document"))
        }
        Some(_) => Finding::None,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} assignments, {} versions in the bucket",
            self.assignments, self.objects
        )?;
        for (kind, findings) in self.findings() {
            writeln!(f, "{kind}: {}", findings.count)?;
            findings
                .first
                .iter()
                .try_for_each(|finding| writeln!(f, "  {finding}"))?;
        }
        f.write_str(if self.ok {
            "all is well"
        } else {
            "something does not fit"
        })
    }
}

fn print(report: &Report, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        println!("{report}");
    }
    Ok(if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/OPERATIONS.md");

    #[test]
    fn the_operations_say_what_to_do_about_each_kind_of_finding() {
        let operations = std::fs::read_to_string(OPERATIONS).unwrap();
        for (kind, _) in Report::default().findings() {
            let row = format!("| `{kind}` | ");
            assert!(operations.contains(&row), "no row begins with {row}");
        }
    }
}
