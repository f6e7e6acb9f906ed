//! One thread that writes, many commands a transaction; another that moves what is written from the
//! write-ahead log into the file, so that commits do not wait for that.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::connection::{self, Fault};

/// Commands in one transaction at most: bounds how long the first waits for the last.
const MAX_BATCH: usize = 256;

/// Between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(200);

type Work = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;

struct Command {
    work: Work,
    /// Receives whether the work is on the disk.
    done: oneshot::Sender<Result<(), Fault>>,
}

/// The threads. When this is dropped they write what was sent to them, then end.
#[derive(Debug)]
pub(super) struct Writer {
    path: Arc<Path>,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    /// Ends the checkpoints when it is dropped.
    checkpoints: Option<mpsc::Sender<()>>,
    checkpointer: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, path: Arc<Path>) -> Result<Self, Fault> {
        let (commands, queue) = mpsc::channel();
        let file = Arc::clone(&path);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write_all(connection, &queue, &file))
            .map_err(|error| Fault::new(&path, error))?;
        let other = connection::open(&path).map_err(|error| Fault::new(&path, error))?;
        let (checkpoints, stop) = mpsc::channel();
        let checkpointer = std::thread::Builder::new()
            .name("sqlite-checkpoint".to_owned())
            .spawn(move || checkpoint_all(&other, &stop))
            .map_err(|error| Fault::new(&path, error))?;
        Ok(Self {
            path,
            commands: Some(commands),
            thread: Some(thread),
            checkpoints: Some(checkpoints),
            checkpointer: Some(checkpointer),
        })
    }

    /// Runs `work` in the next transaction and returns its result once that is on the disk. An
    /// error of `work` does not roll back the other commands of the transaction.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let ended = || Fault::new(&self.path, "its writer has ended");
        let (slot, result) = oneshot::channel();
        let (done, outcome) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            // The caller may have been cancelled; the work is done all the same.
            let _ = slot.send(work(connection)?);
            Ok(())
        });
        self.commands
            .as_ref()
            .and_then(|commands| commands.send(Command { work, done }).ok())
            .ok_or_else(ended)?;
        outcome.await.map_err(|_| ended())??;
        result.await.map_err(|_| ended())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // One after the other: the last connection to close leaves no log behind, but of two that
        // close at once neither may be the last.
        self.checkpoints = None;
        let _ = self.checkpointer.take().map(JoinHandle::join);
        self.commands = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn write_all(mut connection: Connection, queue: &mpsc::Receiver<Command>, path: &Path) {
    while let Ok(first) = queue.recv() {
        let waiting = queue.try_iter().take(MAX_BATCH - 1);
        commit(&mut connection, std::iter::once(first).chain(waiting), path);
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "the SQLite file was not closed cleanly");
    }
}

/// A passive checkpoint waits for nobody, and nobody waits for it.
fn checkpoint_all(connection: &Connection, stop: &mpsc::Receiver<()>) {
    while stop.recv_timeout(CHECKPOINT_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
        let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = moved {
            tracing::debug!(%error, "no checkpoint");
        }
    }
}

/// Runs the commands in one transaction and sends each its result.
fn commit(connection: &mut Connection, commands: impl Iterator<Item = Command>, path: &Path) {
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            let fault = Fault::new(path, error);
            for Command { done, .. } in commands {
                let _ = done.send(Err(fault.clone()));
            }
            return;
        }
    };
    let mut written = Vec::new();
    for Command { work, done } in commands {
        match work(&transaction) {
            Ok(()) => written.push(done),
            Err(error) => {
                let _ = done.send(Err(Fault::new(path, error)));
            }
        }
    }
    let outcome = transaction
        .commit()
        .map_err(|error| Fault::new(path, error));
    for done in written {
        let _ = done.send(outcome.clone());
    }
}
