//! The options of identity: which provider is trusted, and what its claims mean.

use std::net::IpAddr;

use atelier_domain::role::Role;
use atelier_runtime::config::{Environment, HttpConfig, Setting, is_http_url};
use ipnet::IpNet;

use crate::identity::claims::ClaimRules;
use crate::identity::secret::Secret;

/// Who is trusted to say who calls.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// The provider; `None` lets everybody do everything.
    pub sign_in: Option<SignInConfig>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// An identity provider (OpenID Connect), and what we are to it.
#[derive(Clone, Debug)]
pub struct SignInConfig {
    /// Its name, which is the address that its discovery document is found below.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// What we show it when we fetch tokens; `None` for a public client.
    pub client_secret: Option<Secret<String>>,
    /// Whom bearer tokens must be made for: one of these.
    pub audiences: Vec<String>,
    /// What the page asks for when it signs in.
    pub scopes: Vec<String>,
    /// What its claims mean.
    pub rules: ClaimRules,
    /// The address that people open, without a slash at its end; `None` where only this machine
    /// reaches us and nothing is said.
    pub public_url: Option<String>,
    /// Keys of the page's sessions, newest first, at least 32 bytes each. Where there is none, a
    /// process makes its own, and its sessions end with it.
    pub session_keys: Vec<Secret<Vec<u8>>>,
}

/// Read by the site's options, too.
pub(crate) const PUBLIC_URL: Setting = Setting {
    name: "PUBLIC_URL",
    default: None,
    help: "Address that people open in their browsers, such as https://atelier.example.org. Needed with AUTH_ISSUER unless only this machine reaches the API.",
};
const AUTH_CLIENT_ID: Setting = Setting {
    name: "AUTH_CLIENT_ID",
    default: None,
    help: "What the identity provider calls us. Needed with AUTH_ISSUER.",
};
const AUTH_CLIENT_SECRET: Setting = Setting {
    name: "AUTH_CLIENT_SECRET",
    default: None,
    help: "Our secret at the identity provider; not set for a public client.",
};
const AUTH_AUDIENCE: Setting = Setting {
    name: "AUTH_AUDIENCE",
    default: None,
    help: "`aud` of the bearer tokens that are taken; several are separated by commas. AUTH_CLIENT_ID where it is not set.",
};
const AUTH_SCOPES: Setting = Setting {
    name: "AUTH_SCOPES",
    default: Some("openid profile email"),
    help: "Scopes that the page signs in with, separated by blanks; `openid` is one of them.",
};
const AUTH_ROLES_CLAIM: Setting = Setting {
    name: "AUTH_ROLES_CLAIM",
    default: Some("roles"),
    help: "Claim that holds the roles or groups: a name, or a path such as realm_access.roles; several are separated by commas.",
};
const AUTH_ROLES: Setting = Setting {
    name: "AUTH_ROLES",
    default: Some("teacher=teacher,portal=portal,operator=operator"),
    help: "Which value of the claim gives which role, such as teacher=staff,operator=it-admins. A role may be named several times.",
};
const AUTH_TEACHER_CLAIM: Setting = Setting {
    name: "AUTH_TEACHER_CLAIM",
    default: Some("sub"),
    help: "Claim that is the `teacher_id` of a teacher: a name or a path.",
};
const SESSION_KEYS: Setting = Setting {
    name: "SESSION_KEYS",
    default: None,
    help: "Keys of the page's sessions, newest first, separated by commas: each the base64 or hexadecimal form of 32 random bytes or more (openssl rand -hex 32). All API processes have the same. Needed with AUTH_ISSUER unless only this machine reaches the API.",
};
const TRUSTED_PROXIES: Setting = Setting {
    name: "TRUSTED_PROXIES",
    default: None,
    help: "Networks of the proxies before the API, such as 10.0.0.0/16, separated by commas: the client's address is the right-most of X-Forwarded-For that is in none of them.",
};

/// The fewest random bytes that a session key is made of.
const MIN_SESSION_KEY_BYTES: usize = 32;

