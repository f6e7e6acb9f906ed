//! `atelier teacher export`.
//!
//! The folder says how far a run came: a page's pictures are written first, then its lines, then the
//! place after it. A run that was killed between them cuts the lines off behind that place and does the
//! page again.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use atelier_cloud::pictures::{self, Fetched, Pictures};
use atelier_domain::assignment::{Assignment, Status, is_valid_id};
use atelier_domain::audit::{Action, Actor, Outcome, pseudonym};
use atelier_domain::share::{Share, StudentResult};
use atelier_domain::timestamp::Timestamp;
use atelier_runtime::config::ConfigFaults;
use atelier_runtime::process;
use atelier_store::{AuditFilter, Filter, Position};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::places::{Belonging, PAGE, Places, entry, picture};
use crate::flags::Export;
use crate::patience::{with_patience, with_patience_of_cloud};
use crate::progress::Progress;

/// How far a run came.
const STATE: &str = "export.part.json";

/// What a finished export says of itself.
const SUMMARY: &str = "export.json";

/// The folder of the pictures.
const PICTURES: &str = "pictures";

impl Belonging {
    /// The file of its lines.
    const fn file(self) -> &'static str {
        match self {
            Self::Assignments => "assignments.jsonl",
            Self::AuditLog => "audit_log.jsonl",
        }
    }
}

/// What is in the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    /// Lines of [`Belonging::Assignments`].
    assignments: u64,
    /// Of these: documents that this program cannot read, with what it could.
    unreadable: u64,
    /// Files of pictures.
    pictures: u64,
    /// Links for students.
    links: u64,
    /// What students answered there.
    results: u64,
    /// Pictures that a document names and that are not there.
    missing: u64,
    /// Lines of [`Belonging::AuditLog`].
    audit_log: u64,
}

/// A place in a list, to the last bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    at: u64,
    id: String,
}

impl Place {
    fn new(at: Timestamp, id: &str) -> Self {
        Self {
            at: at.seconds().to_bits(),
            id: id.to_owned(),
        }
    }

    fn position(&self) -> Position {
        Position {
            created_at: Timestamp::from_exact_seconds(f64::from_bits(self.at)),
            assignment_id: self.id.clone(),
        }
    }
}

/// How far an export came, and what it has so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    teacher_id: String,
    started_at: f64,
    /// What is exported now; all before it in the list is done.
    of: Belonging,
    /// After which of its lines it goes on, and how many bytes those are.
    after: Option<Place>,
    bytes: u64,
    counts: Counts,
}

/// The end of an export.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    teacher_id: &'a str,
    started_at: f64,
    finished_at: f64,
    #[serde(flatten)]
    counts: &'a Counts,
}

/// A line of the assignments.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    assignment: &'a Assignment,
    /// Its pictures in this folder.
    pictures: Vec<PictureFile>,
    /// Its links for students, newest first.
    links: Vec<Link>,
}

/// A link for students.
#[derive(Debug, Serialize)]
struct Link {
    #[serde(flatten)]
    share: Share,
    /// What students answered there.
    results: Vec<StudentResult>,
}

/// A picture in the folder.
#[derive(Debug, Serialize)]
struct PictureFile {
    file: String,
    /// Where it lies in the bucket.
    key: String,
    content_type: String,
    bytes: u64,
}

/// Exports all. Returns whether all is there.
///
/// # Errors
/// It could not be exported; the same command goes on.
pub(super) async fn run(flags: &Export) -> anyhow::Result<bool> {
    let places = Places::open(&flags.whose).await?;
    let (folder, state) = open(&flags.to, &flags.whose.id)?;
    let entry = entry(Action::TeacherExported, &flags.whose.id);
    places.note(&entry).await.context("nothing was exported")?;
    let mut exporter = Exporter {
        jobs: flags.whose.jobs.into(),
        progress: Progress::new(None),
        stop: process::stop_on_signal(),
        places,
        folder,
        state,
    };
    let ended = exporter.export_all().await;
    exporter.progress.end();
    let counts = &exporter.state.counts;
    let outcome = match ended {
        Ok(()) => Outcome::Done,
        Err(_) => Outcome::Failed,
    };
    let counted = [
        ("assignments", counts.assignments),
        ("pictures", counts.pictures),
        ("links", counts.links),
        ("results", counts.results),
    ]
    .map(|(what, count)| (what.to_owned(), count));
    let end = entry.ended(outcome, counted.into());
    let noted = exporter.places.note(&end).await;
    ended.context("the export ended early; the same command goes on")?;
    noted.context("the audit log does not say how it ended")?;
    println!(
        "{} assignments, {} pictures, {} links with {} results and {} entries of the audit log are in {}",
        counts.assignments,
        counts.pictures,
        counts.links,
        counts.results,
        counts.audit_log,
        exporter.folder.display()
    );
    if counts.missing + counts.unreadable > 0 {
        println!(
            "{} pictures that documents name are not there; {} documents cannot be read",
            counts.missing, counts.unreadable
        );
    }
    Ok(counts.missing + counts.unreadable == 0)
}

