//! Smooth noise: one tile of fractal noise, made once, that painters stretch and shift.

use std::sync::LazyLock;

const SIZE: usize = 512;

type Tile = [f32; SIZE * SIZE];

static TILE: LazyLock<Box<Tile>> = LazyLock::new(tile);

/// A window into the noise; each layer has its own offset, so that layers do not look alike.
#[derive(Clone, Copy)]
pub(crate) struct Noise {
    tile: &'static Tile,
    dx: f32,
    dy: f32,
}

impl Noise {
    pub(crate) fn new(random: &mut fastrand::Rng) -> Self {
        let size = SIZE as f32;
        Self {
            tile: &TILE,
            dx: random.f32() * size,
            dy: random.f32() * size,
        }
    }

    /// The value at a point, 0 to 1, mostly near 0.5. The largest features are 128 wide, the
    /// smallest 2.
    #[inline]
    pub(crate) fn at(&self, x: f32, y: f32) -> f32 {
        let (left, u) = split(x + self.dx);
        let (top, v) = split(y + self.dy);
        let (x0, x1) = (left % SIZE, (left + 1) % SIZE);
        let (y0, y1) = (top % SIZE * SIZE, (top + 1) % SIZE * SIZE);
        let upper = self.tile[y0 + x0] + (self.tile[y0 + x1] - self.tile[y0 + x0]) * u;
        let lower = self.tile[y1 + x0] + (self.tile[y1 + x1] - self.tile[y1 + x0]) * u;
        upper + (lower - upper) * v
    }
}

/// A coordinate's cell and its place in it, 0 to 1. Without `floor`, which is a function call on
/// processors before SSE 4.1.
#[inline]
fn split(coordinate: f32) -> (usize, f32) {
    // A multiple of the tile's size that makes every coordinate in use positive.
    let positive = (coordinate + 32_768.0).max(0.0);
    let cell = positive as u32;
    (cell as usize, positive - cell as f32)
}

fn tile() -> Box<Tile> {
    let mut sum = vec![0.0_f32; SIZE * SIZE];
    let mut weight = 0.5;
    let mut cells = 4;
    while cells <= SIZE / 2 {
        add_octave(&mut sum, cells, weight);
        cells *= 2;
        weight *= 0.52;
    }
    let (low, high) = sum
        .iter()
        .fold((f32::MAX, f32::MIN), |(low, high), &value| {
            (low.min(value), high.max(value))
        });
    for value in &mut sum {
        *value = (*value - low) / (high - low);
    }
    sum.into_boxed_slice()
        .try_into()
        .expect("a tile has this length")
}

/// Value noise on a grid of `cells` by `cells` that closes on itself.
fn add_octave(sum: &mut [f32], cells: usize, weight: f32) {
    let mut random = fastrand::Rng::with_seed(cells as u64);
    let grid: Vec<f32> = (0..cells * cells).map(|_| random.f32()).collect();
    let step = SIZE / cells;
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    for y in 0..SIZE {
        let v = ease((y % step) as f32 / step as f32);
        let (y0, y1) = (y / step * cells, (y / step + 1) % cells * cells);
        for x in 0..SIZE {
            let u = ease((x % step) as f32 / step as f32);
            let (x0, x1) = (x / step, (x / step + 1) % cells);
            let upper = grid[y0 + x0] + (grid[y0 + x1] - grid[y0 + x0]) * u;
            let lower = grid[y1 + x0] + (grid[y1 + x1] - grid[y1 + x0]) * u;
            sum[y * SIZE + x] += weight * (upper + (lower - upper) * v);
        }
    }
}
