//! Looks for damage.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::fault::Reason;

/// How long a start may look at most.
pub(super) const AT_START: Duration = Duration::from_secs(2);

/// Looks at every page and row for `at_most` this time: a larger file is looked at in part.
pub(super) fn check(connection: &Connection, at_most: Duration) -> Result<(), Reason> {
    let handle = connection.get_interrupt_handle();
    let looked = std::thread::scope(|scope| {
        let (done, wait) = mpsc::channel::<()>();
        scope.spawn(move || {
            if wait.recv_timeout(at_most) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
        let looked = finding(connection, "quick_check");
        drop(done);
        looked
    });
    match looked {
        Ok(None) => Ok(()),
        Ok(Some(finding)) => Err(Reason::Damaged(finding)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            tracing::info!(
                "the SQLite file is too large to be looked at in {at_most:?}; `atelier backup` \
                looks at all of it"
            );
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// The first damage that `check` finds: `quick_check` takes indexes for right, `integrity_check`
/// compares them with their tables.
pub(super) fn finding(connection: &Connection, check: &str) -> rusqlite::Result<Option<String>> {
    let found: String =
        connection.query_row(&format!("PRAGMA {check}(1)"), [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}
