//! What is made beside a picture: smaller ones, AVIFs, a preview.

mod support;

use std::io::Cursor;

use atelier_optimize::{DIGITAL_SOURCE_TYPE, Fitted, Format, Provenance, Settings, sniff};
use image::{DynamicImage, ImageEncoder as _, ImageFormat, RgbImage};
use proptest::prelude::*;
use support::photo;

const PROVENANCE: Provenance<'static> = Provenance {
    model: "stability.stable-image-core-v1:1",
};

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Vec::new();
    image
        .into()
        .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
        .expect("encoding a test picture");
    bytes
}

fn fitted(original: &[u8]) -> Fitted {
    Fitted::decode(original, &Settings::default()).expect("a picture")
}

fn has(file: &[u8], bytes: &[u8]) -> bool {
    file.windows(bytes.len()).any(|window| window == bytes)
}

/// Width and height as the file's `ispe` property says them (ISO 23008-12, 6.5.3).
fn avif_dimensions(file: &[u8]) -> (u32, u32) {
    let at = file.windows(4).position(|it| it == b"ispe").expect("ispe") + 8;
    let side = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().expect("4 bytes"));
    (side(at), side(at + 4))
}

/// The bytes of the items, by the places that `iloc` says (version 0, without a base).
fn avif_items(file: &[u8]) -> Vec<Vec<u8>> {
    let mut at = file.windows(4).position(|it| it == b"iloc").expect("iloc") + 10;
    let mut next = |length: usize| {
        at += length;
        let number = file[at - length..at].iter();
        number.fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let count = next(2);
    (0..count)
        .map(|_| {
            let _id_and_place_of_the_data = next(4);
            let extents = next(2);
            let places = (0..extents).map(|_| (next(4), next(4)));
            places
                .flat_map(|(offset, length)| &file[offset..offset + length])
                .copied()
                .collect()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    // Feature: s3-image-storage, Property 16: Image compression effectiveness
    // Feature: s3-image-storage, Property 17: Image dimension constraints
    // Feature: s3-image-storage, Property 18: Format conversion
    #[test]
    fn a_variant_is_a_small_webp_of_the_same_ratio(width in 32_u32..300, height in 32_u32..300, wanted in 16_u32..300, seed: u64) {
        let original = png(photo(width, height, seed));
        let picture = fitted(&original).webp(wanted, &Settings::default(), &PROVENANCE)?;
        prop_assert_eq!(picture.format, Format::Webp);
        prop_assert_eq!(picture.width, wanted.min(width));
        let ratio = f64::from(height) * f64::from(picture.width) / f64::from(width);
        prop_assert!((f64::from(picture.height) - ratio).abs() <= 1.0);
        prop_assert!(picture.width <= 1024 && picture.height <= 1024);
        let dimensions = Some((picture.width, picture.height));
        prop_assert_eq!(sniff(&picture.bytes), Some((Format::Webp, dimensions)));
        prop_assert!(picture.bytes.len() as f64 <= 0.7 * original.len() as f64);
        prop_assert!(has(&picture.bytes, DIGITAL_SOURCE_TYPE.as_bytes()));
    }

    // Feature: s3-image-storage, Property 16: Image compression effectiveness
    // Feature: s3-image-storage, Property 17: Image dimension constraints
    #[test]
    fn an_avif_is_small_and_of_the_same_ratio(width in 32_u32..120, height in 32_u32..120, longest in 16_u32..120, wanted in 16_u32..120, seed: u64) {
        let original = png(photo(width, height, seed));
        let settings = Settings { max_dimension: longest, ..Settings::default() };
        let fitted = Fitted::decode(&original, &settings)?;
        prop_assert!(fitted.width() <= longest && fitted.height() <= longest);
        let file = fitted.avif(wanted, &settings, &PROVENANCE)?;
        prop_assert_eq!(&file[4..12], b"ftypavif");
        let (seen_width, seen_height) = avif_dimensions(&file);
        prop_assert_eq!(seen_width, wanted.min(fitted.width()));
        let ratio = f64::from(fitted.height()) * f64::from(seen_width) / f64::from(fitted.width());
        prop_assert!((f64::from(seen_height) - ratio).abs() <= 1.0);
        prop_assert!(file.len() as f64 <= 0.7 * original.len() as f64, "{} of {}", file.len(), original.len());
        prop_assert!(has(&file, DIGITAL_SOURCE_TYPE.as_bytes()) && has(&file, PROVENANCE.model.as_bytes()));
    }

    // Feature: s3-image-storage, Property 19: Optimization fallback
    #[test]
    fn of_a_broken_picture_nothing_is_made(cut in 8_usize..2_000, seed: u64) {
        let mut original = png(photo(40, 40, seed));
        original.truncate(cut.min(original.len() - 20));
        prop_assert!(Fitted::decode(&original, &Settings::default()).is_err());
    }

    #[test]
    fn a_preview_has_the_mean_color_in_25_bytes(width in 1_u32..200, height in 1_u32..200, color: [u8; 3]) {
        let plain = RgbImage::from_pixel(width, height, image::Rgb(color));
        let hash = fitted(&png(plain)).thumbhash()?;
        prop_assert!((5..=25).contains(&hash.len()), "{} bytes", hash.len());
        let (r, g, b, a) = thumbhash::thumb_hash_to_average_rgba(&hash).expect("a ThumbHash");
        prop_assert_eq!(a, 1.0);
        for (seen, color) in [r, g, b].into_iter().zip(color) {
            // Six bits a channel, of which two are differences.
            prop_assert!((seen - f32::from(color) / 255.0).abs() < 0.07, "{seen} for {color}");
        }
    }
}

#[test]
fn a_color_profile_is_kept_and_moves_nothing_else() {
    let profile: Vec<u8> = [&[0; 16], &b"RGB XYZ "[..], &[7; 300]].concat();
    for (kind, pixels) in [
        ("opaque", DynamicImage::from(photo(48, 32, 1))),
        ("transparent", {
            let mut pixels = DynamicImage::from(photo(48, 32, 1)).into_rgba8();
            pixels.get_pixel_mut(3, 3)[3] = 9;
            pixels.into()
        }),
    ] {
        let mut marked = Vec::new();
        let mut encoder = image::codecs::png::PngEncoder::new(&mut marked);
        encoder.set_icc_profile(profile.clone()).expect("taken");
        pixels.write_with_encoder(encoder).expect("encoded");

        let settings = Settings::default();
        let webp = fitted(&marked)
            .webp(24, &settings, &PROVENANCE)
            .expect("encoded");
        assert!(has(&webp.bytes, &profile), "{kind}");
        let with = fitted(&marked)
            .avif(24, &settings, &PROVENANCE)
            .expect("encoded");
        let without = fitted(&png(pixels))
            .avif(24, &settings, &PROVENANCE)
            .expect("encoded");
        assert!(has(&with, &[&b"colrprof"[..], &profile].concat()), "{kind}");
        // One property of 12 bytes and the profile, and its place of one byte.
        assert_eq!(with.len(), without.len() + 12 + profile.len() + 1, "{kind}");
        assert_eq!(avif_items(&with), avif_items(&without), "{kind}");
    }
}
