//! `atelier --sign-in`: the embedded identity provider, and what the API needs to trust it.

use std::net::SocketAddr;

use anyhow::Context as _;
use atelier_embedded::identity_provider::{self, ACCOUNTS, Client};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the provider calls the API.
const CLIENT_ID: &str = "atelier";

/// An identity provider that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct IdentityProvider {
    issuer: String,
    stop: CancellationToken,
}

impl IdentityProvider {
    /// Starts it on a free port of loopback, for an API that people reach at `public_url`.
    ///
    /// # Errors
    /// Where no port is free.
    pub(crate) async fn start(public_url: &str) -> anyhow::Result<Self> {
        let socket = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no port is free for the identity provider")?;
        let issuer = format!("http://{}", socket.local_addr()?);
        let client = Client {
            id: CLIENT_ID.to_owned(),
            secret: None,
            redirect_uris: vec![format!("{public_url}/auth/callback")],
            post_logout_redirect_uris: vec![format!("{public_url}/auth/signed-out")],
        };
        let router = identity_provider::router(&issuer, vec![client])?;
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            let served = axum::serve(socket, router).with_graceful_shutdown(stopped);
            if let Err(error) = served.await {
                tracing::error!(%error, "the identity provider ended");
            }
        });
        Ok(Self { issuer, stop })
    }

    /// The options of an API that trusts it.
    pub(crate) fn environment(&self, public_url: &str) -> Vec<(String, String)> {
        [
            ("AUTH_ISSUER", self.issuer.as_str()),
            ("AUTH_CLIENT_ID", CLIENT_ID),
            ("PUBLIC_URL", public_url),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Where people reach an API on this machine that listens on `address`.
pub(crate) fn public_url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://127.0.0.1:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// Options that would say of another provider; `--sign-in` takes the place of all.
pub(crate) const OF_ANOTHER_PROVIDER: [&str; 9] = [
    "AUTH",
    "AUTH_ISSUER",
    "AUTH_CLIENT_ID",
    "AUTH_CLIENT_SECRET",
    "AUTH_AUDIENCE",
    "AUTH_SCOPES",
    "AUTH_ROLES_CLAIM",
    "AUTH_ROLES",
    "AUTH_TEACHER_CLAIM",
];

/// With whom one can sign in, as one line.
pub(crate) fn accounts() -> String {
    let names: Vec<_> = ACCOUNTS.iter().map(|it| it.name).collect();
    match names.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
