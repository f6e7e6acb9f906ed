//! CloudFront's signed URLs with a canned policy:
//! <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html>.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

/// Seconds.
const DAY: u64 = 24 * 60 * 60;

/// The only size of RSA keys that CloudFront takes, in bytes (2048 bits):
/// <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_PublicKey.html>.
const KEY_BYTES: usize = 256;

/// Signed URLs that are kept, some 600 bytes each: a signature takes most of a millisecond.
const MAX_KEPT: usize = 20_000;

/// Signs URLs with the private key of a CloudFront key pair. Clones share what is signed.
#[derive(Clone)]
pub struct UrlSigner(Arc<Signer>);

struct Signer {
    key_id: String,
    key: RsaKeyPair,
    kept: Mutex<Kept>,
}

/// What was signed to end at the same time.
#[derive(Default)]
struct Kept {
    ends: u64,
    signed: HashMap<String, String>,
}

/// Why a text is no private key that CloudFront takes. It says nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Neither a PEM nor its base64.
    #[error("must be a private key as PEM (`-----BEGIN PRIVATE KEY-----`), or the base64 of one")]
    NoPem,
    /// A key of another kind or size.
    #[error("must be an RSA key of 2048 bits, the only one that CloudFront takes from us")]
    OtherKey,
}

impl UrlSigner {
    /// Signs as `key_id`, which is CloudFront's id of the public key, with the private key in `pem`:
    /// PKCS #8 or PKCS #1. Its line ends may be written `\n`, and all of it in base64, for
    /// environments that take a line only.
    ///
    /// # Errors
    /// Where there is no such key in it.
    pub fn new(key_id: &str, pem: &str) -> Result<Self, BadKey> {
        let key = match read_pem(pem)? {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(BadKey::OtherKey),
        };
        let key = key.map_err(|_| BadKey::OtherKey)?;
        if key.public().modulus_len() != KEY_BYTES {
            return Err(BadKey::OtherKey);
        }
        Ok(Self(Arc::new(Signer {
            key_id: key_id.to_owned(),
            key,
            kept: Mutex::default(),
        })))
    }

    /// `url` so that CloudFront serves it until tomorrow's end in UTC. It is
    /// the same text all day, and valid for a day at least.
    pub fn sign(&self, url: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.sign_at(url, now.unwrap_or_default().as_secs())
    }

    fn sign_at(&self, url: &str, now: u64) -> String {
        let ends = (now / DAY + 2) * DAY;
        if let Some(signed) = self.kept(ends).signed.get(url) {
            return signed.clone();
        }
        let signature = self.signature(&canned_policy(url, ends));
        let more = if url.contains('?') { '&' } else { '?' };
        let signed = format!(
            "{url}{more}Expires={ends}&Signature={signature}&Key-Pair-Id={}&Hash-Algorithm=SHA256",
            self.0.key_id
        );
        let mut kept = self.kept(ends);
        if kept.signed.len() >= MAX_KEPT {
            kept.signed.clear();
        }
        kept.signed.insert(url.to_owned(), signed.clone());
        signed
    }

    /// What is kept of those that end at `ends`; all others are dropped.
    fn kept(&self, ends: u64) -> MutexGuard<'_, Kept> {
        let mut kept = self.0.kept.lock().expect("no panic while held");
        if kept.ends != ends {
            *kept = Kept {
                ends,
                signed: HashMap::new(),
            };
        }
        kept
    }

    /// In base64, with CloudFront's characters for those that mean something in a query.
    fn signature(&self, policy: &str) -> String {
        let mut bytes = [0; KEY_BYTES];
        let random = SystemRandom::new();
        self.0
            .key
            .sign(&RSA_PKCS1_SHA256, &random, policy.as_bytes(), &mut bytes)
            .expect("the buffer has the key's size");
        let base64 = base64_simd::STANDARD.encode_to_string(bytes);
        base64.replace('+', "-").replace('=', "_").replace('/', "~")
    }
}

impl fmt::Debug for UrlSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlSigner")
            .field("key_id", &self.0.key_id)
            .finish_non_exhaustive()
    }
}

/// Byte for byte what CloudFront makes of the request to check the signature.
fn canned_policy(url: &str, ends: u64) -> String {
    format!(
        r#"{{"Statement":[{{"Resource":"{url}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{ends}}}}}}}]}}"#
    )
}

