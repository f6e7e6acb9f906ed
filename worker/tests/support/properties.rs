//! What property tests of the bucket have in common.

use std::sync::atomic::{AtomicUsize, Ordering};

use atelier_cloud::error::CloudError;
use atelier_cloud::pictures::{Condition, PictureRef, Pictures};
use atelier_domain::assignment::{ImageMetadata, prompt_hash};
use atelier_domain::label::Label;
use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use super::Bench;

/// A bench on a runtime that synchronous property tests can block on.
pub(crate) struct Site {
    pub runtime: Runtime,
    pub bench: Bench,
}

impl Site {
    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let bench = runtime.block_on(Bench::start());
        Self { runtime, bench }
    }

    /// Runs 100 cases of `holds`, each with an id of its own.
    pub(crate) fn check<S: Strategy>(
        &self,
        of: &S,
        holds: impl AsyncFn(&Bench, String, S::Value) -> Result<(), TestCaseError>,
    ) {
        let cases = AtomicUsize::new(0);
        let config = Config {
            cases: 100,
            failure_persistence: None,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(of, |value| {
            let id = format!("case-{}", cases.fetch_add(1, Ordering::Relaxed));
            self.runtime.block_on(holds(&self.bench, id, value))
        });
        outcome.unwrap();
        assert!(cases.into_inner() >= 100);
    }
}

pub(crate) fn label(id: &str, teacher: &str, prompt: &str, size: usize) -> Label {
    Label {
        assignment_id: id.to_owned(),
        teacher_id: Some(teacher.to_owned()),
        created_at: "2024-11-26T10:30:45Z".to_owned(),
        original_format: "png".to_owned(),
        optimized: true,
        prompt_hash: prompt_hash(prompt),
        metadata: ImageMetadata::new(4096, size as u64, "webp", "1024x1024".to_owned()),
        model: "stability.stable-image-core-v1:1".to_owned(),
        reuse_key: "0123".to_owned(),
        thumbhash: None,
    }
}

pub(crate) async fn put(
    pictures: &Pictures,
    bytes: &[u8],
    label: &Label,
) -> (Result<Option<String>, CloudError>, u32) {
    let mut tries = 0;
    let put = pictures
        .put(
            Bytes::copy_from_slice(bytes),
            "image/webp",
            label,
            false,
            &Condition::IfAbsent,
            &mut tries,
        )
        .await;
    (put, tries)
}

pub(crate) fn whose(label: &Label) -> PictureRef<'_> {
    PictureRef {
        assignment_id: &label.assignment_id,
        teacher_id: label.teacher_id.as_deref(),
    }
}
