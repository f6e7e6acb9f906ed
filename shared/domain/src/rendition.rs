//! The other files of a picture: smaller ones (variants), AVIFs beside each, and a preview in the
//! document. They are made after the picture is visible, and the document says which are there.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

/// How often the keeper has a worker make what is missing before it gives up.
pub const MAX_RENDITION_SENDS: u32 = 5;

/// A smaller picture of the same, in WebP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Where it lies in the bucket.
    pub key: String,
    /// Bytes of the WebP.
    pub size_bytes: u64,
    /// Bytes of the AVIF beside it; absent where none is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avif_size_bytes: Option<u64>,
}

/// What was made of a picture so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renditions {
    /// By width upwards.
    pub variants: Vec<Variant>,
    /// Bytes of the AVIF beside the picture itself, where one is stored.
    pub avif_size_bytes: Option<u64>,
    /// The picture's ThumbHash, in base64: some 25 bytes that a page paints at once.
    /// <https://evanw.github.io/thumbhash/>
    pub thumbhash: Option<String>,
}

/// Another program may have a field of this name: what cannot be one of ours counts as absent.
pub(crate) fn or_absent<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}
