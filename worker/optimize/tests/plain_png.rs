//! Plain PNG files take a short way. They must come out of it as out of the ordinary decoder.

mod support;

use atelier_optimize::plain_png;
use image::{DynamicImage, ImageFormat};
use png::{BitDepth, ColorType, Compression, Filter};
use proptest::prelude::*;
use support::photo;

const BUDGET: u64 = 64 << 20;

/// A PNG of 8 bits by the encoder of the crate png.
fn encoded(image: &DynamicImage, filter: Filter, compression: Compression) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, image.width(), image.height());
    encoder.set_color(match image.color().has_alpha() {
        true => ColorType::Rgba,
        false => ColorType::Rgb,
    });
    encoder.set_depth(BitDepth::Eight);
    encoder.set_filter(filter);
    encoder.set_compression(compression);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(image.as_bytes()).expect("pixels");
    writer.finish().expect("an end");
    file
}

fn picture(width: u32, height: u32, seed: u64, alpha: bool) -> DynamicImage {
    let photo = DynamicImage::from(photo(width, height, seed));
    match alpha {
        true => photo.into_rgba8().into(),
        false => photo,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_plain_picture_is_what_the_ordinary_decoder_makes(
        width in 1_u32..300, height in 1_u32..120, seed: u64, alpha: bool,
        filter in prop::sample::select(vec![Filter::NoFilter, Filter::Sub, Filter::Up, Filter::Avg, Filter::Paeth, Filter::Adaptive]),
        compression in prop::sample::select(vec![Compression::NoCompression, Compression::Fast, Compression::Balanced]),
    ) {
        let image = picture(width, height, seed, alpha);
        let file = encoded(&image, filter, compression);
        prop_assert!(plain_png(&file, BUDGET).as_deref() == Some(image.as_bytes()));
    }

    #[test]
    fn damage_is_left_to_the_ordinary_decoder(seed: u64, at: prop::sample::Index, bit in 0..8_u32) {
        let image = picture(40, 30, seed, false);
        let mut file = encoded(&image, Filter::Adaptive, Compression::Fast);
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        // The signature is looked at before.
        prop_assume!(at >= 8);
        prop_assert_eq!(plain_png(&file, BUDGET), None);
    }
}

#[test]
fn a_large_picture_comes_in_many_batches() {
    for (width, height) in [(1024, 700), (5000, 40), (16_000, 9), (3, 30_000)] {
        let image = picture(width, height, 1, false);
        let file = encoded(&image, Filter::Adaptive, Compression::Fast);
        assert!(
            plain_png(&file, BUDGET).as_deref() == Some(image.as_bytes()),
            "{width}x{height}"
        );
    }
}

#[test]
fn what_is_not_plain_is_left_to_the_ordinary_decoder() {
    let photo = picture(20, 20, 1, false);
    let others: [DynamicImage; 4] = [
        photo.to_luma8().into(),
        photo.to_luma_alpha8().into(),
        photo.to_rgb16().into(),
        photo.to_rgba16().into(),
    ];
    for other in others {
        let mut file = std::io::Cursor::new(Vec::new());
        other
            .write_to(&mut file, ImageFormat::Png)
            .expect("encoded");
        assert_eq!(
            plain_png(file.get_ref(), BUDGET),
            None,
            "{:?}",
            other.color()
        );
    }
    assert_eq!(plain_png(include_bytes!("interlaced.png"), BUDGET), None);
}

#[test]
fn the_budget_counts_what_it_takes() {
    let image = picture(500, 500, 1, false);
    let file = encoded(&image, Filter::Adaptive, Compression::Fast);
    assert!(plain_png(&file, 3 * 500 * 500 + (160 << 10)).is_some());
    assert_eq!(plain_png(&file, 3 * 500 * 500 + (160 << 10) - 1), None);
}
