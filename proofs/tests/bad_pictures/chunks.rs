//! PNG files made of chunks, right or wrong. <https://www.w3.org/TR/png-3/>

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

pub(crate) const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// A part of a PNG file.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub name: [u8; 4],
    pub payload: Vec<u8>,
    /// What its length field says, if not the truth.
    pub lie: Option<u32>,
}

pub(crate) fn chunk(name: &[u8; 4], payload: impl Into<Vec<u8>>) -> Chunk {
    Chunk {
        name: *name,
        payload: payload.into(),
        lie: None,
    }
}

/// Color types (PNG, 11.2.1).
pub(crate) const GRAY: u8 = 0;
pub(crate) const RGB: u8 = 2;
pub(crate) const INDEXED: u8 = 3;
pub(crate) const GRAY_ALPHA: u8 = 4;
pub(crate) const RGBA: u8 = 6;

pub(crate) fn header(width: u32, height: u32, depth: u8, color: u8, interlaced: bool) -> Chunk {
    let mut payload = [width.to_be_bytes(), height.to_be_bytes()].concat();
    payload.extend([depth, color, 0, 0, u8::from(interlaced)]);
    chunk(b"IHDR", payload)
}

/// The file of these chunks, with right checksums.
pub(crate) fn file(chunks: &[Chunk]) -> Vec<u8> {
    let mut file = SIGNATURE.to_vec();
    for chunk in chunks {
        let length = chunk.lie.unwrap_or(chunk.payload.len() as u32);
        file.extend(length.to_be_bytes());
        let start = file.len();
        file.extend(chunk.name);
        file.extend(&chunk.payload);
        let checksum = crc32fast::hash(&file[start..]);
        file.extend(checksum.to_be_bytes());
    }
    file
}

/// The chunks of a file that is whole.
pub(crate) fn chunks(file: &[u8]) -> Vec<Chunk> {
    let mut rest = &file[SIGNATURE.len()..];
    let mut chunks = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let name = *after.first_chunk::<4>().expect("a name");
        chunks.push(chunk(&name, &after[4..4 + length]));
        rest = &after[8 + length..];
    }
    chunks
}

pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("written to memory");
    encoder.finish().expect("written to memory")
}

/// This number of zeros in a zlib stream, without having them all at once.
pub(crate) fn zeros(count: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let block = [0; 1 << 16];
    for _ in 0..count / block.len() {
        encoder.write_all(&block).expect("written to memory");
    }
    encoder.finish().expect("written to memory")
}

/// A color profile's chunk around a zlib stream.
pub(crate) fn profile(stream: &[u8]) -> Chunk {
    chunk(b"iCCP", [b"a profile\0\0", stream].concat())
}

/// A compressed text's chunk around a zlib stream.
pub(crate) fn compressed_text(stream: &[u8]) -> Chunk {
    chunk(b"zTXt", [b"Comment\0\0", stream].concat())
}

pub(crate) fn end() -> Chunk {
    chunk(b"IEND", [])
}

/// A picture of some pattern: rows without a filter, in a zlib stream.
pub(crate) fn pixels(width: u32, height: u32, bits_per_pixel: u32) -> Chunk {
    let row = (width * bits_per_pixel).div_ceil(8);
    let mut rows = Vec::new();
    for y in 0..height {
        rows.push((y % 5) as u8);
        rows.extend((0..row).map(|x| (x * 7 + y * 13) as u8));
    }
    chunk(b"IDAT", zlib(&rows))
}
