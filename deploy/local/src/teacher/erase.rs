//! `atelier teacher erase`.
//!
//! A document becomes a tombstone first, so that no worker can finish it; the tombstone names the
//! teacher until its pictures are erased. So a run that was killed is taken up by what the store says,
//! and what it leaves is found by the keeper, too.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use atelier_cloud::clean_up;
use atelier_cloud::error::CloudError;
use atelier_cloud::pictures;
use atelier_domain::assignment::{Assignment, Token, is_valid_id};
use atelier_domain::audit::{Action, Outcome};
use atelier_domain::timestamp::Timestamp;
use atelier_runtime::process;
use atelier_store::{Filter, Position, StoreError};
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::places::{Belonging, PAGE, Places, entry, picture};
use crate::flags::Erase;
use crate::patience::{with_patience, with_patience_of_cloud};
use crate::progress::Progress;

/// When the keeper erases a tombstone's pictures if this process does not come to that.
const KEEPER_AFTER: Duration = Duration::from_secs(60);

/// The teacher may post while its data is erased: so often the list is read from its start.
const PASSES: u32 = 3;

/// A worker may put a picture at the same time: so often pictures are looked for.
const LOOKS: u32 = 3;

/// The longest that the claims of jobs in flight are waited for. They are a minute or so.
const LONGEST_CLAIM: Duration = Duration::from_secs(15 * 60);

/// Documents that failed, by name.
const NAMED: usize = 20;

/// What was erased, and what was not.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Whether nothing is left.
    ok: bool,
    dry_run: bool,
    /// Documents.
    assignments: u64,
    /// Links for students.
    links: u64,
    /// What students answered there.
    results: u64,
    /// Versions and delete markers in the bucket.
    versions: u64,
    /// Pictures that another program named.
    old_pictures: u64,
    /// Those that stay, since documents of others name them, too.
    old_pictures_of_others: u64,
    /// Paths that were invalidated at the CDN.
    invalidated: u64,
    /// Jobs that were under way.
    in_flight: u64,
    /// Documents that are left.
    left: u64,
    /// Why, of the first of them.
    failures: Vec<String>,
    /// Why the run ended before its end.
    ended_early: Option<String>,
}

impl Report {
    fn fail(&mut self, id: &str, error: impl fmt::Display) {
        if self.failures.len() < NAMED {
            self.failures.push(format!("{id}: {error}"));
        }
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        [
            ("assignments", self.assignments),
            ("links", self.links),
            ("results", self.results),
            ("versions", self.versions),
            ("old_pictures", self.old_pictures),
            ("left", self.left),
        ]
        .map(|(what, count)| (what.to_owned(), count))
        .into()
    }
}

/// Why a document is not erased.
#[derive(Debug, thiserror::Error)]
enum NotErased {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

impl NotErased {
    /// Whether every other document would meet it, too.
    const fn is_everyones(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Away(_))
                | Self::Cloud(
                    CloudError::Credentials(_)
                        | CloudError::Denied(_)
                        | CloudError::Missing(_)
                        | CloudError::Misconfigured(_)
                )
        )
    }
}

/// What became of a document.
struct Erased {
    links: u64,
    results: u64,
    versions: u64,
    old_pictures: u64,
    old_pictures_of_others: u64,
    /// What it is now; `None` if somebody else has deleted it.
    tombstone: Option<Assignment>,
}

/// Erases all. Returns whether nothing is left.
///
/// # Errors
/// Nothing was begun.
pub(super) async fn run(flags: &Erase) -> anyhow::Result<bool> {
    let places = Places::open(&flags.whose).await?;
    let teacher = flags.whose.id.clone();
    let stop = process::stop_on_signal();
    let total = count(&places, &teacher).await?;
    if flags.dry_run {
        let report = Report {
            ok: true,
            dry_run: true,
            assignments: total,
            ..Report::default()
        };
        print(&report, flags.json)?;
        return Ok(true);
    }
    if !flags.yes {
        confirm(&teacher, total)?;
    }
    let entry = entry(Action::TeacherErased, &teacher);
    places.note(&entry).await.context("nothing was erased")?;
    let mut erasure = Erasure {
        jobs: flags.whose.jobs.into(),
        progress: Progress::new(Some(total)),
        report: Report::default(),
        in_flight: Vec::new(),
        claimed_until: None,
        places,
        teacher,
        stop,
    };
    let ended = erasure.erase_all().await;
    erasure.progress.end();
    let mut report = erasure.report;
    report.ended_early = ended.err().map(|error| format!("{error:#}"));
    report.ok = report.ended_early.is_none() && report.left == 0 && report.failures.is_empty();
    let outcome = match report.ok {
        true => Outcome::Done,
        false => Outcome::Failed,
    };
    let ended = entry.ended(outcome, report.counts());
    let noted = erasure.places.note(&ended).await;
    print(&report, flags.json)?;
    noted.context("the audit log does not say how it ended")?;
    Ok(report.ok)
}

