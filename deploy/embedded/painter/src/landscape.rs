//! Landscapes: sky, mountains, trees, towns, foreground.

mod ground;
mod things;

use crate::canvas::{Canvas, Color, add, hex, mix, scale, smooth};
use crate::noise::Noise;
use crate::scene::{Ground, Landscape, Time, Weather};

/// The colors of an hour.
struct Hour {
    zenith: Color,
    middle: Color,
    horizon: Color,
    /// What the sun or moon sheds.
    light: Color,
    /// What is in shade.
    shade: Color,
    brightness: f32,
}

fn hour(time: Time) -> Hour {
    match time {
        Time::Dawn => Hour {
            zenith: hex(0x4a_6f_a8),
            middle: hex(0xa9_b6_d0),
            horizon: hex(0xff_d3_b0),
            light: hex(0xff_e2_c0),
            shade: hex(0x5a_66_88),
            brightness: 0.88,
        },
        Time::Day => Hour {
            zenith: hex(0x2a_66_b4),
            middle: hex(0x76_ad_e0),
            horizon: hex(0xd8_e8_f0),
            light: hex(0xff_f6_e2),
            shade: hex(0x5c_78_98),
            brightness: 1.0,
        },
        Time::Sunset => Hour {
            zenith: hex(0x2c_35_6e),
            middle: hex(0xb8_5c_7c),
            horizon: hex(0xff_b0_5c),
            light: hex(0xff_b4_70),
            shade: hex(0x48_3c_68),
            brightness: 0.74,
        },
        Time::Night => Hour {
            zenith: hex(0x08_0e_24),
            middle: hex(0x16_26_4c),
            horizon: hex(0x38_50_7c),
            light: hex(0xa0_b8_e0),
            shade: hex(0x10_1a_34),
            brightness: 0.34,
        },
    }
}

struct View<'a> {
    scene: &'a Landscape,
    hour: Hour,
    horizon: f32,
    /// Where the sun or moon stands.
    sun: (f32, f32),
    /// Which way it is from most of the land: -1 left, 1 right.
    sunward: f32,
    unit: f32,
}

pub(crate) fn paint(scene: &Landscape, canvas: &mut Canvas, random: &mut fastrand::Rng) {
    let mut hour = hour(scene.time);
    if let Some(tint) = scene.tint {
        hour.horizon = mix(hour.horizon, tint, 0.55);
        hour.middle = mix(hour.middle, tint, 0.3);
        hour.light = mix(hour.light, tint, 0.35);
    }
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let horizon = height * (0.56 + random.f32() * 0.08);
    let low = matches!(scene.time, Time::Dawn | Time::Sunset);
    let sun_y = if low {
        horizon - height * (0.06 + random.f32() * 0.08)
    } else {
        height * (0.1 + random.f32() * 0.14)
    };
    let sun = (width * (0.2 + random.f32() * 0.6), sun_y);
    let sunward = if sun.0 < width / 2.0 { -1.0 } else { 1.0 };
    let view = View {
        scene,
        hour,
        horizon,
        sun,
        sunward,
        unit: canvas.unit(),
    };

    view.sky(canvas, random);
    view.clouds(canvas, random);
    if scene.birds {
        view.birds(canvas, random);
    }
    for layer in (0..scene.ridges).rev() {
        view.ridge(canvas, random, layer);
    }
    if scene.volcano {
        view.volcano(canvas, random);
    }
    if scene.pyramids {
        view.pyramids(canvas, random);
    }
    if scene.city {
        for layer in (0..3).rev() {
            view.skyline(canvas, random, layer);
        }
    }
    if scene.forest && !scene.city {
        view.trees(canvas, random, view.horizon + 2.0 * view.unit, 34.0, 0.55);
    }
    match scene.ground {
        Ground::Water => view.water(canvas, random),
        Ground::Meadow => view.meadow(canvas, random),
        Ground::Sand => view.dunes(canvas, random, hex(0xe0_a8_68), hex(0x9c_5c_3c)),
        Ground::Snow => view.dunes(canvas, random, hex(0xf2_f6_fc), hex(0x8c_a4_cc)),
    }
    view.mist(canvas, random);
    if scene.forest {
        view.frame_of_trees(canvas, random);
    }
}

