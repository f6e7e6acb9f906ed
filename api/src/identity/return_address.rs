//! Where somebody goes back to after signing in: to a page of ours, and nowhere else.

use url::Url;

/// The longest that is remembered, in bytes.
const MAX_BYTES: usize = 1024;

/// `wanted` where it is a path of ours, with query and fragment; else `/`.
///
/// What a browser, a proxy or a library may take for another host is refused in every form: two
/// slashes, backslashes, control characters, also percent-encoded, however often.
pub(crate) fn return_address(wanted: &str) -> String {
    own_path(wanted).unwrap_or_else(|| "/".to_owned())
}

fn own_path(wanted: &str) -> Option<String> {
    if wanted.len() > MAX_BYTES {
        return None;
    }
    let mut form = wanted.to_owned();
    loop {
        if !looks_like_own_path(&form) {
            return None;
        }
        let path = form.split(['?', '#']).next().unwrap_or_default();
        let decoded = percent_decoded(path)?;
        if decoded == path {
            break;
        }
        form = decoded;
    }
    // What a browser makes of it.
    let here = Url::parse("http://here.invalid/").ok()?;
    let there = here.join(wanted).ok()?;
    let path = there.path();
    if there.origin() != here.origin() || path.starts_with("//") || path.starts_with("/auth/") {
        return None;
    }
    Some(there[url::Position::BeforePath..].to_owned())
}

fn looks_like_own_path(text: &str) -> bool {
    text.starts_with('/')
        && !text.starts_with("//")
        && !text.contains(['\\', '\u{7f}'])
        && !text.chars().any(char::is_control)
}

/// One layer of percent-encoding less; none where the bytes are no text.
fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .filter(|hex| hex.bytes().all(|it| it.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pages_of_ours_are_gone_back_to() {
        for own in [
            "/",
            "/show",
            "/show?teacher_id=Ms.%20Okafor%2F%2F&status=failed",
            "/complete/a%2Fb",
            "/fleet#letters",
        ] {
            assert_eq!(return_address(own), own);
        }
    }

    #[test]
    fn every_way_to_another_host_leads_home() {
        for other in [
            "",
            "show",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "/%2Fevil.example",
            "/%252Fevil.example",
            "/%5Cevil.example",
            "/%255cevil.example",
            "/%09/evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "%2F%2Fevil.example",
            "https://evil.example/",
            "HTTPS:evil.example",
            "javascript:alert(1)",
            "data:text/html,hi",
            " //evil.example",
            "/.//evil.example",
            "/show/..//evil.example",
            "@evil.example",
            "/auth/sign-in",
            "/show/../auth/sign-in",
        ] {
            assert_eq!(return_address(other), "/", "{other:?}");
        }
        assert_eq!(return_address(&format!("/{}", "a".repeat(2000))), "/");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whatever_is_wanted_stays_on_this_host(
            wanted in prop_oneof![
                any::<String>(),
                "[/\\\\%.:@?#a-f0-9 \t\n]{0,24}",
                "(/|%2f|%5c|%252f|\\\\|\\.){0,6}[a-z.]{0,8}",
            ]
        ) {
            let there = return_address(&wanted);
            let here = Url::parse("https://atelier.example/auth/callback").unwrap();
            let url = here.join(&there).unwrap();
            prop_assert_eq!(url.origin(), here.origin());
            prop_assert!(there.starts_with('/') && !there.starts_with("//"));
            prop_assert!(!there.contains('\\') && there.is_ascii());
        }
    }
}
