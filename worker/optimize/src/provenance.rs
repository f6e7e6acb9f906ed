//! Says inside a file that a machine made the picture: an XMP packet, in the RIFF container of WebP
//! or in an EXIF block for formats whose encoder writes nothing else.

use std::borrow::Cow;

use crate::riff::{CHUNK_HEADER, Chunk, chunks, push_chunk};

/// IPTC's term for "created using generative AI".
/// <https://cv.iptc.org/newscodes/digitalsourcetype/>
pub const DIGITAL_SOURCE_TYPE: &str =
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

/// Who made a picture.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'a> {
    /// The model's name, such as `stability.stable-image-core-v1:1`.
    pub model: &'a str,
}

impl Provenance<'_> {
    /// The XMP packet (ISO 16684-1), with the properties that IPTC defines for machine-made media.
    /// <https://www.iptc.org/std/photometadata/specification/IPTC-PhotoMetadata>
    fn xmp(&self) -> String {
        let model = escape(self.model);
        // As short as the standard allows: it is part of every picture.
        format!(
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\
             <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
             <rdf:Description rdf:about=\"\" \
             xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" \
             xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\" \
             Iptc4xmpExt:DigitalSourceType=\"{DIGITAL_SOURCE_TYPE}\" \
             Iptc4xmpExt:AISystemUsed=\"{model}\" \
             xmp:CreatorTool=\"{model}\"/>\
             </rdf:RDF><?xpacket end=\"r\"?>"
        )
    }
}

impl Provenance<'_> {
    /// An EXIF block whose only entry is the XMP packet: a TIFF file of one directory with tag 700
    /// (TIFF 6.0; Adobe's XMP specification, part 3).
    pub(crate) fn exif(&self) -> Vec<u8> {
        const TIFF_HEADER: [u8; 8] = *b"MM\0\x2a\0\0\0\x08";
        const XMP_TAG: u16 = 700;
        const BYTES: u16 = 1;
        let xmp = self.xmp();
        let mut exif = TIFF_HEADER.to_vec();
        exif.extend_from_slice(&1_u16.to_be_bytes());
        exif.extend_from_slice(&XMP_TAG.to_be_bytes());
        exif.extend_from_slice(&BYTES.to_be_bytes());
        exif.extend_from_slice(&(xmp.len() as u32).to_be_bytes());
        // After this offset comes the end of the directory.
        let offset = exif.len() as u32 + 8;
        exif.extend_from_slice(&offset.to_be_bytes());
        exif.extend_from_slice(&0_u32.to_be_bytes());
        exif.extend_from_slice(xmp.as_bytes());
        exif
    }
}

/// `text` as an XML attribute's value; what XML 1.0 cannot hold becomes a space.
fn escape(text: &str) -> Cow<'_, str> {
    let is_plain =
        |c: char| !matches!(c, '&' | '<' | '>' | '"' | '\0'..='\u{1f}' | '\u{fffe}'..='\u{ffff}');
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if is_plain(c) => escaped.push(c),
            _ => escaped.push(' '),
        }
    }
    Cow::Owned(escaped)
}

// The extended container: <https://developers.google.com/speed/webp/docs/riff_container>
const HAS_PROFILE: u8 = 0x20;
const HAS_ALPHA: u8 = 0x10;
const HAS_XMP: u8 = 0x04;

/// Rewrites `encoded`, a still picture as libwebp's encoder makes it, in the extended container
/// with a color profile and the XMP packet of `provenance`.
pub(crate) fn mark(
    encoded: &[u8],
    (width, height): (u32, u32),
    color_profile: Option<&[u8]>,
    provenance: &Provenance<'_>,
) -> Vec<u8> {
    let xmp = provenance.xmp();
    let room = encoded.len() + xmp.len() + color_profile.map_or(0, <[u8]>::len) + 64;
    let mut file = Vec::with_capacity(room);
    file.extend_from_slice(b"RIFF\0\0\0\0WEBP");

    let mut flags = HAS_XMP;
    if color_profile.is_some() {
        flags |= HAS_PROFILE;
    }
    if chunks(encoded).any(has_alpha) {
        flags |= HAS_ALPHA;
    }
    let mut header = [0; 10];
    header[0] = flags;
    header[4..7].copy_from_slice(&(width - 1).to_le_bytes()[..3]);
    header[7..10].copy_from_slice(&(height - 1).to_le_bytes()[..3]);
    push_chunk(&mut file, *b"VP8X", &header);
    if let Some(profile) = color_profile {
        push_chunk(&mut file, *b"ICCP", profile);
    }
    for (name, payload) in chunks(encoded).filter(|(name, _)| name != b"VP8X") {
        push_chunk(&mut file, name, payload);
    }
    push_chunk(&mut file, *b"XMP ", xmp.as_bytes());

    let size = (file.len() - CHUNK_HEADER) as u32;
    file[4..8].copy_from_slice(&size.to_le_bytes());
    file
}

fn has_alpha((name, payload): Chunk<'_>) -> bool {
    match &name {
        b"ALPH" => true,
        // The bit after the signature byte and twice 14 bits of width and height.
        b"VP8L" => payload.get(4).is_some_and(|byte| byte & 0x10 != 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_name_cannot_break_the_packet() {
        let xmp = Provenance {
            model: "a\"/>&\u{0}b",
        }
        .xmp();
        assert!(
            xmp.contains("xmp:CreatorTool=\"a&quot;/&gt;&amp; b\"/>"),
            "{xmp}"
        );
    }
}