async fn count(places: &Places, teacher: &str) -> anyhow::Result<u64> {
    let store = &places.store;
    let erasing = with_patience(|| store.erasing(teacher, u32::MAX >> 1)).await?;
    let mut count = erasing.len() as u64;
    let mut after = None;
    loop {
        let page = page(places, teacher, after.as_ref()).await?;
        count += page.len() as u64;
        match page.last() {
            Some(last) => after = Some(position(last)),
            None => return Ok(count),
        }
    }
}

async fn page(
    places: &Places,
    teacher: &str,
    after: Option<&Position>,
) -> Result<Vec<Assignment>, StoreError> {
    let filter = Filter {
        teacher_id: Some(teacher.to_owned()),
        ..Filter::default()
    };
    with_patience(|| places.store.list(&filter, after, PAGE)).await
}

fn position(document: &Assignment) -> Position {
    Position {
        created_at: document.created_at,
        assignment_id: document.assignment_id.clone(),
    }
}

/// Asks on stderr, and reads the teacher's id from stdin.
fn confirm(teacher: &str, total: u64) -> anyhow::Result<()> {
    let mut err = std::io::stderr();
    write!(
        err,
        "This erases {total} assignments of `{teacher}`, their pictures, their links for students with \
         all results, and the name in the audit log, for good.\nType the teacher's id to go on: "
    )?;
    err.flush()?;
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    if typed.trim_end_matches(['\r', '\n']) != teacher {
        bail!("that is not the teacher's id; nothing was erased (--yes does not ask)");
    }
    Ok(())
}

/// A run under way.
struct Erasure {
    places: Places,
    teacher: String,
    jobs: usize,
    stop: CancellationToken,
    report: Report,
    progress: Progress,
    /// Assignments whose jobs were under way; no more than the fleet has slots.
    in_flight: Vec<String>,
    /// When the last of their claims is over.
    claimed_until: Option<Timestamp>,
}

impl Erasure {
    async fn erase_all(&mut self) -> anyhow::Result<()> {
        for belonging in Belonging::ALL {
            match belonging {
                Belonging::Assignments => self.assignments().await?,
                Belonging::AuditLog => {
                    let (store, teacher) = (&self.places.store, &self.teacher);
                    with_patience(|| store.forget_person(teacher)).await?;
                }
            }
        }
        Ok(())
    }

    async fn assignments(&mut self) -> anyhow::Result<()> {
        self.take_up().await?;
        for _ in 0..PASSES {
            if !self.pass().await? {
                break;
            }
        }
        self.wait_for_jobs().await?;
        self.report.left = self.count_left().await?;
        Ok(())
    }

    async fn count_left(&self) -> anyhow::Result<u64> {
        count(&self.places, &self.teacher).await
    }

    /// Finishes what a run that ended early has begun.
    async fn take_up(&mut self) -> anyhow::Result<()> {
        loop {
            let (store, teacher) = (&self.places.store, &self.teacher);
            let begun = with_patience(|| store.erasing(teacher, PAGE)).await?;
            if begun.is_empty() {
                return Ok(());
            }
            let failures = self.report.failures.len();
            self.erase_page(begun).await?;
            if self.report.failures.len() > failures {
                bail!("what an earlier run has begun cannot be finished");
            }
        }
    }

    /// Erases page by page. Returns whether there was something.
    async fn pass(&mut self) -> anyhow::Result<bool> {
        let mut after = None;
        loop {
            let page = page(&self.places, &self.teacher, after.as_ref()).await?;
            let Some(last) = page.last() else {
                return Ok(after.is_some());
            };
            after = Some(position(last));
            self.erase_page(page).await?;
        }
    }

