//! The session of somebody who signed in with the page: all of it is in a sealed cookie, so that
//! every API process knows it and none must remember it.

use std::time::Duration;

use atelier_domain::role::Roles;
use atelier_domain::timestamp::Timestamp;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::identity::caller::{Caller, Proof};
use crate::identity::sealed::{SealedCookies, set_cookie};

/// The name of its cookie.
pub(crate) const COOKIE: &str = "__Host-atelier-session";

/// How long a session lasts unless it is renewed.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// How long a session lasts however often it is renewed: then people sign in again.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(12 * 3600);

/// The longest sealed value, in bytes: browsers keep cookies of 4096 bytes with their names.
const MAX_SEALED: usize = 4000;

/// The longest name of a person that is kept, in characters.
const MAX_NAME: usize = 100;

/// Somebody is signed in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The provider's name for the person.
    pub subject: String,
    /// What the person is.
    pub roles: Roles,
    /// The `teacher_id` of the person's own assignments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// What the person is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When the person signed in, in seconds since 1970.
    pub began: u64,
    /// Until when it holds, in seconds since 1970.
    pub until: u64,
    /// Fetches new tokens; kept where it fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Tells the provider whose session to end; kept where it fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

impl Session {
    /// `caller` signed in at `now`, in seconds since 1970.
    pub fn begin(caller: &Caller, now: u64) -> Self {
        let mut session = Self {
            subject: caller.subject.clone(),
            roles: Roles::default(),
            teacher: None,
            name: None,
            began: now,
            until: now + LIFETIME.as_secs(),
            refresh_token: None,
            id_token: None,
        };
        session.take_over(caller);
        session
    }

    /// Takes over what the provider says now of the person.
    pub(crate) fn take_over(&mut self, caller: &Caller) {
        self.roles = caller.roles.clone();
        self.teacher = caller.teacher.clone();
        let name = caller.name.as_ref();
        self.name = name.map(|name| name.chars().take(MAX_NAME).collect());
    }

    /// Whether half of its time is over at `now`, and it may still be made longer.
    pub(crate) fn is_to_be_renewed(&self, now: u64) -> bool {
        now + LIFETIME.as_secs() / 2 > self.until && self.until < self.last()
    }

    /// Makes it last from `now` on, within [`MAX_AGE`].
    pub(crate) fn renew(&mut self, now: u64) {
        self.until = (now + LIFETIME.as_secs()).min(self.last());
    }

    fn last(&self) -> u64 {
        self.began + MAX_AGE.as_secs()
    }

    /// The person, as a caller.
    pub(crate) fn caller(&self) -> Caller {
        Caller {
            subject: self.subject.clone(),
            roles: self.roles.clone(),
            teacher: self.teacher.clone(),
            name: self.name.clone(),
            proof: Proof::Session,
        }
    }

    /// The session that a request brings, unless it is over at `now`.
    pub fn read(cookies: &SealedCookies, headers: &HeaderMap, now: u64) -> Option<Self> {
        let text = cookies.open(COOKIE, headers)?;
        let session: Self = serde_json::from_str(&text).ok()?;
        (now < session.until).then_some(session)
    }

    /// Its sealed value: without tokens that do not fit into a cookie.
    pub fn seal(&self, cookies: &SealedCookies) -> String {
        let all = self.clone();
        let without_id = Self {
            id_token: None,
            ..all.clone()
        };
        let without_tokens = Self {
            refresh_token: None,
            ..without_id.clone()
        };
        let seal = |session: &Self| {
            let text = serde_json::to_string(session).expect("a session is plain data");
            cookies.seal(COOKIE, &text)
        };
        [all, without_id]
            .iter()
            .map(seal)
            .find(|sealed| sealed.len() <= MAX_SEALED)
            .unwrap_or_else(|| seal(&without_tokens))
    }

    /// The header that has the browser keep it, at `now`.
    pub(crate) fn set_cookie(&self, cookies: &SealedCookies, now: u64) -> HeaderValue {
        let left = Duration::from_secs(self.until.saturating_sub(now));
        set_cookie(COOKIE, &self.seal(cookies), left)
    }
}

/// The header that has the browser forget its session.
pub(crate) fn end() -> HeaderValue {
    set_cookie(COOKIE, "", Duration::ZERO)
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    // Since 1970 they are not negative.
    Timestamp::now().seconds() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::secret::Secret;
    use atelier_domain::role::Role;

    fn cookies() -> SealedCookies {
        SealedCookies::new(&[Secret::new(vec![7; 32])])
    }

    fn session() -> Session {
        let caller = Caller {
            subject: "s-1".to_owned(),
            roles: Roles::from_iter([Role::Teacher]),
            teacher: Some("t-1".to_owned()),
            name: Some("Ada".to_owned()),
            proof: Proof::Token,
        };
        Session::begin(&caller, 1000)
    }

    fn read(session: &Session, now: u64) -> Option<Session> {
        let cookie = format!("{COOKIE}={}", session.seal(&cookies()));
        let headers = HeaderMap::from_iter([(http::header::COOKIE, cookie.parse().unwrap())]);
        Session::read(&cookies(), &headers, now)
    }

    #[test]
    fn a_session_comes_back_as_it_was_until_it_is_over() {
        let session = session();
        assert_eq!(read(&session, 1000), Some(session.clone()));
        assert_eq!(read(&session, session.until - 1), Some(session.clone()));
        assert_eq!(read(&session, session.until), None);
    }

    #[test]
    fn it_is_renewed_after_half_its_time_up_to_its_greatest_age() {
        let mut session = session();
        assert!(!session.is_to_be_renewed(1000 + 1800));
        let mut now = 1000;
        while session.is_to_be_renewed(session.until - 1) {
            now = session.until - 1;
            assert!(session.is_to_be_renewed(now));
            session.renew(now);
            assert!(session.until > now + 1);
        }
        assert_eq!(session.until, 1000 + MAX_AGE.as_secs());
        assert!(now < session.until);
    }

    #[test]
    fn tokens_that_do_not_fit_into_a_cookie_are_left_out() {
        let with = |refresh: usize, id: usize| Session {
            refresh_token: Some("r".repeat(refresh)),
            id_token: Some("i".repeat(id)),
            ..session()
        };
        let kept = |session: Session| {
            assert!(session.seal(&cookies()).len() + COOKIE.len() < 4096);
            let read = read(&session, 1000).unwrap();
            assert_eq!(read.subject, session.subject);
            (read.refresh_token.is_some(), read.id_token.is_some())
        };
        assert_eq!(kept(with(1000, 1000)), (true, true));
        assert_eq!(kept(with(1000, 2500)), (true, false));
        assert_eq!(kept(with(3000, 1000)), (false, false));
        let widest = Session {
            subject: "\"".repeat(255),
            teacher: Some("𝄞".repeat(256)),
            name: Some("𝄞".repeat(MAX_NAME)),
            ..with(3000, 3000)
        };
        assert_eq!(kept(widest), (false, false));
    }
}
