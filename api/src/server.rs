//! Accepts connections and serves them until the drain.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// How long a request's head may take to arrive, and how long a connection may be idle. Longer
/// than load balancers keep idle connections (60 s at AWS), so that they close first.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Connections beyond this wait to be accepted.
const MAX_CONNECTIONS: usize = 10_000;

/// Serves `router` until `draining`, then closes: idle connections at once, the others after the
/// answer that they wait for.
pub(crate) async fn serve(listener: TcpListener, router: Router, draining: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = draining.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(connection(stream, peer, router.clone(), draining.clone()));
            }
            // Out of file descriptors: the next accept may go better.
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.len() >= MAX_CONNECTIONS && !draining.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    draining: CancellationToken,
) {
    // Small answers must not wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    // An error is the peer's: it went away, or does not speak HTTP.
    tokio::select! {
        result = &mut connection => { let _ = result; }
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
