//! What a run did: counted, and each skipped document by name in a file that grows with the run, so
//! that memory does not.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use super::outcome::{How, Outcome, Reason};

/// Skipped documents that the summary names; the others are in the report's file.
const NAMED: usize = 20;

/// What a run did so far.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    /// Documents that were looked at.
    pub(crate) documents: u64,
    /// That show an imported picture by this run.
    pub(crate) imported: u64,
    /// Of these: optimized.
    pub(crate) optimized: u64,
    /// Of these: stored as they were.
    pub(crate) copied: u64,
    /// Of these: stored by an import before, and written now.
    pub(crate) found: u64,
    /// That had a picture of ours before.
    pub(crate) already: u64,
    /// That are as they were.
    pub(crate) skipped: u64,
    /// Those, by the code of the reason.
    pub(crate) skipped_by_reason: BTreeMap<&'static str, u64>,
    /// Bytes of the old pictures that were imported.
    pub(crate) bytes_before: u64,
    /// Bytes of the new ones.
    pub(crate) bytes_after: u64,
}

impl Counts {
    /// For a line of the progress.
    pub(crate) fn said(&self) -> String {
        format!("{} imported, {} skipped", self.imported, self.skipped)
    }
}

/// A document that was skipped.
#[derive(Debug, Serialize)]
struct Skipped<'a> {
    assignment_id: &'a str,
    reason: &'static str,
    cause: String,
}

/// Collects what becomes of the documents.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) counts: Counts,
    named: Vec<String>,
    file: Option<ReportFile>,
}

impl Report {
    /// With a file, where one is wanted.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn new(path: Option<&Path>) -> anyhow::Result<Self> {
        Ok(Self {
            counts: Counts::default(),
            named: Vec::new(),
            file: path.map(ReportFile::create).transpose()?,
        })
    }

    /// Notes what became of a document.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn add(&mut self, id: &str, outcome: &Outcome) -> anyhow::Result<()> {
        let counts = &mut self.counts;
        counts.documents += 1;
        match outcome {
            Outcome::Already => counts.already += 1,
            Outcome::Imported(picture) => {
                counts.imported += 1;
                counts.bytes_before += picture.before;
                counts.bytes_after += picture.after;
                match picture.how {
                    How::Optimized => counts.optimized += 1,
                    How::Copied => counts.copied += 1,
                    How::Found => counts.found += 1,
                }
            }
            Outcome::Skipped(reason) => self.skip(id, reason)?,
        }
        Ok(())
    }

    fn skip(&mut self, id: &str, reason: &Reason) -> anyhow::Result<()> {
        self.counts.skipped += 1;
        let of_reason = self.counts.skipped_by_reason.entry(reason.code());
        *of_reason.or_default() += 1;
        if self.named.len() < NAMED {
            self.named.push(format!("{id}: {reason}"));
        }
        match &mut self.file {
            None => Ok(()),
            Some(file) => file.add(&Skipped {
                assignment_id: id,
                reason: reason.code(),
                cause: reason.to_string(),
            }),
        }
    }

    /// Ends the report.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn finish(
        self,
        dry_run: bool,
        ended_early: Option<String>,
        took: Duration,
    ) -> anyhow::Result<Summary> {
        let bytes = (self.counts.bytes_before, self.counts.bytes_after);
        let summary = Summary {
            ok: ended_early.is_none() && self.counts.skipped == 0,
            dry_run,
            ended_early,
            seconds: (took.as_secs_f64() * 1000.0).round() / 1000.0,
            bytes_saved: bytes.0 as i64 - bytes.1 as i64,
            counts: self.counts,
            named: self.named,
        };
        if let Some(file) = self.file {
            file.finish(&summary)?;
        }
        Ok(summary)
    }
}

/// The end of a report.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// Whether all were imported.
    pub(crate) ok: bool,
    dry_run: bool,
    /// Why the run ended before its end.
    pub(crate) ended_early: Option<String>,
    seconds: f64,
    /// Below 0 where pictures grew.
    bytes_saved: i64,
    #[serde(flatten)]
    counts: Counts,
    #[serde(skip)]
    named: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &self.counts;
        if self.dry_run {
            writeln!(f, "a dry run: nothing was stored, nothing was written")?;
        }
        writeln!(
            f,
            "{} documents: {} imported, {} had a picture of ours already, {} skipped",
            it.documents, it.imported, it.already, it.skipped
        )?;
        if it.imported > 0 {
            writeln!(
                f,
                "imported: {} optimized, {} copied as they were, {} stored by a run before; {} became {}, {} saved",
                it.optimized,
                it.copied,
                it.found,
                megabytes(it.bytes_before as i64),
                megabytes(it.bytes_after as i64),
                megabytes(self.bytes_saved),
            )?;
        }
        for (reason, count) in &it.skipped_by_reason {
            writeln!(f, "skipped, {reason}: {count}")?;
        }
        self.named
            .iter()
            .try_for_each(|named| writeln!(f, "  {named}"))?;
        if it.skipped > self.named.len() as u64 {
            writeln!(f, "  and more; --report FILE names all")?;
        }
        let per_second = it.documents as f64 / self.seconds.max(0.001);
        writeln!(f, "{:.1} s, {per_second:.0} a second", self.seconds)?;
        f.write_str(match (&self.ended_early, it.imported, it.skipped) {
            (Some(_), ..) => "not all was looked at: the same command goes on",
            (None, 0, 0) => "nothing to do",
            (None, _, 0) => "all is done",
            (None, ..) => "some could not be imported",
        })
    }
}

fn megabytes(bytes: i64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// The report's file: `{"skipped": […], "summary": {…}}`. It has its name when it is whole.
#[derive(Debug)]
struct ReportFile {
    path: PathBuf,
    unfinished: PathBuf,
    out: BufWriter<File>,
    is_first: bool,
}

impl ReportFile {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let unfinished = PathBuf::from(name);
        let cannot = || format!("--report: cannot write {}", unfinished.display());
        let mut out = BufWriter::new(File::create(&unfinished).with_context(cannot)?);
        out.write_all(b"{\"skipped\":[").with_context(cannot)?;
        Ok(Self {
            path: path.to_owned(),
            unfinished,
            out,
            is_first: true,
        })
    }

    fn add(&mut self, skipped: &Skipped<'_>) -> anyhow::Result<()> {
        let between: &[u8] = if self.is_first { b"\n" } else { b",\n" };
        self.is_first = false;
        self.out.write_all(between)?;
        serde_json::to_writer(&mut self.out, skipped)?;
        Ok(())
    }

    fn finish(mut self, summary: &Summary) -> anyhow::Result<()> {
        self.out.write_all(b"\n],\"summary\":")?;
        serde_json::to_writer(&mut self.out, summary)?;
        self.out.write_all(b"}\n")?;
        self.out.into_inner()?.sync_all()?;
        std::fs::rename(&self.unfinished, &self.path)
            .with_context(|| format!("--report: cannot write {}", self.path.display()))
    }
}
