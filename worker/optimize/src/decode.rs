//! From a file's bytes to pixels, within a budget of memory.

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use crate::error::OptimizeError;
use crate::format::Format;
use crate::guard::guarded;
use crate::pixels::Pixels;
use crate::png;
use crate::riff::{is_whole, largest_frame};

/// The share of the budget that may be spent on what stands before a PNG's pixels, while those take
/// none yet: a row, and a color profile, which is compressed and may be a bomb.
const BEFORE_PIXELS: u64 = 8;

/// A profile beyond this is not kept, in bytes. Those in use for pictures have some thousand.
const MAX_PROFILE: usize = 1 << 20;

/// A decoded file.
pub(crate) struct Decoded {
    pub(crate) format: Format,
    pub(crate) pixels: Pixels,
    /// The ICC profile of these pixels, if the file had one.
    pub(crate) color_profile: Option<Vec<u8>>,
}

/// Decodes `bytes`; of an animation, the first picture.
pub(crate) fn decode(bytes: &[u8], budget: u64) -> Result<Decoded, OptimizeError> {
    guarded(|| decode_unguarded(bytes, budget))
        .unwrap_or_else(|| Err(OptimizeError::Corrupt("its decoder panicked".to_owned())))
}

fn decode_unguarded(bytes: &[u8], budget: u64) -> Result<Decoded, OptimizeError> {
    let format = Format::of(bytes).ok_or(OptimizeError::NotAnImage)?;
    if format == Format::Png
        && let Some(pixels) = guarded(|| png::decode(bytes, budget)).flatten()
    {
        return Ok(Decoded {
            format,
            pixels,
            color_profile: None,
        });
    }
    decode_any(bytes, format, budget)
}

/// By the decoder of the format.
fn decode_any(bytes: &[u8], format: Format, budget: u64) -> Result<Decoded, OptimizeError> {
    let decoder = format.decoder().ok_or(OptimizeError::Unsupported(format))?;
    // Its decoder makes room for whatever size a chunk claims.
    if format == Format::Webp && !is_whole(bytes) {
        return Err(OptimizeError::Corrupt("it is cut off".to_owned()));
    }

    let mut reader = ImageReader::with_format(Cursor::new(bytes), decoder);
    let mut limits = Limits::default();
    limits.max_alloc = Some(budget / BEFORE_PIXELS);
    reader.limits(limits);
    let failed = |error| failure(error, budget);
    let mut decoder = reader.into_decoder().map_err(failed)?;

    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(OptimizeError::BadDimensions { width, height });
    }
    let color_profile = decoder.icc_profile().ok().flatten();
    // The decoder's own and ours.
    let profiles = 2 * color_profile.as_ref().map_or(0, Vec::len) as u64;
    // A lossy frame's decoder believes the frame's header, not the file's.
    let pixels = match format {
        Format::Webp => largest_frame(bytes),
        _ => 0,
    }
    .max(u64::from(width) * u64::from(height));
    let needed = memory(format, decoder.color_type(), pixels).saturating_add(profiles);
    if needed > budget {
        return Err(OptimizeError::OverBudget { needed, budget });
    }
    let color_profile =
        color_profile.filter(|profile| is_rgb(profile) && profile.len() <= MAX_PROFILE);
    let orientation = decoder.orientation().map_err(failed)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);
    let pixels = if image.color().has_alpha() {
        Pixels::Rgba(image.into_rgba8())
    } else {
        Pixels::Rgb(image.into_rgb8())
    };
    Ok(Decoded {
        format,
        pixels,
        color_profile,
    })
}

/// Bytes that decoding takes at its peak: the decoder's own, the decoded picture, and the copy in
/// 8-bit RGB or RGBA where the picture has other pixels.
fn memory(format: Format, color: ColorType, pixels: u64) -> u64 {
    let inside = match format {
        // A row at a time.
        Format::Png | Format::Gif => 0,
        // Progressive files: all coefficients, two bytes each.
        Format::Jpeg => 2 * u64::from(color.channel_count()),
        // Lossless files: all pixels as RGBA.
        Format::Webp => 4,
    };
    let copy = match color {
        ColorType::Rgb8 | ColorType::Rgba8 => 0,
        _ if color.has_alpha() => 4,
        _ => 3,
    };
    let pixel = inside + u64::from(color.bytes_per_pixel()) + copy;
    pixels.saturating_mul(pixel)
}

/// Whether an ICC profile is for RGB data: the data color space is at offset 16 (ICC.1, 7.2).
/// Profiles of other spaces do not fit the pixels any more.
fn is_rgb(profile: &[u8]) -> bool {
    profile.get(16..20) == Some(b"RGB ")
}

fn failure(error: ImageError, budget: u64) -> OptimizeError {
    match error {
        // The decoders do not say how much more they wanted.
        ImageError::Limits(_) => OptimizeError::OverBudget {
            needed: budget.saturating_add(1),
            budget,
        },
        other => OptimizeError::Corrupt(other.to_string()),
    }
}
