//! A pool of connections that read.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::condition::Condition;
use super::connection;
use super::fault::Fault;

/// Reads at a time at most.
const READERS: usize = 4;

/// At most [`READERS`] connections, each opened when it is first needed.
#[derive(Debug)]
pub(super) struct Readers {
    condition: Arc<Condition>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(condition: Arc<Condition>) -> Self {
        Self {
            condition,
            permits: Arc::new(Semaphore::new(READERS)),
            idle: Mutex::default(),
        }
    }

    /// Runs `query` on one of the connections, on a thread where it may block.
    pub(super) async fn run<T: Send + 'static>(
        this: &Arc<Self>,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = Arc::clone(&this.permits).acquire_owned().await;
        let readers = Arc::clone(this);
        let answer = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let connection = readers.take()?;
            let answer = query(&connection);
            readers.give_back(connection);
            answer
        });
        answer
            .await
            .map_err(|error| Fault::other(this.condition.path(), error))?
            .map_err(|error| this.condition.fault(error))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        let idle = self.idle().pop();
        match idle {
            Some(connection) => Ok(connection),
            None => {
                let connection = connection::open(self.condition.path())?;
                connection.pragma_update(None, "query_only", true)?;
                Ok(connection)
            }
        }
    }

    fn give_back(&self, connection: Connection) {
        self.idle().push(connection);
    }
}
