//! `atelier backup`: copies the documents of a SQLite store into one file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use atelier_embedded::cloud::{DATABASE, OBJECTS};
use atelier_runtime::config::{Environment, Setting};
use atelier_runtime::process;
use atelier_store::config::StoreConfig;
use atelier_store::{Backup, BackupError, Existing};

use crate::flags;

/// The options that are read.
pub(crate) const SETTINGS: &[&[Setting]] = &[StoreConfig::SETTINGS];

/// The data directory where neither `--data` nor `STORE_URL` is set; that of `atelier`.
const DATA: &str = "data";

pub(crate) fn main(flags: &flags::Backup) -> ExitCode {
    process::block_on(run(flags))
}

async fn run(flags: &flags::Backup) -> anyhow::Result<()> {
    let source = Source::of(flags)?;
    let existing = match flags.force {
        true => Existing::Replace,
        false => Existing::Keep,
    };
    let stop = process::stop_on_signal();
    let made = Backup::make(source.database(), &flags.file, existing, stop).await;
    let backup = made.map_err(|error| match error {
        BackupError::Exists(_) if !flags.force => {
            anyhow::Error::new(error).context("take another name, or --force to replace it")
        }
        _ => error.into(),
    });
    let backup = backup.context("no backup is made")?;
    let file = &flags.file;
    println!(
        "{}",
        Done {
            source,
            backup,
            file
        }
    );
    Ok(())
}

/// What is backed up.
#[derive(Debug)]
enum Source {
    /// The store in a data directory, with the bucket beside it.
    Data { data: PathBuf, database: PathBuf },
    /// The store of `STORE_URL`.
    Url(PathBuf),
}

impl Source {
    fn of(flags: &flags::Backup) -> anyhow::Result<Self> {
        if let Some(data) = &flags.data {
            return Ok(Self::in_data(data));
        }
        if std::env::var_os("STORE_URL").is_none() {
            return Ok(Self::in_data(Path::new(DATA)));
        }
        let mut environment = Environment::of_process();
        let store = StoreConfig::read(&mut environment);
        match environment.finish(store)?.url.strip_prefix("sqlite:") {
            Some(path) => Ok(Self::Url(path.into())),
            None => bail!("STORE_URL names a MongoDB, which mongodump backs up"),
        }
    }

    fn in_data(data: &Path) -> Self {
        Self::Data {
            data: data.to_owned(),
            database: data.join(DATABASE),
        }
    }

    fn database(&self) -> &Path {
        match self {
            Self::Data { database, .. } | Self::Url(database) => database,
        }
    }
}

/// What was done, what was not, and how to use it.
struct Done<'a> {
    source: Source,
    backup: Backup,
    file: &'a Path,
}

impl fmt::Display for Done<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, database) = (self.file.display(), self.source.database().display());
        let Backup { documents, bytes } = self.backup;
        writeln!(
            f,
            "{file} has all {documents} documents of {database}, in {bytes} bytes, checked."
        )?;
        let audit = match &self.source {
            Source::Data { data, .. } => {
                let objects = data.join(OBJECTS);
                writeln!(
                    f,
                    "The pictures are not in it: copy {} as well, now, after the documents.",
                    objects.display()
                )?;
                format!("atelier audit --data {}", data.display())
            }
            Source::Url(_) => {
                writeln!(f, "The pictures are not in it: they are in the bucket.")?;
                "atelier audit".to_owned()
            }
        };
        write!(
            f,
            "To restore it: stop all that use the store; move {database}, {database}-wal and \
            {database}-shm away; copy {file} to {database}; start again; `{audit}`. \
            docs/OPERATIONS.md has more."
        )
    }
}
