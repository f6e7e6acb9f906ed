//! An identity provider for tests: discovery, keys, and tokens of any kind.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use base64_simd::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use ring::{hmac, rand};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const CLIENT: &str = "atelier";

/// Made for these tests by `openssl genpkey -algorithm RSA`.
const RSA: &str = include_str!("../keys/rsa.pkcs8.base64");

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs() as i64
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A key of the provider.
pub(crate) struct Signer {
    id: String,
    pair: Pair,
}

impl Signer {
    pub(crate) fn rsa(id: &str) -> Self {
        let text: String = RSA.split_whitespace().collect();
        let der = base64_simd::STANDARD.decode_to_vec(text).unwrap();
        Self {
            id: id.to_owned(),
            pair: Pair::Rsa(RsaKeyPair::from_pkcs8(&der).unwrap()),
        }
    }

    pub(crate) fn p256(id: &str) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self {
            id: id.to_owned(),
            pair: Pair::P256(pair),
        }
    }

    pub(crate) fn ed25519(id: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        Self {
            id: id.to_owned(),
            pair: Pair::Ed25519(pair),
        }
    }

    fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// The public half, as a key set has it.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let parts: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
                json!({"kty": "RSA", "n": base64(parts.n), "e": base64(parts.e)})
            }
            Pair::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y)})
            }
            Pair::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key())})
            }
        };
        jwk["kid"] = json!(self.id);
        jwk["alg"] = json!(self.algorithm());
        jwk["use"] = json!("sig");
        jwk
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
            Pair::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_named(&self.id, claims)
    }

    /// A token that says that another key signed it.
    pub(crate) fn token_named(&self, id: &str, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "typ": "JWT", "kid": id});
        let message = message(&header, claims);
        let signature = self.sign(message.as_bytes());
        format!("{message}.{}", base64(signature))
    }
}

fn message(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|it| base64(it.to_string()));
    format!("{header}.{claims}")
}

/// A token that nobody signed.
pub(crate) fn unsigned(claims: &Value) -> String {
    format!("{}.", message(&json!({"alg": "none"}), claims))
}

/// A token that is signed with what everybody knows: the public key.
pub(crate) fn signed_by_public_key(id: &str, public: &[u8], claims: &Value) -> String {
    let message = message(&json!({"alg": "HS256", "kid": id}), claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, public);
    format!("{message}.{}", base64(hmac::sign(&key, message.as_bytes())))
}

/// Random characters that no token has twice.
pub(crate) fn random_id() -> String {
    let bytes: [u8; 16] = rand::generate(&SystemRandom::new()).unwrap().expose();
    base64(bytes)
}

/// What is served, and how often it was asked for.
#[derive(Default)]
pub(crate) struct Served {
    keys: Mutex<Vec<Value>>,
    issuer: Mutex<String>,
    base: Mutex<String>,
    pub away: AtomicBool,
    pub discoveries: AtomicU32,
    pub key_sets: AtomicU32,
}

/// A running provider.
pub(crate) struct Provider {
    pub issuer: String,
    pub signer: Signer,
    pub served: Arc<Served>,
    serving: JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let issuer = format!("http://{address}");
        let signer = Signer::rsa("first");
        let served = Arc::new(Served::default());
        *served.issuer.lock().unwrap() = issuer.clone();
        *served.base.lock().unwrap() = issuer.clone();
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .with_state(served.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let provider = Self {
            issuer,
            signer,
            served,
            serving,
        };
        provider.publish(&[&provider.signer]);
        provider
    }

    /// Serves the public halves of `signers` from here on.
    pub(crate) fn publish(&self, signers: &[&Signer]) {
        *self.served.keys.lock().unwrap() = signers.iter().map(|it| it.jwk()).collect();
    }

    /// Says from here on that it is somebody else.
    pub(crate) fn pretend(&self, issuer: &str) {
        *self.served.issuer.lock().unwrap() = issuer.to_owned();
    }

    /// The options of an API that trusts it.
    pub(crate) fn options(&self) -> Vec<(&str, &str)> {
        vec![("AUTH_ISSUER", &self.issuer), ("AUTH_CLIENT_ID", CLIENT)]
    }

    /// Good claims of somebody with these roles.
    pub(crate) fn claims(&self, subject: &str, roles: &[&str]) -> Value {
        json!({
            "iss": self.issuer, "aud": CLIENT, "sub": subject, "roles": roles,
            "iat": now(), "exp": now() + 600, "name": format!("The {subject}"),
        })
    }

    /// A good token of somebody with these roles.
    pub(crate) fn token(&self, subject: &str, roles: &[&str]) -> String {
        self.signer.token(&self.claims(subject, roles))
    }
}

type Answer = Result<Json<Value>, StatusCode>;

async fn discovery(State(served): State<Arc<Served>>) -> Answer {
    served.discoveries.fetch_add(1, Ordering::SeqCst);
    if served.away.load(Ordering::SeqCst) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let base = served.base.lock().unwrap().clone();
    let issuer = served.issuer.lock().unwrap().clone();
    Ok(Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })))
}

async fn keys(State(served): State<Arc<Served>>) -> Answer {
    served.key_sets.fetch_add(1, Ordering::SeqCst);
    if served.away.load(Ordering::SeqCst) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let keys = served.keys.lock().unwrap().clone();
    Ok(Json(json!({ "keys": keys })))
}
