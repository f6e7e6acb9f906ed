//! The API as its callers see it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode, Url, redirect};
use serde::{Deserialize, Serialize};

/// The longest that the API holds an answer, in seconds (`?wait=`).
const WAIT_SECONDS: u32 = 20;

/// What a load test reads of an assignment's document.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Document {
    /// The id.
    pub assignment_id: String,
    /// Where it stands.
    pub s3_upload_status: Status,
    /// Puts tried.
    #[serde(default)]
    pub s3_upload_attempts: u32,
    /// Where the picture lies.
    pub s3_image_key: Option<String>,
    /// Sizes before and after optimizing.
    pub image_metadata: Option<ImageMetadata>,
    /// 1, and one more at each retry by a person; nobody retries here.
    #[serde(default = "first_round")]
    pub round: u32,
    /// Calls to the model.
    #[serde(default)]
    pub model_calls: u32,
    /// What they cost, in USD.
    #[serde(default)]
    pub cost_usd: f64,
    /// Seconds since the epoch.
    pub created_at: Option<f64>,
    /// Seconds since the epoch.
    pub finished_at: Option<f64>,
    /// Where the time went, by stage.
    #[serde(default)]
    pub stage_seconds: BTreeMap<String, Option<f64>>,
    /// Why there is no picture.
    pub failure: Option<FailureNote>,
}

fn first_round() -> u32 {
    1
}

/// Where an assignment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// A picture is to be made.
    Pending,
    /// The picture is stored.
    Success,
    /// There will be none.
    Failed,
    /// None was asked for.
    NoImage,
}

/// Sizes before and after optimizing, in bytes.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ImageMetadata {
    /// As the model returned it.
    pub original_size_bytes: u64,
    /// As it is stored.
    pub optimized_size_bytes: u64,
}

/// Why there is no picture.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FailureNote {
    /// The failure's code.
    pub code: String,
}

/// What is posted.
#[derive(Debug, Serialize)]
pub(crate) struct NewAssignment {
    /// What the picture shows.
    pub prompt: String,
    /// Who asks.
    pub teacher_id: String,
}

/// Why a call failed, in the few words by which errors are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// No answer in time.
    Timeout,
    /// No connection.
    Connect,
    /// The answer broke off, or was not what the contract says.
    Answer,
    /// An answer that is an error.
    Status(u16),
    /// A placeholder in place of the picture.
    Placeholder(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("timeout"),
            Self::Connect => f.write_str("no connection"),
            Self::Answer => f.write_str("broken answer"),
            Self::Status(code) => write!(f, "{code}"),
            Self::Placeholder(reason) => write!(f, "placeholder {reason}"),
        }
    }
}

impl From<reqwest::Error> for CallError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() {
            Self::Connect
        } else {
            Self::Answer
        }
    }
}

/// An answer read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// From the first byte sent to the last one read.
    pub took: Duration,
}

impl Answer {
    /// A header as text, where it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The JSON in its body, if it is a good answer.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, CallError> {
        if !self.status.is_success() {
            return Err(CallError::Status(self.status.as_u16()));
        }
        serde_json::from_slice(&self.body).map_err(|_| CallError::Answer)
    }
}

/// A client of one API.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    bearer: Option<String>,
    requests: AtomicU64,
}

impl Client {
    /// For the API at `base`.
    ///
    /// # Errors
    /// When no TLS can be had.
    pub(crate) fn new(
        base: Url,
        bearer: Option<String>,
        timeout: Duration,
    ) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(timeout)
            .connect_timeout(Duration::from_secs(10).min(timeout))
            .pool_max_idle_per_host(usize::MAX)
            .build()?;
        Ok(Self {
            http,
            base,
            bearer,
            requests: AtomicU64::new(0),
        })
    }

    /// Requests sent so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// An address under the API's own.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = path
            .split_once('?')
            .map_or((path, None), |(p, q)| (p, Some(q)));
        url.set_path(&format!(
            "{}/{path}",
            self.base.path().trim_end_matches('/')
        ));
        url.set_query(query);
        url
    }

    /// Asks for anything, at the API or at the CDN, which gets no token.
    pub(crate) async fn get(&self, url: Url, headers: HeaderMap) -> Result<Answer, CallError> {
        let ours = url.origin() == self.base.origin();
        self.send(self.http.get(url).headers(headers), ours).await
    }

    /// Posts an assignment.
    pub(crate) async fn create(
        &self,
        new: &NewAssignment,
    ) -> Result<(Document, Duration), CallError> {
        let answer = self
            .send(self.http.post(self.url("assignments")).json(new), true)
            .await?;
        Ok((answer.json()?, answer.took))
    }

    /// Reads a document, waiting on the server's side until it is final where it is asked to.
    pub(crate) async fn document(&self, id: &str, wait: bool) -> Result<Document, CallError> {
        let query = if wait {
            format!("?wait={WAIT_SECONDS}")
        } else {
            String::new()
        };
        let url = self.url(&format!("assignments/{id}{query}"));
        self.get(url, HeaderMap::new()).await?.json()
    }

    /// Follows a document until it is final, as the page does, or until `until`.
    ///
    /// Each call that fails is told to `failed` and tried again.
    pub(crate) async fn follow(
        &self,
        id: &str,
        until: Instant,
        failed: impl Fn(CallError),
    ) -> Option<Document> {
        while Instant::now() < until {
            match self.document(id, true).await {
                Ok(document) if document.s3_upload_status != Status::Pending => {
                    return Some(document);
                }
                Ok(_) => {
                    // A server that does not hold the answer is not to be hammered.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => {
                    failed(error);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        None
    }

    async fn send(&self, request: RequestBuilder, ours: bool) -> Result<Answer, CallError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let request = match &self.bearer {
            Some(token) if ours => request.bearer_auth(token),
            _ => request,
        };
        let begin = Instant::now();
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?.to_vec();
        Ok(Answer {
            status,
            headers,
            body,
            took: begin.elapsed(),
        })
    }
}