impl IdentityConfig {
    /// Its options, without those that [`HttpConfig`] and the site's have already.
    pub const SETTINGS: &[Setting] = &[
        AUTH_CLIENT_ID,
        AUTH_CLIENT_SECRET,
        AUTH_AUDIENCE,
        AUTH_SCOPES,
        AUTH_ROLES_CLAIM,
        AUTH_ROLES,
        AUTH_TEACHER_CLAIM,
        SESSION_KEYS,
        TRUSTED_PROXIES,
    ];

    /// Reads its options. `http` is where the API listens.
    pub fn read(environment: &mut Environment, http: &HttpConfig) -> Self {
        let only_this_machine = http.listen.is_none_or(|listen| listen.ip().is_loopback());
        Self {
            trusted_proxies: trusted_proxies(environment),
            sign_in: sign_in(environment, only_this_machine),
        }
    }
}

fn sign_in(environment: &mut Environment, only_this_machine: bool) -> Option<SignInConfig> {
    let Some(issuer) = environment.text(&HttpConfig::AUTH_ISSUER) else {
        for setting in [AUTH_CLIENT_ID, AUTH_CLIENT_SECRET, AUTH_AUDIENCE] {
            if environment.text(&setting).is_some() {
                environment.fault(&setting, "is set, but AUTH_ISSUER is not");
            }
        }
        return None;
    };
    check_address(environment, &HttpConfig::AUTH_ISSUER, &issuer);
    let client_id = environment.required(&AUTH_CLIENT_ID);
    let audiences = match environment.text(&AUTH_AUDIENCE) {
        Some(listed) => words(&listed, ','),
        None => vec![client_id.clone()],
    };
    if audiences.is_empty() {
        environment.fault(&AUTH_AUDIENCE, "must name at least one audience");
    }
    Some(SignInConfig {
        issuer,
        client_id,
        client_secret: environment.text(&AUTH_CLIENT_SECRET).map(Secret::new),
        audiences,
        scopes: scopes(environment),
        rules: rules(environment),
        public_url: public_url(environment, only_this_machine),
        session_keys: session_keys(environment, only_this_machine),
    })
}

