//! Threads for what may wait: they run at a low priority, so that other jobs' pictures come
//! first, and only so much waits for them that memory stays bounded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Pictures that may wait for a thread: their pixels are in memory.
const WAITING_A_THREAD: usize = 3;

/// By how much their priority is lower, 0 to 19 (`man 2 nice`): a tenth of the processor time of others
/// where there is not enough, so that what is begun comes to an end.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

type Work = Box<dyn FnOnce() + Send>;

/// The threads. They end with it.
#[derive(Debug)]
pub(crate) struct Lane {
    work: Sender<Work>,
    room: Arc<Semaphore>,
}

/// Room for one picture.
#[derive(Debug)]
pub(crate) struct Room {
    _permit: OwnedSemaphorePermit,
}

/// The work panicked.
#[derive(Debug, thiserror::Error)]
#[error("it panicked")]
pub(crate) struct Panicked;

impl Lane {
    /// With half as many threads as there are cores, at least one.
    pub(crate) fn start() -> Self {
        let cores = thread::available_parallelism().map_or(1, Into::into);
        let threads = (cores / 2).max(1);
        let (work, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let waiting = Arc::clone(&waiting);
            let thread = thread::Builder::new().name("renditions".to_owned());
            if let Err(error) = thread.spawn(move || run(&waiting)) {
                tracing::error!(%error, "a thread for renditions was not started");
            }
        }
        Self {
            work,
            room: Arc::new(Semaphore::new(threads * (1 + WAITING_A_THREAD))),
        }
    }

    /// Room for one more picture, unless there is none.
    pub(crate) fn room(&self) -> Option<Room> {
        let permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        Some(Room { _permit: permit })
    }

    /// Does `work` on one of the threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (done, result) = oneshot::channel();
        let work = move || {
            // Nobody waits for it any more where that fails.
            let _ = done.send(work());
        };
        self.work.send(Box::new(work)).map_err(|_| Panicked)?;
        result.await.map_err(|_| Panicked)
    }
}

fn run(waiting: &Mutex<Receiver<Work>>) {
    // On Linux alone this is the thread's priority, not the process's.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!(%error, "renditions are made at the priority of all else");
    }
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        match next {
            // Its panic is told where its result is waited for.
            Ok(work) => drop(catch_unwind(AssertUnwindSafe(work))),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_the_work_and_not_the_thread() {
        let lane = Lane::start();
        for _ in 0..8 {
            assert!(lane.run(|| panic!("as ordered")).await.is_err());
        }
        assert_eq!(lane.run(|| 7).await.ok(), Some(7));
    }

    #[tokio::test]
    async fn room_is_bounded_and_comes_back() {
        let lane = Lane::start();
        let taken: Vec<_> = std::iter::from_fn(|| lane.room()).collect();
        assert!(taken.len() > WAITING_A_THREAD);
        assert!(lane.room().is_none());
        drop(taken);
        assert!(lane.room().is_some());
    }
}
