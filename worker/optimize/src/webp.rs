//! Pixels to WebP.

use std::cell::RefCell;

use atelier_webp::{EncodeError, Lossy, Picture};
use image::RgbImage;
use yuv::{BufferStoreMut, YuvPlanarImageMut};
use yuv::{YuvConversionMode, YuvRange, YuvStandardMatrix, rgb_to_yuv420};

use crate::error::OptimizeError;
use crate::pixels::Pixels;

/// libwebp's lossless effort, 0 to 9: small drawings take a few ms, and a photograph that ends here
/// by mistake not more than half a second.
const LOSSLESS_LEVEL: u8 = 3;

/// Chosen with the table of `benches/settings`, docs/PERFORMANCE.md.
const SNS_STRENGTH: u8 = 48;

/// As [`SNS_STRENGTH`].
const FILTER_STRENGTH: u8 = 80;

/// Four streams of coefficients, as a power of two. They are coded side by side.
const PARTITIONS: u8 = 2;

/// Bytes of planes that a thread keeps for its next picture: those of 2048x2048 pixels.
const MAX_KEPT: usize = 6 << 20;

thread_local! {
    static PLANES: RefCell<Planes> = const { RefCell::new(Planes([const { Vec::new() }; 3])) };
}

/// Luma and chroma, a byte each. Three vectors that grow and are kept from picture to picture.
struct Planes([Vec<u8>; 3]);

/// Encodes with loss. Two equal calls return equal bytes.
pub(crate) fn lossy(pixels: &Pixels, quality: u8, method: u8) -> Result<Vec<u8>, OptimizeError> {
    let settings = Lossy {
        sns_strength: SNS_STRENGTH,
        filter_strength: FILTER_STRENGTH,
        partitions: PARTITIONS,
        photo: true,
        ..Lossy::new(f32::from(quality.min(100)), method.min(6))
    };
    match pixels {
        Pixels::Rgb(image) => PLANES.with_borrow_mut(|planes| {
            let encoded = planes
                .fill(image)
                .and_then(|picture| atelier_webp::lossy(&picture, &settings).map_err(failed));
            planes.shrink();
            encoded
        }),
        // Chroma of transparent pixels must not count: libwebp sees to it.
        Pixels::Rgba(image) => {
            let picture = Picture {
                width: image.width(),
                height: image.height(),
                pixels: atelier_webp::Pixels::Rgba(image.as_raw()),
            };
            atelier_webp::lossy(&picture, &settings).map_err(failed)
        }
    }
}

/// Encodes without loss, but for the colors of wholly transparent pixels.
pub(crate) fn lossless(pixels: &Pixels) -> Result<Vec<u8>, OptimizeError> {
    let picture = Picture {
        width: pixels.width(),
        height: pixels.height(),
        pixels: match pixels {
            Pixels::Rgb(image) => atelier_webp::Pixels::Rgb(image.as_raw()),
            Pixels::Rgba(image) => atelier_webp::Pixels::Rgba(image.as_raw()),
        },
    };
    atelier_webp::lossless(&picture, LOSSLESS_LEVEL).map_err(failed)
}

impl Planes {
    /// The planes of `image`.
    fn fill(&mut self, image: &RgbImage) -> Result<Picture<'_>, OptimizeError> {
        let (width, height) = image.dimensions();
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let [y, u, v] = &mut self.0;
        y.resize(width as usize * height as usize, 0);
        for plane in [&mut *u, &mut *v] {
            plane.resize(half_width as usize * half_height as usize, 0);
        }
        let mut planes = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(y),
            y_stride: width,
            u_plane: BufferStoreMut::Borrowed(u),
            u_stride: half_width,
            v_plane: BufferStoreMut::Borrowed(v),
            v_stride: half_width,
            width,
            height,
        };
        // As VP8 has it (RFC 6386, 9.2).
        let (range, matrix) = (YuvRange::Limited, YuvStandardMatrix::Bt601);
        let mode = YuvConversionMode::Professional;
        rgb_to_yuv420(&mut planes, image.as_raw(), 3 * width, range, matrix, mode)
            .map_err(|error| OptimizeError::Encode(error.to_string()))?;
        Ok(Picture {
            width,
            height,
            pixels: atelier_webp::Pixels::Yuv420 { y, u, v },
        })
    }

    /// Lets go of what is too much to be kept.
    fn shrink(&mut self) {
        if self.0.iter().map(Vec::capacity).sum::<usize>() > MAX_KEPT {
            self.0 = [const { Vec::new() }; 3];
        }
    }
}

fn failed(error: EncodeError) -> OptimizeError {
    OptimizeError::Encode(error.to_string())
}
