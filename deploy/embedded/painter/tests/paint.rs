//! The painter's promises: determinism, sizes, files.

use atelier_painter::{paint, png};

/// One prompt for each kind of scene, and for each part of a landscape.
const PROMPTS: [&str; 16] = [
    "",
    "mountains by a lake at sunset",
    "a city at night",
    "the pyramids of Egypt",
    "a snowy forest",
    "a meadow with red flowers in spring",
    "a volcano erupting",
    "misty forest at dawn",
    "the planets of the solar system",
    "Saturn in space",
    "a plant cell",
    "an atom and its electrons",
    "triangles and circles",
    "fish in a coral reef",
    "birds above the sea",
    "Ein Wort, das niemand kennt: 猫",
];

#[test]
fn the_same_prompt_and_seed_give_the_same_picture() {
    for prompt in PROMPTS {
        assert!(
            paint(prompt, 7, 64, 48) == paint(prompt, 7, 64, 48),
            "{prompt}"
        );
        assert!(
            paint(prompt, 7, 64, 48) != paint(prompt, 8, 64, 48),
            "{prompt}"
        );
    }
}

#[test]
fn a_file_is_as_large_as_a_real_model_s() {
    for prompt in PROMPTS {
        let size = png(prompt, 1, 1024, 1024).len();
        assert!(
            (1_200_000..2_200_000).contains(&size),
            "{prompt}: {size} bytes"
        );
    }
}

#[test]
fn every_size_is_painted() {
    for prompt in PROMPTS {
        for (width, height) in [(1, 1), (1, 90), (90, 1), (2, 3), (160, 90), (90, 160)] {
            let pixels = paint(prompt, 3, width, height);
            assert_eq!(pixels.len(), (width * height * 3) as usize, "{prompt}");
        }
    }
    assert_eq!(paint("a lake", 1, 0, 0).len(), 3);
}

#[test]
fn the_time_of_day_shows() {
    let brightness = |prompt| {
        let pixels = paint(prompt, 5, 128, 128);
        pixels.iter().map(|&value| u64::from(value)).sum::<u64>() / pixels.len() as u64
    };
    assert!(brightness("mountains on a sunny day") > 2 * brightness("mountains at night"));
}

#[test]
fn the_file_is_the_picture() {
    let file = png("a lake", 2, 40, 30);
    let mut reader = png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    reader.next_frame(&mut pixels).expect("pixels");
    assert!(pixels == paint("a lake", 2, 40, 30));
}

#[test]
fn a_bomb_is_small_and_claims_to_be_large() {
    let file = atelier_painter::bomb();
    assert!(file.len() < 200);
    let reader = png::Decoder::new(std::io::Cursor::new(&file))
        .read_info()
        .expect("a header");
    assert_eq!(
        (reader.info().width, reader.info().height),
        (60_000, 60_000)
    );
}
