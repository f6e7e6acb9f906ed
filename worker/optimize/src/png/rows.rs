//! PNG's filters undone (<https://www.w3.org/TR/png-3/#9Filters>).
//!
//! A Paeth row is one long chain: each pixel waits for the one to its left. Rows under each other wait
//! for the pixel above as well, but no more; so several are undone at once, each a pixel behind the one
//! above.

use std::ops::Range;

/// Paeth rows that are undone at once.
pub(crate) const ABREAST: usize = 4;

const PAETH: u8 = 4;

/// Undoes the filters of whole rows of `N` channels, `row` bytes each with the filter's number before
/// them, into `out`, whose first `done` rows are there already. `None` for a filter that does not exist.
pub(crate) fn unfilter<const N: usize>(
    filtered: &[u8],
    row: usize,
    out: &mut [u8],
    done: usize,
) -> Option<()> {
    let length = row - 1;
    let (above, out) = out.split_at_mut(done * length);
    let none = if done == 0 {
        vec![0; length]
    } else {
        Vec::new()
    };
    let mut above: &[u8] = above.rchunks_exact(length).next().unwrap_or(&none);
    let mut filtered: Vec<&[u8]> = filtered.chunks_exact(row).collect();
    let mut rest = &mut out[..filtered.len() * length];
    let mut filtered = filtered.as_mut_slice() as &[&[u8]];
    while let [first, ..] = filtered {
        let paeth = filtered
            .iter()
            .take(ABREAST)
            .take_while(|row| row[0] == PAETH)
            .count();
        let count = if paeth == ABREAST && length >= N * ABREAST {
            ABREAST
        } else {
            1
        };
        let (now, later) = std::mem::take(&mut rest).split_at_mut(count * length);
        if count == 1 {
            one::<N>(first[0], above, &first[1..], now)?;
        } else {
            let rows = [0, 1, 2, 3].map(|at| &filtered[at][1..]);
            // SAFETY: SSE2, which it is compiled for there, is part of x86-64.
            #[allow(unsafe_code)]
            #[cfg_attr(not(target_arch = "x86_64"), allow(unused_unsafe))]
            unsafe {
                abreast::<N>(above, rows, now, length);
            }
        }
        above = &now[(count - 1) * length..];
        rest = later;
        filtered = &filtered[count..];
    }
    Some(())
}

/// Undoes the filter of one row.
fn one<const N: usize>(filter: u8, above: &[u8], row: &[u8], out: &mut [u8]) -> Option<()> {
    let triples = || row.as_chunks::<N>().0.iter().zip(above.as_chunks::<N>().0);
    let pixels = out.as_chunks_mut::<N>().0;
    let mut left = [0; N];
    match filter {
        0 => out.copy_from_slice(row),
        1 => {
            for (pixel, (row, _)) in pixels.iter_mut().zip(triples()) {
                left = std::array::from_fn(|i| row[i].wrapping_add(left[i]));
                *pixel = left;
            }
        }
        2 => {
            for ((out, row), above) in out.iter_mut().zip(row).zip(above) {
                *out = row.wrapping_add(*above);
            }
        }
        3 => {
            for (pixel, (row, above)) in pixels.iter_mut().zip(triples()) {
                left =
                    std::array::from_fn(|i| row[i].wrapping_add(u8::midpoint(left[i], above[i])));
                *pixel = left;
            }
        }
        PAETH => {
            let mut corner = [0; N];
            for (pixel, (row, above)) in pixels.iter_mut().zip(triples()) {
                let guess =
                    |i: usize| paeth(left[i].into(), above[i].into(), corner[i].into()) as u8;
                left = std::array::from_fn(|i| row[i].wrapping_add(guess(i)));
                corner = *above;
                *pixel = left;
            }
        }
        _ => return None,
    }
    Some(())
}

/// Whichever of left, above and corner is nearest to left + above - corner, in that order. Without
/// distances: as the nearest of them is also decided by where the corner lies between the others.
fn paeth(left: i16, above: i16, corner: i16) -> i16 {
    let threshold = corner * 3 - (left + above);
    let (low, high) = (left.min(above), left.max(above));
    let guess = if high <= threshold { low } else { corner };
    if threshold <= low { high } else { guess }
}

/// Undoes four Paeth rows of at least four pixels; `out` is theirs, one after the other.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "sse2"))]
fn abreast<const N: usize>(above: &[u8], rows: [&[u8]; ABREAST], out: &mut [u8], length: usize) {
    let width = length / N;
    let (o0, rest) = out.split_at_mut(length);
    let (o1, rest) = rest.split_at_mut(length);
    let (o2, o3) = rest.split_at_mut(length);
    let mut outs = [o0, o1, o2, o3];
    let mut state = State {
        left: lanes::widen([0; 4]),
        corner: lanes::widen([0; 4]),
    };
    // While not all rows have begun; while all have a pixel and four bytes from there on; and the rest.
    let begin = ABREAST - 1;
    let end = (length - 4) / N + 1;
    for step in 0..begin {
        state.some::<N>(step, above, rows, &mut outs);
    }
    state.most::<N>(begin..end, above, rows, &mut outs);
    for step in end..width + begin {
        state.some::<N>(step, above, rows, &mut outs);
    }
}

