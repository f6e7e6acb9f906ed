//! Subjects of lessons: cells, atoms, geometry, the sea.

use std::f32::consts::TAU;

use crate::canvas::{Canvas, Color, add, hex, mix, scale, smooth};
use crate::noise::Noise;

/// Cells under a microscope.
pub(crate) fn cells(canvas: &mut Canvas, random: &mut fastrand::Rng) {
    let stains = [
        (0xf4_e4_ec, 0xd8_78_a8, 0x68_30_88),
        (0xe8_f2_e0, 0x78_b8_60, 0x2c_60_48),
        (0xe2_ee_f6, 0x68_a8_d8, 0x2c_48_90),
    ];
    let (paper, body, nucleus) = stains[random.usize(..stains.len())];
    let (paper, body, nucleus) = (hex(paper), hex(body), hex(nucleus));
    let (width, height, unit) = (canvas.width as f32, canvas.height as f32, canvas.unit());
    let haze = Noise::new(random);
    canvas.each(|x, y| {
        scale(
            mix(paper, body, 0.3 * haze.at(x / unit * 0.3, y / unit * 0.3)),
            0.98,
        )
    });
    let step = 205.0 * unit;
    let mut row = 0;
    while (row as f32 - 0.5) * step * 0.86 < height + step {
        let shift = if row % 2 == 0 { 0.0 } else { step / 2.0 };
        let mut x = shift - step;
        while x < width + step {
            let mut jitter = || bump(random) * 52.0 * unit;
            let center = (x + jitter(), row as f32 * step * 0.86 + jitter());
            let radius = (104.0 + bump(random) * 16.0) * unit;
            cell(canvas, random, center, radius, body, nucleus);
            x += step;
        }
        row += 1;
    }
}

fn bump(random: &mut fastrand::Rng) -> f32 {
    random.f32() - 0.5
}

fn cell(
    canvas: &mut Canvas,
    random: &mut fastrand::Rng,
    center: (f32, f32),
    radius: f32,
    body: Color,
    nucleus: Color,
) {
    let (outline, plasma) = (Noise::new(random), Noise::new(random));
    canvas.disc(center, radius * 1.22, |pixel, distance, (u, v)| {
        let wobble = 0.84 + 0.26 * outline.at(u * 9.0, v * 9.0);
        let inside = distance * 1.22 / (wobble * 1.06);
        if inside < 1.06 {
            let grains = plasma.at(u * 60.0, v * 60.0);
            let wall = smooth(0.86, 0.97, inside) * smooth(1.06, 1.0, inside);
            let light = 0.86 + 0.26 * (-u * 0.5 - v * 0.6);
            let flesh = scale(
                mix(body, [1.0; 3], 0.42 - 0.28 * inside + (grains - 0.5) * 0.35),
                light,
            );
            let flesh = mix(flesh, scale(nucleus, 0.95), wall * 0.75);
            *pixel = mix(*pixel, flesh, smooth(1.06, 0.98, inside) * 0.94);
        }
    });
    for _ in 0..14 {
        let (angle, away) = (random.f32() * TAU, radius * (0.42 + random.f32() * 0.4));
        let at = (center.0 + angle.cos() * away, center.1 + angle.sin() * away);
        let color = mix(body, nucleus, 0.3 + random.f32() * 0.5);
        canvas.disc(
            at,
            radius * (0.03 + random.f32() * 0.06),
            |pixel, distance, (u, v)| {
                let shine = smooth(
                    0.5,
                    0.0,
                    ((u + 0.3) * (u + 0.3) + (v + 0.35) * (v + 0.35)).sqrt(),
                );
                *pixel = mix(
                    *pixel,
                    mix(color, [1.0; 3], shine * 0.6),
                    smooth(1.0, 0.7, distance) * 0.8,
                );
            },
        );
    }
    let at = (
        center.0 + bump(random) * radius * 0.5,
        center.1 + bump(random) * radius * 0.5,
    );
    let chromatin = Noise::new(random);
    canvas.disc(at, radius * 0.36, |pixel, distance, (u, v)| {
        let threads = chromatin.at(u * 24.0, v * 24.0);
        let light = 0.8 - u * 0.18 - v * 0.22 + (threads - 0.5) * 0.8;
        let color = mix(
            scale(nucleus, light),
            scale(nucleus, 0.45),
            smooth(0.3, 0.14, ((u - 0.2).powi(2) + (v - 0.1).powi(2)).sqrt()),
        );
        *pixel = mix(*pixel, color, smooth(1.0, 0.92, distance) * 0.96);
    });
}

