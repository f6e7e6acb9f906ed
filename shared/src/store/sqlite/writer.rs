//! One thread that writes, many commands a transaction.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::connection::Fault;

/// Commands in one transaction at most, so that the first need not wait long for the last.
const MAX_BATCH: usize = 256;

type Work = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;

struct Command {
    work: Work,
    /// Told once the work is on the disk, or that it is not.
    done: oneshot::Sender<Result<(), Fault>>,
}

/// The thread. It ends, with everything written that it was told, when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    path: Arc<Path>,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, path: Arc<Path>) -> Result<Self, Fault> {
        let (commands, queue) = mpsc::channel();
        let file = Arc::clone(&path);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write_all(connection, &queue, &file))
            .map_err(|error| Fault::new(&path, error))?;
        Ok(Self {
            path,
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    /// Runs `work` in the next transaction and returns its result once that is on the disk. An
    /// error of `work` leaves the others of the transaction as they are.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let ended = || Fault::new(&self.path, "its writer has ended");
        let (slot, result) = oneshot::channel();
        let (done, verdict) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            // Nobody takes it where the caller has gone; the work is done all the same.
            let _ = slot.send(work(connection)?);
            Ok(())
        });
        self.commands
            .as_ref()
            .and_then(|commands| commands.send(Command { work, done }).ok())
            .ok_or_else(ended)?;
        verdict.await.map_err(|_| ended())??;
        result.await.map_err(|_| ended())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
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

/// Runs the commands in one transaction and tells each what became of it.
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
    let verdict = transaction
        .commit()
        .map_err(|error| Fault::new(path, error));
    for done in written {
        let _ = done.send(verdict.clone());
    }
}