/// The folder, and how far the run before came.
fn open(folder: &Path, teacher_id: &str) -> anyhow::Result<(PathBuf, State)> {
    let refuse = |why: &str| ConfigFaults(vec![format!("--to {}: {why}", folder.display())]);
    let cannot = || format!("--to: cannot use {}", folder.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder.join(PICTURES))
        .with_context(cannot)?;
    if folder.join(SUMMARY).exists() {
        return Err(refuse("it has a finished export; take another folder").into());
    }
    if let Ok(text) = std::fs::read(folder.join(STATE)) {
        let state: State = serde_json::from_slice(&text).with_context(cannot)?;
        if state.teacher_id != teacher_id {
            return Err(refuse("it has the export of another teacher").into());
        }
        return Ok((folder.to_owned(), state));
    }
    let is_ours = |name: &std::ffi::OsStr| name == PICTURES || name == part(STATE).as_str();
    let mut others = std::fs::read_dir(folder).with_context(cannot)?;
    if others.any(|it| it.is_ok_and(|it| !is_ours(&it.file_name()))) {
        return Err(refuse("it is not empty").into());
    }
    let state = State {
        teacher_id: teacher_id.to_owned(),
        started_at: Timestamp::now().seconds(),
        of: Belonging::ALL[0],
        after: None,
        bytes: 0,
        counts: Counts::default(),
    };
    write(folder, STATE, &serde_json::to_vec_pretty(&state)?)?;
    Ok((folder.to_owned(), state))
}

/// A file that has its name when it is whole, for the eyes of this user alone.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    let aside = folder.join(part(name));
    let cannot = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)
        .with_context(cannot)?;
    file.write_all(bytes).with_context(cannot)?;
    file.sync_all().with_context(cannot)?;
    std::fs::rename(&aside, &path).with_context(cannot)
}

fn part(name: &str) -> String {
    format!("{name}.new")
}

/// A run under way.
struct Exporter {
    places: Places,
    jobs: usize,
    stop: CancellationToken,
    folder: PathBuf,
    state: State,
    progress: Progress,
}

impl Exporter {
    async fn export_all(&mut self) -> anyhow::Result<()> {
        let begun = Belonging::ALL.iter().position(|it| *it == self.state.of);
        for belonging in Belonging::ALL.into_iter().skip(begun.unwrap_or_default()) {
            if belonging != self.state.of {
                (self.state.of, self.state.after, self.state.bytes) = (belonging, None, 0);
            }
            let mut lines = self.lines()?;
            while self.page(&mut lines).await? {
                if self.stop.is_cancelled() {
                    bail!("told to stop");
                }
            }
        }
        let summary = Summary {
            teacher_id: &self.state.teacher_id,
            started_at: self.state.started_at,
            finished_at: Timestamp::now().seconds(),
            counts: &self.state.counts,
        };
        write(&self.folder, SUMMARY, &serde_json::to_vec_pretty(&summary)?)?;
        std::fs::remove_file(self.folder.join(STATE))?;
        Ok(())
    }

    /// The file of the lines, up to the place where the export goes on.
    fn lines(&self) -> anyhow::Result<BufWriter<File>> {
        let path = self.folder.join(self.state.of.file());
        let cannot = || format!("cannot write {}", path.display());
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(cannot)?;
        file.set_len(self.state.bytes).with_context(cannot)?;
        file.seek(SeekFrom::End(0)).with_context(cannot)?;
        Ok(BufWriter::new(file))
    }

    /// Exports a page. Returns whether there was one.
    async fn page(&mut self, out: &mut BufWriter<File>) -> anyhow::Result<bool> {
        let after = self.state.after.as_ref().map(Place::position);
        let mut next = self.state.clone();
        let (text, last) = match self.state.of {
            Belonging::Assignments => self.assignments(after.as_ref(), &mut next.counts).await?,
            Belonging::AuditLog => self.entries(after.as_ref(), &mut next.counts).await?,
        };
        let Some(last) = last else {
            return Ok(false);
        };
        out.write_all(&text)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        next.after = Some(last);
        next.bytes += text.len() as u64;
        write(&self.folder, STATE, &serde_json::to_vec_pretty(&next)?)?;
        self.state = next;
        let counts = &self.state.counts;
        let said = || format!("{} pictures", counts.pictures);
        self.progress.tell(counts.assignments, said);
        Ok(true)
    }

