//! What all cases share: one embedded cloud, and a picture to start from.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atelier_api::ApiConfig;
use atelier_cloud::client::Aws;
use atelier_cloud::config::StaticCredentials;
use atelier_cloud::pictures::Pictures;
use atelier_domain::label::Label;
use atelier_embedded::cloud::{Cloud, Options};
use atelier_embedded::faults::Service;
use atelier_embedded::model::{Behavior, Settings};
use atelier_runtime::config::Environment;
use atelier_store::config::StoreConfig;
use atelier_store::{Indexes, Store};
use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use crate::fleet;
use crate::proxy::Upstreams;

/// The prompt of every assignment, unless a case is about another. The hook keeps painting cheap.
pub const PROMPT: &str = "[small] a lighthouse in the morning";

/// A claim's length, and a message's invisibility: the shortest that SQS counts.
const CLAIM_SECONDS: &str = "1";

/// Where the documents of a case live.
#[derive(Clone, Debug)]
pub enum Home {
    /// A file of its own.
    Sqlite,
    /// A database of its own in the server at this address.
    MongoDb(String),
}

impl Home {
    /// The MongoDB that `ATELIER_TEST_MONGODB_URI` names.
    ///
    /// # Panics
    /// Where it names none.
    pub fn mongodb() -> Self {
        let address = std::env::var("ATELIER_TEST_MONGODB_URI");
        Self::MongoDb(address.expect("ATELIER_TEST_MONGODB_URI is not set"))
    }

    /// Its name in a report.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::MongoDb(_) => "MongoDB",
        }
    }
}

/// The embedded cloud of all cases.
#[derive(Debug)]
pub struct World {
    cloud: Cloud,
    data: TempDir,
    pub(crate) worker: atelier_worker::Config,
    pub(crate) api: ApiConfig,
    pub(crate) upstreams: Upstreams,
    pub(crate) aws: Aws,
    pub(crate) pictures: Pictures,
    pub(crate) archive: Arc<dyn Store>,
    pub(crate) picture: tokio::sync::OnceCell<(Bytes, Label)>,
}

impl World {
    /// Starts the cloud. Must be called on the runtime that carries the calls out.
    ///
    /// # Errors
    /// No port or no disk.
    pub async fn start() -> anyhow::Result<Arc<Self>> {
        atelier_runtime::process::install_tls();
        let data = TempDir::new()?;
        let cloud = Cloud::start(Options {
            data: data.path().to_owned(),
            behavior: Behavior::new(Settings {
                latency: Duration::ZERO,
                throttle: 0.0,
                failure: 0.0,
            }),
        })
        .await?;
        let environment = || {
            Environment::of(cloud.environment().iter().cloned()).with([
                ("CLAIM_SECONDS", CLAIM_SECONDS),
                ("RETRY_SECONDS", "0.05"),
                ("RESEND_SECONDS", "3600"),
                // A receive waits a quarter of it.
                ("GRACE_SECONDS", "4"),
                ("WORKER_SLOTS", "1"),
                ("MAX_DIMENSION", "64"),
                ("CREATE_LIMIT_PER_MINUTE", "0"),
                ("LISTEN_ADDR", "127.0.0.1:0"),
                // So that every call is charged; no case comes near them.
                ("BUDGET_USD_PER_DAY", "1000"),
                ("BUDGET_USD_PER_TEACHER_PER_DAY", "1000"),
            ])
        };
        let mut worker = atelier_worker::Config::read(environment())?;
        let mut api = ApiConfig::read(environment())?;
        let credentials = Some(StaticCredentials {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
        });
        worker.cloud.credentials.clone_from(&credentials);
        api.cloud.credentials = credentials;
        let aws = Aws::connect(&worker.cloud).await;
        Ok(Arc::new(Self {
            upstreams: Upstreams::of(&worker.cloud)?,
            pictures: Pictures::new(&aws, &worker.bucket),
            picture: tokio::sync::OnceCell::new(),
            archive: atelier_store::open(&StoreConfig::at(archive_in(data.path())), Indexes::Leave)
                .await?,
            cloud,
            data,
            worker,
            api,
            aws,
        }))
    }

    /// A folder of this world, gone with it.
    pub(crate) fn folder(&self) -> &Path {
        self.data.path()
    }

    /// What `atelier audit` finds in the bucket of all cases, and in the documents of those that are
    /// cleared.
    ///
    /// # Errors
    /// The program is not built, or finds no answer.
    pub async fn audit(&self) -> anyhow::Result<Value> {
        let archive = ("STORE_URL".to_owned(), archive_in(self.folder()));
        let cloud = self.cloud.environment().iter().cloned();
        fleet::audit(cloud.chain([archive])).await
    }

    /// Calls to the model so far, by the cloud's own count.
    pub fn model_calls(&self) -> u64 {
        self.cloud.counters().get(Service::Bedrock, "calls")
    }
}

fn archive_in(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("archive.db").display())
}