/// What four rows remember from step to step: the pixels to the left, and those above them.
struct State {
    left: lanes::Pixels,
    corner: lanes::Pixels,
}

impl State {
    /// The next pixel of each row. Above a row's pixel is what the row above it had one step ago.
    #[inline]
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "sse2"))]
    fn step(&mut self, above: u32, rows: [u32; ABREAST]) -> [u32; ABREAST] {
        let above = lanes::below(above, self.left);
        let guess = lanes::paeth(self.left, above, self.corner);
        self.left = lanes::add(lanes::widen(rows), guess);
        self.corner = above;
        lanes::narrow(self.left)
    }

    /// Steps in which every row has a pixel, of which four bytes are there to be read and written, with
    /// three channels one of the next pixel's.
    #[inline]
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "sse2"))]
    fn most<const N: usize>(
        &mut self,
        steps: Range<usize>,
        above: &[u8],
        rows: [&[u8]; ABREAST],
        outs: &mut [&mut [u8]; ABREAST],
    ) {
        let [r0, r1, r2, r3] = rows;
        let [o0, o1, o2, o3] = outs;
        for step in steps {
            let (x0, x1, x2, x3) = (step * N, (step - 1) * N, (step - 2) * N, (step - 3) * N);
            let pixels = [four(r0, x0), four(r1, x1), four(r2, x2), four(r3, x3)];
            let pixels = self.step(four(above, x0), pixels);
            put(o0, x0, pixels[0]);
            put(o1, x1, pixels[1]);
            put(o2, x2, pixels[2]);
            put(o3, x3, pixels[3]);
        }
    }

    /// A step that not all rows take.
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "sse2"))]
    fn some<const N: usize>(
        &mut self,
        step: usize,
        above: &[u8],
        rows: [&[u8]; ABREAST],
        outs: &mut [&mut [u8]; ABREAST],
    ) {
        let load = |row: &[u8], x: usize| {
            let mut pixel = [0; 4];
            if let Some(bytes) = row.get(x * N..(x + 1) * N) {
                pixel[..N].copy_from_slice(bytes);
            }
            u32::from_le_bytes(pixel)
        };
        let pixel = |row: usize| step.checked_sub(row).map_or(0, |x| load(rows[row], x));
        let mut pixels = self.step(load(above, step), [0, 1, 2, 3].map(pixel));
        for (row, out) in outs.iter_mut().enumerate() {
            let place = step
                .checked_sub(row)
                .and_then(|x| out.get_mut(x * N..(x + 1) * N));
            match place {
                Some(place) => place.copy_from_slice(&pixels[row].to_le_bytes()[..N]),
                None => pixels[row] = 0,
            }
        }
        self.left = lanes::widen(pixels);
    }
}

#[inline(always)]
fn four(row: &[u8], at: usize) -> u32 {
    let bytes = row[at..at + 4].first_chunk::<4>().expect("four bytes");
    u32::from_le_bytes(*bytes)
}

#[inline(always)]
fn put(row: &mut [u8], at: usize, pixel: u32) {
    row[at..at + 4].copy_from_slice(&pixel.to_le_bytes());
}

/// Four pixels of four channels as 16-bit numbers. SSE2 is part of x86-64, so nothing is asked at run
/// time.
#[cfg(target_arch = "x86_64")]
mod lanes {
    use std::arch::x86_64::*;

