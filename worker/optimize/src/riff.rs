//! The chunks of a WebP file. <https://www.rfc-editor.org/rfc/rfc9649>

const RIFF_HEADER: usize = 12;

/// A chunk's name and the length of its payload.
pub(crate) const CHUNK_HEADER: usize = 8;

/// What stands before the chunks of a frame inside the chunk of that frame.
const FRAME_HEADER: usize = 16;

/// A name and a payload.
pub(crate) type Chunk<'a> = ([u8; 4], &'a [u8]);

/// The chunks of a file, as far as they are whole.
pub(crate) fn chunks(file: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    walk(file.get(RIFF_HEADER..).unwrap_or_default())
}

fn walk(mut rest: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    std::iter::from_fn(move || {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (size, after) = after.split_first_chunk::<4>()?;
        let size = u32::from_le_bytes(*size) as usize;
        let payload = after.get(..size)?;
        rest = after.get(size + size % 2..).unwrap_or_default();
        Some((*name, payload))
    })
}

/// Adds a chunk to the end of a file.
pub(crate) fn push_chunk(file: &mut Vec<u8>, name: [u8; 4], payload: &[u8]) {
    file.extend_from_slice(&name);
    file.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    file.extend_from_slice(payload);
    if payload.len() % 2 == 1 {
        file.push(0);
    }
}

/// Whether no chunk claims to be larger than what is there.
pub(crate) fn is_whole(file: &[u8]) -> bool {
    let rest = file.get(RIFF_HEADER..).unwrap_or_default();
    let walked: usize = chunks(file)
        .map(|(_, payload)| CHUNK_HEADER + payload.len() + payload.len() % 2)
        .sum();
    rest.len() < walked + CHUNK_HEADER
}

/// The pixels of the largest lossy frame, by its own header, which may claim more than the file's.
pub(crate) fn largest_frame(file: &[u8]) -> u64 {
    let pixels = |(name, payload): Chunk<'_>| match &name {
        b"VP8 " => frame_pixels(payload),
        b"ANMF" => walk(payload.get(FRAME_HEADER..).unwrap_or_default())
            .filter(|(name, _)| name == b"VP8 ")
            .filter_map(|(_, payload)| frame_pixels(payload))
            .max(),
        _ => None,
    };
    chunks(file).filter_map(pixels).max().unwrap_or_default()
}

/// Width and height are 14 bits each, behind a tag and a start code of three bytes each (RFC 6386,
/// 9.1).
fn frame_pixels(payload: &[u8]) -> Option<u64> {
    let side = |at: usize| {
        let bytes = payload.get(at..at + 2)?.try_into().ok()?;
        Some(u64::from(u16::from_le_bytes(bytes) & 0x3fff))
    };
    Some(side(6)? * side(8)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_that_are_cut_off_end_the_walk() {
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        push_chunk(&mut file, *b"VP8 ", &[1, 2, 3]);
        file.extend_from_slice(b"XMP \xff\0\0\0short");
        assert_eq!(
            chunks(&file).collect::<Vec<_>>(),
            [(*b"VP8 ", &[1, 2, 3][..])]
        );
        assert!(!is_whole(&file));
        assert!(is_whole(&file[..24]));
    }

    #[test]
    fn frames_are_measured_by_their_own_headers() {
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        push_chunk(&mut file, *b"VP8 ", b"tagsig\x03\0\x05\0");
        assert_eq!(largest_frame(&file), 15);
        let mut frame = vec![0; FRAME_HEADER];
        push_chunk(&mut frame, *b"VP8 ", b"tagsig\xff\xff\x02\0");
        push_chunk(&mut file, *b"ANMF", &frame);
        assert_eq!(largest_frame(&file), 2 * 0x3fff);
    }
}
