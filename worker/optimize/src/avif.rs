//! The optional second file of a picture, in AVIF.

use ravif::{Encoder, Img, RGBA8};

use crate::decode::{Pixels, decode};
use crate::error::OptimizeError;
use crate::fit::fit;
use crate::provenance::Provenance;
use crate::settings::Settings;

/// rav1e's effort, 1 (small) to 10 (fast).
const SPEED: u8 = 8;

/// Fits `original` as [`optimize`](crate::optimize) does and encodes it as AVIF, on this thread
/// alone. It takes some fifty times as long as WebP. The provenance is in its EXIF, since the encoder
/// cannot write XMP items.
///
/// # Errors
/// As [`optimize`](crate::optimize).
pub fn avif(
    original: &[u8],
    settings: &Settings,
    provenance: &Provenance<'_>,
) -> Result<Vec<u8>, OptimizeError> {
    let decoded = decode(original, settings.decode_budget_bytes)?;
    let image = match fit(decoded.pixels, settings.max_dimension)? {
        Pixels::Rgba(image) => image,
        Pixels::Rgb(image) => image::DynamicImage::ImageRgb8(image).into_rgba8(),
    };
    let pixels: Vec<RGBA8> = image
        .pixels()
        .map(|&image::Rgba([r, g, b, a])| RGBA8::new(r, g, b, a))
        .collect();
    let (width, height) = (image.width() as usize, image.height() as usize);
    // Not `encode_rgb`: it is inline and would compile all of rav1e once more into this crate.
    Encoder::new()
        .with_quality(f32::from(settings.quality.clamp(1, 100)))
        .with_speed(SPEED)
        .with_num_threads(Some(1))
        .with_exif(provenance.exif())
        .encode_rgba(Img::new(pixels.as_slice(), width, height))
        .map(|encoded| encoded.avif_file)
        .map_err(|error| OptimizeError::Encode(error.to_string()))
}