/// A nucleus and its electrons on their orbits.
pub(crate) fn atom(canvas: &mut Canvas, random: &mut fastrand::Rng) {
    let accents = [
        (0x38_b0_ff, 0xff_78_40),
        (0x60_e0_b0, 0xff_58_90),
        (0xb0_88_ff, 0xff_c0_40),
    ];
    let (cold, warm) = accents[random.usize(..accents.len())];
    let (cold, warm) = (hex(cold), hex(warm));
    let unit = canvas.unit();
    let center = (canvas.width as f32 / 2.0, canvas.height as f32 / 2.0);
    let field = Noise::new(random);
    canvas.each(|x, y| {
        let away = ((x - center.0).powi(2) + (y - center.1).powi(2)).sqrt() / (720.0 * unit);
        let wave = field.at(x / unit * 0.25, y / unit * 0.25);
        let base = mix(hex(0x12_24_48), hex(0x04_06_12), away.min(1.0));
        add(
            base,
            cold,
            smooth(0.45, 0.9, wave) * (1.0 - away).max(0.0) * 0.4,
        )
    });
    canvas.glow(center, 330.0 * unit, cold, 0.5);
    let orbits = 3 + random.usize(..2);
    let turn = random.f32() * TAU;
    for orbit in 0..orbits {
        let angle = turn + orbit as f32 / orbits as f32 * TAU / 2.0;
        let (long, short) = (
            (355.0 + orbit as f32 * 22.0) * unit,
            (118.0 + orbit as f32 * 8.0) * unit,
        );
        let place = |t: f32| {
            let (along, aside) = (t.cos() * long, t.sin() * short);
            let (x, y) = (
                along * angle.cos() - aside * angle.sin(),
                along * angle.sin() + aside * angle.cos(),
            );
            (center.0 + x, center.1 + y)
        };
        let electron = random.f32() * TAU;
        for step in 0..900 {
            let t = step as f32 / 900.0 * TAU;
            let trail = 1.0 - (electron - t).rem_euclid(TAU) / TAU;
            canvas.glow(place(t), 5.5 * unit, cold, 0.12 + 0.55 * trail * trail);
        }
        canvas.glow(place(electron), 64.0 * unit, cold, 0.9);
        sphere(
            canvas,
            place(electron),
            15.0 * unit,
            mix(cold, [1.0; 3], 0.3),
        );
    }
    canvas.glow(center, 170.0 * unit, warm, 0.75);
    let mut nucleons: Vec<(f32, f32, f32)> = (0..26)
        .map(|index| {
            let height = 1.0 - 2.0 * (index as f32 + 0.5) / 26.0;
            let (ring, angle) = ((1.0 - height * height).sqrt(), index as f32 * 2.4 + turn);
            (ring * angle.cos() * 46.0, height * 46.0, ring * angle.sin())
        })
        .collect();
    nucleons.sort_by(|a, b| a.2.total_cmp(&b.2));
    for (index, (x, y, depth)) in nucleons.into_iter().enumerate() {
        let color = if index % 2 == 0 {
            warm
        } else {
            mix(cold, hex(0xd0_d8_e8), 0.4)
        };
        let color = scale(color, 0.78 + 0.22 * depth);
        sphere(
            canvas,
            (center.0 + x * unit, center.1 + y * unit),
            22.0 * unit,
            color,
        );
    }
}

/// A shaded ball, lit from the upper left.
fn sphere(canvas: &mut Canvas, center: (f32, f32), radius: f32, color: Color) {
    canvas.disc(center, radius, |pixel, distance, (u, v)| {
        let w = (1.0 - distance * distance).max(0.0).sqrt();
        let day = (-0.5 * u - 0.6 * v + 0.62 * w).max(0.0);
        let shine = day.powi(18);
        let lit = add(scale(color, 0.2 + 0.9 * day), [1.0; 3], shine * 0.7);
        *pixel = mix(*pixel, lit, smooth(1.0, 0.94, distance));
    });
}

