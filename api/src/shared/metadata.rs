//! Takes out of a picture what is not pixels. Models and other programs write prompts into it.

/// A copy of `file` without comments, EXIF, XMP and the like; `None` where it is no file of that
/// media type. A file that ends too early is copied up to where it does.
pub(super) fn without_metadata(file: &[u8], content_type: &str) -> Option<Vec<u8>> {
    match content_type {
        "image/webp" => webp(file),
        "image/png" => png(file),
        "image/jpeg" => jpeg(file),
        "image/gif" => gif(file),
        _ => None,
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

/// <https://developers.google.com/speed/webp/docs/riff_container>
fn webp(file: &[u8]) -> Option<Vec<u8>> {
    const HAS_EXIF_OR_XMP: u8 = 0x0c;
    let mut rest = file;
    let head = take(&mut rest, 12)?;
    if &head[..4] != b"RIFF" || &head[8..] != b"WEBP" {
        return None;
    }
    let mut kept = head.to_vec();
    while let Some(header) = take(&mut rest, 8) {
        let size = u32::from_le_bytes(header[4..].try_into().ok()?) as usize;
        let padded = size.checked_add(size % 2)?.min(rest.len());
        let payload = take(&mut rest, padded)?;
        match &header[..4] {
            b"VP8X" => {
                kept.extend_from_slice(header);
                let start = kept.len();
                kept.extend_from_slice(payload);
                if let Some(flags) = kept.get_mut(start) {
                    *flags &= !HAS_EXIF_OR_XMP;
                }
            }
            b"VP8 " | b"VP8L" | b"ALPH" | b"ICCP" | b"ANIM" | b"ANMF" => {
                kept.extend_from_slice(header);
                kept.extend_from_slice(payload);
            }
            _ => {}
        }
    }
    let size = u32::try_from(kept.len() - 8).ok()?;
    kept[4..8].copy_from_slice(&size.to_le_bytes());
    Some(kept)
}

/// <https://www.w3.org/TR/png-3/>
fn png(file: &[u8]) -> Option<Vec<u8>> {
    const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
    const KEPT: [&[u8]; 17] = [
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP",
        b"sBIT", b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT", b"hIST",
    ];
    let mut rest = file;
    let mut kept = take(&mut rest, SIGNATURE.len())?.to_vec();
    if kept != SIGNATURE {
        return None;
    }
    while let Some(header) = take(&mut rest, 8) {
        let size = u32::from_be_bytes(header[..4].try_into().ok()?) as usize;
        let with_sum = size.checked_add(4)?.min(rest.len());
        let payload = take(&mut rest, with_sum)?;
        let name = &header[4..];
        if KEPT.contains(&name) {
            kept.extend_from_slice(header);
            kept.extend_from_slice(payload);
        }
        if name == b"IEND" {
            break;
        }
    }
    Some(kept)
}

/// ITU-T T.81, annex B.
fn jpeg(file: &[u8]) -> Option<Vec<u8>> {
    const COMMENT: u8 = 0xfe;
    const START_OF_SCAN: u8 = 0xda;
    let mut rest = file;
    let mut kept = take(&mut rest, 2)?.to_vec();
    if kept != [0xff, 0xd8] {
        return None;
    }
    while let Some(head) = take(&mut rest, 4) {
        let (marker, size) = (head[1], u16::from_be_bytes([head[2], head[3]]));
        if head[0] != 0xff || size < 2 {
            return None;
        }
        let length = usize::from(size - 2).min(rest.len());
        let payload = take(&mut rest, length)?;
        // JFIF, a color profile, and Adobe's color transform are needed to show the pixels.
        let of_application =
            (0xe0..=0xef).contains(&marker) && !matches!(marker, 0xe0 | 0xe2 | 0xee);
        if !of_application && marker != COMMENT {
            kept.extend_from_slice(head);
            kept.extend_from_slice(payload);
        }
        if marker == START_OF_SCAN {
            let end = rest.windows(2).rposition(|it| it == [0xff, 0xd9]);
            kept.extend_from_slice(&rest[..end.map_or(rest.len(), |at| at + 2)]);
            break;
        }
    }
    Some(kept)
}

/// <https://www.w3.org/Graphics/GIF/spec-gif89a.txt>
fn gif(file: &[u8]) -> Option<Vec<u8>> {
    const EXTENSION: u8 = 0x21;
    const IMAGE: u8 = 0x2c;
    const CONTROL: u8 = 0xf9;
    let mut rest = file;
    let mut kept = take(&mut rest, 13)?.to_vec();
    if !kept.starts_with(b"GIF8") {
        return None;
    }
    kept.extend_from_slice(take(&mut rest, colors(kept[10]))?);
    while let Some(kind) = rest.first().copied() {
        let start = rest;
        match kind {
            EXTENSION => {
                let label = take(&mut rest, 2).map(|it| it[1]);
                blocks(&mut rest);
                // Loops are told by NETSCAPE's extension of applications, among others that hold XMP.
                let loops = start.get(2..14).is_some_and(|it| it == b"\x0bNETSCAPE2.0");
                if label == Some(CONTROL) || loops {
                    kept.extend_from_slice(&start[..start.len() - rest.len()]);
                }
            }
            IMAGE => {
                let table = colors(take(&mut rest, 10)?[9]);
                take(&mut rest, table)?;
                take(&mut rest, 1)?;
                blocks(&mut rest);
                kept.extend_from_slice(&start[..start.len() - rest.len()]);
            }
            _ => break,
        }
    }
    kept.push(0x3b);
    Some(kept)
}

/// Bytes of the color table that `flags` tell of.
fn colors(flags: u8) -> usize {
    match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 0x07) + 1),
    }
}

