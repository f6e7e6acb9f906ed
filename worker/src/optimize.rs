//! Makes a picture ready to be stored, on as many threads as there are cores: a model's, and in an
//! import another program's.

use std::sync::Arc;

use crate::config::OptimizeConfig;
use atelier_domain::assignment::ImageMetadata;
use atelier_domain::failure::Failure;
use atelier_optimize::{Fitted, OptimizeError, Provenance, Settings, sniff};
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::error::{Fault, JobError, chain};
use crate::generate::Original;

/// Where pictures are made smaller. Jobs that wait for a core cost nothing meanwhile.
#[derive(Debug)]
pub struct Optimizer {
    settings: Settings,
    /// Widths of the variants, upwards.
    widths: Vec<u32>,
    /// Whether an AVIF is stored beside each WebP.
    avif: bool,
    cores: Arc<Semaphore>,
}

/// A picture that is ready to be stored.
#[derive(Debug)]
pub struct Ready {
    /// The file.
    pub bytes: Bytes,
    /// Its media type.
    pub content_type: &'static str,
    /// `png`, `jpeg`, `webp` or `gif`: what it was made from.
    pub original_format: String,
    /// Whether the bytes are the optimized picture or the original.
    pub optimized: bool,
    /// What optimizing did.
    pub metadata: ImageMetadata,
    /// As in [`Assignment::thumbhash`](atelier_domain::assignment::Assignment::thumbhash); absent
    /// where the picture was not decoded.
    pub thumbhash: Option<String>,
}

/// Why a picture of another program cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The bytes are no image.
    #[error("it cannot be read as a picture")]
    NoImage(#[source] OptimizeError),
    /// The optimizer panicked.
    #[error("optimizing it panicked: {0}")]
    Panicked(String),
}

impl Optimizer {
    /// As configured.
    pub fn new(config: &OptimizeConfig) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        Self {
            settings: Settings {
                max_dimension: config.max_dimension,
                quality: config.webp_quality,
                method: config.webp_method,
                decode_budget_bytes: config.decode_budget,
            },
            widths: config.variants.clone(),
            avif: config.avif,
            cores: Arc::new(Semaphore::new(cores)),
        }
    }

    /// What two pictures must have in common, besides model and prompt, to serve for each other.
    pub(crate) fn parameters(&self) -> String {
        let it = &self.settings;
        format!("{}/{}/{}", it.max_dimension, it.quality, it.method)
    }

    /// Whether variants or AVIFs are made of a picture that is stored with this `metadata`.
    pub fn makes_renditions(&self, metadata: &ImageMetadata) -> bool {
        let is_decoded = ["webp", "png", "jpeg"].contains(&metadata.format.as_str());
        let width = metadata.dimensions.split('x').next();
        let width = width.and_then(|width| width.parse().ok());
        is_decoded
            && width.is_some_and(|width| self.avif || self.widths_below(width).next().is_some())
    }

    /// Whether variants or AVIFs are made at all.
    pub(crate) fn may_make_renditions(&self) -> bool {
        self.avif || !self.widths.is_empty()
    }

    /// Widths of the variants of a picture of this width, upwards.
    pub(crate) fn widths_below(&self, width: u32) -> impl Iterator<Item = u32> {
        self.widths.iter().copied().filter(move |it| *it < width)
    }

    /// Whether an AVIF is stored beside each WebP.
    pub(crate) const fn makes_avif(&self) -> bool {
        self.avif
    }

    /// How pictures are made smaller.
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The WebP of `original`, with its pixels if they are to be kept; the original itself where that
    /// cannot be made, and a [`JobError::Retryable`] where the bytes are no image at all.
    pub(crate) async fn optimize(
        &self,
        original: &Arc<Original>,
        keep: bool,
    ) -> Result<(Ready, Option<Fitted>), JobError> {
        let (settings, original) = (self.settings.clone(), Arc::clone(original));
        self.on_a_core(
            move || match optimized(&original.bytes, &original.model, &settings) {
                Ok((ready, pixels)) => Ok((ready, keep.then_some(pixels))),
                Err(error) => Ok((as_it_came(&original, error)?, None)),
            },
        )
        .await?
    }

    /// The WebP of a picture that `model` made for another program; the picture itself where that
    /// cannot be made or would not be smaller.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub async fn import(&self, picture: Bytes, model: String) -> Result<Ready, Unusable> {
        let settings = self.settings.clone();
        let made = self.on_a_core(move || match optimized(&picture, &model, &settings) {
            Ok((ready, _)) if ready.bytes.len() < picture.len() => Ok(ready),
            Ok((ready, _)) => original(&picture)
                .map(|as_it_came| Ready {
                    thumbhash: ready.thumbhash,
                    ..as_it_came
                })
                .ok_or(OptimizeError::NotAnImage),
            Err(error) => still_an_image(&picture, &error).ok_or(error),
        });
        match made.await {
            Ok(made) => made.map_err(Unusable::NoImage),
            Err(error) => Err(Unusable::Panicked(error.to_string())),
        }
    }

    async fn on_a_core<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let core = Arc::clone(&self.cores).acquire_owned().await;
        let core = core.map_err(|error| unforeseen(error.to_string()))?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(core);
            done
        });
        done.await
            .map_err(|error| JobError::Panicked(error.to_string()))
    }
}

