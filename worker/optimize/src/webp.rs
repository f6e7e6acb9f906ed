//! Pixels to WebP by libwebp. All `unsafe` code of the workspace is in this file.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ptr;

use libwebp_sys::{
    WebPConfig, WebPConfigLosslessPreset, WebPEncode, WebPMemoryWrite, WebPMemoryWriter,
    WebPMemoryWriterClear, WebPPicture, WebPPictureFree, WebPPictureImportRGB,
    WebPPictureImportRGBA, WebPPreset,
};

use crate::decode::Pixels;
use crate::error::OptimizeError;

/// libwebp's lossless effort, 0 to 9: small drawings take a few ms, and a photograph that ends here
/// by mistake not more than half a second.
const LOSSLESS_LEVEL: c_int = 3;

/// Encodes with loss. Two equal calls return equal bytes.
pub(crate) fn lossy(pixels: &Pixels, quality: u8, method: u8) -> Result<Vec<u8>, OptimizeError> {
    let quality = f32::from(quality.min(100));
    let mut config = WebPConfig::new_with_preset(WebPPreset::WEBP_PRESET_DEFAULT, quality)
        .map_err(|()| failed("configuration"))?;
    config.method = c_int::from(method.min(6));
    encode(pixels, &config)
}

/// Encodes without loss, but for the colors of wholly transparent pixels.
pub(crate) fn lossless(pixels: &Pixels) -> Result<Vec<u8>, OptimizeError> {
    let mut config = WebPConfig::new().map_err(|()| failed("configuration"))?;
    // SAFETY: `config` is initialized, and the call only writes its fields.
    if unsafe { WebPConfigLosslessPreset(&mut config, LOSSLESS_LEVEL) } == 0 {
        return Err(failed("configuration"));
    }
    encode(pixels, &config)
}

/// A picture that frees what libwebp allocated for it.
struct Source(WebPPicture);

impl Drop for Source {
    fn drop(&mut self) {
        // SAFETY: initialized by `WebPPicture::new`; its planes are null or libwebp's own.
        unsafe { WebPPictureFree(&mut self.0) }
    }
}

/// A growing buffer that frees what libwebp allocated for it.
struct Output(WebPMemoryWriter);

impl Output {
    /// As `WebPMemoryWriterInit` does.
    fn new() -> Self {
        Self(WebPMemoryWriter {
            mem: ptr::null_mut(),
            size: 0,
            max_size: 0,
            pad: [0],
        })
    }

    fn bytes(&self) -> &[u8] {
        if self.0.mem.is_null() {
            return &[];
        }
        // SAFETY: `mem` points to `size` bytes that the writer filled, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.0.mem, self.0.size) }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // SAFETY: `mem` is null or libwebp's own.
        unsafe { WebPMemoryWriterClear(&mut self.0) }
    }
}

fn encode(pixels: &Pixels, config: &WebPConfig) -> Result<Vec<u8>, OptimizeError> {
    let mut source = Source(WebPPicture::new().map_err(|()| failed("picture"))?);
    let mut output = Output::new();
    let side = |pixels: u32| c_int::try_from(pixels).map_err(|_| failed("dimensions"));
    source.0.width = side(pixels.width())?;
    source.0.height = side(pixels.height())?;
    // Lossy: straight to YUV, without a copy in ARGB between.
    source.0.use_argb = config.lossless;

    // SAFETY: the buffer of an `RgbImage` or `RgbaImage` holds height times width times 3 or 4
    // bytes, and the stride says so. libwebp refuses sides above 16,383, so the strides do not
    // overflow; it copies the pixels before it returns.
    let imported = unsafe {
        match pixels {
            Pixels::Rgb(image) => {
                let stride = source.0.width.saturating_mul(3);
                WebPPictureImportRGB(&mut source.0, image.as_raw().as_ptr(), stride)
            }
            Pixels::Rgba(image) => {
                let stride = source.0.width.saturating_mul(4);
                WebPPictureImportRGBA(&mut source.0, image.as_raw().as_ptr(), stride)
            }
        }
    };
    if imported == 0 {
        return Err(failed(&format!("{:?}", source.0.error_code)));
    }

    source.0.writer = Some(WebPMemoryWrite);
    source.0.custom_ptr = (&raw mut output.0).cast::<c_void>();
    // SAFETY: configuration and picture are initialized. The writer is given `custom_ptr`, which
    // points to `output`, alive until the end of this function and not touched meanwhile.
    if unsafe { WebPEncode(config, &mut source.0) } == 0 {
        return Err(failed(&format!("{:?}", source.0.error_code)));
    }
    Ok(output.bytes().to_vec())
}

fn failed(what: &str) -> OptimizeError {
    OptimizeError::Encode(format!("libwebp: {what}"))
}
