//! Where the old pictures are: in a bucket, or in a folder.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use atelier_cloud::pictures::{Fetched, Found, PictureRef, Pictures};
use bytes::Bytes;
use tokio::io::AsyncReadExt as _;

use super::outcome::{Obstacle, Reason};

/// The old pictures.
#[derive(Debug)]
pub(crate) struct OldPictures {
    pub(crate) place: Place,
    /// What stands before each name.
    pub(crate) prefix: String,
    /// The most bytes that a picture may have.
    pub(crate) limit: u64,
}

/// Where they are.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a bucket; `is_ours` where that is the bucket of the new ones.
    Bucket {
        /// The bucket.
        pictures: Pictures,
        /// Its name.
        name: String,
        /// Whether the new ones go there, too.
        is_ours: bool,
    },
    /// In files of this folder.
    Folder(PathBuf),
}

/// An old picture.
#[derive(Debug)]
pub(crate) struct Old {
    pub(crate) bytes: Bytes,
    /// What is known of it, where it lies under the key of the new one.
    pub(crate) in_place: Option<Found>,
}

impl OldPictures {
    /// The old picture of this name, whose new key is `key`.
    pub(crate) async fn fetch(
        &self,
        name: &str,
        key: &str,
        picture: PictureRef<'_>,
    ) -> Result<Old, Obstacle> {
        let name = format!("{}{name}", self.prefix);
        match &self.place {
            Place::Folder(folder) => Ok(Old {
                bytes: self.read(folder, &name).await?,
                in_place: None,
            }),
            Place::Bucket {
                pictures,
                name: bucket,
                is_ours,
            } => {
                // S3 has keys of 1 to 1,024 bytes.
                if !(1..=1024).contains(&name.len()) {
                    return Err(Reason::BadName(name).into());
                }
                let fetched = pictures.fetch(&name, picture, self.limit).await;
                match fetched.map_err(|error| Obstacle::of_bucket(bucket, error))? {
                    Fetched::Whole(bytes, found) => Ok(Old {
                        bytes,
                        in_place: (*is_ours && name == key).then_some(*found),
                    }),
                    Fetched::TooLarge(size) => Err(self.too_large(size).into()),
                    Fetched::Absent => Err(Reason::NoPicture.into()),
                }
            }
        }
    }

    async fn read(&self, folder: &Path, name: &str) -> Result<Bytes, Reason> {
        let path = below(folder, name).ok_or_else(|| Reason::BadName(name.to_owned()))?;
        let file = tokio::fs::File::open(path).await.map_err(of_file)?;
        let metadata = file.metadata().await.map_err(of_file)?;
        if !metadata.is_file() {
            return Err(Reason::NoPicture);
        }
        if metadata.len() > self.limit {
            return Err(self.too_large(metadata.len()));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        // It may grow meanwhile.
        let mut file = file.take(self.limit);
        file.read_to_end(&mut bytes).await.map_err(of_file)?;
        Ok(bytes.into())
    }

    fn too_large(&self, size: u64) -> Reason {
        Reason::TooLarge {
            size,
            limit: self.limit,
        }
    }
}

fn of_file(error: std::io::Error) -> Reason {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Reason::NoPicture,
        _ => Reason::File(error),
    }
}

/// The file of this name in the folder or below; `None` for a name that leads out of it.
fn below(folder: &Path, name: &str) -> Option<PathBuf> {
    let name = Path::new(name);
    let stays = |it| matches!(it, Component::Normal(_) | Component::CurDir);
    let names_something =
        name.file_name().is_some() && !name.as_os_str().as_encoded_bytes().contains(&0);
    (names_something && name.components().all(stays)).then(|| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_out_of_the_folder_is_refused() {
        let folder = Path::new("/old");
        for name in ["a.png", "2024/a b.png", "./a", "..a"] {
            assert_eq!(below(folder, name), Some(folder.join(name)));
        }
        for name in [
            "",
            ".",
            "..",
            "../a",
            "a/../../b",
            "/etc/passwd",
            "a/..",
            "a\0b",
        ] {
            assert_eq!(below(folder, name), None, "{name}");
        }
    }
}