impl View<'_> {
    fn sky_at(&self, y: f32) -> Color {
        let t = (y / self.horizon).clamp(0.0, 1.0);
        if t < 0.55 {
            mix(self.hour.zenith, self.hour.middle, smooth(0.0, 0.6, t))
        } else {
            mix(
                mix(self.hour.zenith, self.hour.middle, smooth(0.0, 0.6, t)),
                self.hour.horizon,
                smooth(0.55, 1.02, t),
            )
        }
    }

    /// A thing of `color` at a distance (0 near, 1 at the horizon), as the air between shows it.
    fn through_air(&self, color: Color, distance: f32) -> Color {
        let thick = if self.scene.weather == Weather::Foggy {
            1.35
        } else {
            1.0
        };
        mix(
            color,
            mix(self.hour.horizon, self.hour.middle, 0.35),
            (distance * thick).min(0.96),
        )
    }

    fn sky(&self, canvas: &mut Canvas, random: &mut fastrand::Rng) {
        for y in 0..canvas.height {
            let color = self.sky_at(y as f32);
            canvas.row(y).fill(color);
        }
        let night = self.scene.time == Time::Night;
        if night {
            self.stars(canvas, random);
        }
        let unit = self.unit;
        if self.scene.weather != Weather::Foggy || !night {
            canvas.glow(
                self.sun,
                620.0 * unit,
                self.hour.light,
                if night { 0.18 } else { 0.42 },
            );
            canvas.glow(self.sun, 200.0 * unit, self.hour.light, 0.4);
        }
        let radius = if night { 34.0 } else { 27.0 } * unit;
        let seas = Noise::new(random);
        canvas.disc(self.sun, radius, |pixel, distance, (u, v)| {
            let face = if night {
                let dark = smooth(0.45, 0.75, seas.at(u * 26.0, v * 26.0));
                scale(hex(0xf4_f0_e2), 0.98 - 0.25 * dark)
            } else {
                add(hex(0xff_fa_ec), self.hour.light, 0.15)
            };
            *pixel = mix(*pixel, face, smooth(1.0, 0.93, distance));
        });
    }

    fn stars(&self, canvas: &mut Canvas, random: &mut fastrand::Rng) {
        let (width, height) = (canvas.width as f32, canvas.height as f32);
        let dust = Noise::new(random);
        let slope = random.f32() - 0.5;
        for y in 0..self.horizon as usize {
            let middle = width * 0.5 + (y as f32 - height * 0.3) * (1.0 + slope);
            for (x, pixel) in canvas.row(y).iter_mut().enumerate() {
                let across = (x as f32 - middle).abs() / (170.0 * self.unit);
                if across < 1.0 {
                    let dusty = dust.at(x as f32 / (3.0 * self.unit), y as f32 / (3.0 * self.unit));
                    *pixel = add(
                        *pixel,
                        hex(0xa8_a0_d0),
                        (1.0 - across) * (1.0 - across) * dusty * dusty * 0.42,
                    );
                }
            }
        }
        for _ in 0..900 {
            let at = (random.f32() * width, random.f32() * self.horizon);
            let power = random.f32().powi(6);
            canvas.disc(
                at,
                (0.7 + 1.6 * power) * self.unit.max(0.6),
                |pixel, distance, _| {
                    *pixel = add(*pixel, hex(0xe8_ee_ff), (1.0 - distance) * (0.4 + power));
                },
            );
        }
    }

    fn clouds(&self, canvas: &mut Canvas, random: &mut fastrand::Rng) {
        let (cover, softness) = match self.scene.weather {
            Weather::Clear => (0.66, 0.3),
            Weather::Cloudy => (0.47, 0.26),
            Weather::Foggy => (0.5, 0.5),
        };
        let (shapes, detail) = (Noise::new(random), Noise::new(random));
        let unit = self.unit;
        let lit = mix(
            mix(self.hour.horizon, self.hour.light, 0.6),
            [1.0; 3],
            if self.scene.time == Time::Day {
                0.7
            } else {
                0.0
            },
        );
        let lit = scale(
            lit,
            if self.scene.time == Time::Night {
                0.5
            } else {
                1.0
            },
        );
        let dark = mix(self.hour.shade, self.hour.middle, 0.55);
        for y in 0..self.horizon as usize {
            // Clouds lie on a ceiling: the nearer the horizon, the flatter and the closer together.
            let depth = 1.0 / (0.16 + (1.0 - y as f32 / self.horizon));
            let v = depth * 62.0;
            let fade = smooth(1.0, 0.78, y as f32 / self.horizon);
            for (x, pixel) in canvas.row(y).iter_mut().enumerate() {
                let u = (x as f32 / unit - 500.0) * depth * 0.13;
                let shape = shapes.at(u, v) * 0.72;
                if shape + 0.28 < cover {
                    // No detail could make a cloud of this.
                    continue;
                }
                let density = shape + detail.at(u * 4.3, v * 4.3) * 0.28;
                let cover = smooth(cover, cover + softness, density);
                if cover > 0.004 {
                    // Less cloud towards the sun: this side of it is lit.
                    let toward = shapes.at(u + (self.sun.0 - x as f32) / unit * 0.012, v - 5.0);
                    let light = (0.55 + (density - toward) * 2.6 - (density - cover) * 0.25)
                        .clamp(0.0, 1.0);
                    *pixel = mix(*pixel, mix(dark, lit, light), cover * fade * 0.94);
                }
            }
        }
    }

    /// A range of mountains; layer 0 is the nearest.
    fn ridge(&self, canvas: &mut Canvas, random: &mut fastrand::Rng, layer: usize) {
        let (shape, face) = (Noise::new(random), Noise::new(random));
        let unit = self.unit;
        let many = self.scene.ridges.max(2) as f32;
        let distance = (layer as f32 + 0.6) / (many + 0.4);
        let tall = if self.scene.ridges >= 4 { 330.0 } else { 190.0 } * (0.42 + 0.58 * distance);
        let base = self.horizon - 12.0 * unit * layer as f32;
        let stretch = 0.16 + 0.1 * (1.0 - distance);
        let tops: Vec<f32> = (0..canvas.width)
            .map(|x| {
                let x = x as f32 / unit;
                let hills = shape.at(x * stretch, 7.0);
                let peaks = 1.0 - (2.0 * shape.at(x * stretch * 1.7, 90.0) - 1.0).abs() * 2.2;
                let rocks = shape.at(x * stretch * 9.0, 170.0) - 0.5;
                let rise = (hills * 0.75 + peaks.max(0.0) * 0.34 + rocks * 0.1 - 0.18).max(0.02);
                base - rise * tall * unit
            })
            .collect();
        let peak = tops.iter().copied().fold(f32::MAX, f32::min);
        let green = self.scene.ridges < 4 && layer == 0;
        let rock = if green {
            hex(0x4c_5e_42)
        } else {
            hex(0x5c_5a_62)
        };
        let rock = if self.scene.ground == Ground::Sand {
            hex(0xa8_6a_4a)
        } else {
            rock
        };
        let bottom = (self.horizon + 4.0 * unit) as usize;
        for y in peak.max(0.0) as usize..bottom.min(canvas.height) {
            let fy = y as f32;
            for (x, pixel) in canvas.row(y).iter_mut().enumerate() {
                let depth = fy - tops[x];
                if depth < 0.0 {
                    continue;
                }
                let fx = x as f32;
                // Gullies run down the slope: the face is read askew, and its slope catches light.
                let (u, v) = (fx / unit * 0.5 + depth / unit * 0.16, depth / unit * 0.3);
                let here = face.at(u, v);
                let side = 2.4 * self.sunward;
                let slope = face.at(u + side, v + 0.5) - here;
                let light = (0.46 + slope * 3.4).clamp(0.0, 1.0);
                let height = (base - fy) / (base - peak).max(1.0);
                let mut color = mix(
                    scale(rock, 0.75 + 0.4 * here),
                    hex(0x3e_50_3a),
                    smooth(0.42, 0.1, height) * 0.6,
                );
                if self.scene.snow {
                    let line = if self.scene.ground == Ground::Snow {
                        0.12
                    } else {
                        0.5
                    };
                    let lies = smooth(line, line + 0.12, height + (here - 0.5) * 0.7 + slope * 0.9);
                    color = mix(color, hex(0xf4_f7_ff), lies);
                }
                let lit = self.lit(color, light);
                let fog = smooth(0.5, 0.0, height) * 0.35;
                let seen = self.through_air(lit, (distance * 0.72 + fog).min(0.95));
                *pixel = mix(*pixel, seen, (depth / 1.2).min(1.0));
            }
        }
    }

    /// `color` under the hour's light: 0 in full shade, 1 facing it.
    fn lit(&self, color: Color, light: f32) -> Color {
        let hour = &self.hour;
        let level = mix(scale(hour.shade, 0.85), scale(hour.light, 1.1), light);
        let bright = 0.45 + 0.6 * hour.brightness;
        std::array::from_fn(|i| color[i] * level[i] * bright)
    }

    /// Veils over the horizon.
    fn mist(&self, canvas: &mut Canvas, random: &mut fastrand::Rng) {
        let strength = match self.scene.weather {
            Weather::Foggy => 0.75,
            Weather::Cloudy => 0.3,
            Weather::Clear => 0.16,
        };
        let veil = Noise::new(random);
        let unit = self.unit;
        let reach = 120.0 * unit;
        let color = mix(self.hour.horizon, self.hour.light, 0.3);
        let from = (self.horizon - reach).max(0.0) as usize;
        let to = ((self.horizon + reach * 0.7) as usize).min(canvas.height);
        for y in from..to {
            let away = (y as f32 - self.horizon).abs() / reach;
            for (x, pixel) in canvas.row(y).iter_mut().enumerate() {
                let wisp = veil.at(x as f32 / unit * 0.28, y as f32 / unit * 0.9);
                let thick = strength * (1.0 - away).max(0.0) * smooth(0.2, 0.8, wisp);
                *pixel = mix(*pixel, color, thick);
            }
        }
    }
}
