//! Panics of jobs: they end one job, not the worker.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt as _;

/// A panic, by its message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Panic(String);

/// Awaits `work`; a panic in it becomes an error. Boxed, since a job's future is large and each
/// layer around it would copy it on the stack. What `work` shares with others must not rely on
/// its having been completed: the worker's own locks are held over no code that can panic.
pub(crate) async fn caught<T>(work: Pin<Box<impl Future<Output = T>>>) -> Result<T, Panic> {
    let caught = AssertUnwindSafe(work).catch_unwind().await;
    caught.map_err(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        Panic(text.unwrap_or_else(|| "a panic without a message".to_owned()))
    })
}
