//! Pictures for tests and benches.

use image::RgbImage;

/// A picture like a camera's: soft shapes, and the noise of its sensor.
pub(crate) fn photo(width: u32, height: u32, seed: u64) -> RgbImage {
    let mut random = fastrand::Rng::with_seed(seed);
    let waves: Vec<[f32; 4]> = (0..6)
        .map(|_| std::array::from_fn(|_| random.f32() * 2.0 - 1.0))
        .collect();
    RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = (x as f32 / 64.0, y as f32 / 64.0);
        let light = |phase: f32| {
            let sum: f32 = waves
                .iter()
                .map(|w| (w[0] * u + w[1] * v + w[2] * 6.0 + phase).sin() * w[3])
                .sum();
            128.0 + 30.0 * sum
        };
        let mut noise = || random.f32() + random.f32() + random.f32() - 1.5;
        image::Rgb(
            [0.0, 0.7, 1.4].map(|phase| (light(phase) + 4.0 * noise()).clamp(0.0, 255.0) as u8),
        )
    })
}
