//! Passes one simulated process's requests to the embedded cloud, through its gate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use atelier_cloud::config::CloudConfig;
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri, request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::gate::Gate;
use crate::ledger::Ledger;

/// Where the services of the embedded cloud are.
#[derive(Clone, Debug)]
pub struct Upstreams {
    sqs: Authority,
    s3: Authority,
    bedrock: Authority,
    cdn: Authority,
    client: Client<HttpConnector, Full<Bytes>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Sqs,
    S3,
    Bedrock,
    Cdn,
}

impl Upstreams {
    /// Those that `config` names. Must be called on the runtime that carries the calls out.
    ///
    /// # Errors
    /// One is missing or no address.
    pub fn of(config: &CloudConfig) -> anyhow::Result<Self> {
        let authority = |url: &Option<String>| -> anyhow::Result<Authority> {
            let url = url.as_deref().unwrap_or_default().parse::<Uri>()?;
            let authority = url.authority().cloned();
            authority.ok_or_else(|| anyhow::anyhow!("an endpoint of the cloud is missing"))
        };
        Ok(Self {
            sqs: authority(&config.sqs_endpoint)?,
            s3: authority(&config.s3_endpoint)?,
            bedrock: authority(&config.model_endpoint)?,
            cdn: authority(&config.cdn_endpoint)?,
            client: Client::builder(TokioExecutor::new()).build_http(),
        })
    }
}

/// A listener for one simulated process. It serves all services: requests tell which is meant.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    _accepting: AbortOnDropHandle<()>,
}

/// No answer: the connection is closed.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the service did not answer")
    }
}

impl std::error::Error for Closed {}

impl Proxy {
    /// Listens on a free port.
    ///
    /// # Errors
    /// There is none.
    pub async fn start(
        gate: Arc<Gate>,
        ledger: Arc<Ledger>,
        upstreams: Upstreams,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (gate, ledger, upstreams) =
                    (Arc::clone(&gate), Arc::clone(&ledger), upstreams.clone());
                connections.spawn(async move {
                    let answer = service_fn(move |request| {
                        forward(
                            Arc::clone(&gate),
                            Arc::clone(&ledger),
                            upstreams.clone(),
                            request,
                        )
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
        Ok(Self {
            address,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// `config` with this in the place of every service.
    pub fn stand_in(&self, config: &mut CloudConfig) {
        let url = Some(format!("http://{}", self.address));
        config.sqs_endpoint.clone_from(&url);
        config.s3_endpoint.clone_from(&url);
        config.model_endpoint.clone_from(&url);
        config.cdn_endpoint = url;
    }
}

async fn forward(
    gate: Arc<Gate>,
    ledger: Arc<Ledger>,
    upstreams: Upstreams,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Closed> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let (service, call) = sort(&parts);
    let stored_before = ledger.is_stored();
    let stores = call == "s3: PUT";
    let at = Arc::clone(&gate);
    let work = async move {
        if service == Service::Bedrock {
            ledger.model_called(stored_before);
        }
        let mut answer = ask(&upstreams, service, parts, body).await?;
        if stores && answer.status().is_success() {
            ledger.stored();
        }
        if service == Service::Bedrock {
            renewals(&at, ledger.renewals_a_call.load(SeqCst)).await;
            if ledger.first_answer_fails.swap(false, SeqCst) {
                answer = Response::new(Full::default());
                *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            if answer.status().is_success() {
                ledger.model_billed();
            }
        }
        Ok(answer)
    };
    gate.pass(call, work).await
}

/// Returns when the worker has renewed its claim `wanted` times more, or is cut off.
async fn renewals(gate: &Gate, wanted: u64) {
    let goal = gate.renewals() as u64 + wanted;
    let mut activity = gate.activity();
    while (gate.renewals() as u64) < goal && !gate.is_cut() {
        tokio::select! {
            _ = activity.changed() => {}
            () = gate.reached() => return,
        }
    }
}

async fn ask(
    upstreams: &Upstreams,
    service: Service,
    mut parts: request::Parts,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, Closed> {
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(
        match service {
            Service::Sqs => &upstreams.sqs,
            Service::S3 => &upstreams.s3,
            Service::Bedrock => &upstreams.bedrock,
            Service::Cdn => &upstreams.cdn,
        }
        .clone(),
    );
    // The host header stays the client's own: it is signed.
    parts.uri = Uri::from_parts(uri).map_err(|_| Closed)?;
    let request = Request::from_parts(parts, Full::new(body));
    let answer = upstreams.client.request(request).await;
    let (parts, body) = answer.map_err(|_| Closed)?.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    Ok(Response::from_parts(parts, Full::new(body)))
}

/// Which service is meant, and what the call is named.
fn sort(parts: &request::Parts) -> (Service, String) {
    let (method, path) = (&parts.method, parts.uri.path());
    let target = parts.headers.get("x-amz-target");
    if let Some(target) = target.and_then(|it| it.to_str().ok()) {
        let operation = target.rsplit('.').next().unwrap_or(target);
        (Service::Sqs, format!("sqs: {operation}"))
    } else if path.starts_with("/model/") {
        (Service::Bedrock, "model: invoke".to_owned())
    } else if path.starts_with("/2020-05-31/") {
        (Service::Cdn, "cdn: invalidate".to_owned())
    } else {
        let sub = match parts.uri.query() {
            Some(query) if query.contains("versions") => " versions",
            Some(query) if query.contains("tagging") => " tagging",
            _ => "",
        };
        (Service::S3, format!("s3: {method}{sub}"))
    }
}
