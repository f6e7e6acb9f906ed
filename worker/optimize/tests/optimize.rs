//! What the worker relies on, with small pictures.

mod support;

use std::io::Cursor;

use atelier_optimize::{
    DIGITAL_SOURCE_TYPE, Format, OptimizeError, Picture, Provenance, Settings, optimize, sniff,
};
use image::{DynamicImage, GenericImageView, ImageFormat, ImageReader, RgbImage};
use proptest::prelude::*;
use support::photo;

const PROVENANCE: Provenance<'static> = Provenance {
    model: "stability.stable-image-core-v1:1",
};

fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image
        .write_to(&mut Cursor::new(&mut bytes), format)
        .expect("encoding a test picture");
    bytes
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    file(&image.into(), ImageFormat::Png)
}

fn read(picture: &Picture) -> DynamicImage {
    let reader = ImageReader::with_format(Cursor::new(&picture.bytes), ImageFormat::WebP);
    reader.decode().expect("our own file must be readable")
}

fn small(max_dimension: u32) -> Settings {
    Settings {
        max_dimension,
        ..Settings::default()
    }
}

/// Mean difference of the channels, 0 to 255.
fn difference(a: &DynamicImage, b: &DynamicImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let (a, b) = (a.to_rgba8(), b.to_rgba8());
    let sum: u64 = a
        .iter()
        .zip(b.iter())
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / a.len() as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    // Feature: s3-image-storage, Property 16: Image compression effectiveness
    #[test]
    fn a_photo_shrinks_by_at_least_30_percent(width in 32_u32..160, height in 32_u32..160, seed: u64) {
        let original = png(photo(width, height, seed));
        let picture = optimize(&original, &Settings::default(), &PROVENANCE)?;
        prop_assert!(picture.bytes.len() as f64 <= 0.7 * original.len() as f64);
        let seen = difference(&read(&picture), &photo(width, height, seed).into());
        prop_assert!(seen < 12.0, "the picture changed by {seen}");
    }

    // Feature: s3-image-storage, Property 17: Image dimension constraints
    #[test]
    fn a_large_picture_fits_and_keeps_its_ratio(width in 1_u32..300, height in 1_u32..300, longest in 16_u32..128) {
        let picture = optimize(&png(photo(width, height, 7)), &small(longest), &PROVENANCE)?;
        prop_assert!(picture.width <= longest && picture.height <= longest);
        let scale = f64::from(longest).min(f64::from(width.max(height))) / f64::from(width.max(height));
        prop_assert!((f64::from(picture.width) - f64::from(width) * scale).abs() <= 1.0);
        prop_assert!((f64::from(picture.height) - f64::from(height) * scale).abs() <= 1.0);
        prop_assert_eq!(read(&picture).dimensions(), (picture.width, picture.height));
    }

    // Feature: s3-image-storage, Property 18: Format conversion
    #[test]
    fn every_kind_of_picture_becomes_webp(kind in 0_usize..8, width in 1_u32..80, height in 1_u32..80, seed: u64) {
        let photo = DynamicImage::from(photo(width, height, seed));
        let original = match kind {
            0 => png(photo),
            1 => png(photo.to_rgba8()),
            2 => png(photo.to_luma8()),
            3 => png(photo.to_luma_alpha8()),
            4 => png(photo.to_rgb16()),
            5 => png(photo.to_rgba16()),
            6 => file(&photo, ImageFormat::Jpeg),
            _ => file(&photo, ImageFormat::WebP),
        };
        let picture = optimize(&original, &Settings::default(), &PROVENANCE)?;
        prop_assert_eq!(picture.format, Format::Webp);
        prop_assert_eq!(picture.format.content_type(), "image/webp");
        prop_assert_eq!(sniff(&picture.bytes), Some((Format::Webp, Some((width, height)))));
        prop_assert_eq!(read(&picture).dimensions(), (width, height));
    }

    // Feature: s3-image-storage, Property 19: Optimization fallback
    #[test]
    fn a_broken_image_is_said_to_be_an_image(cut in 8_usize..2_000, seed: u64) {
        let mut original = png(photo(40, 40, seed));
        original.truncate(cut.min(original.len() - 20));
        let error = optimize(&original, &Settings::default(), &PROVENANCE).expect_err("cut off");
        prop_assert!(matches!(error, OptimizeError::Corrupt(_)), "{error}");
        prop_assert!(error.is_still_an_image());
    }

    #[test]
    fn what_is_no_image_is_said_to_be_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assume!(sniff(&bytes).is_none());
        let error = optimize(&bytes, &Settings::default(), &PROVENANCE).expect_err("no image");
        prop_assert!(!error.is_still_an_image());
    }

    #[test]
    fn damaged_files_never_panic(kind in 0_usize..4, seed: u64, damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), cut in any::<Option<prop::sample::Index>>()) {
        let photo = DynamicImage::from(photo(33, 21, seed));
        let mut bytes = match kind {
            0 => png(photo),
            1 => png(photo.to_luma_alpha16()),
            2 => file(&photo, ImageFormat::Jpeg),
            _ => optimize(&png(photo.to_rgba8()), &Settings::default(), &PROVENANCE)?.bytes,
        };
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let settings = Settings { decode_budget_bytes: 4 * 1024 * 1024, ..small(64) };
        if let Ok(picture) = optimize(&bytes, &settings, &PROVENANCE) {
            prop_assert_eq!(read(&picture).dimensions(), (picture.width, picture.height));
        }
    }
}

