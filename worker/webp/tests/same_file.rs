//! Without `photo`, the files are those of the stock encoder; with it, two other decoders read them.

mod support;

use atelier_webp::{Lossy, Picture, Pixels, lossless, lossy};
use proptest::prelude::*;
use support::{
    Kind, decoded_by_image, decoded_by_libwebp, painted, stock_lossless, stock_lossy, yuv,
};

fn settings() -> impl Strategy<Value = Lossy> {
    let strength = || prop_oneof![2 => Just(50_u8), 1 => 0..=100_u8];
    let quality =
        prop_oneof![3 => 0.0..=100.0_f32, 1 => Just(85.0), 1 => Just(100.0), 1 => Just(0.0)];
    // Method 2, the one that is used, half of the time.
    let method = prop_oneof![1 => Just(2_u8), 1 => 0..=6_u8];
    (quality, method, strength(), strength(), 1..=4_u8, 0..=3_u8).prop_map(
        |(quality, method, sns_strength, filter_strength, segments, partitions)| Lossy {
            sns_strength,
            filter_strength,
            segments,
            partitions,
            ..Lossy::new(quality, method)
        },
    )
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_setting_makes_the_file_of_the_stock_encoder(
        kind in kind(), width in 1_u32..150, height in 1_u32..150, seed: u64, settings in settings(),
    ) {
        let rgba = painted(kind, width, height, seed);
        let pixels = kind.pixels(&rgba);
        let picture = Picture { width, height, pixels: pixels.as_pixels() };
        prop_assert!(lossy(&picture, &settings)? == stock_lossy(&picture, &settings), "another file");
    }

    #[test]
    fn what_is_made_without_loss_is_the_stock_encoders_too(
        kind in kind(), width in 1_u32..60, height in 1_u32..60, seed: u64, level in 0_u8..=9,
    ) {
        let rgba = painted(kind, width, height, seed);
        let pixels = kind.pixels(&rgba);
        let picture = Picture { width, height, pixels: pixels.as_pixels() };
        prop_assert!(lossless(&picture, level)? == stock_lossless(&picture, level), "another file");
    }

    #[test]
    fn two_other_decoders_read_every_file_alike(
        kind in kind(), width in 1_u32..100, height in 1_u32..100, seed: u64, settings in settings(), photo: bool,
    ) {
        let rgba = painted(kind, width, height, seed);
        let pixels = kind.pixels(&rgba);
        let picture = Picture { width, height, pixels: pixels.as_pixels() };
        let file = lossy(&picture, &Lossy { photo, ..settings })?;
        let one = decoded_by_image(&file);
        let other = decoded_by_libwebp(&file);
        prop_assert_eq!(one.dimensions(), (width, height));
        prop_assert_eq!(other.dimensions(), (width, height));
        // They scale chroma up in ways of their own.
        let worst = one.iter().zip(other.iter()).map(|(a, b)| a.abs_diff(*b)).max();
        prop_assert!(worst <= Some(24), "they differ by {worst:?}");
    }
}

#[test]
fn a_large_picture_makes_the_file_of_the_stock_encoder() {
    for kind in [Kind::Photo, Kind::Drawing, Kind::Flat] {
        let (width, height) = (1024, 1000);
        let rgba = painted(kind, width, height, 1);
        let pixels = kind.pixels(&rgba);
        let picture = Picture {
            width,
            height,
            pixels: pixels.as_pixels(),
        };
        for (quality, partitions) in [(85.0, 2), (30.0, 0), (100.0, 1), (60.0, 3)] {
            let settings = Lossy {
                partitions,
                ..Lossy::new(quality, 2)
            };
            let made = lossy(&picture, &settings).expect("encoded");
            assert!(
                made == stock_lossy(&picture, &settings),
                "{kind:?}, {settings:?}"
            );
        }
    }
}

#[test]
fn planes_make_the_file_of_the_stock_encoder() {
    for (width, height) in [(1, 1), (17, 16), (33, 47), (128, 65)] {
        let (y, u, v) = yuv(width, height, 3);
        let picture = Picture {
            width,
            height,
            pixels: Pixels::Yuv420 {
                y: &y,
                u: &u,
                v: &v,
            },
        };
        let settings = Lossy {
            partitions: 2,
            ..Lossy::new(85.0, 2)
        };
        let made = lossy(&picture, &settings).expect("encoded");
        assert!(made == stock_lossy(&picture, &settings), "{width}x{height}");
        assert_eq!(decoded_by_image(&made).dimensions(), (width, height));
    }
}
