//! Copies the file while others write to it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use super::fault::{Fault, Reason};
use super::{connection, integrity};

/// Between two tries to interrupt what SQLite does: one that comes before it begins has no effect.
const INTERRUPT_EVERY: Duration = Duration::from_millis(50);

/// What becomes of a file that has the backup's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and no backup is made.
    Keep,
    /// The backup takes its place once it is complete.
    Replace,
}

/// A backup that was made: on the disk, and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Assignments in it, tombstones included.
    pub documents: u64,
    /// Its size.
    pub bytes: u64,
}

/// Why there is no backup. Nothing is left behind, and a file that was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store is not there, or holds no assignments.
    #[error("there is no store at {}", .0.display())]
    NoStore(PathBuf),
    /// The store cannot be read.
    #[error("{0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The folder of the backup is not there.
    #[error("the folder {} does not exist", .0.display())]
    NoFolder(PathBuf),
    /// Something has the backup's name: a file that is not to be replaced, or what is no file.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The backup would take the place of the store.
    #[error("{} is the store itself", .0.display())]
    Itself(PathBuf),
    /// The disk of the backup, or a quota, is full.
    #[error("there is no space for the backup in {}: {reason}", .folder.display())]
    NoSpace {
        /// Where it was to be.
        folder: PathBuf,
        /// In the words of the system or of SQLite.
        reason: String,
    },
    /// The backup cannot be written for another reason.
    #[error("{} cannot be written: {reason}", .path.display())]
    Unwritable {
        /// The backup.
        path: PathBuf,
        /// In the words of the system or of SQLite.
        reason: String,
    },
    /// The copy is damaged, most likely because the store is.
    #[error("the copy is damaged, and the store may be: {0}")]
    Damaged(String),
    /// Told to stop.
    #[error("stopped before the backup was complete")]
    Stopped,
}

impl Backup {
    /// Copies the SQLite file at `store`, as it is at one moment, to `target`. Others may read and
    /// write the file meanwhile, of whatever version they are. The copy has a temporary name beside
    /// `target` until it is on the disk and was checked; only its owner may read it. Ends soon after
    /// `stop`.
    ///
    /// # Errors
    ///
    /// As [`BackupError`] says.
    pub async fn make(
        store: &Path,
        target: &Path,
        existing: Existing,
        stop: CancellationToken,
    ) -> Result<Self, BackupError> {
        let job = Job {
            store: store.to_owned(),
            target: target.to_owned(),
            existing,
            stop,
        };
        let made = tokio::task::spawn_blocking(move || job.run()).await;
        made.map_err(|error| BackupError::Store(error.into()))?
    }
}

struct Job {
    store: PathBuf,
    target: PathBuf,
    existing: Existing,
    stop: CancellationToken,
}

impl Job {
    fn run(&self) -> Result<Backup, BackupError> {
        let store = self.open_store()?;
        let folder = self.folder()?;
        self.look_at_target()?;
        let aside = tempfile::Builder::new()
            .prefix(&format!(".{}.", self.name()))
            .suffix(".incomplete")
            .tempfile_in(folder)
            .map_err(|error| self.unwritten(&error))?;
        self.copy(&store, aside.path())?;
        drop(store);
        aside
            .as_file()
            .sync_all()
            .map_err(|error| self.unwritten(&error))?;
        let documents = self.check(aside.path())?;
        let file = self.put_in_place(aside)?;
        // The name is in the folder, so that has to be on the disk as well.
        File::open(folder)
            .and_then(|it| it.sync_all())
            .and_then(|()| file.metadata())
            .map(|it| Backup {
                documents,
                bytes: it.len(),
            })
            .map_err(|error| self.unwritten(&error))
    }

    fn open_store(&self) -> Result<Connection, BackupError> {
        let store = &self.store;
        if !store.is_file() {
            return Err(BackupError::NoStore(store.clone()));
        }
        let flags = OpenFlags::default() - OpenFlags::SQLITE_OPEN_CREATE;
        let connection = connection::open_with(store, flags).map_err(|error| self.unread(error))?;
        let holds = connection
            .query_row(
                "SELECT 1 FROM sqlite_schema WHERE name = 'assignments'",
                [],
                |_| Ok(()),
            )
            .optional()
            .map_err(|error| self.unread(error))?;
        holds
            .map(|()| connection)
            .ok_or_else(|| BackupError::NoStore(store.clone()))
    }

