//! What bytes claim to be, by how they begin.

use std::io::Cursor;

use image::{ImageFormat, ImageReader};

use crate::guard::guarded;

/// An image format that is recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// WebP, what this crate makes.
    Webp,
    /// PNG, what models make.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF: recognized, so that it can be stored as it is, but not decoded.
    Gif,
}

impl Format {
    /// The media type, for `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Webp => "image/webp",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
        }
    }

    /// The name in lower case: `webp`, `png`, `jpeg`, `gif`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Webp => "webp",
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Gif => "gif",
        }
    }

    /// The decoder for it, where there is one.
    pub(crate) fn decoder(self) -> Option<ImageFormat> {
        match self {
            Self::Webp => Some(ImageFormat::WebP),
            Self::Png => Some(ImageFormat::Png),
            Self::Jpeg => Some(ImageFormat::Jpeg),
            Self::Gif => None,
        }
    }

    /// What `bytes` claim to be.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Self::Webp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            _ => None,
        }
    }
}

/// What `bytes` claim to be, and the width and height in pixels that their header states, if it can
/// be read. No pixel is decoded. `None`: no image that is known here.
pub fn sniff(bytes: &[u8]) -> Option<(Format, Option<(u32, u32)>)> {
    let format = Format::of(bytes)?;
    let dimensions = match format {
        // Its decoder unpacks a color profile on the way, which may be a bomb.
        Format::Png => png_dimensions(bytes),
        Format::Gif => gif_dimensions(bytes),
        Format::Jpeg => dimensions(bytes, ImageFormat::Jpeg),
        Format::Webp => dimensions(bytes, ImageFormat::WebP),
    };
    Some((format, dimensions))
}

fn dimensions(bytes: &[u8], format: ImageFormat) -> Option<(u32, u32)> {
    let reader = ImageReader::with_format(Cursor::new(bytes), format);
    guarded(|| reader.into_dimensions().ok()).flatten()
}

/// The first chunk is the header: its length, its name, width and height (PNG, 11.2.1).
fn png_dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    let side = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let is_header = bytes.get(12..16) == Some(b"IHDR");
    is_header.then_some(())?;
    Some((side(16)?, side(20)?))
}

fn gif_dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    let side = |at: usize| {
        let pair = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(u32::from(u16::from_le_bytes(pair)))
    };
    Some((side(6)?, side(8)?))
}
