//! Mutated PNG files, most of them with right checksums, so that they get deep; and files of the
//! other formats.

use std::io::Cursor;

use atelier_optimize::{OptimizeError, plain_png, sniff};
use atelier_proofs::bad_bytes::{Mutations, Target, mutated};
use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, RgbImage, RgbaImage,
};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::chunks::{
    Chunk, GRAY, GRAY_ALPHA, INDEXED, RGB, RGBA, chunk, chunks, compressed_text, end, file, header,
    pixels, profile, zeros, zlib,
};
use super::{alone, checked, settings};

const PNG: Target = Target {
    name: "PNG",
    short_run: 3_000,
    batch: 1,
};

const OTHERS: Target = Target {
    name: "JPEG and WebP",
    short_run: 800,
    batch: 1,
};

/// Side and budget are so small that mutations get beyond them.
const SIDE: u32 = 24;
const BUDGET: u64 = 256 << 10;

fn color_profile() -> Chunk {
    let mut unpacked = vec![7; 400];
    unpacked[16..20].copy_from_slice(b"RGB ");
    profile(&zlib(&unpacked))
}

/// An orientation's EXIF block: turned by a quarter.
fn turned() -> Chunk {
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    chunk(b"eXIf", *exif)
}

fn plain(width: u32, height: u32, depth: u8, color: u8, more: &[Chunk]) -> Vec<u8> {
    let channels = match color {
        GRAY | INDEXED => 1,
        GRAY_ALPHA => 2,
        RGB => 3,
        _ => 4,
    };
    let head = [header(width, height, depth, color, false)];
    let tail = [pixels(width, height, channels * u32::from(depth)), end()];
    file(&[&head, more, &tail].concat())
}

fn animation() -> Vec<u8> {
    let frame = |number: u8, side: u8| {
        let mut payload = vec![0, 0, 0, number, 0, 0, 0, side, 0, 0, 0, side];
        payload.extend([0; 8]);
        payload.extend([0, 1, 0, 10, 0, 0]);
        chunk(b"fcTL", payload)
    };
    let first = pixels(8, 8, 32);
    let second = chunk(
        b"fdAT",
        [&[0, 0, 0, 2], pixels(6, 6, 32).payload.as_slice()].concat(),
    );
    file(&[
        header(8, 8, 8, RGBA, false),
        chunk(b"acTL", [0, 0, 0, 2, 0, 0, 0, 0]),
        frame(0, 8),
        first,
        frame(1, 6),
        second,
        end(),
    ])
}

/// What a decoder knows: every color type and depth, and the chunks around the pixels.
fn corpus() -> Vec<Vec<u8>> {
    let palette = chunk(b"PLTE", (0..48).collect::<Vec<u8>>());
    let see_through = chunk(b"tRNS", [0, 128, 255]);
    let mut corpus = vec![
        atelier_painter::png("a fox in the snow", 1, 16, 16),
        atelier_painter::png("the solar system", 2, 40, 20),
        plain(
            9,
            7,
            8,
            RGB,
            &[color_profile(), compressed_text(&zlib(b"a comment"))],
        ),
        plain(31, 20, 8, RGB, &[]),
        plain(
            40,
            17,
            8,
            RGBA,
            &[chunk(b"pHYs", [0, 0, 11, 19, 0, 0, 11, 19, 1])],
        ),
        plain(
            12,
            30,
            8,
            RGB,
            &[turned(), chunk(b"tRNS", [0, 7, 0, 14, 0, 21])],
        ),
        plain(5, 5, 16, GRAY_ALPHA, &[chunk(b"gAMA", [0, 0, 0xb1, 0x8f])]),
        plain(
            8,
            8,
            8,
            GRAY,
            &[chunk(b"tEXt", *b"Title\0a fox"), chunk(b"sRGB", [0])],
        ),
        animation(),
    ];
    for depth in [1, 2, 4, 8] {
        let more = [palette.clone(), see_through.clone()];
        corpus.push(plain(13, 11, depth, INDEXED, &more));
        corpus.push(plain(11, 13, depth, GRAY, &[]));
    }
    for (depth, color) in [
        (8, RGBA),
        (16, RGBA),
        (16, RGB),
        (16, GRAY),
        (8, GRAY_ALPHA),
    ] {
        corpus.push(plain(30, 10, depth, color, &[]));
    }
    corpus
}

