//! Has `jsonwebtoken` check signatures with ring, which everything else here uses too.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, new_error};
use jsonwebtoken::signature::{Error as SignatureError, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

/// It signs nothing, and checks no signature whose key is shared.
static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(new_error(ErrorKind::UnsupportedAlgorithm)),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring check signatures from here on, unless another part of this process chose already.
pub(crate) fn use_ring() {
    // Only the first choice of a process counts.
    let _ = RING.install_default();
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    use Algorithm::*;
    let check = match *algorithm {
        RS256 => rsa(key, &RSA_PKCS1_2048_8192_SHA256)?,
        RS384 => rsa(key, &RSA_PKCS1_2048_8192_SHA384)?,
        RS512 => rsa(key, &RSA_PKCS1_2048_8192_SHA512)?,
        PS256 => rsa(key, &RSA_PSS_2048_8192_SHA256)?,
        PS384 => rsa(key, &RSA_PSS_2048_8192_SHA384)?,
        PS512 => rsa(key, &RSA_PSS_2048_8192_SHA512)?,
        ES256 => bytes(key, &ECDSA_P256_SHA256_FIXED)?,
        ES384 => bytes(key, &ECDSA_P384_SHA384_FIXED)?,
        EdDSA => bytes(key, &ED25519)?,
        _ => return Err(new_error(ErrorKind::UnsupportedAlgorithm)),
    };
    Ok(Box::new(RingVerifier {
        algorithm: *algorithm,
        check,
    }))
}

fn rsa(key: &DecodingKey, parameters: &'static RsaParameters) -> Result<Check, Error> {
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => Ok(Check::Rsa {
            key: RsaPublicKeyComponents {
                n: n.clone(),
                e: e.clone(),
            },
            parameters,
        }),
        DecodingKeyKind::SecretOrDer(_) => Err(new_error(ErrorKind::InvalidKeyFormat)),
    }
}

fn bytes(key: &DecodingKey, algorithm: &'static dyn VerificationAlgorithm) -> Result<Check, Error> {
    let key = key.try_get_as_bytes()?.to_vec();
    Ok(Check::Bytes(UnparsedPublicKey::new(algorithm, key)))
}

struct RingVerifier {
    algorithm: Algorithm,
    check: Check,
}

enum Check {
    Rsa {
        key: RsaPublicKeyComponents<Vec<u8>>,
        parameters: &'static RsaParameters,
    },
    Bytes(UnparsedPublicKey<Vec<u8>>),
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        match &self.check {
            Check::Rsa { key, parameters } => key.verify(parameters, message, signature),
            Check::Bytes(key) => key.verify(message, signature),
        }
        .map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
