//! A decoded picture.

use image::{RgbImage, RgbaImage};

/// 8-bit pixels.
pub(crate) enum Pixels {
    /// Red, green, blue.
    Rgb(RgbImage),
    /// Red, green, blue and alpha, not premultiplied.
    Rgba(RgbaImage),
}

impl Pixels {
    pub(crate) fn width(&self) -> u32 {
        match self {
            Self::Rgb(image) => image.width(),
            Self::Rgba(image) => image.width(),
        }
    }

    pub(crate) fn height(&self) -> u32 {
        match self {
            Self::Rgb(image) => image.height(),
            Self::Rgba(image) => image.height(),
        }
    }
}