fn unforeseen(cause: String) -> JobError {
    JobError::Retryable {
        failure: Failure::Unforeseen,
        cause,
        fault: Fault::Job,
    }
}

fn optimized(
    bytes: &[u8],
    model: &str,
    settings: &Settings,
) -> Result<(Ready, Fitted), OptimizeError> {
    let (picture, pixels) =
        atelier_optimize::optimize_keeping(bytes, settings, &Provenance { model })?;
    let thumbhash = pixels.thumbhash().ok();
    let ready = Ready {
        content_type: picture.format.content_type(),
        original_format: sniff(bytes)
            .map_or("png", |(format, _)| format.name())
            .to_owned(),
        optimized: true,
        metadata: ImageMetadata::new(
            bytes.len() as u64,
            picture.bytes.len() as u64,
            picture.format.name(),
            format!("{}x{}", picture.width, picture.height),
        ),
        thumbhash: thumbhash.map(|hash| base64_simd::STANDARD.encode_to_string(hash)),
        bytes: picture.bytes.into(),
    };
    Ok((ready, pixels))
}

fn as_it_came(original: &Original, error: OptimizeError) -> Result<Ready, JobError> {
    let cause = chain(&error);
    let Some(ready) = still_an_image(&original.bytes, &error) else {
        return Err(JobError::Retryable {
            failure: Failure::Unforeseen,
            cause,
            fault: Fault::of_model("no picture"),
        });
    };
    if error.is_about_memory() {
        tracing::error!(
            alert = true,
            code = "decode_budget",
            cause,
            "the original is stored: it takes too much memory to optimize"
        );
        atelier_runtime::telemetry::metrics::get().alert("decode_budget");
    } else {
        tracing::warn!(cause, "the original is stored: it cannot be optimized");
    }
    Ok(ready)
}

/// What could not be optimized, as it came, where it is an image all the same.
fn still_an_image(bytes: &[u8], error: &OptimizeError) -> Option<Ready> {
    error.is_still_an_image().then(|| original(bytes)).flatten()
}

/// The bytes as they came, if they begin like an image.
fn original(bytes: &[u8]) -> Option<Ready> {
    let (format, dimensions) = sniff(bytes)?;
    let size = bytes.len() as u64;
    let dimensions =
        dimensions.map_or(String::new(), |(width, height)| format!("{width}x{height}"));
    Some(Ready {
        bytes: Bytes::copy_from_slice(bytes),
        content_type: format.content_type(),
        original_format: format.name().to_owned(),
        optimized: false,
        metadata: ImageMetadata::new(size, size, format.name(), dimensions),
        thumbhash: None,
    })
}
