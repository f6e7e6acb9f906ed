//! Pixels to AVIF by rav1e.

mod color_profile;

use ravif::{Encoder, Img, RGBA8};

use crate::error::OptimizeError;
use crate::pixels::Pixels;
use crate::provenance::Provenance;

/// rav1e's effort, 1 (small) to 10 (fast).
const SPEED: u8 = 10;

/// The encoder's quality for what is called `quality` of a WebP. On its scale smaller numbers give the
/// same picture: two photographs of 1024x1024 took half of the WebP's bytes, with 0.1 and 0.3 dB less.
fn scaled(quality: u8) -> f32 {
    f32::from(quality.clamp(1, 100)) * 0.88
}

/// Encodes on this thread alone, with the color profile. The provenance is in its EXIF, since the
/// encoder cannot write XMP items.
pub(crate) fn encode(
    pixels: &Pixels,
    quality: u8,
    color_profile: Option<&[u8]>,
    provenance: &Provenance<'_>,
) -> Result<Vec<u8>, OptimizeError> {
    let rgba: Vec<RGBA8> = match pixels {
        Pixels::Rgb(image) => image
            .pixels()
            .map(|&image::Rgb([r, g, b])| RGBA8::new(r, g, b, u8::MAX))
            .collect(),
        Pixels::Rgba(image) => image
            .pixels()
            .map(|&image::Rgba([r, g, b, a])| RGBA8::new(r, g, b, a))
            .collect(),
    };
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    // Not `encode_rgb`: it is inline and would compile all of rav1e once more into this crate.
    let encoded = Encoder::new()
        .with_quality(scaled(quality))
        .with_speed(SPEED)
        .with_num_threads(Some(1))
        .with_exif(provenance.exif())
        .encode_rgba(Img::new(rgba.as_slice(), width, height))
        .map_err(|error| OptimizeError::Encode(error.to_string()))?;
    match color_profile {
        None => Ok(encoded.avif_file),
        Some(profile) => color_profile::insert(encoded.avif_file, profile)
            .ok_or_else(|| OptimizeError::Encode("the AVIF takes no color profile".to_owned())),
    }
}
