//! The canvas, and its conversion to bytes.

/// Red, green and blue as they are shown, 0 to 1; light may go above.
pub(crate) type Color = [f32; 3];

/// `from` at 0, `to` at 1.
#[inline]
pub(crate) fn mix(from: Color, to: Color, share: f32) -> Color {
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * share)
}

#[inline]
pub(crate) fn scale(color: Color, by: f32) -> Color {
    color.map(|channel| channel * by)
}

#[inline]
pub(crate) fn add(color: Color, light: Color, by: f32) -> Color {
    std::array::from_fn(|i| color[i] + light[i] * by)
}

/// 0 below `low`, 1 above `high`, smooth between.
#[inline]
pub(crate) fn smooth(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// From 0xRRGGBB.
pub(crate) const fn hex(rgb: u32) -> Color {
    [
        (rgb >> 16 & 0xff) as f32 / 255.0,
        (rgb >> 8 & 0xff) as f32 / 255.0,
        (rgb & 0xff) as f32 / 255.0,
    ]
}

/// Rows of colors from the top left.
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pixels: Vec<Color>,
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![[0.0; 3]; width * height],
        }
    }

    /// Painters measure in thousandths of the longer side, so that a picture looks the same in
    /// every size.
    pub(crate) fn unit(&self) -> f32 {
        self.width.max(self.height) as f32 / 1000.0
    }

    pub(crate) fn row(&mut self, y: usize) -> &mut [Color] {
        &mut self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// Row `y` to write, and row `other` above it to read.
    pub(crate) fn row_and_above(&mut self, y: usize, other: usize) -> (&mut [Color], &[Color]) {
        let (above, below) = self.pixels.split_at_mut(y * self.width);
        (
            &mut below[..self.width],
            &above[other * self.width..(other + 1) * self.width],
        )
    }

    /// Calls `paint` with each pixel and its place.
    pub(crate) fn each(&mut self, paint: impl Fn(f32, f32) -> Color) {
        let width = self.width;
        for (y, row) in self.pixels.chunks_exact_mut(width).enumerate() {
            for (x, pixel) in row.iter_mut().enumerate() {
                *pixel = paint(x as f32, y as f32);
            }
        }
    }

    /// Calls `paint` with the pixels of a disc: the distance from its center (0 to 1, at the edge)
    /// and the place inside (-1 to 1).
    pub(crate) fn disc(
        &mut self,
        (x, y): (f32, f32),
        radius: f32,
        mut paint: impl FnMut(&mut Color, f32, (f32, f32)),
    ) {
        let (width, height) = (self.width, self.height);
        let rows = span(y - radius, y + radius, height);
        for row in rows {
            let v = (row as f32 + 0.5 - y) / radius;
            let half = radius * (1.0 - v * v).max(0.0).sqrt();
            let columns = span(x - half, x + half, width);
            let start = row * width;
            for column in columns {
                let u = (column as f32 + 0.5 - x) / radius;
                let distance = (u * u + v * v).sqrt();
                if distance <= 1.0 {
                    paint(&mut self.pixels[start + column], distance, (u, v));
                }
            }
        }
    }

    /// Adds light that fades from a point out to `radius`.
    pub(crate) fn glow(&mut self, center: (f32, f32), radius: f32, light: Color, power: f32) {
        self.disc(center, radius, |pixel, distance, _| {
            let fade = 1.0 - distance;
            *pixel = add(*pixel, light, fade * fade * fade * power);
        });
    }

    /// A straight line with soft edges.
    pub(crate) fn line(&mut self, from: (f32, f32), to: (f32, f32), width: f32, color: Color) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = (dx.abs().max(dy.abs()) / (width * 0.3).max(0.5))
            .ceil()
            .max(1.0) as usize;
        for step in 0..=steps {
            let t = step as f32 / steps as f32;
            self.disc(
                (from.0 + dx * t, from.1 + dy * t),
                width,
                |pixel, distance, _| {
                    *pixel = mix(*pixel, color, smooth(1.0, 0.5, distance));
                },
            );
        }
    }

    /// Darkens the corners, bends the tones and adds a sensor's noise, then rounds to bytes.
    pub(crate) fn develop(self, random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.pixels.len() * 3);
        let (half_width, half_height) = (self.width as f32 / 2.0, self.height as f32 / 2.0);
        let mut state = random.u64(..) | 1;
        for (y, row) in self.pixels.chunks_exact(self.width).enumerate() {
            let v = (y as f32 - half_height) / half_height;
            for (x, pixel) in row.iter().enumerate() {
                let u = (x as f32 - half_width) / half_width;
                let corner = (u * u + v * v) * 0.5;
                let shade = 1.0 - 0.22 * corner * corner;
                // xorshift64*: fast, and good enough for grain.
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                let grain = state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
                for (channel, value) in pixel.iter().enumerate() {
                    let value = tone(value * shade);
                    // The sum of two bytes is spread like a triangle, sigma 104.
                    let noise = f32::from(grain[2 * channel]) + f32::from(grain[2 * channel + 1]);
                    let sigma = 2.0 + 1.6 * value.max(0.0);
                    bytes.push((value * 255.0 + (noise - 255.0) * sigma / 104.0 + 0.5) as u8);
                }
            }
        }
        bytes
    }
}

/// Film's curve: straight in the middle, soft where light is too bright to show.
#[inline]
fn tone(value: f32) -> f32 {
    if value < 0.75 {
        value
    } else {
        0.75 + 0.25 * (1.0 - 1.0 / (1.0 + (value - 0.75) * 4.0)) * 1.15
    }
}

/// The whole numbers from `from` to `to` that are below `end`.
fn span(from: f32, to: f32, end: usize) -> std::ops::Range<usize> {
    let start = (from.floor().max(0.0) as usize).min(end);
    start..((to.ceil().max(0.0) as usize).min(end)).max(start)
}
