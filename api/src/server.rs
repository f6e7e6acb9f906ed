//! Accepts connections and serves them until the drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use atelier_runtime::process;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::config::ServeConfig;
use crate::connections::{Connections, Noted, Place};

/// The largest head of a request, and the most that is buffered of a connection, in bytes.
const MAX_BUFFER: usize = 32 * 1024;

/// Open files that are left to the store, the services and the rest of the process.
const RESERVED_FILES: usize = 256;

/// What a connection gets while every other is in the middle of a request.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// Serves `router` until `draining`, then closes: idle connections at once, the others after the
/// answer that they wait for.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: &ServeConfig,
    draining: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let connections = Connections::new(most(config), config.head_timeout);
    let timeouts = {
        let (connections, draining) = (connections.clone(), draining.clone());
        tokio::spawn(async move { connections.enforce_timeouts(draining).await })
    };
    loop {
        let accepted = tokio::select! {
            () = draining.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match (accepted, connections.open()) {
            (Ok((stream, peer)), Some(place)) => {
                let (router, draining) = (router.clone(), draining.clone());
                tasks.spawn(connection(stream, peer, place, router, draining));
            }
            (Ok((stream, _)), None) => {
                let _ = stream.try_write(FULL);
            }
            // Out of file descriptors: the next accept may succeed.
            (Err(error), _) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
    timeouts.abort();
}

/// [`ServeConfig::max_connections`], or fewer where the limit of open files is lower.
fn most(config: &ServeConfig) -> usize {
    let allowed = process::open_files().saturating_sub(RESERVED_FILES).max(1);
    if allowed < config.max_connections {
        tracing::warn!(
            MAX_CONNECTIONS = config.max_connections,
            allowed,
            "fewer connections: the system's limit of open files is too low"
        );
    }
    config.max_connections.min(allowed)
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    router: Router,
    draining: CancellationToken,
) {
    // Small answers must not wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let state = Arc::clone(&place.connection);
    let stream = Noted {
        stream,
        connection: Arc::clone(&state),
    };
    let answer = hyper::service::service_fn(|request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let (router, state) = (router.clone(), Arc::clone(&state));
        async move {
            state.begin_request();
            let answer = router.oneshot(request).await;
            state.end_request();
            answer
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    // An error is the peer's: it went away, or does not speak HTTP.
    tokio::select! {
        result = &mut connection => { let _ = result; }
        () = place.connection.close.cancelled() => {}
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
