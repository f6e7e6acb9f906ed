//! How every process of ours starts and ends.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigFaults, EXIT_CODE};

/// Makes ring the process's TLS provider; first in every main, since clients panic without one.
pub fn install_tls() {
    // An error says that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Parses the flags of this process; bad ones end it with exit code 64, as bad options do.
pub fn parse_flags(command: clap::Command) -> clap::ArgMatches {
    command.try_get_matches().unwrap_or_else(|error| {
        let _ = error.print();
        std::process::exit(if error.use_stderr() {
            EXIT_CODE.into()
        } else {
            0
        })
    })
}

/// How many files this process may have open, connections among them: the limit is raised as far as
/// the system allows. A shell's usual 1024 would let idle clients keep out the store.
pub fn open_files() -> usize {
    let limit = rlimit::increase_nofile_limit(u64::MAX);
    limit.map_or(1024, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Connections that may wait to be accepted; what is beyond is tried again by its kernel after a
/// second. The default of `net.core.somaxconn`, which bounds it, since Linux 5.4.
const BACKLOG: u32 = 4096;

/// Listens on `address`.
///
/// # Errors
/// Where the system refuses it, as for an address in use.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart need not wait for the connections of the process before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Runs `work` on a runtime of its own. An error is printed with its causes; the exit code is 64
/// for a configuration that cannot be used, else 1.
pub fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(work);
    // What blocks still, such as an encoder, must not hold the process up.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            if error.is::<ConfigFaults>() {
                EXIT_CODE.into()
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Signals within this time of the first are the same stop: a terminal and a supervisor may both
/// send one.
const ONE_STOP: Duration = Duration::from_secs(1);

/// A token that is cancelled at the first SIGTERM or SIGINT; another signal, a second later or more,
/// ends the process at once. Must be called on a runtime.
pub fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let told = stop.clone();
    let mut terminate = signals(SignalKind::terminate());
    let mut interrupt = signals(SignalKind::interrupt());
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        tracing::info!("told to stop");
        told.cancel();
        let first = Instant::now();
        loop {
            next().await;
            if first.elapsed() >= ONE_STOP {
                break;
            }
        }
        tracing::warn!("ended at once by a second signal");
        std::process::exit(1);
    });
    stop
}

/// A token that is cancelled `grace` after `stop`. Must be called on a runtime.
pub fn grace_over(stop: &CancellationToken, grace: Duration) -> CancellationToken {
    let (stop, over) = (stop.clone(), CancellationToken::new());
    let cancel = over.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        sleep(grace).await;
        cancel.cancel();
    });
    over
}

fn signals(kind: SignalKind) -> tokio::signal::unix::Signal {
    signal(kind).expect("signals can be listened to on a runtime")
}
