//! Pictures of several kinds, and libwebp as it is: its encoder and its decoder.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::slice;

use atelier_webp::{Lossy, Picture, Pixels};
use image::{ImageFormat, RgbaImage};
use libwebp_sys::{
    WebPConfig, WebPConfigLosslessPreset, WebPDecodeRGBA, WebPEncode, WebPFree, WebPPicture,
    WebPPictureFree, WebPPictureImportRGB, WebPPictureImportRGBA, WebPPreset,
};

/// What is in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Soft shapes and sensor noise.
    Photo,
    /// The same, partly transparent.
    PhotoWithAlpha,
    /// Flat areas with hard edges, so that macroblocks are skipped.
    Drawing,
    /// One color.
    Flat,
    /// A gradient.
    Gradient,
    /// Every byte at random: the largest coefficients.
    Noise,
    /// Black and white by chance.
    BlackAndWhite,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Photo,
        Self::PhotoWithAlpha,
        Self::Drawing,
        Self::Flat,
        Self::Gradient,
        Self::Noise,
        Self::BlackAndWhite,
    ];

    pub(crate) fn pixels(self, rgba: &RgbaImage) -> Bytes {
        match self {
            Self::PhotoWithAlpha => Bytes::Rgba(rgba.as_raw().clone()),
            _ => Bytes::Rgb(
                rgba.pixels()
                    .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
                    .collect(),
            ),
        }
    }
}

/// Pixels with their bytes.
pub(crate) enum Bytes {
    Rgb(Vec<u8>),
    Rgba(Vec<u8>),
}

impl Bytes {
    pub(crate) fn as_pixels(&self) -> Pixels<'_> {
        match self {
            Self::Rgb(bytes) => Pixels::Rgb(bytes),
            Self::Rgba(bytes) => Pixels::Rgba(bytes),
        }
    }
}

pub(crate) fn painted(kind: Kind, width: u32, height: u32, seed: u64) -> RgbaImage {
    let mut random = fastrand::Rng::with_seed(seed);
    let color = [random.u8(..), random.u8(..), random.u8(..)];
    let other = [random.u8(..), random.u8(..), random.u8(..)];
    let radius = random.u32(4..80);
    let speed = [random.f32(), random.f32(), random.f32() * 6.0];
    RgbaImage::from_fn(width, height, |x, y| {
        let wave = |phase: f32| {
            128.0 + 90.0 * (speed[0] * x as f32 / 9.0 + speed[1] * y as f32 / 7.0 + phase).sin()
        };
        let photo = |random: &mut fastrand::Rng| {
            [0.0, 0.7, 1.4]
                .map(|phase| (wave(phase + speed[2]) + 12.0 * random.f32()).clamp(0.0, 255.0) as u8)
        };
        let (rgb, alpha) = match kind {
            Kind::Photo => (photo(&mut random), 255),
            Kind::PhotoWithAlpha => (photo(&mut random), ((x + y) * 5 % 256) as u8),
            Kind::Drawing if (x / radius + y / radius).is_multiple_of(3) => (other, 255),
            Kind::Drawing | Kind::Flat => (color, 255),
            Kind::Gradient => (
                [(x % 256) as u8, (y % 256) as u8, ((x + y) / 2 % 256) as u8],
                255,
            ),
            Kind::Noise => ([random.u8(..), random.u8(..), random.u8(..)], 255),
            Kind::BlackAndWhite => ([if random.bool() { 255 } else { 0 }; 3], 255),
        };
        image::Rgba([rgb[0], rgb[1], rgb[2], alpha])
    })
}

/// Planes with noise.
pub(crate) fn yuv(width: u32, height: u32, seed: u64) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut plane = |width: u32, height: u32| {
        (0..width * height)
            .map(|at| (at / 3 % 200) as u8 + random.u8(16..50))
            .collect::<Vec<u8>>()
    };
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    (
        plane(width, height),
        plane(half_width, half_height),
        plane(half_width, half_height),
    )
}

pub(crate) fn stock_lossy(picture: &Picture<'_>, settings: &Lossy) -> Vec<u8> {
    let mut config = WebPConfig::new_with_preset(WebPPreset::WEBP_PRESET_DEFAULT, settings.quality)
        .expect("a configuration");
    config.method = c_int::from(settings.method);
    config.sns_strength = c_int::from(settings.sns_strength);
    config.filter_strength = c_int::from(settings.filter_strength);
    config.segments = c_int::from(settings.segments);
    config.partitions = c_int::from(settings.partitions);
    stock(picture, &config)
}

pub(crate) fn stock_lossless(picture: &Picture<'_>, level: u8) -> Vec<u8> {
    let mut config = WebPConfig::new().expect("a configuration");
    // SAFETY: `config` is initialized.
    assert_ne!(
        unsafe { WebPConfigLosslessPreset(&mut config, c_int::from(level)) },
        0
    );
    stock(picture, &config)
}

fn stock(picture: &Picture<'_>, config: &WebPConfig) -> Vec<u8> {
    let mut source = WebPPicture::new().expect("a picture");
    let width = picture.width as c_int;
    source.width = width;
    source.height = picture.height as c_int;
    source.use_argb = config.lossless;
    let mut bytes: Vec<u8> = Vec::new();
    // SAFETY: the pixels of tests are as many as width and height say; `bytes` outlives the calls.
    unsafe {
        let imported = match picture.pixels {
            Pixels::Rgb(rgb) => WebPPictureImportRGB(&mut source, rgb.as_ptr(), 3 * width),
            Pixels::Rgba(rgba) => WebPPictureImportRGBA(&mut source, rgba.as_ptr(), 4 * width),
            Pixels::Yuv420 { y, u, v } => {
                source.y = y.as_ptr().cast_mut();
                source.u = u.as_ptr().cast_mut();
                source.v = v.as_ptr().cast_mut();
                source.y_stride = width;
                source.uv_stride = (width + 1) / 2;
                1
            }
        };
        assert_ne!(imported, 0);
        source.writer = Some(write);
        source.custom_ptr = (&raw mut bytes).cast::<c_void>();
        assert_ne!(WebPEncode(config, &mut source), 0);
        WebPPictureFree(&mut source);
    }
    bytes
}

extern "C" fn write(data: *const u8, size: usize, picture: *const WebPPicture) -> c_int {
    if size > 0 {
        // SAFETY: as libwebp calls it, with what `stock` gave it.
        unsafe {
            let bytes = &mut *(*picture).custom_ptr.cast::<Vec<u8>>();
            bytes.extend_from_slice(slice::from_raw_parts(data, size));
        }
    }
    1
}

pub(crate) fn decoded_by_image(file: &[u8]) -> RgbaImage {
    image::load_from_memory_with_format(file, ImageFormat::WebP)
        .expect("decoded")
        .into_rgba8()
}

pub(crate) fn decoded_by_libwebp(file: &[u8]) -> RgbaImage {
    let (mut width, mut height) = (0, 0);
    // SAFETY: the decoder returns width times height times 4 bytes, or null; it is freed once.
    let bytes = unsafe {
        let pixels = WebPDecodeRGBA(file.as_ptr(), file.len(), &mut width, &mut height);
        assert!(!pixels.is_null());
        let bytes = slice::from_raw_parts(pixels, (width * height * 4) as usize).to_vec();
        WebPFree(pixels.cast::<c_void>());
        bytes
    };
    RgbaImage::from_raw(width as u32, height as u32, bytes).expect("as many bytes")
}
