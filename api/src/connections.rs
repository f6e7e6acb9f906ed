//! The open connections of a process: bounded in number, and in the time that each may take for a
//! request's head or stay idle. When there are too many, the longest idle one makes room, so that
//! slow or idle clients keep nobody else out.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// How long a connection may be idle. Longer than load balancers keep idle connections (60 s at
/// AWS), so that they close first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Between two looks at all connections.
const INTERVAL: Duration = Duration::from_secs(1);

/// All open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Mutex<Open>,
    max: usize,
    head_timeout: Duration,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    by_number: HashMap<u64, Arc<Connection>>,
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Cancelled when it has to be closed.
    pub(crate) close: CancellationToken,
    phase: Mutex<Phase>,
}

/// What a connection is doing, since when.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing, or it sends an answer.
    Idle(Instant),
    /// Part of a request's head has arrived.
    Head(Instant),
    /// A request is being answered.
    Request,
}

impl Connection {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().expect("no panic while held")
    }

    /// A request's head is complete.
    pub(crate) fn begin_request(&self) {
        *self.phase() = Phase::Request;
    }

    /// The request has its answer.
    pub(crate) fn end_request(&self) {
        *self.phase() = Phase::Idle(Instant::now());
    }

    fn received(&self) {
        let mut phase = self.phase();
        if let Phase::Idle(_) = *phase {
            *phase = Phase::Head(Instant::now());
        }
    }

    fn sent(&self) {
        let mut phase = self.phase();
        if let Phase::Idle(_) = *phase {
            *phase = Phase::Idle(Instant::now());
        }
    }
}

/// A place among the open connections; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    number: u64,
    /// The connection.
    pub(crate) connection: Arc<Connection>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().by_number.remove(&self.number);
    }
}

impl Connections {
    /// At most `max`; a head may take `head_timeout` to arrive.
    pub(crate) fn new(max: usize, head_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::default(),
            max,
            head_timeout,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().expect("no panic while held")
    }

    /// A place for a new connection; where all are taken, the longest idle connection is closed.
    /// `None` if every connection is in the middle of a request.
    pub(crate) fn open(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.lock();
        if open.by_number.len() >= self.max {
            let idle = open.by_number.iter().filter_map(|(number, it)| {
                let (Phase::Idle(since) | Phase::Head(since)) = *it.phase() else {
                    return None;
                };
                Some((since, *number))
            });
            let (_, longest) = idle.min()?;
            if let Some(closed) = open.by_number.remove(&longest) {
                closed.close.cancel();
            }
        }
        let number = open.next;
        open.next += 1;
        let connection = Arc::new(Connection {
            close: CancellationToken::new(),
            phase: Mutex::new(Phase::Idle(Instant::now())),
        });
        open.by_number.insert(number, connection.clone());
        drop(open);
        Some(Place {
            connections: self.clone(),
            number,
            connection,
        })
    }

    /// Closes connections whose time is over, until `stop`.
    pub(crate) async fn enforce_timeouts(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            for connection in self.lock().by_number.values() {
                let over = match *connection.phase() {
                    Phase::Idle(since) => since.elapsed() >= IDLE_TIMEOUT,
                    Phase::Head(since) => since.elapsed() >= self.head_timeout,
                    Phase::Request => false,
                };
                if over {
                    connection.close.cancel();
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}

/// A stream that notes when bytes arrive or leave.
pub(crate) struct Noted {
    pub(crate) stream: TcpStream,
    pub(crate) connection: Arc<Connection>,
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.connection.received();
        }
        polled
    }
}

impl AsyncWrite for Noted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(_)) = polled {
            self.connection.sent();
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        if let Poll::Ready(Ok(_)) = polled {
            self.connection.sent();
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_connection_makes_room_and_one_with_a_request_never_does() {
        let connections = Connections::new(2, Duration::from_secs(10));
        let (first, second) = (connections.open().unwrap(), connections.open().unwrap());
        first.connection.begin_request();
        let third = connections.open().unwrap();
        assert!(second.connection.close.is_cancelled());
        assert!(!first.connection.close.is_cancelled());
        third.connection.begin_request();
        assert!(connections.open().is_none(), "all answer requests");
        third.connection.end_request();
        assert!(connections.open().is_some());
        assert!(third.connection.close.is_cancelled());
    }
}
