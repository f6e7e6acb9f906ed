//! Pixels to WebP by libwebp, faster: the same sources with the changes of `patches/`, each of which says
//! what it does. Without [`Lossy::photo`], the files are those of libwebp, bit for bit. The feature
//! `stock` builds libwebp as it is; [`Lossy::photo`] changes nothing then.
//!
//! Docs: `docs/decisions/0015-a-patched-encoder.md`.

mod encoder;

use thiserror::Error;

pub use encoder::{lossless, lossy};

/// WebP stores a side in 14 bits.
/// <https://developers.google.com/speed/webp/docs/riff_container>
pub const MAX_SIDE: u32 = 16_383;

/// What to encode.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Width in pixels, 1 to [`MAX_SIDE`].
    pub width: u32,
    /// Height in pixels, 1 to [`MAX_SIDE`].
    pub height: u32,
    /// Its pixels.
    pub pixels: Pixels<'a>,
}

/// Pixels row by row, without gaps between rows.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// Red, green, blue; a byte each.
    Rgb(&'a [u8]),
    /// Red, green, blue, alpha; a byte each, not premultiplied.
    Rgba(&'a [u8]),
    /// BT.601 in limited range, as VP8 has it (RFC 6386, 9.2); a byte each. Only with loss.
    Yuv420 {
        /// Luma, one a pixel.
        y: &'a [u8],
        /// Chroma, one for two by two pixels, rounded up.
        u: &'a [u8],
        /// As `u`.
        v: &'a [u8],
    },
}

/// How to encode with loss. The names are those of libwebp's `WebPConfig`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lossy {
    /// 0 (smallest) to 100 (best).
    pub quality: f32,
    /// Effort, 0 (fast) to 6 (small).
    pub method: u8,
    /// How many bits flat parts give to others, 0 to 100.
    pub sns_strength: u8,
    /// How much blocks' edges are smoothed, 0 to 100.
    pub filter_strength: u8,
    /// Parts of the picture with a quantizer of their own, 1 to 4.
    pub segments: u8,
    /// Streams of coefficients, as a power of two: 0 to 3. Four take the least time.
    pub partitions: u8,
    /// Whether to choose modes quickly, by what suits photographs. With methods 0 to 2 only.
    pub photo: bool,
}

impl Lossy {
    /// libwebp's defaults.
    pub fn new(quality: f32, method: u8) -> Self {
        Self {
            quality,
            method,
            sns_strength: 50,
            filter_strength: 60,
            segments: 4,
            partitions: 0,
            photo: false,
        }
    }
}

/// Why a picture could not be encoded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EncodeError {
    /// A side is 0 or above [`MAX_SIDE`].
    #[error("{width}x{height} pixels cannot be stored as WebP (1 to {MAX_SIDE} a side)")]
    BadDimensions {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// There are fewer or more bytes than width and height say.
    #[error("the pixels take {found} bytes, not {expected}")]
    BadLength {
        /// Bytes there are.
        found: usize,
        /// Bytes there should be.
        expected: usize,
    },
    /// A value of [`Lossy`] is out of its range, or the level is.
    #[error("a setting is out of its range")]
    BadSettings,
    /// YUV cannot be encoded without loss.
    #[error("YUV cannot be encoded without loss")]
    NotRgb,
    /// libwebp gave up: no memory, or a partition beyond what its length field can say.
    #[error("libwebp: {0}")]
    Failed(String),
}
