//! The checksums by which SDKs verify an upload and a download:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>.

use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use serde::{Deserialize, Serialize};

/// A kind of checksum that S3 knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    /// Each with the header or trailer of its checksum.
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Crc32, "x-amz-checksum-crc32"),
        (Self::Crc32c, "x-amz-checksum-crc32c"),
        (Self::Crc64nvme, "x-amz-checksum-crc64nvme"),
        (Self::Sha1, "x-amz-checksum-sha1"),
        (Self::Sha256, "x-amz-checksum-sha256"),
    ];

    /// The checksum of `body`.
    pub(super) fn of(self, body: &[u8]) -> Checksum {
        let base64 = |sum: &[u8]| base64_simd::STANDARD.encode_to_string(sum);
        let value = match self {
            Self::Crc32 => base64(&Crc32::checksum(body)),
            Self::Crc32c => base64(&Crc32c::checksum(body)),
            Self::Crc64nvme => base64(&Crc64Nvme::checksum(body)),
            Self::Sha1 => base64(Sha1::checksum(body).as_ref()),
            Self::Sha256 => base64(Sha256::checksum(body).as_ref()),
        };
        Checksum {
            algorithm: self,
            value,
        }
    }
}

/// A checksum of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checksum {
    /// Its kind.
    pub algorithm: Algorithm,
    /// The sum in base64.
    pub value: String,
}

impl Checksum {
    /// The value, if it is of this kind.
    pub(super) fn value_of(this: Option<&Self>, algorithm: Algorithm) -> Option<String> {
        this.filter(|sum| sum.algorithm == algorithm)
            .map(|sum| sum.value.clone())
    }
}
