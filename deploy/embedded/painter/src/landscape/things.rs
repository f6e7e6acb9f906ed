//! What stands in a landscape: trees, towns, pyramids, a volcano, birds.

use super::View;
use crate::canvas::{Canvas, hex, mix, scale, smooth};
use crate::noise::Noise;
use crate::scene::{Ground, Time};

impl View<'_> {
    pub(super) fn birds(&self, canvas: &mut Canvas, random: &mut fastrand::Rng) {
        let unit = self.unit;
        let center = (
            canvas.width as f32 * (0.25 + random.f32() * 0.5),
            self.horizon * (0.25 + random.f32() * 0.3),
        );
        let color = scale(self.hour.shade, 0.35);
        for bird in 0..9 {
            let side = if bird % 2 == 0 { 1.0 } else { -1.0 };
            let rank = (bird / 2) as f32;
            let at = (
                center.0 + (side * rank * 30.0 + random.f32() * 14.0) * unit,
                center.1 + (rank * 15.0 + random.f32() * 9.0) * unit,
            );
            let wing = (9.0 + random.f32() * 5.0) * unit;
            let lift = wing * (0.25 + random.f32() * 0.35);
            for side in [-1.0, 1.0] {
                let elbow = (at.0 + side * wing * 0.5, at.1 - lift);
                canvas.line(at, elbow, 1.5 * unit, color);
                canvas.line(
                    elbow,
                    (at.0 + side * wing, at.1 - lift * 0.55),
                    1.1 * unit,
                    color,
                );
            }
        }
    }

    pub(super) fn volcano(&self, canvas: &mut Canvas, random: &mut fastrand::Rng) {
        let unit = self.unit;
        let (face, smoke) = (Noise::new(random), Noise::new(random));
        let center = canvas.width as f32 * (0.36 + random.f32() * 0.28);
        let top = self.horizon - 330.0 * unit;
        for y in 0..(self.horizon + 3.0 * unit) as usize {
            let fy = y as f32;
            let up = (top - fy) / unit;
            for (x, pixel) in canvas.row(y).iter_mut().enumerate() {
                let dx = (x as f32 - center) / unit;
                if up > 0.0 {
                    let plume = smoke.at(dx * 0.34 + up * 0.1, up * 0.3);
                    let width = 24.0 + up * 0.42;
                    let inside = 1.0 - ((dx - up * 0.22) / width).abs() + (plume - 0.5) * 1.5;
                    let dense = smooth(0.05, 0.6, inside) * smooth(460.0, 120.0, up);
                    let fire = smooth(130.0, 0.0, up) * smooth(0.3, 0.9, inside);
                    let gray = mix(hex(0x38_34_3c), hex(0xa4_94_90), plume);
                    *pixel = mix(*pixel, mix(gray, hex(0xff_78_28), fire * 0.85), dense);
                    continue;
                }
                let down = -up;
                let half = 26.0
                    + down * 0.62
                    + down * down * 0.0012
                    + (face.at(down * 0.5, dx.signum() * 40.0) - 0.5) * 22.0;
                if dx.abs() < half {
                    let here = face.at(dx * 0.6, down * 0.22);
                    let light =
                        (0.5 + (face.at(dx * 0.6 + 2.0, down * 0.22) - here) * 3.0).clamp(0.0, 1.0);
                    let mut color = self.through_air(
                        self.lit(scale(hex(0x5a_48_48), 0.8 + 0.4 * here), light),
                        0.12,
                    );
                    let streams = face.at(
                        dx * 1.6 / (1.0 + down * 0.012) + down * 0.03,
                        down * 0.06 + 200.0,
                    );
                    let lava = smooth(0.56, 0.62, streams) * smooth(300.0, 20.0, down);
                    color = mix(color, hex(0xff_8a_20), lava);
                    color = mix(color, hex(0xff_d0_60), smooth(14.0, 0.0, down));
                    *pixel = color;
                }
            }
        }
        canvas.glow((center, top), 260.0 * unit, hex(0xff_60_20), 0.7);
    }

    pub(super) fn pyramids(&self, canvas: &mut Canvas, random: &mut fastrand::Rng) {
        let unit = self.unit;
        let grain = Noise::new(random);
        let first = canvas.width as f32 * (0.2 + random.f32() * 0.15);
        for (offset, tall, distance) in [
            (380.0, 120.0, 0.34),
            (190.0, 175.0, 0.22),
            (0.0, 235.0, 0.1),
        ] {
            let apex = (first + offset * unit, self.horizon - tall * unit);
            let edge = 0.18;
            for y in apex.1.max(0.0) as usize..(self.horizon + 10.0 * unit) as usize {
                let down = y as f32 - apex.1;
                let left = self.sun.0 < apex.0;
                for (x, pixel) in canvas.row(y).iter_mut().enumerate() {
                    let dx = x as f32 - apex.0;
                    if dx.abs() < down * 0.92 {
                        let faces_sun = (dx < down * edge) == left;
                        let blocks = ((down / (5.0 * unit)).fract() - 0.5) * 0.09;
                        let worn = grain.at(x as f32 / unit, y as f32 / unit * 2.0) * 0.24;
                        let color = scale(hex(0xd8_aa_6c), 0.86 + worn + blocks);
                        *pixel = self.through_air(
                            self.lit(color, if faces_sun { 0.95 } else { 0.25 }),
                            distance,
                        );
                    }
                }
            }
        }
    }

    pub(super) fn skyline(&self, canvas: &mut Canvas, random: &mut fastrand::Rng, layer: usize) {
        let unit = self.unit;
        let distance = layer as f32 * 0.26 + 0.06;
        let dim = matches!(self.scene.time, Time::Night | Time::Sunset);
        let mut x = -random.f32() * 40.0 * unit;
        while x < canvas.width as f32 {
            let wide = (26.0 + random.f32() * 52.0) * unit;
            let middle = 1.0 - ((x + wide / 2.0) / canvas.width as f32 - 0.5).abs() * 1.3;
            let tall =
                (50.0 + random.f32() * random.f32() * 300.0 * middle + layer as f32 * 34.0) * unit;
            let tone = 0.55 + random.f32() * 0.4;
            let body = mix(
                scale(hex(0x7c_84_92), tone),
                scale(hex(0xa8_86_70), tone),
                random.f32() * 0.8,
            );
            let pane = (5.0 + random.f32() * 3.0) * unit;
            let lit_share = if dim { 0.42 } else { 0.06 };
            let salt = random.u32(..);
            let top = self.horizon - tall;
            let shade_from = x + wide * if self.sun.0 < x { 0.3 } else { 0.7 };
            for y in top.max(0.0) as usize..(self.horizon + 3.0 * unit) as usize {
                for column in x.max(0.0) as usize..((x + wide) as usize).min(canvas.width) {
                    let (fx, fy) = (column as f32 - x, y as f32 - top);
                    let facing = (column as f32) < shade_from;
                    let facing = facing == (self.sun.0 < x);
                    let mut color = self.lit(body, if facing { 0.8 } else { 0.3 });
                    let (cell_x, cell_y) = (fx / pane, fy / (pane * 1.5));
                    if cell_x.fract() > 0.32
                        && cell_y.fract() > 0.42
                        && fx > pane * 0.6
                        && fx < wide - pane * 0.6
                        && fy > pane
                    {
                        let draw = (cell_x as u32).wrapping_mul(73_856_093)
                            ^ (cell_y as u32).wrapping_mul(19_349_663)
                            ^ salt;
                        let draw = draw.wrapping_mul(0x9e37_79b1) >> 8;
                        if (draw as f32 / (1 << 24) as f32) < lit_share {
                            color = mix(hex(0xff_d8_90), hex(0xff_f0_d0), (draw & 7) as f32 / 7.0);
                            color = scale(color, if dim { 1.0 } else { 0.8 });
                        } else {
                            color = mix(scale(color, 0.62), self.hour.middle, 0.18);
                        }
                    }
                    canvas.row(y)[column] = self.through_air(color, distance);
                }
            }
            x += wide + (random.f32() * 10.0 - 2.0) * unit;
        }
    }

    /// A row of conifers whose feet are at `foot`.
    pub(super) fn trees(
        &self,
        canvas: &mut Canvas,
        random: &mut fastrand::Rng,
        foot: f32,
        size: f32,
        distance: f32,
    ) {
        let mut x = -size * self.unit;
        while x < canvas.width as f32 + size * self.unit {
            let tall = size * (0.65 + random.f32() * 0.8) * self.unit;
            let foot = foot + random.f32() * size * 0.16 * self.unit;
            self.conifer(canvas, random, (x, foot), tall, distance);
            x += size * (0.14 + random.f32() * 0.3) * self.unit;
        }
    }

    pub(super) fn conifer(
        &self,
        canvas: &mut Canvas,
        random: &mut fastrand::Rng,
        (x, foot): (f32, f32),
        tall: f32,
        distance: f32,
    ) {
        let needles = Noise::new(random);
        let hue = mix(hex(0x22_3c_2a), hex(0x3c_54_30), random.f32());
        let hue = if self.scene.ground == Ground::Snow {
            mix(hue, hex(0xdc_e6_f2), 0.38)
        } else {
            hue
        };
        let tiers = 9.0 + tall / self.unit * 0.03;
        let top = foot - tall;
        for y in top.max(0.0) as usize..(foot.max(0.0) as usize).min(canvas.height) {
            let down = (y as f32 - top) / tall;
            let tier = (down * tiers).fract();
            let reach = tall * 0.21 * down.powf(0.85) * (0.52 + 0.48 * tier);
            let ragged = needles.at(y as f32 / self.unit * 1.3, x) - 0.5;
            let reach = (reach * (1.0 + ragged * 0.9)).max(0.7);
            let from = (x - reach).max(0.0) as usize;
            let to = ((x + reach).max(0.0) as usize + 1).min(canvas.width);
            for (column, pixel) in canvas.row(y)[..to].iter_mut().enumerate().skip(from) {
                let u = (column as f32 - x) / reach;
                if u.abs() > 1.0 {
                    continue;
                }
                let toward = if self.sun.0 < x { -u } else { u };
                let speckle =
                    needles.at(column as f32 / self.unit * 1.6, y as f32 / self.unit * 1.6);
                let light =
                    (0.34 + toward * 0.26 + (speckle - 0.5) * 0.9 - tier * 0.22).clamp(0.0, 1.0);
                *pixel = self.through_air(self.lit(scale(hue, 1.25), light), distance);
            }
        }
    }

    /// Tall trees at both sides, close to the eye.
    pub(super) fn frame_of_trees(&self, canvas: &mut Canvas, random: &mut fastrand::Rng) {
        let (width, height) = (canvas.width as f32, canvas.height as f32);
        for (size, distance, reach) in [(250.0, 0.2, 0.34), (430.0, 0.05, 0.2)] {
            for side in [0.0, 1.0] {
                let mut x = -0.03;
                while x < reach {
                    let along = if side == 0.0 { x } else { 1.0 - x };
                    let tall = size * (0.7 + random.f32() * 0.5) * (1.0 - x * 0.9) * self.unit;
                    let foot = height * (0.8 + (0.34 - reach) * 1.4 + random.f32() * 0.05);
                    self.conifer(canvas, random, (along * width, foot), tall, distance);
                    x += 0.035 + random.f32() * 0.05;
                }
            }
        }
    }
}
