//! Things that workers depend on and that can be switched off: a role's credentials, and the line
//! to a store.

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::timestamp::Timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// On or off; clones are the same switch.
#[derive(Clone)]
pub(crate) struct Switch(Arc<watch::Sender<bool>>);

impl Switch {
    fn on() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }

    pub(crate) fn set(&self, on: bool) {
        self.0.send_replace(on);
    }

    fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    async fn is_off(&self) {
        let _ = self.0.subscribe().wait_for(|on| !on).await;
    }
}

/// For how long credentials are given out. The SDK asks for others 5 to 10 s before they end.
const VALID_FOR: Duration = Duration::from_secs(12);

/// Answers as ECS's credentials endpoint does; what it gives out ends soon. Returns its address.
pub(crate) async fn role() -> (String, Switch) {
    let switch = Switch::on();
    let router = axum::Router::new()
        .route("/role", get(credentials))
        .with_state(switch.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/role", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, switch)
}

async fn credentials(State(switch): State<Switch>) -> Response {
    if !switch.is_on() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let ends = Timestamp::now() + VALID_FOR;
    Json(json!({
        "AccessKeyId": "test",
        "SecretAccessKey": "test",
        "Token": "of-the-role",
        "Expiration": ends.rfc3339(),
    }))
    .into_response()
}

/// A line to the server at `address` (host and port). Where it is off, nobody is there. Returns
/// the address of its near end.
pub(crate) async fn line_to(address: String) -> (String, Switch) {
    let switch = Switch::on();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = listener.local_addr().unwrap().to_string();
    let line = switch.clone();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            if !line.is_on() {
                continue;
            }
            let (address, line) = (address.clone(), line.clone());
            tokio::spawn(async move {
                let mut far = TcpStream::connect(&address).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    () = line.is_off() => {}
                }
            });
        }
    });
    (near, switch)
}
