//! A stored picture of the same prompt, model and parameters serves again.

use atelier_domain::assignment::Assignment;
use atelier_domain::label::Label;
use sha2::{Digest, Sha256};

use crate::optimize::Ready;
use crate::worker::Worker;

/// What two pictures have in common if one can serve for the other. That the same guardrail let
/// their prompt pass is part of it.
pub(crate) fn key(worker: &Worker, prompt_hash: &str, model: &str) -> String {
    let parameters = worker.optimizer.parameters();
    let guardrail = match &worker.config.worker.guardrail {
        Some(guardrail) => format!(" {} {}", guardrail.id, guardrail.version),
        None => String::new(),
    };
    let digest = Sha256::digest(format!("{prompt_hash} {model} {parameters}{guardrail}"));
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The latest such picture, of `teacher` only where one is given. What goes wrong here costs no
/// more than a call to the model, so it is only logged.
pub(crate) async fn find(
    worker: &Worker,
    assignment: &Assignment,
    teacher: Option<&str>,
) -> Option<(Ready, Label)> {
    let keys: Vec<_> = worker
        .models
        .ids()
        .map(|model| key(worker, &assignment.prompt_hash, model))
        .collect();
    let source = match worker.store.reusable(&keys, teacher).await {
        Ok(source) => source?,
        Err(error) => {
            tracing::warn!(%error, "no picture to reuse could be looked for");
            return None;
        }
    };
    let (bytes, found) = worker
        .pictures
        .read(source.s3_image_key.as_deref()?, (&source).into())
        .await
        .ok()
        .flatten()?;
    let label = found
        .label
        .filter(|label| label.optimized && label.is_of(&source))?;
    let ready = Ready {
        bytes,
        content_type: "image/webp",
        original_format: label.original_format.clone(),
        optimized: true,
        metadata: label.metadata.clone(),
        thumbhash: label.thumbhash.clone(),
    };
    Some((ready, label))
}