    async fn erase_page(&mut self, page: Vec<Assignment>) -> anyhow::Result<()> {
        if self.stop.is_cancelled() {
            bail!("told to stop");
        }
        self.remember_claims(&page);
        let (places, teacher) = (&self.places, self.teacher.as_str());
        let works = page.into_iter().map(|document| async move {
            let erased = erase(places, teacher, &document).await;
            (document.assignment_id, erased)
        });
        let done: Vec<_> = stream::iter(works)
            .buffer_unordered(self.jobs)
            .collect()
            .await;
        let mut tombstones = Vec::new();
        for (id, erased) in done {
            match erased {
                Ok(erased) => {
                    self.report.links += erased.links;
                    self.report.results += erased.results;
                    self.report.versions += erased.versions;
                    self.report.old_pictures += erased.old_pictures;
                    self.report.old_pictures_of_others += erased.old_pictures_of_others;
                    tombstones.extend(erased.tombstone);
                }
                Err(error) if error.is_everyones() => return Err(error.into()),
                Err(error) => self.report.fail(&id, error),
            }
        }
        self.invalidate(tombstones.iter().flat_map(pictures::keys))
            .await?;
        self.look_again(&tombstones).await?;
        for tombstone in &tombstones {
            let (store, erased) = (&self.places.store, clean_up::erased(tombstone));
            with_patience(|| store.apply(&tombstone.assignment_id, &erased)).await?;
        }
        self.report.assignments += tombstones.len() as u64;
        let (done, versions) = (self.report.assignments, self.report.versions);
        let said = || format!("{versions} versions of pictures erased");
        self.progress.tell(done, said);
        Ok(())
    }

    fn remember_claims(&mut self, page: &[Assignment]) {
        let now = Timestamp::now();
        for document in page.iter().filter(|it| it.is_claimed(now)) {
            self.in_flight.push(document.assignment_id.clone());
            let until = document.claim.as_ref().map(|claim| claim.until);
            if until > self.claimed_until {
                self.claimed_until = until;
            }
        }
        self.report.in_flight = self.in_flight.len() as u64;
    }

    /// Invalidates the pictures under these keys, in one call for all.
    async fn invalidate(&mut self, keys: impl Iterator<Item = String>) -> anyhow::Result<()> {
        // Others have no picture of ours, and may have characters that mean something in XML.
        let is_ours = |key: &String| pictures::assignment_of(key).is_some_and(is_valid_id);
        let keys: Vec<_> = keys.filter(is_ours).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let reference = format!("erasure-{}", Token::random().as_str());
        let cdn = &self.places.cdn;
        with_patience_of_cloud(|| cdn.invalidate(&keys, &reference)).await?;
        self.report.invalidated += keys.len() as u64;
        Ok(())
    }

    /// Looks whether nothing is left in the bucket; a worker may have put a picture meanwhile.
    async fn look_again(&mut self, tombstones: &[Assignment]) -> anyhow::Result<()> {
        let mut ids: Vec<String> = tombstones
            .iter()
            .map(|it| it.assignment_id.clone())
            .collect();
        for _ in 0..LOOKS {
            let found = self.erase_again(ids).await?;
            if found.is_empty() {
                return Ok(());
            }
            let again = tombstones
                .iter()
                .filter(|it| found.contains(&it.assignment_id));
            self.invalidate(again.flat_map(pictures::keys)).await?;
            ids = found;
        }
        for id in ids {
            self.report
                .fail(&id, "pictures come as fast as they are erased");
        }
        Ok(())
    }

    /// Erases the pictures of these assignments once more. Returns those that had some.
    async fn erase_again(&mut self, ids: Vec<String>) -> anyhow::Result<Vec<String>> {
        let (places, teacher) = (&self.places, self.teacher.as_str());
        let works = ids.into_iter().map(|id| async move {
            let versions = erase_ours(places, teacher, &id).await?;
            anyhow::Ok((id, versions))
        });
        let mut looks = stream::iter(works).buffer_unordered(self.jobs);
        let mut found = Vec::new();
        while let Some(look) = looks.next().await {
            let (id, versions) = look?;
            self.report.versions += versions;
            if versions > 0 {
                found.push(id);
            }
        }
        Ok(found)
    }

