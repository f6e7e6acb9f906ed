//! The API's answers in this process: its store is real, its queue is away.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use atelier_api::{ApiConfig, App, Findings, Services};
use atelier_cloud::client::Aws;
use atelier_cloud::config::StaticCredentials;
use atelier_runtime::config::Environment;
use atelier_store::{Indexes, Store};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Nothing listens at this port (TCPMUX).
const AWAY: &str = "http://127.0.0.1:1";

pub(crate) struct Api {
    pub runtime: Runtime,
    pub store: Arc<dyn Store>,
    router: Router,
    _folder: TempDir,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Api {
    pub(crate) fn start() -> anyhow::Result<Self> {
        atelier_runtime::process::install_tls();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let folder = TempDir::new()?;
        let store_url = format!("sqlite:{}", folder.path().join("atelier.db").display());
        let queue = format!("{AWAY}/000000000000/jobs");
        let environment = Environment::of([
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_SQS", AWAY),
            ("AWS_ENDPOINT_URL_S3", AWAY),
            ("AWS_ENDPOINT_URL_CLOUDFRONT", AWAY),
            ("S3_BUCKET_NAME", "pictures"),
            ("SQS_QUEUE_URL", queue.as_str()),
            ("SQS_DEAD_LETTER_QUEUE_URL", queue.as_str()),
            ("STORE_URL", store_url.as_str()),
            ("CREATE_LIMIT_PER_MINUTE", "0"),
            ("LISTEN_ADDR", "127.0.0.1:0"),
        ]);
        let mut config = ApiConfig::read(environment)?;
        config.cloud.credentials = Some(StaticCredentials {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
        });
        let (store, router) = runtime.block_on(async {
            let aws = Aws::connect(&config.cloud).await;
            let store = atelier_store::open(&config.store, Indexes::Leave).await?;
            let services = Services::new(&config, &aws, Arc::clone(&store));
            let findings = Findings::none(&services.queues);
            let app = App::new(config, services, findings, CancellationToken::new());
            anyhow::Ok((store, atelier_api::router(app)))
        })?;
        Ok(Self {
            runtime,
            store,
            router,
            _folder: folder,
        })
    }

    /// Asks; the answer must be JSON.
    pub(crate) async fn ask(&self, mut request: Request<Body>) -> anyhow::Result<Answer> {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
        request.extensions_mut().insert(ConnectInfo(peer));
        let (head, body) = self.router.clone().oneshot(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&body)
                .with_context(|| format!("{}: {body:?}", head.status))?,
        })
    }
}

impl Answer {
    /// The fields that a refusal names, sorted. It must be a problem document, and its words must
    /// name each of them.
    pub(crate) fn faults(&self) -> anyhow::Result<Vec<String>> {
        let kind = self.headers.get("content-type").context("no media type")?;
        anyhow::ensure!(kind == "application/problem+json", "it is {kind:?}");
        let text = |value: &Value| value.as_str().map(str::to_owned).context("no text");
        anyhow::ensure!(self.body["status"] == self.status.as_u16());
        anyhow::ensure!(!text(&self.body["detail"])?.is_empty(), "no words");
        let id = self.headers.get("x-correlation-id").context("no id")?;
        anyhow::ensure!(text(&self.body["correlation_id"])? == id.to_str()?);
        let none = Vec::new();
        let errors = self.body["errors"].as_array().unwrap_or(&none);
        let mut fields = Vec::new();
        for error in errors {
            let (field, detail) = (text(&error["field"])?, text(&error["detail"])?);
            anyhow::ensure!(
                detail.contains(&field),
                "{detail:?} does not name {field:?}"
            );
            fields.push(field);
        }
        fields.sort();
        fields.dedup();
        Ok(fields)
    }
}
