//! Small files that claim to be, or unpack to, much more than the budget.

use atelier_optimize::{OptimizeError, sniff};

use super::chunks::{
    GRAY, INDEXED, RGB, RGBA, chunk, compressed_text, end, file, header, pixels, profile, zeros,
};
use super::{alone, checked, measured, settings};

const BUDGET: u64 = 4 << 20;

/// What a bomb unpacks to, if it is let.
const UNPACKED: usize = 96 << 20;

fn riff(chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, length, payload) in chunks {
        body.extend(*name);
        body.extend(length.to_le_bytes());
        body.extend(*payload);
    }
    [b"RIFF", &0x7fff_fff0_u32.to_le_bytes()[..], &body].concat()
}

/// A still picture's extended header, of 16 x 16 pixels, with a profile.
const EXTENDED: &[u8; 10] = b"\x20\0\0\0\x0f\0\0\x0f\0\0";

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let head = || header(4, 4, 8, RGB, false);
    let small = || pixels(4, 4, 24);
    let zeros = zeros(UNPACKED);
    let animation = [
        header(4, 4, 8, RGBA, false),
        chunk(b"acTL", [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        chunk(
            b"fcTL",
            [
                [0; 4],
                [0, 0, 0x40, 0],
                [0, 0, 0x40, 0],
                [0; 4],
                [0; 4],
                [0; 4],
            ]
            .concat(),
        ),
        chunk(b"IDAT", zeros.clone()),
        end(),
    ];
    let mut lying_text = chunk(b"tEXt", *b"Comment\0x");
    lying_text.lie = Some(0x7fff_ffff);
    let mut lying_profile = profile(&zeros);
    lying_profile.lie = Some(0x7fff_ffff);
    let texts = std::iter::repeat_with(|| compressed_text(&zeros)).take(8);
    let with_texts: Vec<_> = [head()]
        .into_iter()
        .chain(texts)
        .chain([small(), end()])
        .collect();
    let jpeg =
        b"\xff\xd8\xff\xc2\0\x11\x08\xff\xff\xff\xff\x03\x01\x44\0\x02\x44\0\x03\x44\0\xff\xda";
    vec![
        ("60,000 pixels square", atelier_painter::bomb()),
        (
            "the largest header",
            file(&[
                header(0x7fff_ffff, 0x7fff_ffff, 16, RGBA, true),
                small(),
                end(),
            ]),
        ),
        (
            "one long row",
            file(&[header(0x7fff_ffff, 1, 8, GRAY, false), small(), end()]),
        ),
        (
            "pixels that unpack to so much",
            file(&[
                header(1 << 14, 1 << 14, 8, GRAY, false),
                chunk(b"IDAT", zeros.clone()),
                end(),
            ]),
        ),
        (
            "pixels of one bit, a byte each when unpacked",
            file(&[
                header(1 << 13, 1 << 13, 1, INDEXED, false),
                chunk(b"IDAT", zeros.clone()),
                end(),
            ]),
        ),
        (
            "more pixels than the header says",
            file(&[head(), chunk(b"IDAT", zeros.clone()), end()]),
        ),
        (
            "a color profile",
            file(&[head(), profile(&zeros), small(), end()]),
        ),
        (
            "a color profile with a false length",
            file(&[head(), lying_profile, small(), end()]),
        ),
        ("eight compressed texts", file(&with_texts)),
        (
            "a text with a false length",
            file(&[head(), lying_text, small(), end()]),
        ),
        ("an animation", file(&animation)),
        (
            "WebP, a profile with a false length",
            riff(&[
                (b"VP8X", 10, EXTENDED),
                (b"ICCP", 0x4000_0000, b"x"),
                (b"VP8 ", 4, b"xxxx"),
            ]),
        ),
        (
            "WebP, a frame 16,383 pixels square in a file of 16",
            riff(&[
                (b"VP8X", 10, b"\0\0\0\0\x0f\0\0\x0f\0\0"),
                (b"VP8 ", 12, b"\x10\0\0\x9d\x01\x2a\xff\x3f\xff\x3f\0\0"),
            ]),
        ),
        (
            "WebP, 16,383 pixels square",
            riff(&[(b"VP8L", 5, b"\x2f\xfe\xbf\xff\x0f")]),
        ),
        ("JPEG, 65,535 pixels square", jpeg.to_vec()),
    ]
}

#[test]
fn a_bomb_is_refused_before_memory_is_spent() {
    let _alone = alone();
    for (name, bomb) in bombs() {
        assert!(bomb.len() < 1 << 20, "{name}: not small");
        let outcome = checked(&bomb, &settings(32, BUDGET));
        match outcome.unwrap_or_else(|words| panic!("{name}: {words}")) {
            // What is bad about it is not looked at.
            Ok(picture) => assert!(picture.bytes.len() < 4096, "{name}: a large picture"),
            Err(error) => assert!(error.is_still_an_image(), "{name}: {error}"),
        }
        let (_, peak) = measured(|| sniff(&bomb));
        assert!(
            peak < bomb.len() + (64 << 10),
            "{name}: {peak} bytes to sniff"
        );
    }
}

#[test]
fn what_is_over_the_budget_is_said_to_be() {
    let _alone = alone();
    let over = |name: &str| {
        ["square", "the largest", "row", "pixels that", "pixels of"]
            .iter()
            .any(|word| name.contains(word))
    };
    for (name, bomb) in bombs().into_iter().filter(|(name, _)| over(name)) {
        let outcome = checked(&bomb, &settings(32, BUDGET)).expect(name);
        // The largest headers are beyond what any picture may have.
        let refused = matches!(
            outcome,
            Err(OptimizeError::OverBudget { .. } | OptimizeError::Corrupt(_))
        );
        assert!(refused, "{name}: {outcome:?}");
    }
}

#[test]
fn a_profile_that_unpacks_to_much_is_not_stored() {
    let _alone = alone();
    let stream = {
        let mut unpacked = vec![0; 3 << 20];
        unpacked[16..20].copy_from_slice(b"RGB ");
        super::chunks::zlib(&unpacked)
    };
    let bomb = file(&[
        header(4, 4, 8, RGB, false),
        profile(&stream),
        pixels(4, 4, 24),
        end(),
    ]);
    let picture = checked(&bomb, &settings(32, 128 << 20)).unwrap().unwrap();
    assert!(picture.bytes.len() < 4096, "{} bytes", picture.bytes.len());
}