    /// A worker that had claimed an assignment may be about to put its picture. It erases that itself
    /// when it finds the tombstone, or it has died by the end of its claim.
    async fn wait_for_jobs(&mut self) -> anyhow::Result<()> {
        let Some(until) = self.claimed_until else {
            return Ok(());
        };
        let wait = until.since(Timestamp::now()).min(LONGEST_CLAIM);
        tokio::select! {
            () = self.stop.cancelled() => bail!("told to stop"),
            () = sleep(wait) => {}
        }
        let ids = std::mem::take(&mut self.in_flight);
        let found = self.erase_again(ids).await?;
        let keys = |id: &String| [pictures::key(id), pictures::avif_key(id)];
        self.invalidate(found.iter().flat_map(keys)).await
    }
}

/// One document's way: the pictures that another program put, which nobody puts again; the tombstone,
/// after which no link is made; links and results; our pictures.
async fn erase(places: &Places, teacher: &str, document: &Assignment) -> Result<Erased, NotErased> {
    let id = &document.assignment_id;
    let mut erased = Erased {
        links: 0,
        results: 0,
        versions: 0,
        old_pictures: 0,
        old_pictures_of_others: 0,
        tombstone: None,
    };
    for old in places.old_pictures(document) {
        let store = &places.store;
        if with_patience(|| store.is_named_by_others(&old.name, id)).await? {
            erased.old_pictures_of_others += 1;
            continue;
        }
        let of = picture(id, teacher);
        let versions = with_patience_of_cloud(|| places.old.erase_object(&old.key, of)).await?;
        erased.old_pictures += u64::from(versions > 0);
        erased.versions += versions;
    }
    erased.tombstone = tombstone(places, teacher, document).await?;
    if erased.tombstone.is_some() {
        (erased.links, erased.results) = erase_links(places, id).await?;
        erased.versions += erase_ours(places, teacher, id).await?;
    }
    Ok(erased)
}

/// Replaces the document by its tombstone; one that is erased already is its own.
async fn tombstone(
    places: &Places,
    teacher: &str,
    document: &Assignment,
) -> Result<Option<Assignment>, StoreError> {
    if document.erasing_for.as_deref() == Some(teacher) {
        return Ok(Some(document.clone()));
    }
    let now = Timestamp::now();
    let id = &document.assignment_id;
    let tombstone = Assignment {
        // The CDN is to forget them, too.
        variants: document.variants.clone(),
        ..Assignment::tombstone_of(id, teacher, now, now + KEEPER_AFTER)
    };
    let replaced = with_patience(|| places.store.erase(teacher, &tombstone)).await?;
    Ok(replaced.then_some(tombstone))
}

/// Erases the links of an assignment, and what students answered there. Returns how many they were.
async fn erase_links(places: &Places, id: &str) -> Result<(u64, u64), StoreError> {
    let shares = places.store.shares();
    // What cannot be read is erased, too, and not counted.
    let links = with_patience(|| shares.links(id)).await.unwrap_or_default();
    with_patience(|| shares.erase(id)).await?;
    let results: u64 = links.iter().map(|(_, results)| u64::from(*results)).sum();
    Ok((links.len() as u64, results))
}

async fn erase_ours(places: &Places, teacher: &str, id: &str) -> Result<u64, CloudError> {
    if !is_valid_id(id) {
        return Ok(0);
    }
    with_patience_of_cloud(|| places.pictures.erase(picture(id, teacher))).await
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    match json {
        true => println!("{}", serde_json::to_string_pretty(report)?),
        false => println!("{report}"),
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dry_run {
            return write!(
                f,
                "a dry run: {} assignments would be erased, nothing was",
                self.assignments
            );
        }
        writeln!(
            f,
            "{} assignments erased, {} versions in the bucket, {} paths invalidated at the CDN",
            self.assignments, self.versions, self.invalidated
        )?;
        if self.links > 0 {
            writeln!(
                f,
                "{} links for students erased, with {} results",
                self.links, self.results
            )?;
        }
        if self.old_pictures + self.old_pictures_of_others > 0 {
            writeln!(
                f,
                "of another program: {} pictures erased, {} left, which documents of others name too",
                self.old_pictures, self.old_pictures_of_others
            )?;
        }
        if self.in_flight > 0 {
            writeln!(
                f,
                "{} jobs were under way; their claims are over",
                self.in_flight
            )?;
        }
        self.failures
            .iter()
            .try_for_each(|failure| writeln!(f, "  {failure}"))?;
        match (&self.ended_early, self.ok) {
            (Some(why), _) => write!(f, "it ended early: {why}; the same command goes on"),
            (None, true) => write!(f, "nothing is left"),
            (None, false) => write!(f, "{} assignments are left", self.left),
        }
    }
}
