//! The image path on one core: PNG bytes in, WebP bytes out, for photographs with sensor noise.
//! `cargo bench -p atelier-optimize`; against Pillow and sharp: `benches/compare`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Cursor;

use atelier_optimize::{Provenance, Settings, optimize};
use divan::Bencher;
use image::ImageFormat;

const PROVENANCE: Provenance<'static> = Provenance {
    model: "atelier.painter-v1",
};

fn main() {
    divan::main();
}

/// By side in pixels and libwebp's method.
#[divan::bench(args = [(1024, 2), (1024, 4), (2048, 2), (2048, 4)], sample_count = 20, threads = 1)]
fn png_to_webp(bencher: Bencher<'_, '_>, (side, method): (u32, u8)) {
    let mut original = Vec::new();
    support::photo(side, side, 1)
        .write_to(&mut Cursor::new(&mut original), ImageFormat::Png)
        .expect("a picture can be encoded");
    let settings = Settings {
        method,
        ..Settings::default()
    };
    bencher.bench(|| optimize(divan::black_box(&original), &settings, &PROVENANCE));
}
