//! The key pair of the embedded CDN, kept in the data directory so that addresses outlive a
//! restart.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use md5::{Digest as _, Md5};
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use rsa::rand_core::OsRng;
use rsa::{RsaPrivateKey, RsaPublicKey};

use super::signed::TrustedKey;

/// The only size that CloudFront takes.
const BITS: usize = 2048;

/// A private key for those who sign, and its public key for the CDN's key group.
pub(crate) struct KeyPair {
    /// For the key group.
    pub(crate) trusted: TrustedKey,
    /// PKCS #8.
    pub(crate) pem: String,
}

impl KeyPair {
    /// The key pair in the file `path`, which is made if it is missing: that takes a second.
    ///
    /// # Errors
    /// The file cannot be read or written, or has no such key.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let pem = match std::fs::read_to_string(path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(path)?,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let key = RsaPrivateKey::from_pkcs8_pem(&pem)
            .with_context(|| format!("{} has no RSA key in PKCS #8", path.display()))?;
        let der = RsaPublicKey::from(&key).to_pkcs1_der()?.into_vec();
        let id = id(&der);
        Ok(Self {
            trusted: TrustedKey { id, der },
            pem,
        })
    }
}

/// In the form of CloudFront's ids.
fn id(der: &[u8]) -> String {
    let hash = hex_simd::encode_to_string(Md5::digest(der), hex_simd::AsciiCase::Upper);
    format!("K{}", &hash[..13])
}

/// A new key, written aside first: half a file is never read.
fn make(path: &Path) -> anyhow::Result<String> {
    let key = RsaPrivateKey::new(&mut OsRng, BITS)?;
    let pem = key.to_pkcs8_pem(LineEnding::LF)?.to_string();
    let aside = path.with_extension("new");
    let _ = std::fs::remove_file(&aside);
    let written = || {
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(pem.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&aside, path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_pair_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let made = KeyPair::open(&path).unwrap();
        let again = KeyPair::open(&path).unwrap();
        assert_eq!(again.trusted, made.trusted);
        assert_eq!(again.pem, made.pem);
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "no key").unwrap();
        assert!(KeyPair::open(&path).is_err());
    }
}
