//! What was granted and not yet fetched: codes, and refresh tokens. Each serves once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64_simd::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::account::Account;
use super::clock::now;

/// How long a code serves, in seconds.
const CODE_SECONDS: u64 = 60;

/// How long a refresh token serves, in seconds: half a day.
const REFRESH_SECONDS: u64 = 12 * 3600;

/// Somebody signed in, for a client.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) account: &'static Account,
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
    /// When the person signed in, in seconds since 1970.
    pub(super) auth_time: u64,
}

/// A grant that a code stands for.
#[derive(Clone, Debug)]
pub(super) struct CodeGrant {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    pub(super) code_challenge: String,
}

/// All that can still be fetched.
#[derive(Debug, Default)]
pub(super) struct Grants {
    codes: Once<CodeGrant>,
    refresh_tokens: Once<Grant>,
}

impl Grants {
    /// A code for `grant`.
    pub(super) fn code(&self, grant: CodeGrant) -> String {
        self.codes.put(grant, CODE_SECONDS)
    }

    /// What `code` stands for, once.
    pub(super) fn of_code(&self, code: &str) -> Option<CodeGrant> {
        self.codes.take(code)
    }

    /// A refresh token for `grant`.
    pub(super) fn refresh_token(&self, grant: Grant) -> String {
        self.refresh_tokens.put(grant, REFRESH_SECONDS)
    }

    /// What `token` stands for, once: the answer has a new one.
    pub(super) fn of_refresh_token(&self, token: &str) -> Option<Grant> {
        self.refresh_tokens.take(token)
    }
}

/// Values under random names, each taken once before its time is up.
#[derive(Debug)]
struct Once<T>(Mutex<HashMap<String, (u64, T)>>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Once<T> {
    fn put(&self, value: T, seconds: u64) -> String {
        let name = random_name();
        let now = now();
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.retain(|_, (until, _)| *until > now);
        values.insert(name.clone(), (now + seconds, value));
        name
    }

    fn take(&self, name: &str) -> Option<T> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, value) = values.remove(name)?;
        (until > now()).then_some(value)
    }
}

/// 256 random bits.
fn random_name() -> String {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random bytes");
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}
