//! Stands before a MongoDB in tests, and does with the next commands of a kind what it is told to:
//! answers them as a server does that loses its majority, steps down or is cut off.

mod connection;
mod order;
mod rollback;
mod state;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use mongodb::Client;
use mongodb::bson::Document;
use mongodb::options::{ClientOptions, ServerAddress};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

pub use order::{Fault, Kind, Order};
use state::State;

/// A proxy on a free loopback port; closed when dropped.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    state: Arc<State>,
    _accepting: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Stands before the first server that `url` names.
    ///
    /// # Errors
    /// The address is malformed, or there is no free port.
    pub async fn before(url: &str) -> anyhow::Result<Self> {
        let options = ClientOptions::parse(url).await?;
        let server = options.hosts.first().context("a server is named")?;
        let ServerAddress::Tcp { host, port } = server else {
            anyhow::bail!("the server has no port");
        };
        let upstream = format!("{host}:{}", port.unwrap_or(27017));
        let state = Arc::new(State::new(upstream, Client::with_uri_str(url).await?));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self {
            url: with_host(url, address),
            _accepting: AbortOnDropHandle::new(tokio::spawn(accept(listener, Arc::clone(&state)))),
            state,
        })
    }

    /// The address of the server, through this.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on, the next commands meet this fault.
    pub fn order(&self, kind: Kind, times: u32, fault: Fault) {
        self.state.order(Order { kind, times, fault });
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.state.clear();
    }

    /// The commands that read or changed documents since the last look, without the documents.
    pub fn take_commands(&self) -> Vec<Document> {
        self.state.take_met()
    }

    /// How many commands met a fault so far.
    pub fn strikes(&self) -> watch::Receiver<u32> {
        self.state.strikes()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let _ = client.set_nodelay(true);
        // Whatever ends a connection shows at its client.
        connections.spawn(connection::serve(client, Arc::clone(&state)));
    }
}

/// `url` with this address in place of its hosts.
fn with_host(url: &str, address: SocketAddr) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("mongodb", url));
    let end = rest.find('/').unwrap_or(rest.len());
    format!("{scheme}://{address}{}", &rest[end..])
}
