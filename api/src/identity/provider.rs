//! The identity provider: its discovery document and its keys, kept here, since a request must not
//! wait for it and it must not be asked at each request.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::identity::keys::{Key, Keys};
use crate::identity::settings::is_private;

/// Between two looks for a key that is not known. The first look of a process does not count.
const REFETCH_INTERVAL: Duration = Duration::from_secs(60);

/// Between two looks while nothing is known yet.
const FIRST_INTERVAL: Duration = Duration::from_secs(5);

/// Keys are looked up again when they are this old, so that one that the provider gave up is given
/// up here.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// The longest that the provider may take for one document.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest document that is read, in bytes.
const MAX_DOCUMENT: usize = 1024 * 1024;

/// What is known of the provider.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its discovery document (OpenID Connect Discovery, section 3).
    pub document: Value,
    keys: Keys,
    fetched_at: Instant,
}

impl Known {
    /// The address in the discovery document under `name`, such as `end_session_endpoint`.
    pub(crate) fn endpoint(&self, name: &str) -> Option<&str> {
        self.document[name].as_str().filter(|url| is_private(url))
    }
}

/// The provider was never reached so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProviderAway {
    /// When the next look is, in seconds.
    pub retry_after: u64,
}

/// Why a key is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// The provider was never reached so far.
    Away(ProviderAway),
    /// The provider has no such key, as far as we know.
    Unknown,
}

/// An identity provider.
#[derive(Debug)]
pub(crate) struct Provider {
    issuer: String,
    http: reqwest::Client,
    known: RwLock<Option<Arc<Known>>>,
    /// When the provider was last asked; whoever holds it asks.
    asked: Mutex<Option<Instant>>,
}

impl Provider {
    /// Nothing is known of it yet, and nothing is asked.
    pub(crate) fn new(issuer: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("the TLS provider was installed first in main");
        Self {
            issuer: issuer.to_owned(),
            http,
            known: RwLock::default(),
            asked: Mutex::default(),
        }
    }

    /// What is known of it. The provider is asked only while nothing is.
    ///
    /// # Errors
    /// While it was never reached.
    pub(crate) async fn known(&self) -> Result<Arc<Known>, ProviderAway> {
        if let Some(known) = self.now_known() {
            return Ok(known);
        }
        let mut asked = self.asked.lock().await;
        // Somebody else may have asked while we waited.
        if let Some(known) = self.now_known() {
            return Ok(known);
        }
        if let Some(left) = left_of(FIRST_INTERVAL, *asked) {
            return Err(ProviderAway { retry_after: left });
        }
        // Noted before the answer, so that a request that is given up counts, too.
        *asked = Some(Instant::now());
        match self.ask().await {
            Ok(known) => {
                *asked = None;
                Ok(self.learn(known))
            }
            Err(cause) => {
                tracing::warn!(issuer = self.issuer, cause, "the identity provider is away");
                Err(ProviderAway {
                    retry_after: FIRST_INTERVAL.as_secs(),
                })
            }
        }
    }

    /// The key that signed a token with `algorithm`, by its id. The provider is asked about an id
    /// that is not known, at most once a minute in all.
    ///
    /// # Errors
    /// Where there is no such key.
    pub(crate) async fn key(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<Key>, NoKey> {
        let known = self.known().await.map_err(NoKey::Away)?;
        let known = match known.keys.find(id) {
            Some(_) => {
                self.refresh_if_old(&known);
                known
            }
            None => self.asked_again(&known).await.ok_or(NoKey::Unknown)?,
        };
        let key = known.keys.find(id).ok_or(NoKey::Unknown)?;
        if key.is_for(algorithm) {
            Ok(key)
        } else {
            Err(NoKey::Unknown)
        }
    }

    fn now_known(&self) -> Option<Arc<Known>> {
        self.known.read().expect("no panic while held").clone()
    }

    fn learn(&self, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        *self.known.write().expect("no panic while held") = Some(known.clone());
        known
    }

    /// Asks the provider, unless it was asked within the last minute. Returns what is newer than
    /// `before`.
    async fn asked_again(&self, before: &Arc<Known>) -> Option<Arc<Known>> {
        let mut asked = self.asked.lock().await;
        let newer = self.now_known().filter(|now| !Arc::ptr_eq(now, before));
        if newer.is_some() || left_of(REFETCH_INTERVAL, *asked).is_some() {
            return newer;
        }
        // Noted before the answer, so that a request that is given up counts, too.
        *asked = Some(Instant::now());
        match self.ask().await {
            Ok(known) => Some(self.learn(known)),
            Err(cause) => {
                tracing::warn!(
                    issuer = self.issuer,
                    cause,
                    "the identity provider is away; its keys are kept"
                );
                None
            }
        }
    }

    fn refresh_if_old(self: &Arc<Self>, known: &Arc<Known>) {
        // Whoever is first asks; the others go on with what is known.
        if known.fetched_at.elapsed() < MAX_AGE || self.asked.try_lock().is_err() {
            return;
        }
        let (provider, known) = (self.clone(), known.clone());
        tokio::spawn(async move { provider.asked_again(&known).await });
    }

    async fn ask(&self) -> Result<Known, String> {
        let base = self.issuer.trim_end_matches('/');
        let document = self
            .fetch(&format!("{base}/.well-known/openid-configuration"))
            .await?;
        // Otherwise one provider could speak for another (Discovery, section 4.3).
        if document["issuer"].as_str() != Some(&self.issuer) {
            return Err(format!(
                "its discovery document is {}'s",
                document["issuer"]
            ));
        }
        let keys_at = document["jwks_uri"].as_str().unwrap_or_default().to_owned();
        if !is_private(&keys_at) {
            return Err(format!("`jwks_uri` is `{keys_at}`, which is not https"));
        }
        let key_set = self.fetch(&keys_at).await?;
        let keys = Keys::read(&key_set);
        if keys.is_empty() {
            return Err(format!("{keys_at} has no key that can be used"));
        }
        Ok(Known {
            document,
            keys,
            fetched_at: Instant::now(),
        })
    }

    async fn fetch(&self, url: &str) -> Result<Value, String> {
        let fault = |error: reqwest::Error| format!("{url}: {error:?}");
        let mut answer = self.http.get(url).send().await.map_err(fault)?;
        if !answer.status().is_success() {
            return Err(format!("{url} answers {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(fault)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_DOCUMENT {
                return Err(format!("{url} has more than {MAX_DOCUMENT} bytes"));
            }
        }
        serde_json::from_slice(&body).map_err(|error| format!("{url} has no JSON: {error}"))
    }
}

/// The whole seconds, 1 at least, until `interval` is over since `start`; `None` if it is.
fn left_of(interval: Duration, start: Option<Instant>) -> Option<u64> {
    let left = interval.checked_sub(start?.elapsed())?;
    Some(left.as_secs() + 1)
}