    async fn assignments(
        &self,
        after: Option<&Position>,
        counts: &mut Counts,
    ) -> anyhow::Result<(Vec<u8>, Option<Place>)> {
        let filter = Filter {
            teacher_id: Some(self.state.teacher_id.clone()),
            ..Filter::default()
        };
        let store = &self.places.store;
        let page = with_patience(|| store.list(&filter, after, PAGE)).await?;
        let last = page
            .last()
            .map(|it| Place::new(it.created_at, &it.assignment_id));
        let mut text = Vec::new();
        let mut works =
            stream::iter(page.into_iter().map(|it| self.pictures_of(it))).buffered(self.jobs);
        while let Some((mut assignment, pictures, missing)) = works.try_next().await? {
            counts.assignments += 1;
            counts.unreadable += u64::from(assignment.is_stand_in());
            counts.pictures += pictures.len() as u64;
            counts.missing += missing;
            // It is the fleet's, not the teacher's.
            assignment.claim = None;
            let links = self.links_of(&assignment.assignment_id).await?;
            counts.links += links.len() as u64;
            counts.results += links.iter().map(|it| it.results.len() as u64).sum::<u64>();
            let line = Line {
                assignment: &assignment,
                pictures,
                links,
            };
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
        }
        Ok((text, last))
    }

    async fn links_of(&self, id: &str) -> anyhow::Result<Vec<Link>> {
        let shares = self.places.store.shares();
        let mut links = Vec::new();
        for (share, _) in with_patience(|| shares.links(id)).await? {
            let results = with_patience(|| shares.results(id, share.link)).await?;
            links.push(Link { share, results });
        }
        Ok(links)
    }

    /// Writes the pictures of an assignment. Returns how many that it names are not there, too.
    async fn pictures_of(
        &self,
        assignment: Assignment,
    ) -> anyhow::Result<(Assignment, Vec<PictureFile>, u64)> {
        let mut files = Vec::new();
        let id = &assignment.assignment_id;
        if is_valid_id(id) {
            for key in pictures::keys(&assignment) {
                files.extend(self.picture(&self.places.pictures, &key, id).await?);
            }
        }
        for old in self.places.old_pictures(&assignment) {
            files.extend(self.picture(&self.places.old, &old.key, id).await?);
        }
        let is_missing = assignment.s3_upload_status == Status::Success && files.is_empty();
        Ok((assignment, files, is_missing.into()))
    }

    async fn picture(
        &self,
        bucket: &Pictures,
        key: &str,
        id: &str,
    ) -> anyhow::Result<Option<PictureFile>> {
        let of = picture(id, &self.state.teacher_id);
        let fetch = || bucket.fetch(key, of, u64::MAX);
        let Fetched::Whole(bytes, found) = with_patience_of_cloud(fetch).await? else {
            return Ok(None);
        };
        let name = file_name(key);
        write(&self.folder.join(PICTURES), &name, &bytes)?;
        Ok(Some(PictureFile {
            file: format!("{PICTURES}/{name}"),
            key: key.to_owned(),
            content_type: found.content_type,
            bytes: bytes.len() as u64,
        }))
    }

    async fn entries(
        &self,
        after: Option<&Position>,
        counts: &mut Counts,
    ) -> anyhow::Result<(Vec<u8>, Option<Place>)> {
        let filter = AuditFilter {
            actor: Some(Actor::Person(self.state.teacher_id.clone()).recorded()),
            ..AuditFilter::default()
        };
        let store = &self.places.store;
        let page = with_patience(|| store.audit_log(&filter, after, PAGE)).await?;
        let last = page.last().map(|it| Place::new(it.at, &it.id));
        let mut text = Vec::new();
        for entry in &page {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        counts.audit_log += page.len() as u64;
        Ok((text, last))
    }
}

/// The name of a picture's file: that of one of ours, with a dot before a variant's width, since ids
/// have none; a hash for one that another program named.
fn file_name(key: &str) -> String {
    let ours = pictures::assignment_of(key).filter(|id| is_valid_id(id));
    match ours.and(key.strip_prefix(pictures::PREFIX)) {
        Some(name) => name.replace('/', "."),
        None => pseudonym(key),
    }
}