fn read_pem(text: &str) -> Result<PrivateKeyDer<'static>, BadKey> {
    let decoded;
    let text = if text.trim_start().starts_with("-----BEGIN") {
        text
    } else {
        let base64: String = text.split_whitespace().collect();
        let bytes = base64_simd::STANDARD
            .decode_to_vec(base64)
            .map_err(|_| BadKey::NoPem)?;
        decoded = String::from_utf8(bytes).map_err(|_| BadKey::NoPem)?;
        &decoded
    };
    let lines = text.replace("\\n", "\n");
    PrivateKeyDer::from_pem_slice(lines.as_bytes()).map_err(|_| BadKey::NoPem)
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    /// Made by `openssl genrsa` for these tests alone.
    const PKCS8: &str = include_str!("../tests/keys/pkcs8.pem");
    const PKCS1: &str = include_str!("../tests/keys/pkcs1.pem");
    const SHORT: &str = include_str!("../tests/keys/1024_bits.pem");
    const CURVE: &str = include_str!("../tests/keys/p256.pem");
    /// `openssl dgst -sha256 -sign pkcs8.pem` of the policy of [`PICTURE`] that ends at 1,767,312,000.
    const BY_OPENSSL: &str = include_str!("../tests/keys/signature.txt");

    const PICTURE: &str = "https://d111111abcdef8.cloudfront.net/generated_images/a-1.webp";
    /// 2025-12-31T00:00:00Z.
    const MIDNIGHT: u64 = 1_767_139_200;

    fn signer() -> UrlSigner {
        UrlSigner::new("K2JCJMDEHXQW5F", PKCS8).unwrap()
    }

    #[test]
    fn a_signed_url_is_what_openssl_makes_of_the_documented_policy() {
        let signed = signer().sign_at(PICTURE, MIDNIGHT + 3600);
        let expected = format!(
            "{PICTURE}?Expires=1767312000&Signature={}&Key-Pair-Id=K2JCJMDEHXQW5F&Hash-Algorithm=SHA256",
            BY_OPENSSL.trim()
        );
        assert_eq!(signed, expected);
    }

    #[test]
    fn a_url_is_the_same_all_day_in_every_process_and_valid_for_a_day_at_least() {
        let first = signer().sign_at(PICTURE, MIDNIGHT);
        let last = signer().sign_at(PICTURE, MIDNIGHT + DAY - 1);
        assert_eq!(first, last);
        assert!(last.contains(&format!("Expires={}&", MIDNIGHT + 2 * DAY)));
        let next = signer().sign_at(PICTURE, MIDNIGHT + DAY);
        assert_ne!(next, last);
    }

    #[test]
    fn what_is_kept_is_not_handed_out_on_another_day_or_for_another_picture() {
        let signer = signer();
        let today = signer.sign_at(PICTURE, MIDNIGHT);
        assert_eq!(signer.sign_at(PICTURE, MIDNIGHT), today);
        let other = signer.sign_at(&format!("{PICTURE}x"), MIDNIGHT);
        assert!(other.starts_with(&format!("{PICTURE}x?")));
        let tomorrow = signer.sign_at(PICTURE, MIDNIGHT + DAY);
        assert_ne!(tomorrow, today);
        assert_eq!(
            signer.sign_at(PICTURE, MIDNIGHT),
            today,
            "a clock that was set back"
        );
    }

    #[test]
    fn the_signature_is_of_the_policy_and_of_nothing_else() {
        let signer = signer();
        let signed = signer.sign_at(PICTURE, MIDNIGHT);
        let text = signed
            .split(['&', '?'])
            .find_map(|it| it.strip_prefix("Signature="));
        let text = text
            .unwrap()
            .replace('-', "+")
            .replace('_', "=")
            .replace('~', "/");
        let signature = base64_simd::STANDARD.decode_to_vec(text).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, signer.0.key.public());
        let policy = canned_policy(PICTURE, MIDNIGHT + 2 * DAY);
        assert!(public.verify(policy.as_bytes(), &signature).is_ok());
        assert!(
            public
                .verify(policy.replace("a-1", "a-2").as_bytes(), &signature)
                .is_err()
        );
    }

    #[test]
    fn a_key_is_read_in_every_form_that_an_environment_can_hold() {
        let expected = signer().sign_at(PICTURE, MIDNIGHT);
        for form in [
            PKCS1.to_owned(),
            PKCS8.replace('\n', "\\n"),
            format!("\n{PKCS8}\n"),
            base64_simd::STANDARD.encode_to_string(PKCS8),
        ] {
            let signer = UrlSigner::new("K2JCJMDEHXQW5F", &form).unwrap();
            assert_eq!(signer.sign_at(PICTURE, MIDNIGHT), expected);
        }
    }

    #[test]
    fn what_cloudfront_would_not_take_is_refused_without_showing_it() {
        let fault = |text: &str| UrlSigner::new("K2JCJMDEHXQW5F", text).unwrap_err();
        assert_eq!(fault("secret"), BadKey::NoPem);
        assert_eq!(fault("-----BEGIN PRIVATE KEY-----"), BadKey::NoPem);
        assert_eq!(fault(SHORT), BadKey::OtherKey);
        assert_eq!(fault(CURVE), BadKey::OtherKey);
        let shown = format!("{:?}", signer());
        assert_eq!(shown, "UrlSigner { key_id: \"K2JCJMDEHXQW5F\", .. }");
    }
}
