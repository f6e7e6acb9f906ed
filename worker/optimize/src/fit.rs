//! Makes a picture fit a square, keeping its ratio.

use std::cell::RefCell;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use image::{RgbImage, RgbaImage};

use crate::error::OptimizeError;
use crate::pixels::Pixels;

/// Bytes of a resizer's buffers that a thread keeps: those for 2048x2048 pixels with alpha.
const MAX_KEPT: usize = 32 << 20;

thread_local! {
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// Scales `pixels` down so that neither side is longer than `longest`; what fits is left alone.
pub(crate) fn fit(pixels: Pixels, longest: u32) -> Result<Pixels, OptimizeError> {
    let (width, height) = (pixels.width(), pixels.height());
    let (new_width, new_height) = dimensions(width, height, longest.max(1));
    if (new_width, new_height) == (width, height) {
        return Ok(pixels);
    }
    let scaled = scale(&pixels, (new_width, new_height), FilterType::Lanczos3);
    pixels.recycle();
    scaled
}

/// `pixels` with another width and height.
pub(crate) fn scale(
    pixels: &Pixels,
    to: (u32, u32),
    filter: FilterType,
) -> Result<Pixels, OptimizeError> {
    let from = (pixels.width(), pixels.height());
    Ok(match pixels {
        Pixels::Rgb(image) => {
            let mut scaled = RgbImage::new(to.0, to.1);
            resize::<U8x3>(image.as_raw(), from, &mut scaled, to, filter)?;
            Pixels::Rgb(scaled)
        }
        Pixels::Rgba(image) => {
            let mut scaled = RgbaImage::new(to.0, to.1);
            resize::<U8x4>(image.as_raw(), from, &mut scaled, to, filter)?;
            Pixels::Rgba(scaled)
        }
    })
}

/// The largest width and height of the same ratio that fit, each rounded to the nearest pixel.
pub(crate) fn dimensions(width: u32, height: u32, longest: u32) -> (u32, u32) {
    let side = width.max(height);
    if side <= longest {
        return (width, height);
    }
    let scaled = |length: u32| {
        let rounded =
            (u64::from(length) * u64::from(longest) + u64::from(side) / 2) / u64::from(side);
        // Not above `longest`, since `length` is not above `side`.
        (rounded as u32).max(1)
    };
    (scaled(width), scaled(height))
}

/// Lanczos3 is what Pillow's and sharp's users resize with. Where a pixel has alpha, colors are
/// weighted by it, so that no color of transparent pixels bleeds into the edges.
fn resize<P: PixelTrait>(
    from: &[u8],
    (width, height): (u32, u32),
    to: &mut [u8],
    (new_width, new_height): (u32, u32),
    filter: FilterType,
) -> Result<(), OptimizeError> {
    let failed = |error: &dyn std::fmt::Display| OptimizeError::Encode(format!("resize: {error}"));
    let source = TypedImageRef::<P>::from_buffer(width, height, from).map_err(|e| failed(&e))?;
    let mut target =
        TypedImage::<P>::from_buffer(new_width, new_height, to).map_err(|e| failed(&e))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    RESIZER.with_borrow_mut(|resizer| {
        let resized = resizer.resize_typed(&source, &mut target, &options);
        if resizer.size_of_internal_buffers() > MAX_KEPT {
            resizer.reset_internal_buffers();
        }
        resized.map_err(|e| failed(&e))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_fits_keeps_its_size() {
        assert_eq!(dimensions(1024, 1, 1024), (1024, 1));
        assert_eq!(dimensions(3, 5, 1024), (3, 5));
    }

    #[test]
    fn the_longer_side_becomes_the_limit() {
        assert_eq!(dimensions(2048, 1024, 1024), (1024, 512));
        assert_eq!(dimensions(1000, 1600, 1024), (640, 1024));
        assert_eq!(dimensions(u32::MAX, u32::MAX, 1024), (1024, 1024));
    }

    #[test]
    fn a_thin_picture_keeps_a_pixel() {
        assert_eq!(dimensions(10_000, 1, 1024), (1024, 1));
    }

    #[test]
    fn the_color_of_transparent_pixels_does_not_bleed() {
        let mut image = RgbaImage::new(64, 64);
        for (x, _, pixel) in image.enumerate_pixels_mut() {
            // Opaque white beside transparent red.
            pixel.0 = if x < 32 {
                [255, 255, 255, 255]
            } else {
                [255, 0, 0, 0]
            };
        }
        let Ok(Pixels::Rgba(small)) = fit(Pixels::Rgba(image), 16) else {
            panic!("not resized, or without alpha");
        };
        for pixel in small.pixels().filter(|pixel| pixel[3] > 8) {
            assert!(pixel[1] > 240, "red bled into {pixel:?}");
        }
    }
}
