//! One job from top to bottom.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::config::Reuse;
use atelier_cloud::pictures::key;
use atelier_cloud::queue::Message;
use atelier_domain::assignment::{Assignment, StageSeconds};
use atelier_domain::budget::MicroUsd;
use atelier_domain::failure::Failure;
use atelier_domain::job::Job;
use atelier_domain::label::Label;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::Finished;
use atelier_optimize::Fitted;
use atelier_runtime::telemetry::{continue_trace, metrics, span_failed};
use tokio::time::sleep;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::attempt::{Attempt, Stored};
use crate::breaker::Service;
use crate::budget::Charge;
use crate::error::{Fault, JobError};
use crate::generate::{GenerateError, Original};
use crate::lane::Room;
use crate::lease::{self, Claimed, Written};
use crate::optimize::Ready;
use crate::panic::caught;
use crate::renditions::{self, Renditions, Source, Turn};
use crate::upload::{self, Uploaded};
use crate::worker::Worker;
use crate::{reuse, settle};

/// Waits between the calls of one try while the model throttles, each shortened by up to a half.
const THROTTLE_WAITS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// Does one job. Returns when the message is settled: deleted, or left to come again; with what is
/// still to be made of the picture, which needs no slot.
pub(crate) async fn work(worker: &Worker, message: Message) -> Option<Renditions> {
    let span = tracing::info_span!(
        "job",
        assignment = Empty,
        round = Empty,
        correlation_id = Empty,
        otel.name = format!("process {}", worker.queues.jobs.name()),
        otel.kind = "consumer",
        messaging.system = "aws_sqs",
    );
    if !message.context.correlation_id.is_empty() {
        span.record("correlation_id", &message.context.correlation_id);
    }
    continue_trace(&span, message.context.trace_parent.as_deref());
    let done = async {
        match caught(Box::pin(do_job(worker, &message))).await {
            Ok(renditions) => renditions,
            Err(panic) => {
                tracing::error!(%panic, "a panic ended the job; it is left until its claim expires");
                None
            }
        }
    };
    done.instrument(span).await
}

async fn do_job(worker: &Worker, message: &Message) -> Option<Renditions> {
    let job = match Job::from_body(&message.body) {
        Ok(job) => job,
        Err(unreadable) => {
            settle::unreadable(worker, message, &unreadable).await;
            return None;
        }
    };
    let span = Span::current();
    span.record("assignment", &job.assignment_id);
    span.record("round", job.round);
    let claimed = lease::claim(worker, &job, message).await;
    if claimed.is_ok() {
        worker.concurrency.answered(Service::Store);
    }
    match claimed {
        Ok(Claimed::Mine(lease, assignment)) => {
            let attempt = Attempt::new(worker, message, &lease, &assignment);
            if message.context.correlation_id.is_empty() {
                // Another program sent the job.
                span.record("correlation_id", attempt.correlation_id());
            }
            let picture = caught(Box::pin(attempt.make_picture()));
            let picture = async { picture.await.unwrap_or_else(|panic| Err(panic.into())) };
            let outcome = lease.hold(&worker.stopping, picture).await;
            return settle::settle(&attempt, outcome).await;
        }
        Ok(Claimed::RenditionsDue(seen)) => return renditions(worker, message, &seen).await,
        Ok(Claimed::Busy(time)) => settle::later(worker, message, time).await,
        Ok(Claimed::Over) => settle::delete(worker, message).await,
        Ok(Claimed::Unknown) => settle::unknown(worker, message).await,
        Err(error) => settle::unclaimed(worker, message, &job.assignment_id, &error).await,
    }
    None
}

/// The job of a picture that was made, but for its renditions.
async fn renditions(worker: &Worker, message: &Message, seen: &Assignment) -> Option<Renditions> {
    match renditions::claim(worker, seen).await {
        Ok(Turn::Mine(renditions)) => {
            settle::delete(worker, message).await;
            return Some(*renditions);
        }
        Ok(Turn::Over) => settle::delete(worker, message).await,
        Ok(Turn::Later(time)) => settle::later(worker, message, time).await,
        Err(error) => {
            let id = &seen.assignment_id;
            settle::unclaimed(worker, message, id, &error.into()).await;
        }
    }
    None
}

