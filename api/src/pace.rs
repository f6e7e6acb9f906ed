//! How fast jobs are done, measured once a second; what the expected wait is made of.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use atelier_shared::assignment::{Assignment, Status};
use atelier_shared::store::StoreError;
use atelier_shared::timestamp::Timestamp;
use tokio::time::timeout;

use crate::app::App;
use crate::view::View;

/// Finished jobs are counted over the last minute.
const WINDOW: Duration = Duration::from_secs(60);

/// More jobs than any fleet finishes in the window.
const MOST_FINISHED: u32 = 100_000;

/// Pending jobs are counted up to here; beyond, the queue's own figure is near enough.
const MOST_COUNTED: u32 = 1_000;

/// Between two measurements, and the longest that one may take.
const EVERY: Duration = Duration::from_secs(1);

/// What was measured last.
#[derive(Debug, Default)]
pub struct Pace {
    latest: Mutex<Measured>,
}

/// One measurement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Jobs that the fleet finishes a second; `None` if none was finished lately.
    pub jobs_a_second: Option<f64>,
    /// Jobs in the queue, those being worked on included.
    pub queued: u64,
    /// When the oldest pending assignment was posted.
    pub oldest_pending: Option<Timestamp>,
}

impl Pace {
    /// What was measured last.
    pub fn latest(&self) -> Measured {
        *self.latest.lock().expect("nobody panics while holding it")
    }
}

impl Measured {
    /// How long a job waits that has `before` jobs before it.
    fn wait_behind(&self, before: u64) -> Option<f64> {
        let seconds = before as f64 / self.jobs_a_second?;
        Some((seconds * 10.0).round() / 10.0)
    }

    /// How long a job waits that is posted now.
    pub fn wait_at_the_end(&self) -> Option<f64> {
        self.wait_behind(self.queued)
    }
}

/// Measures until the process stops.
pub async fn run(app: Arc<App>) {
    loop {
        app.pulse.beat_pace();
        match timeout(EVERY * 5, measure(&app)).await {
            Ok(Ok(measured)) => {
                *app.pace
                    .latest
                    .lock()
                    .expect("nobody panics while holding it") = measured;
            }
            Ok(Err(error)) => tracing::debug!(%error, "the pace was not measured"),
            Err(_) => tracing::debug!("the pace was not measured in time"),
        }
        tokio::select! {
            () = app.draining.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// The fleet had work to do all the time since the oldest pending assignment was posted: only
/// that time tells how fast it is. A pause before it would make it look slower.
async fn measure(app: &App) -> Result<Measured, StoreError> {
    let now = Timestamp::now();
    let oldest_pending = app.store().oldest_pending().await?;
    let minute = now - WINDOW;
    let busy_since = match oldest_pending {
        Some(oldest) if oldest > minute => oldest,
        _ => minute,
    };
    let rate = async |since: Timestamp| {
        let finished = app.store().finished_since(since, MOST_FINISHED).await?;
        let seconds = now.since(since).as_secs_f64().max(1.0);
        Ok::<_, StoreError>((finished > 0).then(|| f64::from(finished) / seconds))
    };
    let mut jobs_a_second = rate(busy_since).await?;
    if jobs_a_second.is_none() && busy_since > minute {
        jobs_a_second = rate(minute).await?;
    }
    let queued = match oldest_pending {
        None => 0,
        Some(_) => match app.services.queues.jobs.depth().await {
            Ok(depth) => depth.total(),
            Err(_) => app.pace.latest().queued,
        },
    };
    Ok(Measured {
        jobs_a_second,
        queued,
        oldest_pending,
    })
}

impl App {
    /// `document` as the API shows it, with its expected wait while it is pending.
    pub async fn view(&self, document: &Assignment) -> View {
        let mut view = View::of(document, &self.config.cdn);
        if document.s3_upload_status == Status::Pending {
            view.expected_wait_seconds = self.expected_wait(document).await;
        }
        view
    }

    async fn expected_wait(&self, document: &Assignment) -> Option<f64> {
        let measured = self.pace.latest();
        measured.jobs_a_second?;
        let counted = self
            .store()
            .pending_before(document.created_at, MOST_COUNTED)
            .await
            .ok()?;
        let before = if counted < MOST_COUNTED {
            counted.into()
        } else {
            measured.queued.max(counted.into())
        };
        measured.wait_behind(before)
    }
}
