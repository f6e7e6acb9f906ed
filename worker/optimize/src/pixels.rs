//! A decoded picture.

use std::cell::Cell;

use image::{RgbImage, RgbaImage};

/// Bytes of pixels that a thread keeps for its next picture: those of 2048x2048 with alpha. Fresh
/// memory of that size costs a quarter of the time that such a picture takes, in page faults.
const MAX_KEPT: usize = 16 << 20;

thread_local! {
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

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

    /// Lets go of them; the thread keeps their memory.
    pub(crate) fn recycle(self) {
        let bytes = match self {
            Self::Rgb(image) => image.into_raw(),
            Self::Rgba(image) => image.into_raw(),
        };
        if bytes.capacity() <= MAX_KEPT {
            KEPT.set(bytes);
        }
    }
}

/// Memory for pixels, which may still hold others.
pub(crate) fn room(bytes: usize) -> Vec<u8> {
    let mut kept = KEPT.take();
    // What is much too large would go on with a small picture.
    if (bytes..=2 * bytes).contains(&kept.capacity()) {
        kept.resize(bytes, 0);
        return kept;
    }
    KEPT.set(kept);
    vec![0; bytes]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_serves_again_where_it_fits() {
        let pixels = RgbImage::from_raw(64, 64, room(64 * 64 * 3)).unwrap();
        let address = pixels.as_ptr();
        Pixels::Rgb(pixels).recycle();
        let (small, large) = (room(64), room(64 * 64 * 4));
        assert_ne!(small.as_ptr(), address, "it is too large for that");
        assert_ne!(large.as_ptr(), address, "it is too small for that");
        let again = room(64 * 50 * 3);
        assert_eq!((again.as_ptr(), again.len()), (address, 64 * 50 * 3));
    }
}
