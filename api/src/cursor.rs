//! Where a page of the list begins, in an opaque form.

use atelier_domain::assignment::{Assignment, is_valid_id};
use atelier_domain::timestamp::Timestamp;
use atelier_store::Position;

/// Digits of `created_at`: the bits of a float in hexadecimal.
const DIGITS: usize = 16;

/// The cursor of the page after `document`.
pub(crate) fn after(document: &Assignment) -> String {
    text(document.created_at, &document.assignment_id)
}

/// The cursor that stands for `position`, whose id is one of ours.
pub(crate) fn of(position: &Position) -> String {
    text(position.created_at, &position.assignment_id)
}

fn text(created_at: Timestamp, assignment_id: &str) -> String {
    let bits = created_at.seconds().to_bits();
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(format!("{bits:016x}{assignment_id}"))
}

/// The position that `cursor` stands for, to the last bit: a document that another program dated
/// may lie between two microseconds. `None` if no page has given it out.
pub(crate) fn read(cursor: &str) -> Option<Position> {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(cursor).ok()?;
    let decoded = String::from_utf8(bytes).ok()?;
    let (bits, id) = decoded.split_at_checked(DIGITS)?;
    let seconds = f64::from_bits(u64::from_str_radix(bits, 16).ok()?);
    let created_at = Timestamp::from_exact_seconds(seconds);
    let is_ours = seconds.is_finite() && is_valid_id(id) && text(created_at, id) == cursor;
    is_ours.then(|| Position {
        created_at,
        assignment_id: id.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_stands_for_its_document_to_the_last_bit() {
        for seconds in [1_764_030_483.123_456_7, 0.0, -1.5, 1e308] {
            let created_at = Timestamp::from_exact_seconds(seconds);
            let position = read(&text(created_at, "a-1")).unwrap();
            assert_eq!(position.created_at, created_at);
            assert_eq!(position.assignment_id, "a-1");
        }
    }

    #[test]
    fn what_no_page_gave_out_is_no_cursor() {
        let encode = |text: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(text);
        for text in [
            "",
            "41da49",
            "41DA4947A4C7DA1Aa-1",
            "+1da4947a4c7da1aa-1",
            "7ff0000000000000a-1",
            "7ff8000000000000a-1",
            "41da4947a4c7da1a",
            "41da4947a4c7da1aa/1",
        ] {
            assert_eq!(read(&encode(text)), None, "{text}");
        }
    }
}