#[test]
fn palettes_interlacing_and_small_depths_are_read() {
    for (color, depth, palette) in [
        (
            png::ColorType::Indexed,
            png::BitDepth::Eight,
            Some(vec![0, 0, 0, 255, 0, 0, 0, 0, 255]),
        ),
        (png::ColorType::Grayscale, png::BitDepth::One, None),
    ] {
        let mut original = Vec::new();
        let mut encoder = png::Encoder::new(&mut original, 8, 4);
        encoder.set_color(color);
        encoder.set_depth(depth);
        let row = if palette.is_some() {
            vec![0, 1, 2, 0, 1, 2, 0, 1]
        } else {
            vec![0b1010_1010]
        };
        if let Some(palette) = palette {
            encoder.set_palette(palette);
        }
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(&row.repeat(4)).expect("pixels");
        writer.finish().expect("an end");
        let picture = optimize(&original, &Settings::default(), &PROVENANCE).expect("readable");
        assert_eq!((picture.width, picture.height), (8, 4));
    }
    // Adam7, 8x8 gray, from a file of the PNG test suite's kind: pass after pass in one stream.
    let interlaced = include_bytes!("interlaced.png");
    let picture = optimize(interlaced, &Settings::default(), &PROVENANCE).expect("readable");
    let plain = ImageReader::with_format(Cursor::new(interlaced), ImageFormat::Png);
    assert!(difference(&read(&picture), &plain.decode().expect("readable")) < 8.0);
}

/// A thread keeps memory of one picture for the next, of which nothing may show.
#[test]
fn nothing_of_a_picture_shows_in_the_next() {
    let pictures = [(90, 80, 1), (80, 85, 2), (70, 95, 3), (90, 80, 1)];
    let optimized = |(width, height, seed)| {
        let file = png(photo(width, height, seed));
        optimize(&file, &small(32), &PROVENANCE).expect("a picture")
    };
    for picture in pictures {
        let alone = std::thread::spawn(move || optimized(picture));
        assert_eq!(optimized(picture), alone.join().expect("no panic"));
    }
}

#[test]
fn a_picture_with_alpha_keeps_it() {
    let mut image = DynamicImage::from(photo(64, 64, 1)).to_rgba8();
    for (x, _, pixel) in image.enumerate_pixels_mut() {
        pixel[3] = (x * 4) as u8;
    }
    let picture = optimize(&png(image.clone()), &small(32), &PROVENANCE).expect("optimized");
    let seen = read(&picture);
    assert!(seen.color().has_alpha());
    let seen = seen.to_rgba8();
    assert!(seen.get_pixel(0, 9)[3] < 12 && seen.get_pixel(31, 9)[3] > 236);
    let lossless = optimize(
        &png(RgbImage::new(64, 64)),
        &Settings::default(),
        &PROVENANCE,
    );
    assert!(!read(&lossless.expect("optimized")).color().has_alpha());
}

#[test]
fn a_drawing_that_lossy_webp_makes_larger_is_kept_without_loss() {
    let mut random = fastrand::Rng::with_seed(1);
    let code = RgbImage::from_fn(64, 64, |_, _| {
        image::Rgb(if random.bool() {
            [0, 0, 0]
        } else {
            [255, 255, 255]
        })
    });
    let picture =
        optimize(&png(code.clone()), &Settings::default(), &PROVENANCE).expect("optimized");
    assert!(
        read(&picture).to_rgb8() == code,
        "changed, so it is not lossless"
    );
}

