//! Paints a picture for a prompt. It stands in for a text-to-image model: the same prompt and
//! seed give the same picture, the picture shows what the words name, and its file is about as
//! large and as noisy as a real model's.
//!
//! A prompt is read into a scene (`scene`), painted in layers from far to near (`landscape`,
//! `space`, `school`) on a canvas of light, and developed like a photograph (`canvas`).

mod canvas;
mod landscape;
mod noise;
mod scene;
mod school;
mod space;

use canvas::Canvas;
use scene::Scene;

/// Paints `prompt` as rows of red, green and blue bytes from the top left. A side is 1 to 4096
/// pixels; values outside are clamped.
pub fn paint(prompt: &str, seed: u64, width: u32, height: u32) -> Vec<u8> {
    let (width, height) = (side(width), side(height));
    let mut random = fastrand::Rng::with_seed(seed_of(prompt, seed));
    let mut canvas = Canvas::new(width as usize, height as usize);
    match Scene::of(prompt, &mut random) {
        Scene::Landscape(landscape) => landscape::paint(&landscape, &mut canvas, &mut random),
        Scene::Space { planets } => space::paint(planets, &mut canvas, &mut random),
        Scene::Cells => school::cells(&mut canvas, &mut random),
        Scene::Atom => school::atom(&mut canvas, &mut random),
        Scene::Geometry => school::geometry(&mut canvas, &mut random),
        Scene::Undersea => school::undersea(&mut canvas, &mut random),
    }
    canvas.develop(&mut random)
}

/// Paints `prompt` as a PNG file; sizes as for [`paint`].
pub fn png(prompt: &str, seed: u64, width: u32, height: u32) -> Vec<u8> {
    let pixels = paint(prompt, seed, width, height);
    // About two bytes of three are left; writing to memory cannot fail.
    let mut file = Vec::with_capacity(pixels.len() * 2 / 3);
    let mut encoder = png::Encoder::new(&mut file, side(width), side(height));
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fastest);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&pixels)?;
        writer.finish()
    });
    written.expect("a whole picture is written to memory");
    file
}

/// A small PNG file that claims to be 60,000 by 60,000 pixels: a decoder that believes it takes
/// more than 10 GB of memory.
pub fn bomb() -> Vec<u8> {
    const SIDE: u32 = 60_000;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIDE, SIDE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| {
        // An empty zlib stream.
        writer.write_chunk(png::chunk::IDAT, &[0x78, 0x01, 0x03, 0x00, 0, 0, 0, 1])
    });
    written.expect("chunks are written to memory");
    file
}

fn side(pixels: u32) -> u32 {
    pixels.clamp(1, 4096)
}

/// FNV-1a of the prompt, with the seed mixed in.
fn seed_of(prompt: &str, seed: u64) -> u64 {
    let hash = prompt
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
