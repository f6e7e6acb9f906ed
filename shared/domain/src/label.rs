//! The label of a stored picture: its object's metadata in S3.

use std::collections::HashMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::assignment::{Assignment, ImageMetadata};

/// Header values are ASCII, but a teacher's id may be any text: every byte is encoded but RFC 3986's
/// unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The longest encoded teacher's id that the metadata has room for, in bytes. S3 takes 2 KB of names
/// and values together; the other fields have less than 1 KB, a model's id of 256 bytes among them.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>
pub const MAX_ENCODED_TEACHER_ID_BYTES: usize = 1024;

/// No picture has more bytes than one put takes: 5 GB.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html>
const MAX_SIZE: u64 = 5 * 1024 * 1024 * 1024;

/// What a worker needs to finish an assignment from its stored picture alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The assignment's id.
    pub assignment_id: String,
    /// Its teacher.
    pub teacher_id: Option<String>,
    /// When the assignment was posted, RFC 3339.
    pub created_at: String,
    /// The format that the model returned: `png`, …; 1 to 16 of `[a-z0-9]`.
    pub original_format: String,
    /// Whether the bytes are the optimized picture or the original.
    pub optimized: bool,
    /// [`crate::assignment::prompt_hash`] of the prompt that the picture shows.
    pub prompt_hash: String,
    /// What optimizing did.
    pub metadata: ImageMetadata,
    /// The model that made it.
    pub model: String,
    /// As in [`Assignment::reuse_key`].
    pub reuse_key: String,
    /// As in [`Assignment::thumbhash`].
    pub thumbhash: Option<String>,
}

impl Label {
    /// Whether the object shows this assignment's current prompt.
    pub fn is_of(&self, assignment: &Assignment) -> bool {
        self.assignment_id == assignment.assignment_id && self.prompt_hash == assignment.prompt_hash
    }

    /// The fields of the object's metadata. Values are ASCII, as headers are.
    pub fn to_metadata(&self) -> HashMap<String, String> {
        let m = &self.metadata;
        let mut fields = vec![
            ("assignment-id", self.assignment_id.clone()),
            ("created-at", self.created_at.clone()),
            ("original-format", self.original_format.clone()),
            ("optimized", self.optimized.to_string()),
            ("prompt-hash", self.prompt_hash.clone()),
            ("original-size", m.original_size_bytes.to_string()),
            ("optimized-size", m.optimized_size_bytes.to_string()),
            ("format", m.format.clone()),
            ("dimensions", m.dimensions.clone()),
            ("model", self.model.clone()),
            ("reuse-key", self.reuse_key.clone()),
        ];
        // Other programs' documents are not held to the limit; the id is only of use to people here.
        let teacher = self.teacher_id.as_deref().map(encode_teacher_id);
        if let Some(teacher) = teacher.filter(|id| id.len() <= MAX_ENCODED_TEACHER_ID_BYTES) {
            fields.push(("teacher-id", teacher));
        }
        if let Some(thumbhash) = &self.thumbhash {
            fields.push(("thumbhash", thumbhash.clone()));
        }
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// `None` if a field is absent or invalid: such an object is not adopted.
    pub fn from_metadata(fields: &HashMap<String, String>) -> Option<Self> {
        let text = |name: &str| fields.get(name).cloned();
        let size = |name: &str| read_size(fields.get(name)?);
        Some(Self {
            assignment_id: text("assignment-id")?,
            teacher_id: text("teacher-id").map(|teacher| {
                percent_decode_str(&teacher)
                    .decode_utf8_lossy()
                    .into_owned()
            }),
            created_at: text("created-at")?,
            original_format: text("original-format").filter(|name| is_format(name))?,
            optimized: text("optimized")?.parse().ok()?,
            prompt_hash: text("prompt-hash")?,
            metadata: ImageMetadata::new(
                size("original-size")?,
                size("optimized-size")?,
                fields.get("format").filter(|name| is_format(name))?,
                text("dimensions").filter(|text| are_dimensions(text))?,
            ),
            model: text("model")?,
            reuse_key: text("reuse-key")?,
            thumbhash: text("thumbhash").filter(|text| is_thumbhash(text)),
        })
    }
}

/// A teacher's id as it stands in the metadata: percent-encoded.
pub fn encode_teacher_id(id: &str) -> String {
    utf8_percent_encode(id, RESERVED).to_string()
}

/// A number of bytes that a picture may have.
fn read_size(text: &str) -> Option<u64> {
    text.parse()
        .ok()
        .filter(|size| (1..=MAX_SIZE).contains(size))
}

/// Whether `text` is a width and a height, as in `1024x768`, or empty, see
/// [`ImageMetadata::dimensions`].
fn are_dimensions(text: &str) -> bool {
    let is_side = |side: &str| side.parse::<u32>().is_ok_and(|pixels| pixels > 0);
    text.is_empty()
        || text
            .split_once('x')
            .is_some_and(|(width, height)| is_side(width) && is_side(height))
}

/// Whether `text` may be a ThumbHash: 5 to 25 bytes in base64.
fn is_thumbhash(text: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    (8..=36).contains(&text.len()) && text.bytes().all(is_base64)
}

/// Whether `name` may name a format, such as `webp`.
fn is_format(name: &str) -> bool {
    (1..=16).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label {
            assignment_id: "a-1".to_owned(),
            teacher_id: Some("Frau Müller, 50%".to_owned()),
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            original_format: "png".to_owned(),
            optimized: true,
            prompt_hash: "0".repeat(64),
            metadata: ImageMetadata::new(100, 50, "webp", "1024x768".to_owned()),
            model: "a model".to_owned(),
            reuse_key: "key".to_owned(),
            thumbhash: Some("1QcSHQRnh493V4dIh4eXh1h4kJUI".to_owned()),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Label::from_metadata(&label().to_metadata()), Some(label()));
    }

