//! The calls to libwebp. Besides one line for vectors in `worker/optimize`, all `unsafe` code of the workspace
//! is in this file.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::slice;

use libwebp_sys::{WEBP_ENCODER_ABI_VERSION, WebPConfig, WebPImageHint, WebPPicture, WebPPreset};

use crate::{EncodeError, Lossy, MAX_SIDE, Picture, Pixels};

/// Beyond this number of pixels, methods up to 2 search twice, as the stock encoder does, instead of keeping
/// all coefficients in memory, some 3 bytes a pixel. The file is the same.
const MAX_KEPT_PIXELS: u64 = 1 << 24;

#[cfg(feature = "stock")]
use libwebp_sys as libwebp;

/// The encoder of this crate; `build.rs` gives its names the prefix.
#[cfg(not(feature = "stock"))]
#[allow(non_snake_case)]
mod libwebp {
    use super::{WebPConfig, WebPPicture, WebPPreset, c_int};

    unsafe extern "C" {
        #[link_name = "atelier_WebPConfigInitInternal"]
        pub(super) fn WebPConfigInitInternal(
            config: *mut WebPConfig,
            preset: WebPPreset,
            quality: f32,
            version: c_int,
        ) -> c_int;
        #[link_name = "atelier_WebPConfigLosslessPreset"]
        pub(super) fn WebPConfigLosslessPreset(config: *mut WebPConfig, level: c_int) -> c_int;
        #[link_name = "atelier_WebPValidateConfig"]
        pub(super) fn WebPValidateConfig(config: *const WebPConfig) -> c_int;
        #[link_name = "atelier_WebPPictureInitInternal"]
        pub(super) fn WebPPictureInitInternal(picture: *mut WebPPicture, version: c_int) -> c_int;
        #[link_name = "atelier_WebPPictureFree"]
        pub(super) fn WebPPictureFree(picture: *mut WebPPicture);
        #[link_name = "atelier_WebPPictureImportRGB"]
        pub(super) fn WebPPictureImportRGB(
            picture: *mut WebPPicture,
            rgb: *const u8,
            stride: c_int,
        ) -> c_int;
        #[link_name = "atelier_WebPPictureImportRGBA"]
        pub(super) fn WebPPictureImportRGBA(
            picture: *mut WebPPicture,
            rgba: *const u8,
            stride: c_int,
        ) -> c_int;
        #[link_name = "atelier_WebPEncode"]
        pub(super) fn WebPEncode(config: *const WebPConfig, picture: *mut WebPPicture) -> c_int;
    }
}

/// Encodes with loss. Two equal calls return equal bytes.
///
/// # Errors
/// As [`EncodeError`] says.
pub fn lossy(picture: &Picture<'_>, settings: &Lossy) -> Result<Vec<u8>, EncodeError> {
    let mut config = default_config(settings.quality)?;
    config.method = c_int::from(settings.method);
    config.sns_strength = c_int::from(settings.sns_strength);
    config.filter_strength = c_int::from(settings.filter_strength);
    config.segments = c_int::from(settings.segments);
    config.partitions = c_int::from(settings.partitions);
    if settings.photo {
        config.image_hint = WebPImageHint::WEBP_HINT_PHOTO;
    }
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    config.low_memory = c_int::from(settings.method <= 2 && pixels > MAX_KEPT_PIXELS);
    encode(picture, &config)
}

/// Encodes without loss, but for the colors of wholly transparent pixels. The level is the effort, 0
/// (fast) to 9 (small).
///
/// # Errors
/// As [`EncodeError`] says.
pub fn lossless(picture: &Picture<'_>, level: u8) -> Result<Vec<u8>, EncodeError> {
    if matches!(picture.pixels, Pixels::Yuv420 { .. }) {
        return Err(EncodeError::NotRgb);
    }
    let mut config = default_config(75.0)?;
    // SAFETY: `config` is initialized, and the call only writes its fields.
    if unsafe { libwebp::WebPConfigLosslessPreset(&mut config, c_int::from(level)) } == 0 {
        return Err(EncodeError::BadSettings);
    }
    encode(picture, &config)
}

fn default_config(quality: f32) -> Result<WebPConfig, EncodeError> {
    let (preset, version) = (
        WebPPreset::WEBP_PRESET_DEFAULT,
        WEBP_ENCODER_ABI_VERSION as c_int,
    );
    let mut config = MaybeUninit::uninit();
    // SAFETY: the call writes all fields; 0 says that it did not, or that the quality is out of range.
    unsafe {
        match libwebp::WebPConfigInitInternal(config.as_mut_ptr(), preset, quality, version) {
            0 => Err(EncodeError::BadSettings),
            _ => Ok(config.assume_init()),
        }
    }
}

