//! Alive: a poll finished lately. Ready: jobs are taken.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use atelier_shared::queue::MAX_WAIT;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::run::Worker;

/// What the polls say of a worker's health.
#[derive(Debug)]
pub(crate) struct Pulse {
    last_poll: Mutex<Instant>,
    queue_answers: AtomicBool,
    patience: Duration,
}

impl Pulse {
    /// All slots may be busy, and none polls, for as long as the model takes through all the
    /// throttling of one try: half a dozen calls.
    pub(crate) fn new(model_timeout: Duration) -> Self {
        Self {
            last_poll: Mutex::new(Instant::now()),
            queue_answers: AtomicBool::new(false),
            patience: MAX_WAIT * 3 + model_timeout * 6,
        }
    }

    pub(crate) fn polled(&self, answered: bool) {
        *self.last_poll.lock().expect("no panic while held") = Instant::now();
        self.queue_answers.store(answered, Ordering::Relaxed);
    }

    pub(crate) fn queue_answers(&self) -> bool {
        self.queue_answers.load(Ordering::Relaxed)
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.last_poll
            .lock()
            .expect("no panic while held")
            .elapsed()
            < self.patience
    }
}

/// Tells health on `listener` until `stop`.
pub async fn serve(
    worker: Arc<Worker>,
    listener: TcpListener,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let live = Arc::clone(&worker);
    let router = Router::new()
        .route(
            "/health/live",
            get(async move || answer(live.is_alive(), "no poll finished lately")),
        )
        .route(
            "/health/ready",
            get(async move || answer(worker.is_ready(), "no jobs are taken now")),
        );
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn answer(good: bool, otherwise: &'static str) -> (StatusCode, &'static str) {
    if good {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, otherwise)
    }
}
