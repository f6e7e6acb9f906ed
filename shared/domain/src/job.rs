//! The body of a message in the queue: which assignment's picture is to be made.

use serde::{Deserialize, Serialize};

use crate::assignment::is_valid_id;

/// What a worker needs to know; all else is in the document. Fields that it does not know are
/// ignored, so that an older worker reads a newer API's jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The assignment, 1 to 64 of `[A-Za-z0-9_-]`.
    pub assignment_id: String,
    /// The round that it was sent for, 1 or more; a job of an older round is deleted.
    pub round: u32,
}

/// A body that no worker can read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableJob {
    /// Not JSON, or not the fields of a job.
    #[error("the body is no job: {0}")]
    Body(#[from] serde_json::Error),
    /// An id that no assignment can have.
    #[error("`assignment_id` must be 1 to 64 of [A-Za-z0-9_-]")]
    Id,
    /// A round before the first.
    #[error("`round` must be 1 or more")]
    Round,
}

impl Job {
    /// The message body.
    pub fn to_body(&self) -> String {
        serde_json::to_string(self).expect("a job is plain data")
    }

    /// Reads a message body.
    ///
    /// # Errors
    ///
    /// [`UnreadableJob`] where it is not a job's JSON, or a field is out of its range.
    pub fn from_body(body: &str) -> Result<Self, UnreadableJob> {
        let job: Self = serde_json::from_str(body)?;
        if !is_valid_id(&job.assignment_id) {
            return Err(UnreadableJob::Id);
        }
        if job.round == 0 {
            return Err(UnreadableJob::Round);
        }
        Ok(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_ignored() {
        let job = Job::from_body(r#"{"assignment_id":"a-1","round":2,"priority":"high"}"#).unwrap();
        assert_eq!(
            job,
            Job {
                assignment_id: "a-1".to_owned(),
                round: 2
            }
        );
    }

    #[test]
    fn a_body_that_is_no_job_is_unreadable() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"assignment_id":"../x","round":1}"#,
            r#"{"assignment_id":"a","round":-1}"#,
            r#"{"assignment_id":"a","round":0}"#,
        ] {
            assert!(Job::from_body(body).is_err(), "{body}");
        }
    }
}
