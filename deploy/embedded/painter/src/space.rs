//! Stars, nebulae and planets.

use crate::canvas::{Canvas, add, hex, mix, scale, smooth};
use crate::noise::Noise;

pub(crate) fn paint(planets: usize, canvas: &mut Canvas, random: &mut fastrand::Rng) {
    nebula(canvas, random);
    stars(canvas, random);
    let (width, height, unit) = (canvas.width as f32, canvas.height as f32, canvas.unit());
    let sun_left = random.bool();
    for index in 0..planets {
        let near = if index + 1 == planets {
            1.0
        } else {
            0.22 + random.f32() * 0.3
        };
        let across = if planets == 1 {
            0.35 + random.f32() * 0.3
        } else {
            (index as f32 + 0.5) / planets as f32
        };
        let center = (across * width, height * (0.35 + random.f32() * 0.3));
        planet(canvas, random, center, 205.0 * near * unit, sun_left);
    }
}

fn nebula(canvas: &mut Canvas, random: &mut fastrand::Rng) {
    let palettes = [
        (0x28_50_b0, 0xd0_48_90),
        (0x1c_80_90, 0xe0_90_50),
        (0x60_30_a0, 0x40_a0_d8),
    ];
    let (cold, warm) = palettes[random.usize(..palettes.len())];
    let (cold, warm) = (hex(cold), hex(warm));
    let (gas, dust, hue) = (Noise::new(random), Noise::new(random), Noise::new(random));
    let unit = canvas.unit();
    let slope = 0.4 + random.f32() * 0.6;
    let (middle_x, middle_y) = (canvas.width as f32 / 2.0, canvas.height as f32 / 2.0);
    canvas.each(|x, y| {
        let (u, v) = (x / unit, y / unit);
        let bent = gas.at(u * 0.18, v * 0.18);
        let cloud = gas.at(u * 0.3 + bent * 40.0, v * 0.3 - bent * 30.0);
        let lane = dust.at(u * 0.5 - bent * 30.0, v * 0.5);
        let across = ((y - middle_y) + (x - middle_x) * slope).abs() / (430.0 * unit);
        let thick = smooth(0.25, 0.85, cloud) * (1.0 - across).max(0.12);
        let color = mix(cold, warm, smooth(0.3, 0.7, hue.at(u * 0.2, v * 0.2)));
        let lit = add(hex(0x05_06_10), color, thick * 1.15);
        scale(
            add(lit, hex(0xff_f0_e0), thick * thick * thick * 0.8),
            1.0 - 0.75 * smooth(0.52, 0.75, lane),
        )
    });
}

fn stars(canvas: &mut Canvas, random: &mut fastrand::Rng) {
    let (width, height, unit) = (canvas.width as f32, canvas.height as f32, canvas.unit());
    for _ in 0..1500 {
        let at = (random.f32() * width, random.f32() * height);
        let power = random.f32().powi(9);
        let color = mix(hex(0xa8_c4_ff), hex(0xff_dc_b0), random.f32());
        canvas.disc(
            at,
            (0.8 + 2.4 * power) * unit.max(0.6),
            |pixel, distance, _| {
                *pixel = add(*pixel, color, (1.0 - distance) * (0.45 + power));
            },
        );
        if power > 0.5 {
            canvas.glow(at, 34.0 * power * unit, color, 0.5);
        }
    }
}

fn planet(
    canvas: &mut Canvas,
    random: &mut fastrand::Rng,
    center: (f32, f32),
    radius: f32,
    sun_left: bool,
) {
    let palettes = [
        [0x3a_6e_b4, 0x4c_8c_58, 0xf0_f4_f8],
        [0xc8_90_60, 0x8c_54_38, 0xf0_dc_b8],
        [0xb8_58_3c, 0x7c_38_28, 0xe8_a8_78],
        [0x5c_80_c8, 0x88_b8_e8, 0xe0_f0_ff],
    ];
    let [sea, land, cloud] = palettes[random.usize(..palettes.len())].map(hex);
    let banded = random.bool();
    let (ground, sky) = (Noise::new(random), Noise::new(random));
    let sun = if sun_left {
        (-0.62, -0.4, 0.68)
    } else {
        (0.62, -0.4, 0.68)
    };
    canvas.glow(center, radius * 1.5, mix(sea, cloud, 0.5), 0.9);
    canvas.disc(center, radius, |pixel, distance, (u, v)| {
        let w = (1.0 - distance * distance).max(0.0).sqrt();
        // Around the ball: the longitude shrinks towards the edge as on a globe.
        let (longitude, latitude) = (u.atan2(w) * 70.0, v.asin() * 70.0);
        let here = ground.at(longitude, latitude);
        let surface = if banded {
            let turbulence = (here - 0.5) * 9.0;
            mix(
                sea,
                land,
                0.5 + 0.5 * ((latitude + turbulence) * 0.23).sin(),
            )
        } else {
            mix(sea, scale(land, 0.7 + here * 0.5), smooth(0.5, 0.54, here))
        };
        let veil = smooth(
            0.5,
            0.75,
            sky.at(longitude * 1.3 + here * 9.0, latitude * 2.0),
        ) * 0.8;
        let day = (u * sun.0 + v * sun.1 + w * sun.2).max(0.0);
        let color = scale(mix(surface, cloud, veil), 0.02 + day * 1.12);
        let rim = (1.0 - w).powi(3) * (0.15 + day);
        let color = add(color, mix(sea, cloud, 0.4), rim * 0.8);
        *pixel = mix(*pixel, color, smooth(1.0, 0.985, distance));
    });
    if banded {
        ring(canvas, center, radius, cloud, &sky);
    }
}

fn ring(
    canvas: &mut Canvas,
    (x, y): (f32, f32),
    radius: f32,
    color: crate::canvas::Color,
    grain: &Noise,
) {
    canvas.disc((x, y), radius * 2.1, |pixel, _, (u, v)| {
        let (u, v) = (u * 2.1, v * 2.1);
        let lean = v - u * 0.18;
        let distance = (u * u + (lean * 4.2) * (lean * 4.2)).sqrt();
        let behind = lean < 0.0 && u * u + v * v < 1.0;
        if (1.28..2.05).contains(&distance) && !behind {
            let stripe = grain.at(distance * 110.0, 3.0);
            let edge = smooth(1.28, 1.34, distance) * smooth(2.05, 1.95, distance);
            *pixel = mix(
                *pixel,
                scale(color, 0.55 + 0.5 * stripe),
                edge * smooth(0.3, 0.6, stripe) * 0.85,
            );
        }
    });
}
