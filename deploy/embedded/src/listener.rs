//! What every listener of the embedded cloud does alike: accept, strike with the faults in force,
//! hand the rest to the service.

use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::faults::{Fault, Faults, Kind, Service};

/// How long requests on their way may go on after the stop. A long poll would hold it for 20 s.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// Closes the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed by an ordered fault")]
struct Closed;

/// Serves `router` until `stop`, then returns when the requests on their way are done or their
/// half second of grace is over. Faults that look the same on every protocol (refuse, slow, hang,
/// lost reply, error) strike here; any other is put into the request's extensions as [`Fault`].
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
    mut request: Request<Body>,
    service: Service,
    faults: Faults,
    router: axum::Router,
) -> Result<Response<Body>, Closed> {
    let Some(fault) = faults.draw(service) else {
        return Ok(call(router, request).await);
    };
    match fault.kind {
        Kind::Refuse => Err(Closed),
        Kind::Hang => {
            faults.over(fault).await;
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
        Kind::Error => {
            let mut response = Response::new(Body::from("an ordered fault"));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            Ok(response)
        }
        _ => {
            request.extensions_mut().insert::<Fault>(fault);
            Ok(call(router, request).await)
        }
    }
}

async fn call(router: axum::Router, request: Request<Body>) -> Response<Body> {
    let Ok(response) = router.oneshot(request).await;
    response
}