/// One change to the chunks of a file.
#[derive(Clone, Debug)]
enum Change {
    Remove(Index),
    Repeat(Index, Index),
    Swap(Index, Index),
    Insert(Index, Chunk),
    Payload(Index, Mutations),
    /// Pixels in other rows than the header says, or other filters.
    Unpacked(Index, Vec<u8>),
    Rename(Index, [u8; 4]),
    Lie(Index, u32),
    /// Width, height, depth, color type and interlacing of the header.
    Header(Option<u32>, Option<u32>, Option<u8>, Option<u8>, Option<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    let side = || {
        let edges = vec![
            0,
            255,
            256,
            300,
            1000,
            65_536,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
        ];
        weighted(0.4, prop_oneof![2 => 0..64_u32, 1 => select(edges)])
    };
    let extras = vec![
        color_profile(),
        profile(&zlib(&[0; 60_000])),
        profile(&zeros(1 << 19)),
        compressed_text(&zeros(1 << 20)),
        turned(),
        chunk(b"PLTE", [1, 2, 3, 4, 5, 6]),
        chunk(b"tRNS", [0, 1]),
        chunk(b"acTL", [0, 0, 0, 9, 0, 0, 0, 0]),
        chunk(b"IDAT", zeros(1 << 19)),
        chunk(b"IDAT", []),
        chunk(b"iTXt", *b"XML:com.adobe.xmp\0\x01\0\0\0junk"),
        chunk(b"cICP", [9, 16, 0, 1]),
        end(),
    ];
    let names = vec![
        *b"IDAT", *b"fdAT", *b"PLTE", *b"iCCP", *b"IEND", *b"teSt", *b"TEST",
    ];
    prop_oneof![
        1 => place().prop_map(Change::Remove),
        1 => (place(), place()).prop_map(|(of, at)| Change::Repeat(of, at)),
        1 => (place(), place()).prop_map(|(one, other)| Change::Swap(one, other)),
        2 => (place(), select(extras)).prop_map(|(at, extra)| Change::Insert(at, extra)),
        4 => (place(), Mutations::up_to(3)).prop_map(|(at, how)| Change::Payload(at, how)),
        2 => (place(), vec(any::<u8>(), 0..900)).prop_map(|(at, rows)| Change::Unpacked(at, rows)),
        1 => (place(), select(names)).prop_map(|(at, name)| Change::Rename(at, name)),
        1 => (place(), any::<u32>()).prop_map(|(at, length)| Change::Lie(at, length)),
        3 => (
            side(),
            side(),
            weighted(0.2, select(vec![0, 1, 2, 3, 4, 8, 16, 255])),
            weighted(0.2, 0..8_u8),
            weighted(0.3, 0..3_u8),
        )
            .prop_map(|(width, height, depth, color, interlaced)| {
                Change::Header(width, height, depth, color, interlaced)
            }),
    ]
}

impl Change {
    fn apply(&self, chunks: &mut Vec<Chunk>, corpus: &[Vec<u8>]) {
        if chunks.is_empty() {
            return;
        }
        match self {
            Self::Remove(at) => drop(chunks.remove(at.index(chunks.len()))),
            Self::Repeat(of, at) => {
                let again = of.get(chunks).clone();
                chunks.insert(at.index(chunks.len()), again);
            }
            Self::Swap(one, other) => {
                let count = chunks.len();
                chunks.swap(one.index(count), other.index(count));
            }
            Self::Insert(at, extra) => chunks.insert(at.index(chunks.len()), extra.clone()),
            Self::Payload(at, how) => {
                let chunk = at.get_mut(chunks);
                chunk.payload = how.applied(&chunk.payload, corpus);
            }
            Self::Unpacked(at, rows) => at.get_mut(chunks).payload = zlib(rows),
            Self::Rename(at, name) => at.get_mut(chunks).name = *name,
            Self::Lie(at, length) => at.get_mut(chunks).lie = Some(*length),
            Self::Header(width, height, depth, color, interlaced) => {
                let payload = &mut chunks[0].payload;
                let mut put = |at: usize, bytes: &[u8]| {
                    if let Some(place) = payload.get_mut(at..at + bytes.len()) {
                        place.copy_from_slice(bytes);
                    }
                };
                width.iter().for_each(|width| put(0, &width.to_be_bytes()));
                height
                    .iter()
                    .for_each(|height| put(4, &height.to_be_bytes()));
                depth.iter().for_each(|depth| put(8, &[*depth]));
                color.iter().for_each(|color| put(9, &[*color]));
                interlaced.iter().for_each(|method| put(12, &[*method]));
            }
        }
    }
}

fn png() -> impl Strategy<Value = Vec<u8>> {
    let corpus = corpus();
    let rough = weighted(0.1, Mutations::up_to(2));
    (any::<Index>(), vec(change(), 0..5), rough).prop_map(move |(which, changes, rough)| {
        let mut parts = chunks(&corpus[which.index(corpus.len())]);
        for change in &changes {
            change.apply(&mut parts, &corpus);
        }
        let file = file(&parts);
        rough.map_or(file.clone(), |rough| rough.applied(&file, &corpus))
    })
}

/// Whether a file is what it is said to be.
fn outcome_of(bytes: &[u8]) -> Result<&'static str, String> {
    let starts: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF"];
    let is_image = starts.iter().any(|start| bytes.starts_with(start));
    let outcome = checked(bytes, &settings(SIDE, BUDGET))?;
    let claim = sniff(bytes);
    Ok(match outcome {
        Ok(_) if !is_image => return Err("a picture of no image".to_owned()),
        Ok(_) => "a picture",
        Err(OptimizeError::NotAnImage) if claim.is_none() => "no image",
        Err(OptimizeError::Corrupt(_)) if is_image => "corrupt",
        Err(OptimizeError::OverBudget { needed, .. }) if is_image && needed > BUDGET => {
            "over the budget"
        }
        Err(OptimizeError::BadDimensions { width, height }) if width == 0 || height == 0 => {
            "without pixels"
        }
        Err(OptimizeError::Unsupported(_)) if bytes.starts_with(b"GIF8") => "GIF",
        Err(error) => return Err(format!("the wrong error: {error:?}; claims {claim:?}")),
    })
}

