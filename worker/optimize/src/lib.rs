//! Optimizes a model's picture for web pages: PNG (or JPEG, WebP) bytes in, a smaller WebP out whose
//! metadata says that a model made it.
//!
//! The steps are decode, fit, encode, mark. Nothing here does I/O, and nothing keeps state between
//! calls but buffers of the thread, so callers run it on threads of their choice.
//! A 1024x1024 picture takes tens of ms of one core and, at its peak, about three times its
//! decoded size in memory.

mod avif;
mod decode;
mod error;
mod fit;
mod fitted;
mod format;
mod guard;
mod pixels;
mod png;
mod provenance;
mod riff;
mod settings;
mod webp;

use error::MAX_WEBP_DIMENSION;

pub use error::OptimizeError;
pub use fitted::Fitted;
pub use format::{Format, sniff};
pub use provenance::{DIGITAL_SOURCE_TYPE, Provenance};
pub use settings::{Picture, Settings};

/// The pixels of a plain PNG, RGB or RGBA row by row, by the short way that such files take; `None` where
/// the ordinary decoder has the word. For tests that hold the two against each other.
#[doc(hidden)]
pub fn plain_png(bytes: &[u8], decode_budget_bytes: u64) -> Option<Vec<u8>> {
    png::decode(bytes, decode_budget_bytes).map(|pixels| match pixels {
        pixels::Pixels::Rgb(image) => image.into_raw(),
        pixels::Pixels::Rgba(image) => image.into_raw(),
    })
}

/// A picture that lossy WebP does not shrink to this share of its original is tried in lossless
/// WebP too: drawings with few colors are often smaller there.
const SMALL_ENOUGH: f64 = 0.70;

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
    optimize_keeping(original, settings, provenance).map(|(picture, _)| picture)
}

/// As [`optimize`], with the pixels that the picture was made of, to make others of.
///
/// # Errors
/// As [`optimize`].
pub fn optimize_keeping(
    original: &[u8],
    settings: &Settings,
    provenance: &Provenance<'_>,
) -> Result<(Picture, Fitted), OptimizeError> {
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
    let picture = Picture {
        bytes,
        format: Format::Webp,
        width,
        height,
    };
    Ok((picture, Fitted::new(pixels, decoded.color_profile)))
}
