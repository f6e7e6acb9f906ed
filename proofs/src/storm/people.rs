//! Who posts, and does not give up.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

/// People who post at a time.
const AT_ONCE: usize = 64;

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the APIs acknowledged.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    pub(super) ids: BTreeSet<String>,
    /// Posts that were made again under the same id.
    pub(super) repeated: u64,
}

/// Posts `jobs` assignments, spread over `length`; each is posted until it is acknowledged.
pub(super) async fn post(
    jobs: u32,
    length: Duration,
    apis: Vec<SocketAddr>,
) -> anyhow::Result<Acknowledged> {
    let start = Instant::now();
    let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
    stream::iter(0..jobs)
        .map(|n| {
            let (http, apis) = (&http, &apis);
            async move {
                sleep_until(start + length.mul_f64(f64::from(n) / f64::from(jobs))).await;
                let id = format!("storm-{n:06}");
                Ok((insist(http, apis, n, &id).await?, id))
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_fold(Acknowledged::default(), async |mut all, (repeated, id)| {
            all.repeated += repeated;
            all.ids.insert(id);
            Ok(all)
        })
        .await
}

/// Posts until the answer is 202; returns how often it was posted again.
async fn insist(
    http: &reqwest::Client,
    apis: &[SocketAddr],
    n: u32,
    id: &str,
) -> anyhow::Result<u64> {
    let body = json!({
        "assignment_id": id,
        "teacher_id": format!("teacher-{}", n % 50),
        "prompt": format!("[small] scene {n} of the storm"),
    });
    let mut repeated = 0;
    loop {
        let api = apis[(n as usize + repeated as usize) % apis.len()];
        let url = format!("http://{api}/assignments");
        match http.post(url).json(&body).send().await {
            Ok(answer) if answer.status() == 202 => return Ok(repeated),
            Ok(answer) if answer.status().is_client_error() && answer.status() != 429 => {
                bail!("{id}: {}: {}", answer.status(), answer.text().await?);
            }
            // Killed, on its way up, or without its store.
            Ok(_) | Err(_) => {}
        }
        repeated += 1;
        sleep(Duration::from_millis(fastrand::u64(100..500))).await;
    }
}
