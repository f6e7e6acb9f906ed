//! A small API that keeps the contract, for tests of the load test itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// How the fake behaves.
#[derive(Clone, Copy)]
pub(crate) struct Behavior {
    /// From the POST to the picture.
    pub picture_after: Duration,
    /// One POST in this number is refused; 0 refuses none.
    pub refuse_every: u64,
    /// Whether pictures never come.
    pub stuck: bool,
    /// Whether there are a CDN and fleet telemetry.
    pub whole: bool,
    /// What the CDN answers without a signature, where addresses are signed.
    pub unsigned: Option<StatusCode>,
}

/// Quick, good and complete.
pub(crate) const GOOD: Behavior = Behavior {
    picture_after: Duration::from_millis(200),
    refuse_every: 0,
    stuck: false,
    whole: true,
    unsigned: None,
};

/// What the fake saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub posts: AtomicU64,
    pub reads: AtomicU64,
    pub lists: AtomicU64,
    pub images: AtomicU64,
    pub downloads: AtomicU64,
    pub following: AtomicU64,
    pub most_following: AtomicU64,
    pub prompts: Mutex<Vec<(String, String)>>,
}

#[derive(Clone)]
struct Fake {
    behavior: Behavior,
    seen: Arc<Seen>,
    posted: Arc<Mutex<HashMap<String, std::time::Instant>>>,
    cached: Arc<Mutex<HashMap<String, u64>>>,
}

/// Serves on a free port; returns its address.
pub(crate) async fn serve(behavior: Behavior) -> (String, Arc<Seen>) {
    let seen = Arc::<Seen>::default();
    let fake = Fake {
        behavior,
        seen: Arc::clone(&seen),
        posted: Arc::default(),
        cached: Arc::default(),
    };
    let app = Router::new()
        .route("/health/live", get(|| async { "" }))
        .route("/assignments", get(list).post(create))
        .route("/assignments/{id}", get(read))
        .route("/assignments/{id}/image", get(image))
        .route("/cdn/{id}", get(cdn))
        .route("/fleet.json", get(fleet))
        .with_state(fake);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, seen)
}

async fn create(State(fake): State<Fake>, Json(new): Json<Value>) -> Response {
    let number = fake.seen.posts.fetch_add(1, Ordering::Relaxed);
    let text = |name: &str| new[name].as_str().unwrap_or_default().to_owned();
    fake.seen
        .prompts
        .lock()
        .unwrap()
        .push((text("prompt"), text("teacher_id")));
    if fake.behavior.refuse_every > 0 && number % fake.behavior.refuse_every == 0 {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let id = format!("a{number}");
    fake.posted
        .lock()
        .unwrap()
        .insert(id.clone(), std::time::Instant::now());
    (StatusCode::ACCEPTED, Json(fake.document(&id))).into_response()
}

async fn read(State(fake): State<Fake>, Path(id): Path<String>, uri: Uri) -> Response {
    fake.seen.reads.fetch_add(1, Ordering::Relaxed);
    if uri.query().is_some_and(|query| query.contains("wait=")) && !fake.is_done(&id) {
        let following = fake.seen.following.fetch_add(1, Ordering::SeqCst) + 1;
        fake.seen
            .most_following
            .fetch_max(following, Ordering::SeqCst);
        tokio::time::sleep(fake.behavior.picture_after).await;
        fake.seen.following.fetch_sub(1, Ordering::SeqCst);
    }
    Json(fake.document(&id)).into_response()
}

async fn list(State(fake): State<Fake>) -> Json<Value> {
    fake.seen.lists.fetch_add(1, Ordering::Relaxed);
    Json(json!({"assignments": []}))
}

async fn image(State(fake): State<Fake>, Path(id): Path<String>) -> Response {
    fake.seen.images.fetch_add(1, Ordering::Relaxed);
    if !fake.is_done(&id) {
        return (
            [
                ("x-atelier-placeholder", "pending"),
                ("content-type", "image/svg+xml"),
            ],
            "<svg/>",
        )
            .into_response();
    }
    if fake.behavior.whole {
        let query = match fake.behavior.unsigned {
            Some(_) => "?Expires=1&Signature=abc&Key-Pair-Id=K1",
            None => "",
        };
        let location = format!("/cdn/{id}{query}");
        (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
    } else {
        ([("content-type", "image/webp")], vec![7u8; 1000]).into_response()
    }
}

async fn cdn(
    State(fake): State<Fake>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let (Some(status), None) = (fake.behavior.unsigned, uri.query()) {
        return status.into_response();
    }
    fake.seen.downloads.fetch_add(1, Ordering::Relaxed);
    assert!(
        !headers.contains_key("if-none-match"),
        "a fresh picture is not asked for again"
    );
    let before = fake
        .cached
        .lock()
        .unwrap()
        .entry(id)
        .and_modify(|hits| *hits += 1)
        .or_insert(0)
        .to_owned();
    let x_cache = if before > 0 {
        "Hit from cloudfront"
    } else {
        "Miss from cloudfront"
    };
    let headers = [
        ("x-cache", x_cache),
        ("content-type", "image/webp"),
        ("cache-control", "max-age=31536000"),
        ("etag", "\"1\""),
    ];
    (headers, vec![7u8; 1000]).into_response()
}

async fn fleet(State(fake): State<Fake>) -> Response {
    if !fake.behavior.whole {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(json!({
        "queue": {"visible": 3, "in_flight": 2},
        "workers": [{"worker": "w1", "started_at": 1.0, "slots": 8, "slots_in_use": 2, "resident_bytes": 50_000_000}],
        "samples": [], "totals": {},
    }))
    .into_response()
}

impl Fake {
    fn is_done(&self, id: &str) -> bool {
        let posted = self.posted.lock().unwrap();
        !self.behavior.stuck
            && posted
                .get(id)
                .is_some_and(|at| at.elapsed() >= self.behavior.picture_after)
    }

    fn document(&self, id: &str) -> Value {
        if !self.is_done(id) {
            return json!({"assignment_id": id, "s3_upload_status": "pending", "round": 1});
        }
        json!({
            "assignment_id": id, "s3_upload_status": "success", "round": 1, "s3_upload_attempts": 1, "model_calls": 1,
            "s3_image_key": format!("generated_images/{id}.webp"), "cost_usd": 0.04,
            "image_metadata": {"original_size_bytes": 2_000_000, "optimized_size_bytes": 300_000},
            "stage_seconds": {"queue_wait": 0.01, "generate": 0.1, "optimize": 0.05, "upload": 0.02},
        })
    }
}