impl Attempt<'_> {
    async fn make_picture(&self) -> Result<Stored, JobError> {
        let _company = self.worker.isolation(self.assignment).await?;
        if let Some(label) = upload::find_ours(self.worker, self.assignment).await? {
            return Ok(self.adopt(&label, StageSeconds::default(), 0.0));
        }
        self.check_budget()?;
        if let Some((picture, label)) = self.reuse().await {
            let stages = StageSeconds::default();
            return self.put(picture, label, stages, Made::Reused).await;
        }
        let mut stages = StageSeconds::default();
        let original = timed("generate", &mut stages.generate, self.generate()).await?;
        let original = Arc::new(original);
        let room = self.room();
        let picture = self.worker.optimizer.optimize(&original, room.is_some());
        let (picture, pixels) = timed("optimize", &mut stages.optimize, picture).await?;
        self.worker.concurrency.answered(Service::Model);
        let label = self.label(&picture, &original.model);
        let made = Made::Generated {
            cost_usd: original.cost_usd,
            room,
            pixels,
        };
        self.put(picture, label, stages, made).await
    }

    /// Room to keep the pixels for the renditions, where some are made.
    fn room(&self) -> Option<Room> {
        let wanted = self.worker.optimizer.may_make_renditions();
        wanted.then(|| self.worker.lane.room()).flatten()
    }

    /// Who claims after the last attempt, or after `give_up_at`, only adopts.
    fn check_budget(&self) -> Result<(), JobError> {
        let late = self
            .assignment
            .give_up_at
            .is_some_and(|at| at <= Timestamp::now());
        let (failure, cause) = if late {
            (
                Failure::of_giving_up(self.assignment),
                "still pending at give_up_at",
            )
        } else if self.assignment.attempts > self.worker.config.job.max_attempts {
            (Failure::Unforeseen, "all attempts ended without a result")
        } else {
            return Ok(());
        };
        Err(JobError::Permanent {
            failure,
            cause: cause.to_owned(),
        })
    }

    /// A stored picture of the same prompt, model and parameters, if its reader may have it.
    async fn reuse(&self) -> Option<(Ready, Label)> {
        let teacher = self.assignment.teacher_id.as_deref();
        let whose = match (self.worker.config.worker.reuse, teacher) {
            _ if self.assignment.fresh => return None,
            (Reuse::Off, _) | (Reuse::Teacher, None) => return None,
            (Reuse::Teacher, Some(teacher)) => Some(teacher),
            (Reuse::All, _) => None,
        };
        let (picture, from) = reuse::find(self.worker, self.assignment, whose).await?;
        let label = self.label(&picture, &from.model);
        Some((picture, label))
    }

    /// A picture by a model. The guardrail sees the prompt before, once an attempt.
    async fn generate(&self) -> Result<Original, JobError> {
        let mut passed = false;
        let mut waits = THROTTLE_WAITS.into_iter();
        loop {
            if self.worker.concurrency.is_paused_by(Service::Bucket) {
                return Err(JobError::Paused);
            }
            let cause = match self.ask(&mut passed).await? {
                Ok(original) => {
                    self.worker.concurrency.model_answered();
                    return Ok(original);
                }
                Err(GenerateError::Throttled(cause)) => cause,
                Err(error) => {
                    if matches!(error, GenerateError::Declined(_)) {
                        self.worker.concurrency.answered(Service::Model);
                    }
                    return Err(job_error(error));
                }
            };
            self.worker.throttled();
            match waits.next() {
                Some(wait) => sleep(wait.mul_f64(0.5 + 0.5 * fastrand::f64())).await,
                None => return Err(JobError::Throttled(cause)),
            }
            self.check_budget()?;
        }
    }

    async fn ask(&self, passed: &mut bool) -> Result<Result<Original, GenerateError>, JobError> {
        let (models, prompt) = (&self.worker.models, &self.assignment.prompt);
        if !*passed {
            if let Err(error) = models.guard(prompt).await {
                return Ok(Err(error));
            }
            *passed = true;
        }
        models.generate(prompt, |price| self.pay(price)).await
    }

    /// Charges and counts a call to a model; `None` where the budget does not allow it. What ends this
    /// early returns the charge.
    async fn pay(&self, price: MicroUsd) -> Result<Option<Charge>, JobError> {
        let charged = self.worker.payer.charge(self.assignment, price).await?;
        let Some(charge) = charged else {
            return Ok(None);
        };
        match self.lease.count_model_call().await? {
            Written::Done(_) => {
                self.worker.called_model();
                Ok(Some(charge))
            }
            Written::Fenced(_) => {
                charge.refund().await;
                Err(JobError::ClaimLost(
                    "it was taken over before the model was called",
                ))
            }
        }
    }

    async fn put(
        &self,
        picture: Ready,
        label: Label,
        mut stages: StageSeconds,
        made: Made,
    ) -> Result<Stored, JobError> {
        let put = upload::upload(self, &picture, &label);
        let uploaded = timed("upload", &mut stages.upload, put).await?;
        let (how, cost, room, pixels) = match made {
            Made::Reused => ("reused", 0.0, None, None),
            Made::Generated {
                cost_usd,
                room,
                pixels,
            } => ("generated", cost_usd, room, pixels),
        };
        Ok(match uploaded {
            Uploaded::Adopted(label) => self.adopt(&label, stages, cost),
            Uploaded::Stored(version) => Stored {
                finished: self.finished(&label, stages, cost),
                how,
                tagged: Some(self.assignment.permanent),
                version,
                source: Source {
                    room,
                    pixels,
                    file: Some(picture.bytes),
                },
            },
        })
    }

    fn adopt(&self, label: &Label, stages: StageSeconds, cost_usd: f64) -> Stored {
        Stored {
            finished: self.finished(label, stages, cost_usd),
            how: "adopted",
            tagged: None,
            version: None,
            source: Source::default(),
        }
    }

    fn label(&self, picture: &Ready, model: &str) -> Label {
        Label {
            assignment_id: self.assignment.assignment_id.clone(),
            teacher_id: self.assignment.teacher_id.clone(),
            created_at: self.assignment.created_at.rfc3339(),
            original_format: picture.original_format.clone(),
            optimized: picture.optimized,
            prompt_hash: self.assignment.prompt_hash.clone(),
            metadata: picture.metadata.clone(),
            model: model.to_owned(),
            reuse_key: reuse::key(self.worker, &self.assignment.prompt_hash, model),
            thumbhash: picture.thumbhash.clone(),
        }
    }

    fn finished(&self, label: &Label, stages: StageSeconds, cost_usd: f64) -> Finished {
        let key = key(&self.assignment.assignment_id);
        Finished {
            url: self.worker.config.cdn.url(&key),
            key,
            metadata: label.metadata.clone(),
            model: label.model.clone(),
            reuse_key: label.reuse_key.clone(),
            stage_seconds: StageSeconds {
                queue_wait: Some(self.queue_wait.as_secs_f64()),
                ..stages
            },
            uploads: self.puts.load(Ordering::Relaxed),
            cost_usd,
            thumbhash: label.thumbhash.clone(),
        }
    }
}

