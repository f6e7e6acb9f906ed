//! Plain PNG, as models make it: 8-bit RGB or RGBA, not interlaced, without profile, orientation or
//! animation. It is unpacked and unfiltered in one go, several rows at a time. Whatever else a file is
//! or has, and whatever is wrong with it, is the ordinary decoder's: this one says nothing about it.

mod rows;

use std::cell::RefCell;

use fdeflate::Decompressor;
use image::{RgbImage, RgbaImage};

use crate::pixels::{self, Pixels};

const SIGNATURE: usize = 8;

/// How far deflate refers back (RFC 1951, 3.2.3).
const WINDOW: usize = 32 << 10;

/// Bytes that are unpacked at a time, beside the window: they stay in a core's cache.
const BATCH: usize = 128 << 10;

/// What chunks beside header, pixels and end may have together, in bytes. The ordinary decoder has a
/// limit for them.
const MAX_BESIDES: usize = 32 << 10;

/// Chunks that change neither pixels nor what is kept beside them.
const IGNORED: [&[u8; 4]; 11] = [
    b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"tIME", b"gAMA", b"cHRM", b"sRGB", b"bKGD", b"sBIT",
    b"caBX",
];

thread_local! {
    /// Window and batch, kept from picture to picture.
    static UNPACKED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The pixels of a plain PNG that can be decoded within `budget` bytes of memory; `None` where the
/// ordinary decoder has to say what the file is.
pub(crate) fn decode(bytes: &[u8], budget: u64) -> Option<Pixels> {
    let file = File::read(bytes)?;
    let (width, height) = (file.width, file.height);
    let pixels = u64::from(width) * u64::from(height);
    if pixels
        .checked_mul(file.channels)?
        .checked_add(file.room()? as u64)?
        > budget
        || file.besides as u64 > budget / 64
    {
        return None;
    }
    match file.channels {
        3 => RgbImage::from_raw(width, height, file.pixels::<3>()?).map(Pixels::Rgb),
        _ => RgbaImage::from_raw(width, height, file.pixels::<4>()?).map(Pixels::Rgba),
    }
}

/// A file whose chunks are all known and undamaged.
struct File<'a> {
    width: u32,
    height: u32,
    /// 3 or 4, a byte each.
    channels: u64,
    /// The parts of the compressed stream.
    packed: Vec<&'a [u8]>,
    /// Bytes in other chunks.
    besides: usize,
}

impl<'a> File<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut chunks = Chunks(bytes.get(SIGNATURE..)?);
        let (b"IHDR", header) = chunks.next()? else {
            return None;
        };
        let (width, rest) = header.split_first_chunk::<4>()?;
        let (height, rest) = rest.split_first_chunk::<4>()?;
        // Depth, color, and the only compression, filters and order there are besides interlacing.
        let channels = match rest {
            [8, 2, 0, 0, 0] => 3,
            [8, 6, 0, 0, 0] => 4,
            _ => return None,
        };
        let side = |bytes: &[u8; 4]| match u32::from_be_bytes(*bytes) {
            0 | 0x8000_0000.. => None,
            side => Some(side),
        };
        let mut file = Self {
            width: side(width)?,
            height: side(height)?,
            channels,
            packed: Vec::new(),
            besides: 0,
        };
        let mut pixels_ended = false;
        loop {
            match chunks.next()? {
                (b"IDAT", _) if pixels_ended => return None,
                (b"IDAT", part) => file.packed.push(part),
                (b"IEND", []) => return Some(file),
                (name, payload) if IGNORED.contains(&name) => {
                    pixels_ended = !file.packed.is_empty();
                    file.besides += payload.len();
                    if file.besides > MAX_BESIDES {
                        return None;
                    }
                }
                _ => return None,
            }
        }
    }

    /// Bytes of a row with its filter before it.
    fn row(&self) -> Option<usize> {
        let row = u64::from(self.width) * self.channels + 1;
        usize::try_from(row).ok()
    }

    /// Bytes for what is unpacked and not yet unfiltered.
    fn room(&self) -> Option<usize> {
        Some(WINDOW + BATCH.max(self.row()?.checked_mul(2 * rows::ABREAST)?))
    }

    /// Unpacks and unfilters. `N` is the number of channels.
    fn pixels<const N: usize>(&self) -> Option<Vec<u8>> {
        let (row, room, height) = (self.row()?, self.room()?, self.height as usize);
        let mut out = pixels::room((row - 1).checked_mul(height)?);
        UNPACKED.with_borrow_mut(|unpacked| {
            unpacked.resize(room, 0);
            let done = Unpacking {
                unpacked,
                filled: 0,
                next: 0,
                out: &mut out,
                done: 0,
                row,
                height,
            }
            .run::<N>(&self.packed);
            // A very wide picture's is not kept.
            if unpacked.len() > WINDOW + BATCH {
                *unpacked = Vec::new();
            }
            done
        })?;
        Some(out)
    }
}

/// The chunks of a file, while their checksums are right.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        let (checked, rest) = rest.split_at_checked(length.checked_add(4)?)?;
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        if crc32fast::hash(checked) != u32::from_be_bytes(*sum) {
            return None;
        }
        self.0 = rest;
        checked.split_first_chunk::<4>()
    }
}

/// A picture while it is unpacked.
struct Unpacking<'a> {
    unpacked: &'a mut [u8],
    /// How much of `unpacked` is there.
    filled: usize,
    /// Where in it the next row starts that is not unfiltered.
    next: usize,
    out: &'a mut [u8],
    /// Rows that are unfiltered.
    done: usize,
    /// Bytes of a row with its filter before it.
    row: usize,
    height: usize,
}

impl Unpacking<'_> {
    fn run<const N: usize>(mut self, packed: &[&[u8]]) -> Option<()> {
        let mut inflater = Decompressor::new();
        // As the ordinary decoder does: the chunks have checksums.
        inflater.ignore_adler32();
        for part in packed {
            let mut part = *part;
            loop {
                let (read, wrote) = inflater
                    .read(part, self.unpacked, self.filled, false)
                    .ok()?;
                part = &part[read..];
                self.filled += wrote;
                self.unfilter::<N>()?;
                let moved = self.make_room();
                if read == 0 && wrote == 0 && !moved {
                    break;
                }
            }
            if !part.is_empty() {
                return None;
            }
        }
        // Not a byte more than the pixels.
        let all = inflater.is_done() && self.done == self.height && self.next == self.filled;
        all.then_some(())
    }

    /// Unfilters what rows are there, as many at a time as go abreast, but for the last.
    fn unfilter<const N: usize>(&mut self) -> Option<()> {
        let whole = (self.filled - self.next) / self.row;
        let left = self.height - self.done;
        let count = match whole >= left {
            true => left,
            false => whole - whole % rows::ABREAST,
        };
        let filtered = &self.unpacked[self.next..self.next + count * self.row];
        rows::unfilter::<N>(filtered, self.row, self.out, self.done)?;
        self.next += count * self.row;
        self.done += count;
        Some(())
    }

    /// Moves what is still needed to the front once there is no room for a row more.
    fn make_room(&mut self) -> bool {
        let from = self.next.min(self.filled.saturating_sub(WINDOW));
        let moves = from > 0 && self.unpacked.len() - self.filled < self.row;
        if moves {
            self.unpacked.copy_within(from..self.filled, 0);
            self.filled -= from;
            self.next -= from;
        }
        moves
    }
}