/// Solids and plane figures on squared paper.
pub(crate) fn geometry(canvas: &mut Canvas, random: &mut fastrand::Rng) {
    let unit = canvas.unit();
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let (fiber, light) = (Noise::new(random), Noise::new(random));
    canvas.each(|x, y| {
        let (u, v) = (x / unit, y / unit);
        let paper = scale(
            hex(0xf4_ef_e2),
            0.88 + 0.1 * fiber.at(u * 1.4, v * 1.4) + 0.08 * light.at(u * 0.1, v * 0.1),
        );
        let near = |value: f32| ((value / 40.0).fract() - 0.5).abs() * 40.0;
        let grid = smooth(18.6, 19.6, near(u).max(near(v)));
        mix(paper, hex(0x9c_b8_d8), grid * 0.55)
    });
    let palette = [0xe0_50_48, 0x2c_78_b8, 0xf0_b0_38, 0x3c_98_70, 0x78_58_a8].map(hex);
    let first = random.usize(..palette.len());
    for index in 0..7 {
        let color = palette[(first + index) % palette.len()];
        let column = (index % 3) as f32;
        let center = (
            width * (0.2 + 0.3 * column + (random.f32() - 0.5) * 0.1),
            height * (0.2 + 0.3 * (index / 3) as f32 + (random.f32() - 0.5) * 0.1),
        );
        let radius = (84.0 + random.f32() * 56.0) * unit;
        let turn = random.f32() * TAU;
        let kind = (index + first) % 4;
        if kind == 0 {
            shadow(canvas, center, radius, 0, turn);
            sphere(canvas, center, radius, color);
        } else {
            let corners = [3, 4, 6][kind - 1];
            shadow(canvas, center, radius, corners, turn);
            figure(canvas, center, radius, corners, turn, color, &fiber);
        }
    }
}

/// How far inside a regular figure a place is: 0 at the edge, below outside.
fn depth(corners: usize, turn: f32, (u, v): (f32, f32)) -> f32 {
    if corners == 0 {
        return 1.0 - (u * u + v * v).sqrt();
    }
    let sector = TAU / corners as f32;
    let angle = (v.atan2(u) + turn).rem_euclid(sector) - sector / 2.0;
    (sector / 2.0).cos() - (u * u + v * v).sqrt() * angle.cos()
}

fn shadow(canvas: &mut Canvas, (x, y): (f32, f32), radius: f32, corners: usize, turn: f32) {
    let offset = radius * 0.14;
    canvas.disc(
        (x + offset, y + offset * 1.3),
        radius * 1.25,
        |pixel, _, (u, v)| {
            let inside = depth(corners, turn, (u * 1.25, v * 1.25));
            *pixel = scale(*pixel, 1.0 - 0.42 * smooth(-0.18, 0.2, inside));
        },
    );
}

fn figure(
    canvas: &mut Canvas,
    center: (f32, f32),
    radius: f32,
    corners: usize,
    turn: f32,
    color: Color,
    fiber: &Noise,
) {
    canvas.disc(center, radius, |pixel, _, (u, v)| {
        let inside = depth(corners, turn, (u, v)) * radius;
        if inside > 0.0 {
            let grain = fiber.at(u * 70.0, v * 70.0);
            let sheen = 0.86 - u * 0.12 - v * 0.16 + (grain - 0.5) * 0.18;
            let rim = smooth(radius * 0.05, 0.0, inside);
            let face = mix(scale(color, sheen), mix(color, [1.0; 3], 0.55), rim * 0.6);
            *pixel = mix(*pixel, face, (inside / 1.5).min(1.0));
        }
    });
}

