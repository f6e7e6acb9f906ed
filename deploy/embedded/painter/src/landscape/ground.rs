//! The foreground: water, meadows, sand and snow.

use super::View;
use crate::canvas::{Canvas, Color, add, hex, mix, scale, smooth};
use crate::noise::Noise;

impl View<'_> {
    pub(super) fn water(&self, canvas: &mut Canvas, random: &mut fastrand::Rng) {
        let (waves, ripples) = (Noise::new(random), Noise::new(random));
        let unit = self.unit;
        let top = self.horizon as usize;
        let deep = mix(self.hour.shade, hex(0x1c_48_5c), 0.6);
        for y in top.max(1)..canvas.height {
            let below = (y as f32 - self.horizon).max(0.0) / unit;
            let mirror = (self.horizon - below * unit * 1.06).max(0.0) as usize;
            let depth = 1.0 + below * 0.05;
            let v = 900.0 / depth;
            let steep = smooth(0.0, 430.0, below);
            let (row, above) = canvas.row_and_above(y, mirror.min(top - 1));
            for (x, pixel) in row.iter_mut().enumerate() {
                let u = (x as f32 / unit - 500.0) / depth * 1.5;
                let wave = waves.at(u, v) - 0.5;
                let ripple = ripples.at(u * 3.7, v * 3.3) - 0.5;
                let shift = (wave * 0.7 + ripple * 0.6) * (4.0 + below * 0.2) * unit;
                let from = (x as f32 + shift).clamp(0.0, above.len() as f32 - 1.0) as usize;
                let mirrored = scale(above[from], 0.9);
                let mut color = mix(
                    mirrored,
                    scale(deep, 0.4 + self.hour.brightness * 0.5),
                    0.2 + 0.42 * steep + wave * 0.3,
                );
                // The sun's road: facets that lean right send its light here.
                let road = (x as f32 - self.sun.0).abs() / ((26.0 + below * 0.34) * unit);
                if road < 1.6 {
                    let glint = smooth(0.02, 0.3, ripple + wave * 0.5) * (1.0 - road / 1.6);
                    color = add(
                        color,
                        self.hour.light,
                        glint * 0.75 * self.hour.brightness.max(0.45),
                    );
                }
                *pixel = add(
                    color,
                    self.hour.horizon,
                    (ripple + wave) * 0.13 * self.hour.brightness,
                );
            }
        }
    }

    pub(super) fn meadow(&self, canvas: &mut Canvas, random: &mut fastrand::Rng) {
        let (land, blades) = (Noise::new(random), Noise::new(random));
        let unit = self.unit;
        let (fresh, dry) = (hex(0x6c_a0_3c), hex(0xb8_a8_50));
        for y in self.horizon as usize..canvas.height {
            let below = (y as f32 - self.horizon) / unit;
            let depth = 1.0 + below * 0.035;
            for (x, pixel) in canvas.row(y).iter_mut().enumerate() {
                let u = (x as f32 / unit - 500.0) / depth;
                let v = 1500.0 / depth;
                let patch = land.at(u * 0.9, v * 0.35);
                let blade = blades.at(u * 15.0, v * 3.4) * 0.6 + blades.at(u * 34.0, v * 6.0) * 0.4;
                let color = mix(fresh, dry, smooth(0.42, 0.72, patch));
                let light = (blade * 1.15 - 0.02 + (patch - 0.5) * 0.5).clamp(0.0, 1.0);
                let seen =
                    self.through_air(self.lit(color, light), smooth(150.0, 0.0, below) * 0.55);
                *pixel = mix(
                    *pixel,
                    seen,
                    ((y as f32 - self.horizon) + 0.5).clamp(0.0, 1.0),
                );
            }
        }
        if self.scene.flowers {
            self.blossoms(canvas, random);
        }
    }

    pub(super) fn blossoms(&self, canvas: &mut Canvas, random: &mut fastrand::Rng) {
        let palette = [0xf0_48_58, 0xff_c8_38, 0xf8_f4_f0, 0xb8_68_e0, 0xff_80_b0].map(hex);
        let favorites = [
            random.usize(..palette.len()),
            random.usize(..palette.len()),
            random.usize(..palette.len()),
        ];
        let patches = Noise::new(random);
        let ground = canvas.height as f32 - self.horizon;
        // From far to near, so that near ones cover far ones.
        for step in 0..2400 {
            let near = (step as f32 / 2400.0).powf(1.25);
            let at = (
                random.f32() * canvas.width as f32,
                self.horizon + ground * (0.03 + 0.99 * near),
            );
            if patches.at(at.0 / self.unit * 0.35 / (0.2 + near), 60.0 / (0.2 + near))
                < 0.4 + random.f32() * 0.14
            {
                continue;
            }
            let radius = (0.9 + 9.5 * near * near) * self.unit * (0.7 + random.f32() * 0.5);
            let color = scale(
                palette[favorites[random.usize(..3)]],
                0.75 + random.f32() * 0.3,
            );
            let tilt = 0.55 + random.f32() * 0.35;
            let turn = random.f32() * 6.0;
            canvas.disc(at, radius, |pixel, _, (u, v)| {
                let (v, distance) = (v / tilt, (u * u + v * v / (tilt * tilt)).sqrt());
                let petals = 0.78 + 0.22 * ((v.atan2(u) + turn) * 2.5).sin().abs();
                if distance < petals {
                    let light = (0.78 - v * 0.25 - (0.4 - distance).max(0.0) * 0.6).clamp(0.0, 1.0);
                    let body = if distance < 0.26 {
                        hex(0xf0_c0_30)
                    } else {
                        color
                    };
                    *pixel = self.lit(body, light);
                }
            });
        }
    }

    pub(super) fn dunes(
        &self,
        canvas: &mut Canvas,
        random: &mut fastrand::Rng,
        bright: Color,
        dark: Color,
    ) {
        let unit = self.unit;
        let ground = canvas.height as f32 - self.horizon;
        let layers: Vec<Dune> = (0..4)
            .map(|layer| {
                let near = layer as f32 / 3.0;
                let shape = Noise::new(random);
                let base = self.horizon + ground * near * 0.72;
                let top = |x: usize| {
                    let x = x as f32 / unit;
                    let wave = shape.at(x * 0.11 / (0.5 + near), 3.0) * 0.85
                        + shape.at(x * 0.012, 99.0) * 0.3;
                    base - (wave - 0.42) * (40.0 + 150.0 * near) * unit
                };
                Dune {
                    near,
                    shape,
                    grain: Noise::new(random),
                    tops: (0..canvas.width).map(top).collect(),
                }
            })
            .collect();
        for (index, dune) in layers.iter().enumerate() {
            let before = &layers[index + 1..];
            let first = dune.tops.iter().copied().fold(f32::MAX, f32::min).max(0.0) as usize;
            for y in first..canvas.height {
                let fy = y as f32;
                for (x, pixel) in canvas.row(y).iter_mut().enumerate() {
                    let depth = (fy - dune.tops[x]) / unit;
                    if depth < 0.0 || before.iter().any(|nearer| fy > nearer.tops[x] + 1.0) {
                        continue;
                    }
                    let light = dune.light(x as f32 / unit, depth, self.sunward);
                    let color = self.lit(mix(dark, bright, light), 0.3 + light * 0.65);
                    let haze = (1.0 - dune.near) * 0.42 * smooth(260.0, 0.0, depth);
                    *pixel = mix(
                        *pixel,
                        self.through_air(color, haze),
                        (depth * unit).min(1.0),
                    );
                }
            }
        }
    }
}

/// A wave of sand or snow.
struct Dune {
    /// 0 at the horizon, 1 before the eye.
    near: f32,
    shape: Noise,
    grain: Noise,
    /// Where its crest is in each column.
    tops: Vec<f32>,
}

impl Dune {
    /// How much light falls on it at a place below its crest, 0 to 1.
    fn light(&self, across: f32, depth: f32, sunward: f32) -> f32 {
        let (u, v) = (across * 0.1 + depth * 0.09, depth * 0.12 + 40.0);
        let slope = (self.shape.at(u + 1.6, v) - self.shape.at(u, v)) * sunward;
        let ripples = self
            .grain
            .at(across * 0.22, depth * (0.8 - 0.4 * self.near))
            * 40.0;
        let wave = (ripples + depth * 0.3).sin();
        let grain = self.grain.at(across * 2.0, depth * 2.0) - 0.5;
        (0.56 + slope * 6.0 + wave * 0.05 + grain * 0.14).clamp(0.0, 1.0)
    }
}