/// Whether the short way of plain files was taken. What it makes must be what the ordinary decoder makes.
fn took_the_short_way(bytes: &[u8]) -> Result<bool, String> {
    let Some(pixels) = plain_png(bytes, BUDGET) else {
        return Ok(false);
    };
    let fault = |what: &dyn std::fmt::Display| format!("the short way was taken, but {what}");
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png)
        .into_decoder()
        .map_err(|error| fault(&error))?;
    if !matches!(decoder.color_type(), ColorType::Rgb8 | ColorType::Rgba8)
        || decoder.icc_profile().ok().flatten().is_some()
        || decoder.orientation().map_err(|error| fault(&error))? != Orientation::NoTransforms
    {
        return Err(fault(&"the file is not plain"));
    }
    let seen = DynamicImage::from_decoder(decoder).map_err(|error| fault(&error))?;
    match seen.as_bytes() == pixels {
        true => Ok(true),
        false => Err(fault(&"its pixels are others")),
    }
}

#[test]
fn a_bad_png_is_a_picture_or_an_error_of_the_right_kind() {
    let _alone = alone();
    PNG.hold(&png(), |bytes| {
        let outcome = outcome_of(&bytes).map_err(TestCaseError::fail)?;
        let short = took_the_short_way(&bytes).map_err(TestCaseError::fail)?;
        Ok(vec![if short {
            "a picture by the short way"
        } else {
            outcome
        }])
    });
}

fn others() -> Vec<Vec<u8>> {
    let rgb = RgbImage::from_fn(20, 30, |x, y| image::Rgb([x as u8 * 9, y as u8 * 5, 77]));
    let rgba = RgbaImage::from_fn(30, 9, |x, y| image::Rgba([9, y as u8, 77, x as u8 * 8]));
    let encoded = |image: &DynamicImage, format: ImageFormat| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).expect("encoded");
        bytes.into_inner()
    };
    let (rgb, rgba) = (DynamicImage::from(rgb), DynamicImage::from(rgba));
    let optimized = |image: &DynamicImage| {
        let original = encoded(image, ImageFormat::Png);
        let picture = checked(&original, &settings(SIDE, 1 << 20)).expect("sane");
        picture.expect("a picture").bytes
    };
    vec![
        encoded(&rgb, ImageFormat::Jpeg),
        encoded(&rgb.to_luma8().into(), ImageFormat::Jpeg),
        encoded(&rgb, ImageFormat::WebP),
        encoded(&rgba, ImageFormat::WebP),
        optimized(&rgb),
        optimized(&rgba),
    ]
}

#[test]
fn a_bad_jpeg_or_webp_is_a_picture_or_an_error_of_the_right_kind() {
    let _alone = alone();
    OTHERS.hold(&mutated(others()), |bytes| {
        outcome_of(&bytes)
            .map(|outcome| vec![outcome])
            .map_err(TestCaseError::fail)
    });
}
