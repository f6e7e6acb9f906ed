//! One S3 operation on a picture: its log line, its metrics, and the permission that it needs.

use std::time::Duration;

use atelier_domain::assignment::Assignment;
use atelier_runtime::telemetry::metrics;

use crate::error::CloudError;

/// The picture that an operation is about, for its log line.
#[derive(Clone, Copy, Debug)]
pub struct PictureRef<'a> {
    /// The assignment.
    pub assignment_id: &'a str,
    /// Its teacher.
    pub teacher_id: Option<&'a str>,
}

impl<'a> From<&'a Assignment> for PictureRef<'a> {
    fn from(assignment: &'a Assignment) -> Self {
        Self {
            assignment_id: &assignment.assignment_id,
            teacher_id: assignment.teacher_id.as_deref(),
        }
    }
}

/// An S3 operation ended.
#[derive(Debug)]
pub(super) struct S3Operation<'a> {
    /// `head`, `upload`, `download`, `tag`, `delete` or `probe`.
    pub operation: &'static str,
    /// The picture.
    pub picture: PictureRef<'a>,
    /// Why it failed, if it did.
    pub error: Option<&'a CloudError>,
    /// All attempts together.
    pub duration: Duration,
    /// How many attempts.
    pub attempts: u32,
}

impl S3Operation<'_> {
    /// Logs and counts it.
    pub(super) fn emit(self) {
        let duration_ms = self.duration.as_millis() as u64;
        let teacher = self.picture.teacher_id.unwrap_or("-");
        let assignment = self.picture.assignment_id;
        let (operation, attempts) = (self.operation, self.attempts);
        let is_conflict = matches!(
            self.error,
            Some(CloudError::Conflict(_) | CloudError::PreconditionFailed(_))
        );
        match self.error {
            None => tracing::info!(
                target: "atelier::s3",
                operation, teacher, assignment, result = "ok", duration_ms, attempts, "s3 operation"
            ),
            Some(error) => tracing::warn!(
                target: "atelier::s3",
                operation, teacher, assignment, result = if is_conflict { "conflict" } else { "failed" },
                duration_ms, attempts, %error,
                "s3 operation"
            ),
        }
        if operation == "upload" {
            let metrics = metrics::get();
            match self.error {
                // What lies there decides what becomes of it; it is neither good nor bad yet.
                Some(_) if is_conflict => metrics.s3_upload_conflicts.add(1, &[]),
                Some(_) => {
                    metrics.s3_uploads.add(1, &[]);
                    metrics.s3_upload_failures.add(1, &[]);
                }
                None => metrics.s3_uploads.add(1, &[]),
            }
        }
    }
}

/// The permissions that an operation needs, as they are written in an IAM policy.
pub(super) fn permissions(operation: &str) -> &'static str {
    match operation {
        "probe" => "s3:GetObject, s3:ListBucket, s3:PutObject or s3:PutObjectTagging",
        "upload" => "s3:PutObject or s3:PutObjectTagging",
        "tag" => "s3:PutObjectTagging",
        "delete" => "s3:DeleteObject, s3:DeleteObjectVersion or s3:ListBucketVersions",
        // Without s3:ListBucket an object that is not there looks forbidden.
        _ => "s3:GetObject or s3:ListBucket",
    }
}