    fn folder(&self) -> Result<&Path, BackupError> {
        let folder = match self.target.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => return Err(BackupError::Exists(self.target.clone())),
        };
        match folder.is_dir() {
            true => Ok(folder),
            false => Err(BackupError::NoFolder(folder.to_owned())),
        }
    }

    fn name(&self) -> String {
        let name = self.target.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn look_at_target(&self) -> Result<(), BackupError> {
        let Ok(there) = self.target.symlink_metadata() else {
            return Ok(());
        };
        let same = self.target.canonicalize().ok() == self.store.canonicalize().ok();
        if same {
            return Err(BackupError::Itself(self.target.clone()));
        }
        match self.existing {
            Existing::Replace if there.is_file() => Ok(()),
            _ => Err(BackupError::Exists(self.target.clone())),
        }
    }

    /// One statement reads the file at one moment. Others write to the log meanwhile. What was
    /// deleted is not copied.
    fn copy(&self, store: &Connection, aside: &Path) -> Result<(), BackupError> {
        let aside_name = aside.to_str().ok_or_else(|| BackupError::Unwritable {
            path: self.target.clone(),
            reason: "its path is not in UTF-8".to_owned(),
        })?;
        let copied = self.until_stopped(store, |it| it.execute("VACUUM INTO ?1", [aside_name]))?;
        copied.map(drop).map_err(|error| {
            let reason = error.to_string();
            match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => self.no_space(reason),
                // SQLite does not say of which file it speaks.
                Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
                    BackupError::Unwritable {
                        path: self.target.clone(),
                        reason,
                    }
                }
                _ => self.unread(error),
            }
        })
    }

    /// How many documents the copy has, if all of it is well.
    fn check(&self, aside: &Path) -> Result<u64, BackupError> {
        let damaged = |error: rusqlite::Error| BackupError::Damaged(error.to_string());
        let copy = connection::open_with(aside, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let copy = copy.map_err(damaged)?;
        let finding = self.until_stopped(&copy, |it| integrity::finding(it, "integrity_check"))?;
        if let Some(finding) = finding.map_err(damaged)? {
            return Err(BackupError::Damaged(finding));
        }
        copy.query_row("SELECT count(*) FROM assignments", [], |row| row.get(0))
            .map(|documents: u32| documents.into())
            .map_err(damaged)
    }

    fn put_in_place(&self, aside: NamedTempFile) -> Result<File, BackupError> {
        let put = match self.existing {
            Existing::Keep => aside.persist_noclobber(&self.target),
            Existing::Replace => aside.persist(&self.target),
        };
        put.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(self.target.clone()),
            _ => self.unwritten(&error.error),
        })
    }

    /// Runs `work`, which is interrupted when this is told to stop.
    fn until_stopped<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<rusqlite::Result<T>, BackupError> {
        let (handle, stop) = (connection.get_interrupt_handle(), self.stop.clone());
        let interrupts = tokio::spawn(async move {
            stop.cancelled().await;
            loop {
                handle.interrupt();
                tokio::time::sleep(INTERRUPT_EVERY).await;
            }
        });
        let outcome = work(connection);
        interrupts.abort();
        match self.stop.is_cancelled() {
            true => Err(BackupError::Stopped),
            false => Ok(outcome),
        }
    }

    fn unread(&self, error: rusqlite::Error) -> BackupError {
        BackupError::Store(Fault::new(&self.store, Reason::from(error)).into())
    }

    fn no_space(&self, reason: String) -> BackupError {
        let folder = self.folder().unwrap_or(Path::new(".")).to_owned();
        BackupError::NoSpace { folder, reason }
    }

    fn unwritten(&self, error: &io::Error) -> BackupError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                self.no_space(error.to_string())
            }
            _ => BackupError::Unwritable {
                path: self.target.clone(),
                reason: error.to_string(),
            },
        }
    }
}
