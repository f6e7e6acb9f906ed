//! A picture's ThumbHash as a tiny picture that stands in the page itself, so that it is painted with
//! the first paint, without a request and without JavaScript.

use thumbhash::thumb_hash_to_rgba;

/// Every second pixel of the 32 that a ThumbHash is decoded to is kept. It has at most 7 waves a side,
/// which 16 pixels hold.
const STEP: usize = 2;

/// The `data:` address of the preview, below 1.5 kB; `None` where `thumbhash`, base64, is none.
pub(super) fn data_url(thumbhash: &str) -> Option<String> {
    let hash = base64_simd::STANDARD.decode_to_vec(thumbhash).ok()?;
    let (width, height, rgba) = thumb_hash_to_rgba(&hash).ok()?;
    let rgb: Vec<u8> = rgba
        .chunks_exact(4 * width.max(1))
        .step_by(STEP)
        .flat_map(|row| row.chunks_exact(4).step_by(STEP).flat_map(|it| &it[..3]))
        .copied()
        .collect();
    let png = png(width.div_ceil(STEP), height.div_ceil(STEP), &rgb)?;
    let text = base64_simd::STANDARD.encode_to_string(png);
    Some(format!("data:image/png;base64,{text}"))
}

fn png(width: usize, height: usize, rgb: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (width, height) = (width.try_into().ok()?, height.try_into().ok()?);
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(rgb).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The mean of each color.
    fn colors(url: &str) -> [f64; 3] {
        let text = url.strip_prefix("data:image/png;base64,").unwrap();
        let bytes = base64_simd::STANDARD.decode_to_vec(text).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut rgb).unwrap();
        let mean = |color: usize| {
            let all = rgb.iter().skip(color).step_by(3);
            let (count, sum) = all.fold((0.0, 0.0), |(n, sum), it| (n + 1.0, sum + f64::from(*it)));
            sum / count
        };
        [mean(0), mean(1), mean(2)]
    }

    #[test]
    fn a_preview_has_the_colors_of_its_picture_and_is_small() {
        let pixels: Vec<u8> = (0..64 * 48)
            .flat_map(|at| {
                let x = at % 64;
                [200, (x * 3) as u8, 40, 255]
            })
            .collect();
        let hash = thumbhash::rgba_to_thumb_hash(64, 48, &pixels);
        let url = data_url(&base64_simd::STANDARD.encode_to_string(hash)).unwrap();
        assert!(url.len() < 1500, "{} bytes", url.len());
        for (mean, wanted) in colors(&url).into_iter().zip([200.0, 94.5, 40.0]) {
            assert!((mean - wanted).abs() < 15.0, "{mean}, not {wanted}");
        }
    }

    #[test]
    fn what_is_no_thumbhash_has_no_preview() {
        for not in ["", "????", "AAA", "AAAA", "a b"] {
            assert_eq!(data_url(not), None, "{not}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let url = data_url(&base64_simd::STANDARD.encode_to_string(bytes));
            prop_assert!(url.is_none_or(|it| it.len() < 1500));
        }
    }
}
