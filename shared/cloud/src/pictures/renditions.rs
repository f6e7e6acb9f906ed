//! The other files of a picture: an AVIF beside it, and smaller ones in a folder of its name. Each
//! says in its metadata which file it was made from, so that one of an earlier round is known.

use std::collections::HashMap;

use aws_sdk_s3::types::{Tag, Tagging};
use bytes::Bytes;

use atelier_domain::assignment::Assignment;

use super::{
    Condition, MADE_FROM, PREFIX, PictureRef, Pictures, RETENTION, RetryPolicy, is_no_such_key,
    key, retention,
};
use crate::error::CloudError;

/// Where the AVIF beside a picture lies.
pub fn avif_key(assignment_id: &str) -> String {
    format!("{PREFIX}{assignment_id}.avif")
}

/// Where the variant of this width lies.
pub fn variant_key(assignment_id: &str, width: u32) -> String {
    format!("{PREFIX}{assignment_id}/{width}.webp")
}

/// Where the AVIF beside the variant of this width lies.
pub fn variant_avif_key(assignment_id: &str, width: u32) -> String {
    format!("{PREFIX}{assignment_id}/{width}.avif")
}

/// Where an assignment's picture lies, and what was made of it as far as the document knows: every
/// address that a reader may have. Nothing need lie there.
pub fn keys(document: &Assignment) -> Vec<String> {
    let id = &document.assignment_id;
    let mut keys = vec![key(id), avif_key(id)];
    for variant in &document.variants {
        keys.push(variant_key(id, variant.width));
        let avif = variant.avif_size_bytes;
        keys.extend(avif.map(|_| variant_avif_key(id, variant.width)));
    }
    keys
}

/// A file that was made of a picture.
#[derive(Clone, Debug)]
pub struct Rendition {
    /// Where it is to lie.
    pub key: String,
    /// The file.
    pub bytes: Bytes,
    /// Its media type.
    pub content_type: &'static str,
    /// Names the file that it was made from.
    pub made_from: String,
}

impl Pictures {
    /// Stores a rendition if `condition` holds.
    ///
    /// # Errors
    /// [`CloudError::PreconditionFailed`] where the condition does not hold; others where the bucket
    /// does not answer, or refuses.
    pub async fn put_rendition(
        &self,
        rendition: &Rendition,
        picture: PictureRef<'_>,
        permanent: bool,
        condition: &Condition,
    ) -> Result<(), CloudError> {
        let metadata = HashMap::from([
            ("assignment-id".to_owned(), picture.assignment_id.to_owned()),
            (MADE_FROM.to_owned(), rendition.made_from.clone()),
        ]);
        self.tried("upload", picture, &self.upload, &mut 0, || async {
            let (key, bytes) = (&rendition.key, &rendition.bytes);
            let put = self
                .object(key, bytes, rendition.content_type, permanent)
                .set_metadata(Some(metadata.clone()));
            let answer = match condition {
                Condition::IfAbsent => put.if_none_match("*"),
                Condition::IfMatch(etag) => put.if_match(etag),
            };
            match answer.send().await {
                Ok(_) => Ok(()),
                Err(error)
                    if matches!(condition, Condition::IfMatch(_)) && is_no_such_key(&error) =>
                {
                    let cause = "the object is gone".to_owned();
                    Err(CloudError::PreconditionFailed(cause))
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Tags a picture and what was made of it as its document says, so that the lifecycle takes them
    /// or not. `false` if there is no picture.
    ///
    /// # Errors
    /// Where the bucket did not do it.
    pub async fn tag(&self, document: &Assignment) -> Result<bool, CloudError> {
        let all = keys(document);
        let Some((picture, others)) = all.split_first() else {
            return Ok(false);
        };
        self.tag_keys(others, document.into(), document.permanent)
            .await?;
        let picture = std::slice::from_ref(picture);
        let tagged = self.tag_keys(picture, document.into(), document.permanent);
        Ok(tagged.await? > 0)
    }

    /// Tags the objects under `keys`. Returns how many there are.
    ///
    /// # Errors
    /// Where the bucket did not do it.
    pub async fn tag_keys(
        &self,
        keys: &[String],
        picture: PictureRef<'_>,
        permanent: bool,
    ) -> Result<usize, CloudError> {
        let tag = Tag::builder()
            .key(RETENTION)
            .value(retention(permanent))
            .build();
        let tags = tag.and_then(|tag| Tagging::builder().tag_set(tag).build());
        let tags = tags.expect("key, value and set are given");
        let mut tagged = 0;
        for key in keys {
            let set = || async {
                let tagging = self.client.put_object_tagging().bucket(&self.bucket);
                match tagging.key(key).tagging(tags.clone()).send().await {
                    Ok(_) => Ok(1_usize),
                    Err(error) if is_no_such_key(&error) => Ok(0),
                    Err(error) => Err(error.into()),
                }
            };
            let once = &RetryPolicy::ONCE;
            tagged += self.tried("tag", picture, once, &mut 0, set).await?;
        }
        Ok(tagged)
    }
}

#[cfg(test)]
mod tests {
    use super::super::assignment_of;
    use super::*;

    #[test]
    fn every_key_belongs_to_its_assignment() {
        let document = serde_json::json!({
            "assignment_id": "a-1", "s3_upload_status": "success", "created_at": 0, "updated_at": 0,
            "variants": [
                {"width": 320, "height": 320, "key": "k", "size_bytes": 1},
                {"width": 640, "height": 640, "key": "k", "size_bytes": 1, "avif_size_bytes": 1},
            ],
        });
        let document: Assignment = serde_json::from_value(document).unwrap();
        let keys = keys(&document);
        let names = [
            "a-1.webp",
            "a-1.avif",
            "a-1/320.webp",
            "a-1/640.webp",
            "a-1/640.avif",
        ];
        assert_eq!(keys, names.map(|name| format!("{PREFIX}{name}")));
        for key in keys {
            assert_eq!(assignment_of(&key), Some("a-1"));
        }
    }
}
