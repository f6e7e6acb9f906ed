//! One thread that writes, many commands a transaction; another that moves what is written from the
//! write-ahead log into the file, so that commits do not wait for that.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::condition::Condition;
use super::connection;
use super::fault::Fault;

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
    condition: Arc<Condition>,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    /// Ends the checkpoints when it is dropped.
    checkpoints: Option<mpsc::Sender<()>>,
    checkpointer: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, condition: Arc<Condition>) -> Result<Self, Fault> {
        let other = connection::open(condition.path()).map_err(|error| condition.fault(error))?;
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(|error| Fault::other(condition.path(), error))
        };
        let (commands, queue) = mpsc::channel();
        let found = Arc::clone(&condition);
        let write = Box::new(move || write_all(connection, &queue, &found));
        let thread = spawn("sqlite-writer", write)?;
        let (checkpoints, stop) = mpsc::channel();
        let checkpoint = Box::new(move || checkpoint_all(&other, &stop));
        let checkpointer = spawn("sqlite-checkpoint", checkpoint)?;
        Ok(Self {
            condition,
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
        let ended = || Fault::other(self.condition.path(), "its writer has ended");
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

fn write_all(mut connection: Connection, queue: &mpsc::Receiver<Command>, condition: &Condition) {
    while let Ok(first) = queue.recv() {
        let waiting = queue.try_iter().take(MAX_BATCH - 1);
        commit(
            &mut connection,
            std::iter::once(first).chain(waiting),
            condition,
        );
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

/// Runs the commands in one transaction and sends each its result. Where SQLite undoes the
/// transaction at once, the commands that are left stay in the queue for the next.
fn commit(
    connection: &mut Connection,
    commands: impl Iterator<Item = Command>,
    condition: &Condition,
) {
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            let fault = condition.fault(error);
            for Command { done, .. } in commands {
                let _ = done.send(Err(fault.clone()));
            }
            return;
        }
    };
    let changes = transaction.total_changes();
    let mut written = Vec::new();
    let mut failed = None;
    for Command { work, done } in commands {
        match work(&transaction) {
            Ok(()) => written.push(done),
            Err(error) => {
                let fault = condition.fault(error);
                let _ = done.send(Err(fault.clone()));
                failed = Some(fault);
            }
        }
        if transaction.is_autocommit() {
            break;
        }
    }
    // What changes nothing writes nothing.
    let changed = transaction.total_changes() > changes;
    let outcome = match failed {
        Some(ref fault) if transaction.is_autocommit() => Err(fault.clone()),
        _ => transaction.commit().map_err(|error| condition.fault(error)),
    };
    let refused = failed.is_some_and(|fault| fault.reason().stops_writes());
    if changed && outcome.is_ok() && !refused {
        condition.wrote();
    }
    for done in written {
        let _ = done.send(outcome.clone());
    }
}