/// Below the surface of the sea: rays of light, fish, a reef.
pub(crate) fn undersea(canvas: &mut Canvas, random: &mut fastrand::Rng) {
    let unit = canvas.unit();
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let (rays, caustics) = (Noise::new(random), Noise::new(random));
    let sun = width * (0.3 + random.f32() * 0.4);
    canvas.each(|x, y| {
        let down = y / height;
        let water = mix(
            mix(hex(0x78_d8_e0), hex(0x18_78_a8), smooth(0.0, 0.5, down)),
            hex(0x06_28_50),
            smooth(0.35, 1.0, down),
        );
        let angle = (x - sun) / (y + 260.0 * unit);
        let ray = smooth(0.45, 0.8, rays.at(angle * 150.0, y / unit * 0.02))
            * (1.0 - down).powi(2)
            * smooth(1.6, 0.0, angle.abs());
        let surface = smooth(0.16, 0.0, down)
            * smooth(0.45, 0.8, caustics.at(x / unit * 0.5, y / unit * 2.2));
        add(water, hex(0xd8_ff_f4), ray * 0.5 + surface * 0.6)
    });
    canvas.glow((sun, 0.0), 420.0 * unit, hex(0xe8_ff_f0), 0.8);
    let palette = [0xff_98_30, 0xff_d8_50, 0xf0_60_70, 0x88_c8_f0].map(hex);
    for near in [0.35, 0.6, 1.0] {
        let school = palette[random.usize(..palette.len())];
        let heading = if random.bool() { 1.0 } else { -1.0 };
        let middle = (
            width * (0.25 + random.f32() * 0.5),
            height * (0.25 + random.f32() * 0.35),
        );
        for _ in 0..(9.0 / near) as usize {
            let at = (
                middle.0 + (random.f32() - 0.5) * 420.0 * unit,
                middle.1 + (random.f32() - 0.5) * 210.0 * unit,
            );
            fish(
                canvas,
                at,
                (26.0 + random.f32() * 14.0) * near * unit,
                heading,
                mix(hex(0x18_78_a0), school, 0.3 + 0.65 * near),
            );
        }
    }
    reef(canvas, random);
    for _ in 0..70 {
        let at = (random.f32() * width, random.f32() * height * 0.9);
        canvas.disc(
            at,
            (1.5 + random.f32() * 5.0) * unit,
            |pixel, distance, (u, v)| {
                let shine = smooth(0.5, 0.0, ((u + 0.35).powi(2) + (v + 0.35).powi(2)).sqrt());
                *pixel = add(
                    *pixel,
                    hex(0xd0_f4_ff),
                    smooth(0.6, 1.0, distance) * 0.2 + shine * 0.5,
                );
            },
        );
    }
}

fn fish(canvas: &mut Canvas, at: (f32, f32), length: f32, heading: f32, color: Color) {
    canvas.disc(at, length * 1.5, |pixel, _, (u, v)| {
        let (u, v) = (u * 1.5 * heading, v * 1.5);
        let body = 1.0 - (u * u + (v * 2.3) * (v * 2.3)).sqrt();
        let tail = u < -0.75 && v.abs() < (-u - 0.72) * 0.75 && u > -1.4;
        let fin = (-0.35..0.3).contains(&u) && v < -0.3 && v > -0.62 + u.abs() * 0.6;
        if body > 0.0 || tail || fin {
            let stripe = if ((u * 7.0).sin() > 0.72) && body > 0.0 {
                0.35
            } else {
                0.0
            };
            let light = (0.95 - v * 0.9).clamp(0.35, 1.2) * if body > 0.0 { 1.0 } else { 0.8 };
            let mut face = mix(
                scale(color, light),
                [1.0; 3],
                stripe + if v > 0.2 { 0.25 } else { 0.0 },
            );
            let eye = ((u - 0.62).powi(2) + (v + 0.1).powi(2)).sqrt();
            if eye < 0.12 {
                face = if eye < 0.07 { [0.03; 3] } else { [0.95; 3] };
            }
            *pixel = mix(*pixel, face, 0.94);
        }
    });
}

fn reef(canvas: &mut Canvas, random: &mut fastrand::Rng) {
    let unit = canvas.unit();
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let palette = [0xd0_58_68, 0xe0_98_50, 0xa8_60_b0, 0x50_a0_90, 0xd8_c0_90].map(hex);
    for step in 0..110 {
        let near = step as f32 / 110.0;
        let at = (random.f32() * width, height * (0.84 + near * 0.2));
        let color = palette[random.usize(..palette.len())];
        let color = mix(hex(0x0c_48_70), color, 0.35 + 0.5 * near);
        let lumps = Noise::new(random);
        let radius = (24.0 + random.f32() * 46.0) * (0.55 + near * 0.6) * unit;
        canvas.disc(at, radius, |pixel, distance, (u, v)| {
            let bumps = lumps.at(u * 22.0, v * 22.0);
            if distance < 0.62 + bumps * 0.5 {
                let light = (0.55 - v * 0.45
                    + (lumps.at(u * 22.0 + 2.0, v * 22.0 + 2.0) - bumps) * 3.2)
                    .clamp(0.12, 1.2);
                *pixel = scale(color, light);
            }
        });
    }
}