    /// Of rows 0 and 1, and of rows 2 and 3.
    #[derive(Clone, Copy)]
    pub(super) struct Pixels(__m128i, __m128i);

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn widen(rows: [u32; 4]) -> Pixels {
        let [a, b, c, d] = rows;
        Pixels(two(a, b), two(c, d))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn two(a: u32, b: u32) -> __m128i {
        let bytes = _mm_unpacklo_epi32(_mm_cvtsi32_si128(a as i32), _mm_cvtsi32_si128(b as i32));
        _mm_unpacklo_epi8(bytes, _mm_setzero_si128())
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn narrow(Pixels(a, b): Pixels) -> [u32; 4] {
        let bytes = _mm_packus_epi16(a, b);
        let (low, high) = (
            _mm_cvtsi128_si64(bytes) as u64,
            _mm_cvtsi128_si64(_mm_unpackhi_epi64(bytes, bytes)) as u64,
        );
        [
            low as u32,
            (low >> 32) as u32,
            high as u32,
            (high >> 32) as u32,
        ]
    }

    /// `first`, and the first three of `pixels`.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn below(first: u32, Pixels(a, b): Pixels) -> Pixels {
        let first = _mm_unpacklo_epi8(_mm_cvtsi32_si128(first as i32), _mm_setzero_si128());
        let middle = _mm_unpacklo_epi64(_mm_unpackhi_epi64(a, a), b);
        Pixels(_mm_unpacklo_epi64(first, a), middle)
    }

    /// As bytes: what is above 255 is cut off.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn add(Pixels(a, b): Pixels, Pixels(c, d): Pixels) -> Pixels {
        let byte = _mm_set1_epi16(0xff);
        Pixels(
            _mm_and_si128(_mm_add_epi16(a, c), byte),
            _mm_and_si128(_mm_add_epi16(b, d), byte),
        )
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn paeth(left: Pixels, above: Pixels, corner: Pixels) -> Pixels {
        Pixels(
            paeth_of_two(left.0, above.0, corner.0),
            paeth_of_two(left.1, above.1, corner.1),
        )
    }

    /// As [`crate::png::rows::paeth`].
    #[inline]
    #[target_feature(enable = "sse2")]
    fn paeth_of_two(left: __m128i, above: __m128i, corner: __m128i) -> __m128i {
        let choose =
            |mask, yes, no| _mm_or_si128(_mm_and_si128(mask, yes), _mm_andnot_si128(mask, no));
        let triple = _mm_add_epi16(corner, _mm_add_epi16(corner, corner));
        let threshold = _mm_sub_epi16(triple, _mm_add_epi16(left, above));
        let (low, high) = (_mm_min_epi16(left, above), _mm_max_epi16(left, above));
        let guess = choose(_mm_cmpgt_epi16(high, threshold), corner, low);
        choose(_mm_cmpgt_epi16(threshold, low), guess, high)
    }
}

/// The same without vectors.
#[cfg(not(target_arch = "x86_64"))]
mod lanes {
    pub(super) type Pixels = [[i16; 4]; 4];

    pub(super) fn widen(rows: [u32; 4]) -> Pixels {
        rows.map(|row| row.to_le_bytes().map(i16::from))
    }

    pub(super) fn narrow(pixels: Pixels) -> [u32; 4] {
        pixels.map(|pixel| u32::from_le_bytes(pixel.map(|channel| channel as u8)))
    }

    pub(super) fn below(first: u32, pixels: Pixels) -> Pixels {
        [
            first.to_le_bytes().map(i16::from),
            pixels[0],
            pixels[1],
            pixels[2],
        ]
    }

    pub(super) fn add(a: Pixels, b: Pixels) -> Pixels {
        std::array::from_fn(|row| std::array::from_fn(|i| (a[row][i] + b[row][i]) & 0xff))
    }

    pub(super) fn paeth(left: Pixels, above: Pixels, corner: Pixels) -> Pixels {
        std::array::from_fn(|row| {
            std::array::from_fn(|i| {
                crate::png::rows::paeth(left[row][i], above[row][i], corner[row][i])
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row after row, as the specification says it.
    fn plainly<const N: usize>(filtered: &[u8], row: usize) -> Vec<u8> {
        let mut out: Vec<Vec<u8>> = vec![vec![0; row - 1]];
        for filtered in filtered.chunks_exact(row) {
            let above = out.last().expect("one at least").clone();
            let mut now: Vec<u8> = vec![0; row - 1];
            for i in 0..row - 1 {
                let back = |row: &[u8]| i16::from(if i < N { 0 } else { row[i - N] });
                let (a, b, c) = (back(&now), i16::from(above[i]), back(&above));
                let p = a + b - c;
                let (pa, pb, pc) = ((p - a).abs(), (p - b).abs(), (p - c).abs());
                let guess = match filtered[0] {
                    0 => 0,
                    1 => a,
                    2 => b,
                    3 => (a + b) / 2,
                    _ if pa <= pb && pa <= pc => a,
                    _ if pb <= pc => b,
                    _ => c,
                };
                now[i] = filtered[i + 1].wrapping_add(guess as u8);
            }
            out.push(now);
        }
        out[1..].concat()
    }

    fn every_mix<const N: usize>() {
        let mut random = fastrand::Rng::with_seed(N as u64);
        for _ in 0..4_000 {
            let (width, height) = (random.usize(1..40), random.usize(1..14));
            let row = N * width + 1;
            let paeth = random.f32();
            let mut filtered: Vec<u8> = (0..row * height).map(|_| random.u8(..)).collect();
            for line in filtered.chunks_exact_mut(row) {
                line[0] = if random.f32() < paeth {
                    PAETH
                } else {
                    random.u8(0..5)
                };
            }
            let mut out = vec![0; (row - 1) * height];
            let split = random.usize(0..=height);
            let (first, second) = filtered.split_at(split * row);
            unfilter::<N>(first, row, &mut out, 0).expect("filters that exist");
            unfilter::<N>(second, row, &mut out, split).expect("filters that exist");
            assert!(
                out == plainly::<N>(&filtered, row),
                "{width}x{height}, split at {split}"
            );
        }
    }

    #[test]
    fn every_mix_of_filters_is_undone_as_the_specification_says() {
        every_mix::<3>();
        every_mix::<4>();
    }

    #[test]
    fn a_filter_that_does_not_exist_is_told() {
        assert_eq!(unfilter::<3>(&[5, 0, 0, 0], 4, &mut [0; 3], 0), None);
    }
}