/// Takes sub-blocks up to their end, or the file's.
fn blocks(rest: &mut &[u8]) {
    while let Some(size) = take(rest, 1).map(|it| usize::from(it[0])) {
        if size == 0 || take(rest, size).is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret prompt";

    fn has(file: &[u8], part: &[u8]) -> bool {
        file.windows(part.len()).any(|it| it == part)
    }

    fn chunk(name: &[u8], payload: &[u8]) -> Vec<u8> {
        let size = (payload.len() as u32).to_be_bytes();
        [&size, name, payload, &[0; 4]].concat()
    }

    #[test]
    fn a_png_keeps_its_pixels_alone() {
        let signature = b"\x89PNG\r\n\x1a\n".to_vec();
        let with = [
            signature.clone(),
            chunk(b"IHDR", b"head"),
            chunk(b"tEXt", SECRET),
            chunk(b"eXIf", SECRET),
            chunk(b"iTXt", SECRET),
            chunk(b"IDAT", b"pixels"),
            chunk(b"IEND", b""),
            SECRET.to_vec(),
        ];
        let without = [
            signature,
            chunk(b"IHDR", b"head"),
            chunk(b"IDAT", b"pixels"),
            chunk(b"IEND", b""),
        ];
        let stripped = without_metadata(&with.concat(), "image/png").unwrap();
        assert_eq!(stripped, without.concat());
    }

    #[test]
    fn a_webp_keeps_its_pixels_alone() {
        let chunk = |name: &[u8], payload: &[u8]| {
            let size = (payload.len() as u32).to_le_bytes();
            [name, &size, payload].concat()
        };
        let body = [
            b"WEBP".to_vec(),
            chunk(b"VP8X", &[0x2c, 0, 0, 0, 1, 0, 0, 1, 0, 0]),
            chunk(b"ICCP", b"profil"),
            chunk(b"VP8 ", b"pixels"),
            chunk(b"EXIF", b"a secret prompt "),
            chunk(b"XMP ", b"a secret prompt "),
        ]
        .concat();
        let file = [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat();
        let stripped = without_metadata(&file, "image/webp").unwrap();
        assert!(has(&stripped, b"pixels") && has(&stripped, b"profil"));
        assert!(!has(&stripped, b"secret"));
        assert_eq!(stripped[20], 0x20, "the flags say so");
        assert_eq!(stripped[4..8], (stripped.len() as u32 - 8).to_le_bytes());
    }

    #[test]
    fn a_jpeg_keeps_its_pixels_alone() {
        let segment = |marker: u8, payload: &[u8]| {
            let size = (payload.len() as u16 + 2).to_be_bytes();
            [&[0xff, marker], &size[..], payload].concat()
        };
        let file = [
            vec![0xff, 0xd8],
            segment(0xe0, b"JFIF"),
            segment(0xe1, SECRET),
            segment(0xed, SECRET),
            segment(0xfe, SECRET),
            segment(0xdb, b"table"),
            segment(0xda, b"scan"),
            b"pixels\xff\xd9".to_vec(),
            SECRET.to_vec(),
        ];
        let stripped = without_metadata(&file.concat(), "image/jpeg").unwrap();
        assert!(has(&stripped, b"JFIF") && has(&stripped, b"table"));
        assert!(stripped.ends_with(b"pixels\xff\xd9"));
        assert!(!has(&stripped, b"secret"));
    }

    #[test]
    fn a_gif_keeps_its_pixels_alone() {
        let block = |payload: &[u8]| [&[payload.len() as u8], payload, &[0]].concat();
        let file = [
            b"GIF89a\x01\x00\x01\x00\x80\x00\x00colors".to_vec(),
            [&[0x21, 0xfe][..], &block(SECRET)].concat(),
            [&[0x21, 0xff][..], b"\x0bXMP DataXMP", &block(SECRET)].concat(),
            [&[0x21, 0xff][..], b"\x0bNETSCAPE2.0", &block(b"\x01\0\0")].concat(),
            [&[0x21, 0xf9][..], &block(b"\0\0\0\0")].concat(),
            [&[0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2][..], &block(b"pixels")].concat(),
            vec![0x3b],
            SECRET.to_vec(),
        ];
        let stripped = without_metadata(&file.concat(), "image/gif").unwrap();
        assert!(has(&stripped, b"pixels") && has(&stripped, b"NETSCAPE"));
        assert!(!has(&stripped, b"secret"));
    }

    #[test]
    fn what_is_no_picture_of_its_kind_is_not_shown() {
        for kind in [
            "image/png",
            "image/webp",
            "image/jpeg",
            "image/gif",
            "text/html",
        ] {
            assert_eq!(without_metadata(b"a secret prompt", kind), None, "{kind}");
            assert_eq!(without_metadata(b"", kind), None, "{kind}");
        }
    }

    #[test]
    fn no_bytes_make_it_fail() {
        let heads: [(&str, &[u8]); 4] = [
            ("image/png", b"\x89PNG\r\n\x1a\n"),
            ("image/webp", b"RIFF\0\0\0\0WEBP"),
            ("image/jpeg", b"\xff\xd8"),
            ("image/gif", b"GIF89a"),
        ];
        for seed in 0..1000 {
            for (kind, head) in heads {
                let _ = without_metadata(&[head, &random(seed)].concat(), kind);
            }
        }
    }

    /// Some bytes (xorshift), the same for the same seed.
    fn random(seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..seed % 200).map(|_| next()).collect()
    }
}
