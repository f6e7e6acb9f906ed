//! The listener of every service: accepts connections, applies the faults in force, passes the
//! rest to the service.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::faults::{Answer, Fault, Faults, Kind, Service};

/// How long requests in progress may go on after the stop; a long poll could last 20 s.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// Closes the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed by an ordered fault")]
struct Closed;

/// Serves `router` until `stop`, then returns when the requests in progress are done or their
/// 500 ms of grace are over. Faults that strike on every protocol alike (refuse, slow, hang,
/// lost reply, cut, error, an ordered answer) strike here; any other is put into the request's
/// extensions as [`Fault`].
pub async fn serve(
    listener: TcpListener,
    service: Service,
    faults: Faults,
    router: axum::Router,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of file descriptors: the next accept may go better.
                Err(error) => {
                    tracing::warn!(?service, %error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small answers must not wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let (faults, router, stop) = (faults.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                strike(
                    request.map(Body::new),
                    service,
                    faults.clone(),
                    router.clone(),
                )
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer);
            tokio::pin!(connection);
            tokio::select! {
                _ = &mut connection => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = tokio::time::timeout(STOP_GRACE, connection).await;
                }
            }
        });
    }
    connections.close();
    connections.wait().await;
}

async fn strike(
    request: Request<Body>,
    service: Service,
    faults: Faults,
    router: axum::Router,
) -> Result<Response<Body>, Closed> {
    let (parts, body) = request.into_parts();
    let fault = faults.draw(service, &parts);
    let mut request = Request::from_parts(parts, body);
    let Some(fault) = fault else {
        return Ok(call(router, request).await);
    };
    match fault.kind {
        Kind::Refuse => Err(Closed),
        Kind::Hang => {
            faults.over(&fault).await;
            Err(Closed)
        }
        Kind::Slow => {
            tokio::time::sleep(fault.delay).await;
            Ok(call(router, request).await)
        }
        Kind::LostReply => {
            call(router, request).await;
            Err(Closed)
        }
        Kind::Cut => cut(call(router, request).await).await,
        Kind::Error => {
            let error = Answer {
                status: 500,
                body: "an ordered fault".to_owned(),
                ..Answer::default()
            };
            Ok(answer(&error, service, request).await)
        }
        Kind::Answer => {
            let ordered = fault.answer.unwrap_or_default();
            Ok(answer(&ordered, service, request).await)
        }
        _ => {
            request.extensions_mut().insert::<Fault>(fault);
            Ok(call(router, request).await)
        }
    }
}

/// Reads the request to its end first: a client that still sends would see a reset connection in
/// place of the answer.
async fn answer(answer: &Answer, service: Service, request: Request<Body>) -> Response<Body> {
    let mut body = request.into_body().into_data_stream();
    while let Some(Ok(_)) = body.next().await {}
    answer.response(service)
}

/// The response with the first half of its body, whose `content-length` promises the whole; then
/// the connection is closed.
async fn cut(response: Response<Body>) -> Result<Response<Body>, Closed> {
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|_| Closed)?;
    if body.is_empty() {
        return Err(Closed);
    }
    let length = HeaderValue::from(body.len());
    parts.headers.insert(header::CONTENT_LENGTH, length);
    let half = body.slice(..body.len() / 2);
    let end = stream::once(async {
        // Lets the connection send the half before it learns of the end.
        tokio::task::yield_now().await;
        Err(Closed)
    });
    let halves = stream::iter([Ok::<Bytes, Closed>(half)]).chain(end);
    Ok(Response::from_parts(parts, Body::from_stream(halves)))
}

async fn call(router: axum::Router, request: Request<Body>) -> Response<Body> {
    let Ok(response) = router.oneshot(request).await;
    response
}