fn words(listed: &str, between: char) -> Vec<String> {
    let words = listed.split(between).map(str::trim);
    words
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Who reads what goes over the network in the clear can take tokens and keys from it.
fn check_address(environment: &mut Environment, setting: &Setting, url: &str) {
    let said = format!("must be an address such as https://host, not `{url}`");
    if !is_http_url(url) {
        environment.fault(setting, &said);
    } else if !is_private(url) {
        let fault = format!("must begin with https:// unless it is this machine, not `{url}`");
        environment.fault(setting, &fault);
    }
}

/// Whether nobody else can read what goes to `url`: it is encrypted, or stays on this machine.
pub(crate) fn is_private(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else {
        return false;
    };
    let host = url.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    url.scheme_str() == Some("https")
        || host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn scopes(environment: &mut Environment) -> Vec<String> {
    let listed = environment.text(&AUTH_SCOPES).unwrap_or_default();
    let scopes: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
    if !scopes.iter().any(|scope| scope == "openid") {
        let fault = format!("must list `openid`, separated by blanks, not `{listed}`");
        environment.fault(&AUTH_SCOPES, &fault);
    }
    scopes
}

fn rules(environment: &mut Environment) -> ClaimRules {
    let roles_claims = environment.text(&AUTH_ROLES_CLAIM).unwrap_or_default();
    let listed = environment.text(&AUTH_ROLES).unwrap_or_default();
    let mut roles = Vec::new();
    for pair in words(&listed, ',') {
        let read = pair
            .split_once('=')
            .map(|(role, name)| (Role::parse(role.trim()), name.trim()));
        match read {
            Some((Some(role), name)) if !name.is_empty() => roles.push((role, name.to_owned())),
            _ => {
                let fault = format!(
                    "must list ROLE=VALUE, where ROLE is teacher, portal or operator, not `{pair}`"
                );
                environment.fault(&AUTH_ROLES, &fault);
            }
        }
    }
    ClaimRules {
        roles_claims: words(&roles_claims, ','),
        roles,
        teacher_claim: environment.text(&AUTH_TEACHER_CLAIM).unwrap_or_default(),
    }
}

fn public_url(environment: &mut Environment, only_this_machine: bool) -> Option<String> {
    let url = environment.text(&PUBLIC_URL);
    match &url {
        // That it is an address is checked where the site's names are read.
        Some(url) if is_http_url(url) => check_address(environment, &PUBLIC_URL, url),
        None if !only_this_machine => {
            environment.fault(&PUBLIC_URL, "is not set; AUTH_ISSUER needs it");
        }
        _ => {}
    }
    url.map(|url| url.trim_end_matches('/').to_owned())
}

fn session_keys(environment: &mut Environment, only_this_machine: bool) -> Vec<Secret<Vec<u8>>> {
    let listed = words(&environment.text(&SESSION_KEYS).unwrap_or_default(), ',');
    if listed.is_empty() && !only_this_machine {
        environment.fault(&SESSION_KEYS, "is not set; AUTH_ISSUER needs it");
    }
    let mut keys = Vec::new();
    for (at, text) in listed.iter().enumerate() {
        match session_key(text) {
            Some(key) => keys.push(Secret::new(key)),
            // The value is a secret: it may be a good key with a slip of the pen.
            None => {
                let fault = format!(
                    "must list keys of {MIN_SESSION_KEY_BYTES} bytes or more in base64 or hexadecimal; number {} is none",
                    at + 1
                );
                environment.fault(&SESSION_KEYS, &fault);
            }
        }
    }
    keys
}

/// A hexadecimal text is base64 too, but says less by that.
fn session_key(text: &str) -> Option<Vec<u8>> {
    let hex = hex_simd::decode_to_vec(text).ok();
    let base64 = || {
        let text = text.trim_end_matches('=');
        let standard = base64_simd::STANDARD_NO_PAD.decode_to_vec(text);
        standard
            .or_else(|_| base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text))
            .ok()
    };
    let key = hex.or_else(base64)?;
    (key.len() >= MIN_SESSION_KEY_BYTES).then_some(key)
}

fn trusted_proxies(environment: &mut Environment) -> Vec<IpNet> {
    let listed = environment.text(&TRUSTED_PROXIES).unwrap_or_default();
    let mut networks = Vec::new();
    for text in words(&listed, ',') {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        match text.parse::<IpNet>().or_else(|_| address()) {
            Ok(network) => networks.push(network),
            Err(_) => {
                let fault = format!("must list networks such as 10.0.0.0/16, not `{text}`");
                environment.fault(&TRUSTED_PROXIES, &fault);
            }
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn read(pairs: &[(&str, &str)]) -> Result<IdentityConfig, Vec<String>> {
        let mut environment = Environment::of(pairs.iter().copied());
        let http = HttpConfig::read_api(&mut environment);
        let config = IdentityConfig::read(&mut environment, &http);
        environment.finish(config).map_err(|faults| faults.0)
    }

    fn sign_in(pairs: &[(&str, &str)]) -> SignInConfig {
        read(pairs).unwrap().sign_in.unwrap()
    }

    const ISSUER: (&str, &str) = ("AUTH_ISSUER", "https://id.example.org");
    const CLIENT: (&str, &str) = ("AUTH_CLIENT_ID", "atelier");

    #[test]
    fn on_one_machine_an_issuer_and_a_client_are_enough() {
        assert!(read(&[]).unwrap().sign_in.is_none());
        let config = sign_in(&[ISSUER, CLIENT]);
        assert_eq!(config.audiences, ["atelier"]);
        assert_eq!(config.scopes, ["openid", "profile", "email"]);
        assert_eq!(config.rules.teacher_claim, "sub");
        assert_eq!(config.rules.roles.len(), 3);
        assert!(config.session_keys.is_empty() && config.public_url.is_none());
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let faults = read(&[
            ("LISTEN_ADDR", "0.0.0.0:8080"),
            ("AUTH_ISSUER", "http://id.example.org"),
            ("AUTH_SCOPES", "email"),
            ("AUTH_ROLES", "teacher=staff,chief=bob,operator="),
            ("SESSION_KEYS", "tooshort"),
            ("PUBLIC_URL", "http://atelier.example.org"),
            ("TRUSTED_PROXIES", "10.0.0.0/8,everybody"),
        ]);
        let faults = faults.unwrap_err();
        let named = |name: &str| faults.iter().filter(|it| it.starts_with(name)).count();
        for (name, times) in [
            ("AUTH_ISSUER ", 1),
            ("AUTH_CLIENT_ID ", 1),
            ("AUTH_SCOPES ", 1),
            ("AUTH_ROLES ", 2),
            ("SESSION_KEYS ", 1),
            ("PUBLIC_URL ", 1),
            ("TRUSTED_PROXIES ", 1),
        ] {
            assert_eq!(named(name), times, "{name} in {faults:#?}");
        }
        assert!(!faults.concat().contains("tooshort"), "a secret is told");
    }

    #[test]
    fn an_api_for_other_machines_needs_its_address_and_session_keys() {
        let faults = read(&[ISSUER, CLIENT, ("LISTEN_ADDR", "0.0.0.0:8080")]).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:#?}");
        assert!(faults[0].starts_with("PUBLIC_URL") && faults[1].starts_with("SESSION_KEYS"));
    }

    #[test]
    fn an_issuer_without_tls_is_taken_on_this_machine_alone() {
        for address in [
            "http://127.0.0.1:9000",
            "http://localhost:9000/a",
            "http://[::1]:1",
        ] {
            sign_in(&[("AUTH_ISSUER", address), CLIENT]);
        }
        for address in [
            "http://127.0.0.1.example.org",
            "http://10.0.0.1",
            "ftp://localhost",
        ] {
            let faults = read(&[("AUTH_ISSUER", address), CLIENT]).unwrap_err();
            assert!(faults[0].starts_with("AUTH_ISSUER "), "{address}");
        }
    }

    #[test]
    fn a_client_without_an_issuer_is_a_fault() {
        let faults = read(&[CLIENT]).unwrap_err();
        assert_eq!(faults, ["AUTH_CLIENT_ID is set, but AUTH_ISSUER is not"]);
    }

    #[test]
    fn session_keys_are_read_in_hexadecimal_and_both_kinds_of_base64() {
        let bytes: Vec<u8> = (0..32).map(|n| n ^ 0xff).collect();
        let standard = base64_simd::STANDARD.encode_to_string(&bytes);
        let url = base64_simd::URL_SAFE_NO_PAD.encode_to_string(&bytes);
        let keys = format!("{KEY}, {standard},{url}");
        let config = sign_in(&[ISSUER, CLIENT, ("SESSION_KEYS", &keys)]);
        let first: Vec<u8> = (0..32).collect();
        let read: Vec<_> = config
            .session_keys
            .iter()
            .map(|it| it.reveal().clone())
            .collect();
        assert_eq!(read, [first, bytes.clone(), bytes]);
        assert!(!format!("{config:?}").contains("255"), "a secret is shown");
    }

    #[test]
    fn roles_and_claims_are_lists() {
        let config = sign_in(&[
            ISSUER,
            CLIENT,
            (
                "AUTH_ROLES",
                "teacher=staff, teacher=aides,operator=it admins",
            ),
            ("AUTH_ROLES_CLAIM", "hd,email"),
            ("AUTH_AUDIENCE", "one, two"),
        ]);
        let expected = [
            (Role::Teacher, "staff".to_owned()),
            (Role::Teacher, "aides".to_owned()),
            (Role::Operator, "it admins".to_owned()),
        ];
        assert_eq!(config.rules.roles, expected);
        assert_eq!(config.rules.roles_claims, ["hd", "email"]);
        assert_eq!(config.audiences, ["one", "two"]);
    }
}