/// A picture that frees what libwebp allocated for it.
struct Source(WebPPicture);

impl Source {
    fn new() -> Result<Self, EncodeError> {
        let mut picture = MaybeUninit::uninit();
        // SAFETY: the call writes all fields, unless it returns 0.
        unsafe {
            let version = WEBP_ENCODER_ABI_VERSION as c_int;
            match libwebp::WebPPictureInitInternal(picture.as_mut_ptr(), version) {
                0 => Err(EncodeError::Failed("another version".to_owned())),
                _ => Ok(Self(picture.assume_init())),
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // SAFETY: initialized by `Source::new`. libwebp frees what it allocated, which it notes apart
        // from the planes, so it does not free planes that are ours.
        unsafe { libwebp::WebPPictureFree(&mut self.0) }
    }
}

fn encode(picture: &Picture<'_>, config: &WebPConfig) -> Result<Vec<u8>, EncodeError> {
    picture.check()?;
    // SAFETY: `config` is initialized.
    if unsafe { libwebp::WebPValidateConfig(config) } == 0 {
        return Err(EncodeError::BadSettings);
    }
    let mut source = Source::new()?;
    // Not above MAX_SIDE, and no stride is above four times that.
    let (width, height) = (picture.width as c_int, picture.height as c_int);
    source.0.width = width;
    source.0.height = height;
    // Lossy: straight to YUV, without a copy in ARGB between.
    source.0.use_argb = config.lossless;

    // SAFETY: `check` has seen to it that the pixels are as many as width, height and strides say.
    // The calls copy them.
    let imported = unsafe {
        match picture.pixels {
            Pixels::Rgb(rgb) => {
                libwebp::WebPPictureImportRGB(&mut source.0, rgb.as_ptr(), 3 * width)
            }
            Pixels::Rgba(rgba) => {
                libwebp::WebPPictureImportRGBA(&mut source.0, rgba.as_ptr(), 4 * width)
            }
            Pixels::Yuv420 { y, u, v } => {
                // Planes of others are only read where there is no alpha.
                source.0.y = y.as_ptr().cast_mut();
                source.0.u = u.as_ptr().cast_mut();
                source.0.v = v.as_ptr().cast_mut();
                source.0.y_stride = width;
                source.0.uv_stride = (width + 1) / 2;
                1
            }
        }
    };
    if imported == 0 {
        return Err(failed(&source));
    }

    let mut bytes: Vec<u8> = Vec::new();
    source.0.writer = Some(write);
    source.0.custom_ptr = (&raw mut bytes).cast::<c_void>();
    // SAFETY: configuration and picture are initialized. `write` is given `custom_ptr`, which points
    // to `bytes`, alive until the end of this function and not touched meanwhile.
    if unsafe { libwebp::WebPEncode(config, &mut source.0) } == 0 {
        return Err(failed(&source));
    }
    Ok(bytes)
}

/// Adds a part of the file to the vector behind `custom_ptr`.
extern "C" fn write(data: *const u8, size: usize, picture: *const WebPPicture) -> c_int {
    if size > 0 {
        // SAFETY: libwebp calls with `size` bytes at `data` and the picture that `encode` gave it.
        unsafe {
            let bytes = &mut *(*picture).custom_ptr.cast::<Vec<u8>>();
            bytes.extend_from_slice(slice::from_raw_parts(data, size));
        }
    }
    1
}

fn failed(source: &Source) -> EncodeError {
    EncodeError::Failed(format!("{:?}", source.0.error_code))
}

impl Picture<'_> {
    /// Whether the sides can be stored, and the pixels are as many as they say.
    fn check(&self) -> Result<(), EncodeError> {
        let (width, height) = (self.width, self.height);
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(EncodeError::BadDimensions { width, height });
        }
        let bytes = |width: u32, height: u32, each: usize| width as usize * height as usize * each;
        let check = |found: usize, expected: usize| match found == expected {
            true => Ok(()),
            false => Err(EncodeError::BadLength { found, expected }),
        };
        match self.pixels {
            Pixels::Rgb(rgb) => check(rgb.len(), bytes(width, height, 3)),
            Pixels::Rgba(rgba) => check(rgba.len(), bytes(width, height, 4)),
            Pixels::Yuv420 { y, u, v } => {
                let chroma = bytes(width.div_ceil(2), height.div_ceil(2), 1);
                check(y.len(), bytes(width, height, 1))?;
                check(u.len(), chroma)?;
                check(v.len(), chroma)
            }
        }
    }
}
