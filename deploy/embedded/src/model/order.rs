//! What both families share: a request that was read, the checks of its fields, the pictures of
//! an answer.

use super::error::Error;

/// A request that was read and found valid.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) prompt: String,
    pub(super) seed: u64,
    pub(super) width: u32,
    pub(super) height: u32,
    /// How many pictures; Amazon's family paints up to five.
    pub(super) count: u32,
}

/// `"images":["BASE64",…]`, written straight behind `json`.
pub(super) fn push_images(json: &mut Vec<u8>, pictures: &[Vec<u8>]) {
    let encoded: usize = pictures
        .iter()
        .map(|picture| picture.len() / 3 * 4 + 8)
        .sum();
    json.reserve(encoded + 32);
    json.extend_from_slice(b"\"images\":[");
    for (index, picture) in pictures.iter().enumerate() {
        json.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        base64_simd::STANDARD.encode_append(picture, json);
        json.push(b'"');
    }
    json.push(b']');
}

/// Reads a request's JSON; what the schema does not know is refused, by name.
pub(super) fn json<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::malformed(&error.to_string()))
}

/// Checks the length of `text`, in characters.
pub(super) fn check_length(name: &str, text: &str, longest: usize) -> Result<(), Error> {
    let length = text.chars().count();
    if (1..=longest).contains(&length) {
        return Ok(());
    }
    Err(Error::malformed(&format!(
        "#/{name}: expected 1 to {longest} characters, actual: {length}"
    )))
}

/// Checks that `value` is in `range`.
pub(super) fn check_range<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = range.into_inner();
    Err(Error::malformed(&format!(
        "#/{name}: expected {low} to {high}, actual: {value}"
    )))
}