#[test]
fn a_bomb_is_refused_before_memory_is_spent() {
    let mut bomb = png(photo(4, 4, 1));
    // Width and height are the header's first eight bytes; then its checksum.
    bomb[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let mut crc = !0_u32;
    for &byte in &bomb[12..29] {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    bomb[29..33].copy_from_slice(&(!crc).to_be_bytes());
    let error = optimize(&bomb, &Settings::default(), &PROVENANCE).expect_err("a bomb");
    assert!(
        matches!(
            error,
            OptimizeError::OverBudget {
                needed: 10_800_000_000,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.is_still_an_image() && error.is_about_memory());
    assert_eq!(sniff(&bomb), Some((Format::Png, Some((60_000, 60_000)))));
}

#[test]
fn a_file_that_its_decoder_panics_at_is_corrupt() {
    let mut original = Vec::new();
    let mut encoder = png::Encoder::new(&mut original, 1, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(vec![9]);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[0]).expect("a pixel");
    writer.finish().expect("a file");
    let error = optimize(&original, &Settings::default(), &PROVENANCE).expect_err("corrupt");
    assert!(matches!(error, OptimizeError::Corrupt(_)), "{error}");
    assert!(error.is_still_an_image());
}

#[test]
fn a_chunk_that_claims_more_than_the_file_has_is_refused() {
    let mut webp = file(&photo(4, 4, 1).into(), ImageFormat::WebP);
    webp.extend(b"ICCP\0\0\0\x40profile");
    let error = optimize(&webp, &Settings::default(), &PROVENANCE).expect_err("cut off");
    assert!(matches!(error, OptimizeError::Corrupt(_)), "{error}");
}

#[test]
fn a_budget_counts_what_conversions_take() {
    let settings = |budget| Settings {
        decode_budget_bytes: budget,
        ..Settings::default()
    };
    let deep = png(DynamicImage::from(photo(100, 100, 1)).to_rgb16());
    assert!(optimize(&deep, &settings(90_000), &PROVENANCE).is_ok());
    let error = optimize(&deep, &settings(89_999), &PROVENANCE).expect_err("over budget");
    assert!(
        matches!(
            error,
            OptimizeError::OverBudget {
                needed: 90_000,
                budget: 89_999
            }
        ),
        "{error}"
    );
}

#[test]
fn a_result_that_webp_cannot_hold_is_an_error() {
    let original = png(RgbImage::new(16_400, 1));
    let error = optimize(&original, &small(20_000), &PROVENANCE).expect_err("too wide");
    assert!(
        matches!(
            error,
            OptimizeError::BadDimensions {
                width: 16_400,
                height: 1
            }
        ),
        "{error}"
    );
    assert!(error.is_still_an_image());
}

#[test]
fn a_gif_is_recognized_but_not_decoded() {
    let gif = b"GIF89a\x0a\x00\x14\x00\x00\x00\x00;";
    assert_eq!(sniff(gif), Some((Format::Gif, Some((10, 20)))));
    let error = optimize(gif, &Settings::default(), &PROVENANCE).expect_err("a GIF");
    assert!(error.is_still_an_image());
}

#[test]
fn the_file_says_that_a_model_made_it() {
    for alpha in [false, true] {
        let photo = DynamicImage::from(photo(40, 30, 1));
        let mut original = if alpha {
            photo.to_rgba8().into()
        } else {
            photo
        };
        if let DynamicImage::ImageRgba8(image) = &mut original {
            image.get_pixel_mut(0, 0)[3] = 0;
        }
        let picture =
            optimize(&png(original), &Settings::default(), &PROVENANCE).expect("optimized");
        assert_eq!(&picture.bytes[12..16], b"VP8X");
        assert_eq!(picture.bytes[20], if alpha { 0x14 } else { 0x04 });
        let riff_size = u32::from_le_bytes(picture.bytes[4..8].try_into().expect("four bytes"));
        assert_eq!(riff_size as usize + 8, picture.bytes.len());

        let reader = ImageReader::with_format(Cursor::new(&picture.bytes), ImageFormat::WebP);
        let xmp = image::ImageDecoder::xmp_metadata(&mut reader.into_decoder().expect("readable"));
        let xmp = String::from_utf8(xmp.expect("readable").expect("an XMP chunk")).expect("UTF-8");
        assert!(
            xmp.contains(DIGITAL_SOURCE_TYPE) && xmp.contains(PROVENANCE.model),
            "{xmp}"
        );
    }
}

#[test]
fn an_rgb_profile_travels_with_the_picture() {
    let profile = [&[0; 16][..], b"RGB ", &[7; 101]].concat();
    let mut original = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut original);
    image::ImageEncoder::set_icc_profile(&mut encoder, profile.clone()).expect("supported");
    photo(20, 20, 1)
        .write_with_encoder(encoder)
        .expect("encoded");
    let picture = optimize(&original, &Settings::default(), &PROVENANCE).expect("optimized");
    let reader = ImageReader::with_format(Cursor::new(&picture.bytes), ImageFormat::WebP);
    let seen = image::ImageDecoder::icc_profile(&mut reader.into_decoder().expect("readable"));
    assert_eq!(seen.expect("readable"), Some(profile));
}
