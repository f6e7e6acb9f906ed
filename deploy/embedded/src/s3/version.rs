//! One version of an object: a file that holds a line of JSON (the [`Head`]) and then the bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::checksum::Checksum;

/// A version's metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The object's key.
    pub key: String,
    /// The version's id; ids sort by creation time.
    pub version: String,
    /// When the version was put.
    #[serde(with = "time::serde::rfc3339")]
    pub modified: OffsetDateTime,
    /// What the version is.
    pub kind: Kind,
}

/// What a version is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// An object with its bytes.
    Object(Box<Object>),
    /// A delete marker.
    DeleteMarker,
}

/// An object's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Object {
    /// Length of the body in bytes.
    pub size: u64,
    /// MD5 of the body in hexadecimal, not quoted.
    pub etag: String,
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    /// `x-amz-meta-*`, without that prefix.
    pub metadata: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// `AES256`, which is S3's default.
    pub encryption: String,
    /// The checksum that the client sent and that was verified, else one computed here.
    pub checksum: Option<Checksum>,
}

impl Head {
    /// The head of a version that is made now.
    pub(super) fn new(key: String, kind: Kind) -> Self {
        Self {
            key,
            version: Uuid::now_v7().simple().to_string(),
            modified: OffsetDateTime::now_utc(),
            kind,
        }
    }

    /// The object, unless this is a delete marker.
    pub(super) fn object(&self) -> Option<&Object> {
        match &self.kind {
            Kind::Object(object) => Some(object),
            Kind::DeleteMarker => None,
        }
    }
}

/// A version whose head was read; its file stays readable after a rename or removal.
#[derive(Debug)]
pub(super) struct Opened {
    /// What was read.
    pub head: Head,
    rest: BufReader<File>,
}

impl Opened {
    /// The body.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn body(mut self) -> io::Result<Bytes> {
        let mut body = Vec::new();
        self.rest.read_to_end(&mut body)?;
        Ok(body.into())
    }
}

/// Opens the version at `path`; `None` if there is none.
///
/// # Errors
/// Those of reading, and a head that cannot be parsed.
pub(super) fn open(path: &Path) -> io::Result<Option<Opened>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut rest = BufReader::with_capacity(2048, file);
    let mut line = Vec::new();
    rest.read_until(b'\n', &mut line)?;
    let head = serde_json::from_slice(&line)?;
    Ok(Some(Opened { head, rest }))
}

/// Writes a version to `path`, down to the disk.
///
/// # Errors
/// Those of writing.
pub(super) fn write(path: &Path, head: &Head, body: &[u8]) -> io::Result<()> {
    let mut line = serde_json::to_vec(head)?;
    line.push(b'\n');
    let mut file = File::create(path)?;
    file.write_all(&line)?;
    file.write_all(body)?;
    file.sync_all()
}
