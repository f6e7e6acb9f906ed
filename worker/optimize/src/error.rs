//! Why a picture could not be optimized.

use thiserror::Error;

use crate::format::Format;

/// WebP stores a side in 14 bits.
/// <https://developers.google.com/speed/webp/docs/riff_container>
pub(crate) const MAX_WEBP_DIMENSION: u32 = 16_383;

/// Why a picture could not be optimized.
#[derive(Debug, Error)]
pub enum OptimizeError {
    /// The bytes begin like no image format that models return. Not worth storing.
    #[error("the bytes are no image")]
    NotAnImage,
    /// An image by its first bytes, in a format that cannot be decoded here.
    #[error("{} pictures cannot be decoded", .0.name())]
    Unsupported(Format),
    /// An image by its first bytes, but the rest cannot be decoded.
    #[error("the image is corrupt: {0}")]
    Corrupt(String),
    /// Decoding would take more memory than [`Settings::decode_budget_bytes`](crate::Settings::decode_budget_bytes). None was spent.
    #[error("decoding takes {needed} bytes, the budget is {budget}")]
    OverBudget {
        /// Bytes that decoding would take.
        needed: u64,
        /// Bytes that it may take.
        budget: u64,
    },
    /// The picture has no pixels, or the result would have more on a side than WebP can store.
    #[error("{width}x{height} pixels cannot be stored as WebP (1 to {MAX_WEBP_DIMENSION} a side)")]
    BadDimensions {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The encoder failed.
    #[error("encoding failed: {0}")]
    Encode(String),
}

impl OptimizeError {
    /// Whether the bytes are an image all the same, so that the original is to be stored. If not,
    /// the model is better asked again.
    pub fn is_still_an_image(&self) -> bool {
        !matches!(self, Self::NotAnImage)
    }

    /// Whether memory was the reason, which an operator should hear of.
    pub fn is_about_memory(&self) -> bool {
        matches!(self, Self::OverBudget { .. })
    }
}
