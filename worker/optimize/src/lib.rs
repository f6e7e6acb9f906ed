//! Makes a model's picture fit for a page: PNG (or JPEG, WebP) bytes in, a smaller WebP out that
//! says of itself that a machine made it.
//!
//! The way of a picture is [`decode`], fit, encode, mark. Nothing here blocks on anything but the
//! processor and nothing keeps state between calls, so callers run it on threads of their choice.
//! A 1024x1024 picture takes some 40 ms of one core and, at its peak, about three times its
//! decoded size in memory.

mod avif;
mod decode;
mod fit;
mod format;
mod provenance;
mod riff;
mod webp;

use thiserror::Error;

pub use avif::avif;
pub use format::{Format, sniff};
pub use provenance::{DIGITAL_SOURCE_TYPE, Provenance};

/// A picture that lossy WebP does not shrink to this share of its original is tried in lossless
/// WebP too: drawings with few colors are often smaller there.
const SMALL_ENOUGH: f64 = 0.70;

/// WebP stores a side in 14 bits.
/// <https://developers.google.com/speed/webp/docs/riff_container>
const MAX_WEBP_DIMENSION: u32 = 16_383;

/// How pictures are made smaller.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Longest side of the result in pixels, 1 to 16,383. Smaller pictures are never enlarged.
    pub max_dimension: u32,
    /// Lossy quality, 0 (smallest) to 100 (best); values above 100 count as 100.
    pub quality: u8,
    /// libwebp's effort, 0 (fast) to 6 (small); values above 6 count as 6. The default, 2, takes
    /// about half of the time of libwebp's own default, 4, for 2 to 4% more bytes.
    pub method: u8,
    /// Memory that decoding one picture may take, in bytes. What would take more is refused before
    /// it is spent.
    pub decode_budget_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_dimension: 1024,
            quality: 85,
            method: 2,
            decode_budget_bytes: 128 * 1024 * 1024,
        }
    }
}

/// An optimized picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The file.
    pub bytes: Vec<u8>,
    /// What the bytes are; [`optimize`] always makes WebP.
    pub format: Format,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

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
    /// Decoding would take more memory than [`Settings::decode_budget_bytes`]. None was spent.
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

/// Fits `original` into [`Settings::max_dimension`], keeping its ratio, and encodes it as WebP that
/// carries `provenance`. Transparency and an RGB color profile are kept.
///
/// # Errors
/// See [`OptimizeError`]; nothing is returned by halves.
pub fn optimize(
    original: &[u8],
    settings: &Settings,
    provenance: &Provenance<'_>,
) -> Result<Picture, OptimizeError> {
    let decoded = decode::decode(original, settings.decode_budget_bytes)?;
    let pixels = fit::fit(decoded.pixels, settings.max_dimension)?;
    let (width, height) = (pixels.width(), pixels.height());
    if width > MAX_WEBP_DIMENSION || height > MAX_WEBP_DIMENSION {
        return Err(OptimizeError::BadDimensions { width, height });
    }
    let mut encoded = webp::lossy(&pixels, settings.quality, settings.method)?;
    if decoded.format == Format::Png && encoded.len() as f64 > SMALL_ENOUGH * original.len() as f64
    {
        let lossless = webp::lossless(&pixels)?;
        if lossless.len() < encoded.len() {
            encoded = lossless;
        }
    }
    let profile = decoded.color_profile.as_deref();
    let bytes = provenance::mark(&encoded, (width, height), profile, provenance);
    Ok(Picture {
        bytes,
        format: Format::Webp,
        width,
        height,
    })
}
