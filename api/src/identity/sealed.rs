//! Cookies that nobody but us can read or make.

use std::time::Duration;

use cookie::{Cookie, CookieJar, Key, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::identity::secret::Secret;

/// Seals cookies with the newest key, and opens those of every key. The name is sealed in, so that
/// one cookie cannot stand for another.
///
/// The names have the prefix `__Host-`, which makes browsers keep them to this very host and to
/// encrypted connections. Of the latter, browsers except those of the page's own machine (Chromium
/// and Firefox; Safari does not).
#[derive(Clone)]
pub struct SealedCookies {
    keys: Vec<Key>,
}

impl std::fmt::Debug for SealedCookies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedCookies({} keys)", self.keys.len())
    }
}

impl SealedCookies {
    /// With `keys`, newest first, at least 32 bytes each. Without any, one is made that ends with
    /// this process.
    pub fn new(keys: &[Secret<Vec<u8>>]) -> Self {
        let mut keys: Vec<_> = keys
            .iter()
            .map(|key| Key::derive_from(key.reveal()))
            .collect();
        if keys.is_empty() {
            keys.push(Key::generate());
        }
        Self { keys }
    }

    /// `value` under `name`, as it goes into a cookie.
    pub fn seal(&self, name: &str, value: &str) -> String {
        let mut jar = CookieJar::new();
        let cookie = Cookie::new(name.to_owned(), value.to_owned());
        jar.private_mut(&self.keys[0]).add(cookie);
        jar.get(name)
            .map_or_else(String::new, |it| it.value().to_owned())
    }

    /// What was sealed under `name` and came back, if it is ours and untouched.
    pub fn open(&self, name: &str, headers: &HeaderMap) -> Option<String> {
        let jar = CookieJar::new();
        let sealed = pairs(headers).filter(|(it, _)| *it == name);
        sealed
            .flat_map(|(name, value)| self.keys.iter().map(move |key| (key, name, value)))
            .find_map(|(key, name, value)| {
                let cookie = Cookie::new(name.to_owned(), value.to_owned());
                let opened = jar.private(key).decrypt(cookie)?;
                Some(opened.value().to_owned())
            })
    }
}

/// The names and values of the cookies in a request.
pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(COOKIE).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

/// The header that has a browser keep the cookie `name` for `lifetime`; no lifetime removes it.
pub(crate) fn set_cookie(name: &str, value: &str, lifetime: Duration) -> HeaderValue {
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    let cookie = Cookie::build((name, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::seconds(seconds))
        .build();
    HeaderValue::from_str(&cookie.to_string()).expect("a sealed value is base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(keys: &[u8]) -> SealedCookies {
        let keys: Vec<_> = keys.iter().map(|it| Secret::new(vec![*it; 32])).collect();
        SealedCookies::new(&keys)
    }

    fn sent(cookies: &[(&str, &str)]) -> HeaderMap {
        let pairs: Vec<_> = cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        HeaderMap::from_iter([(COOKIE, pairs.join("; ").parse().unwrap())])
    }

    #[test]
    fn a_rotated_key_still_opens_what_it_sealed_and_the_newest_seals() {
        let (old, rotated, new) = (cookies(&[1]), cookies(&[2, 1]), cookies(&[2]));
        let sealed = old.seal("a", "secret");
        assert!(!sealed.contains("secret"));
        let headers = sent(&[("b", "x"), ("a", &sealed)]);
        assert_eq!(rotated.open("a", &headers).as_deref(), Some("secret"));
        assert_eq!(new.open("a", &headers), None);
        let sealed = rotated.seal("a", "secret");
        let headers = sent(&[("a", &sealed)]);
        assert_eq!(new.open("a", &headers).as_deref(), Some("secret"));
        assert_eq!(old.open("a", &headers), None);
    }

    #[test]
    fn a_cookie_that_was_touched_or_renamed_does_not_open() {
        let cookies = cookies(&[1]);
        let sealed = cookies.seal("a", "secret");
        for at in 0..sealed.len() {
            let other = if sealed.as_bytes()[at] == b'A' {
                "B"
            } else {
                "A"
            };
            let touched = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
            let opened = cookies.open("a", &sent(&[("a", &touched)]));
            // The last characters may hold bits that no byte has.
            assert!(opened.is_none() || at + 3 > sealed.len(), "at {at}");
        }
        assert_eq!(cookies.open("b", &sent(&[("b", &sealed)])), None);
        assert_eq!(cookies.open("a", &sent(&[("a", ""), ("a", "!")])), None);
    }

    #[test]
    fn browsers_keep_it_to_this_host_and_from_scripts() {
        let header = set_cookie("__Host-a", "b+/=", Duration::from_secs(60));
        let header = header.to_str().unwrap();
        assert!(header.starts_with("__Host-a=b+/="), "{header}");
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=60"] {
            assert!(header.contains(attribute), "{attribute} in {header}");
        }
        assert!(!header.contains("Domain"));
    }
}