/// How a picture came about.
enum Made {
    /// A stored one serves again.
    Reused,
    /// A model made it.
    Generated {
        cost_usd: f64,
        room: Option<Room>,
        /// Kept where there is room.
        pixels: Option<Fitted>,
    },
}

async fn timed<T>(
    stage: &'static str,
    seconds: &mut Option<f64>,
    work: impl Future<Output = Result<T, JobError>>,
) -> Result<T, JobError> {
    let start = Instant::now();
    let span = tracing::info_span!("stage", stage, otel.name = stage);
    let outcome = work.instrument(span.clone()).await;
    if let Err(error) = &outcome {
        span_failed(&span, error);
    }
    *seconds = Some(start.elapsed().as_secs_f64());
    metrics::get().stage(stage, start.elapsed());
    outcome
}

fn job_error(error: GenerateError) -> JobError {
    let cause = error.to_string();
    match error {
        GenerateError::Declined(_) | GenerateError::Intervened(_) => JobError::Permanent {
            failure: Failure::Declined,
            cause,
        },
        GenerateError::PromptTooLong(_) => JobError::Permanent {
            failure: Failure::PromptTooLong,
            cause,
        },
        GenerateError::Throttled(cause) => JobError::Throttled(cause),
        GenerateError::UsedUp(cause) => JobError::UsedUp(cause),
        GenerateError::NoLiveModel(_)
        | GenerateError::NoGuardrail(_)
        | GenerateError::Credentials(_) => JobError::Outage {
            service: Service::Model,
            failure: Failure::Configuration,
            cause,
        },
        GenerateError::Away(_) => JobError::Retryable {
            failure: Failure::Unforeseen,
            cause,
            fault: Fault::NoAnswer(Service::Model),
        },
        GenerateError::Garbage(_) => JobError::Retryable {
            failure: Failure::Unforeseen,
            cause,
            fault: Fault::of_model("no picture"),
        },
        GenerateError::Refused(_) => JobError::Retryable {
            failure: Failure::Unforeseen,
            cause,
            fault: Fault::of_model("refused"),
        },
    }
}
