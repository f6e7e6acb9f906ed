//! What goes in beside the picture, and what comes out.

use crate::format::Format;

/// How pictures are made smaller.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Longest side of the result in pixels, 1 to 16,383. Smaller pictures are never enlarged.
    pub max_dimension: u32,
    /// Lossy quality, 0 (smallest) to 100 (best); values above 100 count as 100.
    pub quality: u8,
    /// libwebp's effort, 0 (fast) to 6 (small); values above 6 count as 6. The default, 2, takes
    /// about a fifth of the time of libwebp's own default, 4: it is what `worker/webp` makes fast.
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
    /// What the bytes are; [`optimize`](crate::optimize) always makes WebP.
    pub format: Format,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}
