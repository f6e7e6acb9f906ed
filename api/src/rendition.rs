//! Which file of a picture a reader gets: the smallest that is as wide as asked for, and its AVIF where
//! that is stored and the reader takes it.

use atelier_cloud::error::CloudError;
use atelier_cloud::pictures::{Found, Pictures, avif_key, key, variant_avif_key, variant_key};
use atelier_domain::assignment::Assignment;
use axum::body::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, IF_NONE_MATCH};

use crate::read::is_known;

/// WebP stores no wider picture.
pub(crate) const MAX_WIDTH: u32 = 16_383;

/// A file of a picture.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Where the WebP lies, or the original where none could be made.
    pub(crate) key: String,
    /// Where the AVIF beside it lies, if one is stored.
    pub(crate) avif_key: Option<String>,
}

impl Chosen {
    /// The picture itself.
    fn whole(document: &Assignment) -> Self {
        let id = &document.assignment_id;
        Self {
            key: key(id),
            avif_key: document.avif_size_bytes.map(|_| avif_key(id)),
        }
    }

    /// The smallest of at least this width; the picture itself where none is, or none is asked for.
    pub(crate) fn of(document: &Assignment, width: Option<u32>) -> Self {
        let id = &document.assignment_id;
        let wide_enough = |wanted| {
            let variants = document
                .variants
                .iter()
                .filter(move |it| it.width >= wanted);
            variants.min_by_key(|it| it.width)
        };
        match width.and_then(wide_enough) {
            Some(variant) => Self {
                key: variant_key(id, variant.width),
                avif_key: variant
                    .avif_size_bytes
                    .map(|_| variant_avif_key(id, variant.width)),
            },
            None => Self::whole(document),
        }
    }

    /// Where the bytes for the reader of `headers` may lie, the best first.
    fn keys(self, document: &Assignment, headers: &HeaderMap) -> Vec<String> {
        let avif = self.avif_key.filter(|_| accepts_avif(headers));
        let mut keys: Vec<String> = avif.into_iter().chain([self.key]).collect();
        keys.push(key(&document.assignment_id));
        keys.dedup();
        keys
    }
}

/// A stored file for a reader.
pub(crate) enum Loaded {
    /// The reader has it already.
    Known(Found),
    /// Its bytes.
    Bytes(Bytes, Found),
}

/// The chosen file, or the picture itself where that is missing; `None` if there is none.
pub(crate) async fn load(
    pictures: &Pictures,
    chosen: Chosen,
    document: &Assignment,
    headers: &HeaderMap,
) -> Result<Option<Loaded>, CloudError> {
    for key in chosen.keys(document, headers) {
        if headers.contains_key(IF_NONE_MATCH) {
            let found = pictures.find(&key, document.into()).await?;
            if let Some(found) = found.filter(|it| is_known(headers, &it.etag)) {
                return Ok(Some(Loaded::Known(found)));
            }
        }
        if let Some((bytes, found)) = pictures.read(&key, document.into()).await? {
            return Ok(Some(Loaded::Bytes(bytes, found)));
        }
    }
    Ok(None)
}

/// Whether `Accept` names AVIF; that it takes all images says nothing of it.
fn accepts_avif(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).into_iter();
    let named = values.filter_map(|it| it.to_str().ok());
    named.flat_map(|it| it.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_avif = parts
            .next()
            .is_some_and(|it| it.eq_ignore_ascii_case("image/avif"));
        let refused =
            |part: &str| part.strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0);
        is_avif && !parts.any(refused)
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn document() -> Assignment {
        serde_json::from_value(serde_json::json!({
            "assignment_id": "a", "s3_upload_status": "success", "created_at": 0, "updated_at": 0,
            "variants": [
                {"width": 320, "height": 320, "key": "of/others", "size_bytes": 1},
                {"width": 640, "height": 640, "key": "k", "size_bytes": 1, "avif_size_bytes": 1},
            ],
            "avif_size_bytes": 1,
        }))
        .unwrap()
    }

    #[test]
    fn the_smallest_that_is_wide_enough_is_chosen() {
        let name = |width| {
            let key = Chosen::of(&document(), width).key;
            key.replace("generated_images/", "")
        };
        assert_eq!(name(Some(1)), "a/320.webp");
        assert_eq!(name(Some(320)), "a/320.webp");
        assert_eq!(name(Some(321)), "a/640.webp");
        assert_eq!(name(Some(641)), "a.webp");
        assert_eq!(name(None), "a.webp");
    }

    #[test]
    fn an_avif_is_for_those_that_name_it() {
        let keys = |width, accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
            Chosen::of(&document(), width)
                .keys(&document(), &headers)
                .len()
        };
        assert_eq!(keys(None, "image/avif,image/webp,*/*;q=0.8"), 2);
        assert_eq!(keys(Some(640), "text/html, Image/AVIF;q=0.5"), 3);
        assert_eq!(keys(Some(320), "image/avif"), 2);
        for accept in [
            "*/*",
            "image/*",
            "image/avif;q=0",
            "image/avif; q=0.0",
            "image/avifs",
        ] {
            assert_eq!(keys(None, accept), 1, "{accept}");
        }
    }
}
