//! Makes the model's picture ready to be stored, on as many threads as there are cores.

use std::sync::Arc;

use crate::config::OptimizeConfig;
use atelier_domain::assignment::ImageMetadata;
use atelier_domain::failure::Failure;
use atelier_optimize::{OptimizeError, Provenance, Settings, sniff};
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::error::{Fault, JobError, chain};
use crate::generate::Original;

/// Where pictures are made smaller. Jobs that wait for a core cost nothing meanwhile.
#[derive(Debug)]
pub(crate) struct Optimizer {
    settings: Settings,
    /// Whether an AVIF is stored beside the WebP.
    pub(crate) avif: bool,
    cores: Arc<Semaphore>,
}

/// A picture that is ready to be stored.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) bytes: Bytes,
    pub(crate) content_type: &'static str,
    pub(crate) original_format: String,
    pub(crate) optimized: bool,
    pub(crate) metadata: ImageMetadata,
}

impl Optimizer {
    pub(crate) fn new(config: &OptimizeConfig) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        Self {
            settings: Settings {
                max_dimension: config.max_dimension,
                quality: config.webp_quality,
                method: config.webp_method,
                decode_budget_bytes: config.decode_budget,
            },
            avif: config.avif,
            cores: Arc::new(Semaphore::new(cores)),
        }
    }

    /// What two pictures must have in common, besides model and prompt, to serve for each other.
    pub(crate) fn parameters(&self) -> String {
        let it = &self.settings;
        format!("{}/{}/{}", it.max_dimension, it.quality, it.method)
    }

    /// The WebP of `original`; the original itself where that cannot be made, and a
    /// [`JobError::Retryable`] where the bytes are no image at all.
    pub(crate) async fn optimize(&self, original: &Arc<Original>) -> Result<Ready, JobError> {
        let (settings, original) = (self.settings.clone(), Arc::clone(original));
        self.on_a_core(move || ready(&original, &settings)).await?
    }

    /// The AVIF of `original`.
    pub(crate) async fn avif(&self, original: Arc<Original>) -> Result<Vec<u8>, JobError> {
        let settings = self.settings.clone();
        let made = self
            .on_a_core(move || {
                let provenance = Provenance {
                    model: &original.model,
                };
                atelier_optimize::avif(&original.bytes, &settings, &provenance)
            })
            .await?;
        made.map_err(|error| unforeseen(chain(&error)))
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

fn ready(original: &Original, settings: &Settings) -> Result<Ready, JobError> {
    let provenance = Provenance {
        model: &original.model,
    };
    let size = original.bytes.len() as u64;
    match atelier_optimize::optimize(&original.bytes, settings, &provenance) {
        Ok(picture) => Ok(Ready {
            content_type: picture.format.content_type(),
            original_format: sniff(&original.bytes)
                .map_or("png", |(format, _)| format.name())
                .to_owned(),
            optimized: true,
            metadata: ImageMetadata::new(
                size,
                picture.bytes.len() as u64,
                picture.format.name(),
                format!("{}x{}", picture.width, picture.height),
            ),
            bytes: picture.bytes.into(),
        }),
        Err(error) => as_it_came(original, error),
    }
}

fn as_it_came(original: &Original, error: OptimizeError) -> Result<Ready, JobError> {
    let claimed = sniff(&original.bytes).filter(|_| error.is_still_an_image());
    let Some((format, dimensions)) = claimed else {
        return Err(JobError::Retryable {
            failure: Failure::Unforeseen,
            cause: chain(&error),
            fault: Fault::of_model("no picture"),
        });
    };
    let cause = chain(&error);
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
    let size = original.bytes.len() as u64;
    let dimensions =
        dimensions.map_or(String::new(), |(width, height)| format!("{width}x{height}"));
    Ok(Ready {
        bytes: Bytes::copy_from_slice(&original.bytes),
        content_type: format.content_type(),
        original_format: format.name().to_owned(),
        optimized: false,
        metadata: ImageMetadata::new(size, size, format.name(), dimensions),
    })
}
