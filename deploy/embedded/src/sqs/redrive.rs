//! Redrive tasks: dead letters go back to where they came from, in the background.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::account::{Account, name_of};
use super::clock::Millis;
use super::error::Error;

/// How many messages one step moves before others get the lock.
const STEP: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Running,
    Completed,
    Cancelled,
    Failed,
}

#[derive(Clone, Debug)]
struct Task {
    handle: String,
    source: String,
    destination: Option<String>,
    per_second: Option<u32>,
    status: Status,
    failure: Option<String>,
    moved: usize,
    to_move: usize,
    started_at: Millis,
}

/// The redrives of an account, newest last.
#[derive(Debug, Default)]
pub struct Tasks(Mutex<Vec<Task>>);

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Vec<Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops a task; how many messages it has moved.
    ///
    /// # Errors
    /// No such task, or it does not run.
    pub fn cancel(&self, handle: &str) -> Result<usize, Error> {
        let mut tasks = self.lock();
        let task = tasks
            .iter_mut()
            .find(|task| task.handle == handle)
            .ok_or(Error::ResourceNotFound("TaskHandle"))?;
        if task.status != Status::Running {
            return Err(Error::UnsupportedOperation(
                "Only active tasks can be cancelled.".to_owned(),
            ));
        }
        task.status = Status::Cancelled;
        Ok(task.moved)
    }

    /// The tasks of a source, newest first, as SQS lists them.
    pub fn list(&self, source: &str, max: usize) -> Vec<Value> {
        self.lock()
            .iter()
            .rev()
            .filter(|task| task.source == source)
            .take(max)
            .map(Task::to_json)
            .collect()
    }

    fn note(&self, handle: &str, note: impl FnOnce(&mut Task)) -> Option<Status> {
        let mut tasks = self.lock();
        let task = tasks.iter_mut().find(|task| task.handle == handle)?;
        if task.status == Status::Running {
            note(task);
        }
        Some(task.status)
    }
}

impl Task {
    fn to_json(&self) -> Value {
        let mut entry = Map::new();
        if self.status == Status::Running {
            entry.insert("TaskHandle".into(), json!(self.handle));
        }
        let status = match self.status {
            Status::Running => "RUNNING",
            Status::Completed => "COMPLETED",
            Status::Cancelled => "CANCELLED",
            Status::Failed => "FAILED",
        };
        entry.insert("Status".into(), json!(status));
        entry.insert("SourceArn".into(), json!(self.source));
        if let Some(destination) = &self.destination {
            entry.insert("DestinationArn".into(), json!(destination));
        }
        if let Some(per_second) = self.per_second {
            entry.insert("MaxNumberOfMessagesPerSecond".into(), json!(per_second));
        }
        entry.insert("ApproximateNumberOfMessagesMoved".into(), json!(self.moved));
        entry.insert(
            "ApproximateNumberOfMessagesToMove".into(),
            json!(self.to_move),
        );
        if let Some(failure) = &self.failure {
            entry.insert("FailureReason".into(), json!(failure));
        }
        entry.insert("StartedTimestamp".into(), json!(self.started_at));
        Value::Object(entry)
    }
}

/// Starts to move all messages that are visible in `source` now. Returns the task's handle.
///
/// # Errors
/// A queue is missing or the wrong one, or a task runs for this source already.
pub fn start(
    account: &Arc<Account>,
    source: String,
    destination: Option<String>,
    per_second: Option<u32>,
) -> Result<String, Error> {
    let now = account.clock.now();
    let to_move = {
        let mut queues = account.queues();
        if !queues.has(&source) {
            return Err(Error::ResourceNotFound("SourceArn"));
        }
        if destination.as_ref().is_some_and(|arn| !queues.has(arn)) {
            return Err(Error::ResourceNotFound("DestinationArn"));
        }
        if queues.sources_of(&source).is_empty() {
            return Err(Error::invalid(
                "SourceArn",
                &source,
                "Source queue must be configured as a Dead Letter Queue.",
            ));
        }
        let name = name_of(&source).unwrap_or_default();
        queues.get(name)?.depth(now).visible
    };
    let task = Task {
        handle: uuid::Uuid::new_v4().to_string(),
        source,
        destination,
        per_second,
        status: Status::Running,
        failure: None,
        moved: 0,
        to_move,
        started_at: now,
    };
    let mut tasks = account.tasks.lock();
    let active = |other: &Task| other.source == task.source && other.status == Status::Running;
    if tasks.iter().any(active) {
        return Err(Error::UnsupportedOperation(
            "There is already a task running. Only one active task is allowed for a source queue \
             arn at a given time."
                .to_owned(),
        ));
    }
    tasks.push(task.clone());
    let handle = task.handle.clone();
    tokio::spawn(run(Arc::clone(account), task));
    Ok(handle)
}

async fn run(account: Arc<Account>, task: Task) {
    let source = name_of(&task.source).unwrap_or_default();
    let pause = task
        .per_second
        .map(|per_second| Duration::from_secs(1) / per_second);
    let step = if pause.is_some() { 1 } else { STEP };
    let mut moved = 0;
    loop {
        for _ in 0..step.min(task.to_move - moved) {
            let result = account.queues().redrive_one(
                source,
                task.destination.as_deref(),
                account.clock.now(),
            );
            match result {
                Ok(true) => moved += 1,
                Ok(false) => {
                    account
                        .tasks
                        .note(&task.handle, |task| task.status = Status::Completed);
                    return;
                }
                Err(error) => {
                    account.tasks.note(&task.handle, |task| {
                        task.status = Status::Failed;
                        task.failure = Some(error.to_string());
                    });
                    return;
                }
            }
        }
        let status = account.tasks.note(&task.handle, |task| {
            task.moved = moved;
            if moved >= task.to_move {
                task.status = Status::Completed;
            }
        });
        if status != Some(Status::Running) {
            return;
        }
        match pause {
            Some(pause) => tokio::time::sleep(pause).await,
            None => tokio::task::yield_now().await,
        }
    }
}
