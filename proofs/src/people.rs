//! Who posts, and does not give up.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Range;
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
pub struct Acknowledged {
    /// The assignments.
    pub ids: BTreeSet<String>,
    /// Posts that were made again under the same id.
    pub repeated: u64,
}

/// Posts the assignments with these numbers, each for a small picture of its own, spread over
/// `length`; each is posted until it is acknowledged.
///
/// # Errors
/// An API refuses one.
pub async fn post(
    numbers: Range<u32>,
    length: Duration,
    apis: Vec<SocketAddr>,
) -> anyhow::Result<Acknowledged> {
    let (start, first) = (Instant::now(), numbers.start);
    let jobs = f64::from(numbers.end - first);
    let http = client()?;
    stream::iter(numbers)
        .map(|n| {
            let (http, apis) = (&http, &apis);
            async move {
                sleep_until(start + length.mul_f64(f64::from(n - first) / jobs)).await;
                let (id, prompt) = (format!("job-{n:06}"), format!("[small] scene {n}"));
                Ok((insist(http, apis, n, &id, &prompt).await?, id))
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

/// Posts one assignment until it is acknowledged.
///
/// # Errors
/// An API refuses it.
pub async fn post_one(id: &str, prompt: &str, apis: &[SocketAddr]) -> anyhow::Result<()> {
    insist(&client()?, apis, 0, id, prompt).await?;
    Ok(())
}

fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(PATIENCE).build()
}

/// Posts until the answer is 202; returns how often it was posted again.
async fn insist(
    http: &reqwest::Client,
    apis: &[SocketAddr],
    n: u32,
    id: &str,
    prompt: &str,
) -> anyhow::Result<u64> {
    let body = json!({
        "assignment_id": id,
        "teacher_id": format!("teacher-{}", n % 50),
        "prompt": prompt,
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