    #[test]
    fn the_longest_label_is_below_the_2_kb_that_s3_takes() {
        let longest = Label {
            assignment_id: "a".repeat(64),
            teacher_id: Some("t".repeat(MAX_ENCODED_TEACHER_ID_BYTES)),
            original_format: "f".repeat(16),
            model: "m".repeat(256),
            reuse_key: "0".repeat(32),
            created_at: "2026-01-01T00:00:00.000000000Z".to_owned(),
            thumbhash: Some("t".repeat(36)),
            ..label()
        };
        let prefix = "x-amz-meta-".len();
        let fields = longest.to_metadata();
        let bytes = |(name, value): (&String, &String)| prefix + name.len() + value.len();
        assert!(fields.iter().map(bytes).sum::<usize>() <= 2048);
    }

    #[test]
    fn a_teachers_id_without_room_is_left_out() {
        let teacher_id = Some("\u{5e08}".repeat(200));
        let label = Label {
            teacher_id,
            ..label()
        };
        let read = Label::from_metadata(&label.to_metadata()).unwrap();
        assert_eq!(read.teacher_id, None);
    }

    #[test]
    fn numbers_that_no_picture_has_are_refused() {
        let too_large = (MAX_SIZE + 1).to_string();
        for (field, value) in [
            ("original-size", "-1"),
            ("original-size", "NaN"),
            ("original-size", "0"),
            ("original-size", "18446744073709551616"),
            ("optimized-size", "18446744073709551615"),
            ("optimized-size", too_large.as_str()),
            ("dimensions", "1024"),
            ("dimensions", "-1x5"),
            ("dimensions", "0x0"),
            ("dimensions", "4294967296x1"),
            ("format", "<script>"),
            ("optimized", "maybe"),
        ] {
            let mut fields = label().to_metadata();
            fields.insert(field.to_owned(), value.to_owned());
            assert_eq!(Label::from_metadata(&fields), None, "{field}: {value}");
        }
    }
}
