//! The pixels of a picture, from which its smaller ones, its AVIFs and its preview are made.

use std::fmt;

use fast_image_resize::FilterType;

use crate::decode::decode;
use crate::error::OptimizeError;
use crate::fit::{dimensions, fit, scale};
use crate::format::Format;
use crate::pixels::Pixels;
use crate::provenance::{self, Provenance};
use crate::settings::{Picture, Settings};
use crate::{avif, webp};

/// A ThumbHash holds seven waves a side at most, so that this many pixels show all of them.
const PREVIEW_SIDE: u32 = 32;

/// A decoded picture that fits, with its color profile.
pub struct Fitted {
    pixels: Pixels,
    color_profile: Option<Vec<u8>>,
}

impl fmt::Debug for Fitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fitted")
            .field("width", &self.width())
            .field("height", &self.height())
            .finish_non_exhaustive()
    }
}

impl Fitted {
    pub(crate) const fn new(pixels: Pixels, color_profile: Option<Vec<u8>>) -> Self {
        Self {
            pixels,
            color_profile,
        }
    }

    /// Decodes a stored picture and fits it as [`optimize`](crate::optimize) does.
    ///
    /// # Errors
    /// As [`optimize`](crate::optimize).
    pub fn decode(bytes: &[u8], settings: &Settings) -> Result<Self, OptimizeError> {
        let decoded = decode(bytes, settings.decode_budget_bytes)?;
        let pixels = fit(decoded.pixels, settings.max_dimension)?;
        Ok(Self::new(pixels, decoded.color_profile))
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.pixels.width()
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.pixels.height()
    }

    /// It as a WebP of this width, which is not larger than its own; the ratio is kept.
    ///
    /// # Errors
    /// Where the encoder fails.
    pub fn webp(
        &self,
        width: u32,
        settings: &Settings,
        provenance: &Provenance<'_>,
    ) -> Result<Picture, OptimizeError> {
        let profile = self.color_profile.as_deref();
        self.at_width(width, |pixels| {
            let (width, height) = (pixels.width(), pixels.height());
            let encoded = webp::lossy(pixels, settings.quality, settings.method)?;
            Ok(Picture {
                bytes: provenance::mark(&encoded, (width, height), profile, provenance),
                format: Format::Webp,
                width,
                height,
            })
        })
    }

    /// It as an AVIF of this width, which is not larger than its own; the ratio is kept. It takes
    /// several times as long as WebP.
    ///
    /// # Errors
    /// Where the encoder fails.
    pub fn avif(
        &self,
        width: u32,
        settings: &Settings,
        provenance: &Provenance<'_>,
    ) -> Result<Vec<u8>, OptimizeError> {
        let profile = self.color_profile.as_deref();
        self.at_width(width, |pixels| {
            avif::encode(pixels, settings.quality, profile, provenance)
        })
    }

    /// Its ThumbHash: at most 25 bytes that a page paints at once.
    /// <https://evanw.github.io/thumbhash/>
    ///
    /// # Errors
    /// Where it cannot be made smaller.
    pub fn thumbhash(&self) -> Result<Vec<u8>, OptimizeError> {
        let to = dimensions(self.width(), self.height(), PREVIEW_SIDE);
        let small = match scale(&self.pixels, to, FilterType::Box)? {
            Pixels::Rgba(image) => image,
            Pixels::Rgb(image) => image::DynamicImage::ImageRgb8(image).into_rgba8(),
        };
        let (width, height) = (small.width() as usize, small.height() as usize);
        Ok(thumbhash::rgba_to_thumb_hash(width, height, &small))
    }

    /// Encodes the pixels, scaled down to this width.
    fn at_width<T>(
        &self,
        width: u32,
        encode: impl FnOnce(&Pixels) -> Result<T, OptimizeError>,
    ) -> Result<T, OptimizeError> {
        if width >= self.width() {
            return encode(&self.pixels);
        }
        let (own, height) = (u64::from(self.width()), u64::from(self.height()));
        let height = (height * u64::from(width) + own / 2) / own;
        // Not above its own height.
        let to = (width.max(1), (height as u32).max(1));
        encode(&scale(&self.pixels, to, FilterType::Lanczos3)?)
    }
}
