//! What people do: create, view, list.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::browser::{Browser, Source};
use crate::classroom::Classroom;
use crate::client::{CallError, Client, Document, NewAssignment, Status};
use crate::ledger::Ledger;
use crate::measure::{Recorder, Timing};
use crate::prompts::Prompts;
use crate::scenario::Course;

/// One session in this number loads its assignment a second time.
const RELOAD_EVERY: u32 = 4;

/// How often users do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mix {
    /// Create and follow.
    pub create: u32,
    /// View with the picture.
    pub view: u32,
    /// List.
    pub list: u32,
}

/// What a user does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Post an assignment, follow it until it is final.
    Create,
    /// Open an assignment and load its picture.
    View,
    /// List assignments.
    List,
}

impl Mix {
    /// Draws a task by weight; the weights must not all be 0.
    pub(crate) fn draw(self, rng: &mut Rng) -> Task {
        let all = u64::from(self.create) + u64::from(self.view) + u64::from(self.list);
        match rng.u64(0..all) {
            drawn if drawn < u64::from(self.create) => Task::Create,
            drawn if drawn < u64::from(self.create) + u64::from(self.view) => Task::View,
            _ => Task::List,
        }
    }
}

/// What all users of a run share.
#[derive(Debug)]
pub(crate) struct World {
    /// The API.
    pub client: Client,
    /// What is measured.
    pub recorder: Recorder,
    /// What was accepted.
    pub ledger: Ledger,
    /// What is asked for.
    pub prompts: Prompts,
    /// Users at this moment.
    pub users: AtomicUsize,
    prompt_number: AtomicU64,
    /// Whether an address without its signature was tried.
    tried_unsigned: AtomicBool,
    rng: Mutex<Rng>,
}

impl World {
    /// For one run.
    pub(crate) fn new(client: Client, recorder: Recorder, prompts: Prompts, seed: u64) -> Self {
        Self {
            client,
            recorder,
            ledger: Ledger::default(),
            prompts,
            users: AtomicUsize::new(0),
            prompt_number: AtomicU64::new(0),
            tried_unsigned: AtomicBool::new(false),
            rng: Mutex::new(Rng::with_seed(seed)),
        }
    }

    /// A stream of random numbers of its own.
    pub(crate) fn rng(&self) -> Rng {
        self.rng
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .fork()
    }

    /// A new assignment that nobody asked for before.
    pub(crate) fn new_assignment(&self, rng: &mut Rng) -> NewAssignment {
        let number = self.prompt_number.fetch_add(1, Ordering::Relaxed);
        NewAssignment {
            prompt: self.prompts.prompt(number, rng),
            teacher_id: self.prompts.teacher(rng),
        }
    }

    /// Tries once a run whether the CDN serves the picture at `signed` without its signature. An
    /// address that is not signed is public.
    async fn try_unsigned(&self, signed: &Url) {
        let is_signed = signed.query_pairs().any(|(name, _)| name == "Signature");
        if !is_signed || self.tried_unsigned.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut plain = signed.clone();
        plain.set_query(None);
        match self.client.get(plain, Default::default()).await {
            Ok(answer) => self.recorder.unsigned(answer.status.as_u16()),
            Err(_) => self.tried_unsigned.store(false, Ordering::Relaxed),
        }
    }

    /// Notes what a final document tells.
    pub(crate) fn finished(&self, document: Document, took: Duration) {
        for (stage, timing) in [
            ("queue_wait", Timing::QueueWait),
            ("generate", Timing::Generate),
            ("optimize", Timing::Optimize),
            ("upload", Timing::Upload),
        ] {
            let seconds = document.stage_seconds.get(stage).copied().flatten();
            if let Some(Ok(took)) = seconds.map(Duration::try_from_secs_f64) {
                self.recorder.time(timing, took);
            }
        }
        match document.s3_upload_status {
            Status::Success => self.recorder.succeeded(Timing::TimeToPicture, took),
            _ => {
                let code = document
                    .failure
                    .as_ref()
                    .map_or("unknown", |failure| &failure.code);
                self.recorder.failed(format!("assignment failed: {code}"));
            }
        }
        self.ledger.finished(document);
    }
}

/// How the users of a closed model behave.
#[derive(Debug)]
pub(crate) struct Habits {
    /// How often they do what.
    pub mix: Mix,
    /// Their longest pause between two tasks; the shortest is a third of it.
    pub think: Duration,
    /// Until when a created assignment is followed.
    pub follow_until: Instant,
    /// Who looks at what.
    pub classroom: Classroom,
}

/// Runs a course of users; returns when the last one has ended its last task.
pub(crate) async fn run(world: &Arc<World>, habits: Habits, course: &Course) {
    let habits = Arc::new(habits);
    let begin = Instant::now();
    let mut users = Vec::new();
    let mut ended = tokio::task::JoinSet::new();
    while begin.elapsed() < course.length() {
        let wanted = course.users_at(begin.elapsed());
        while users.len() < wanted {
            let stop = CancellationToken::new();
            let user = User {
                world: Arc::clone(world),
                habits: Arc::clone(&habits),
                rng: world.rng(),
                stop: stop.clone(),
            };
            ended.spawn(user.live());
            users.push(stop);
        }
        for leaving in users.drain(wanted.min(users.len())..) {
            leaving.cancel();
        }
        world.users.store(users.len(), Ordering::Relaxed);
        let left = course.length().saturating_sub(begin.elapsed());
        tokio::time::sleep(left.min(Duration::from_millis(100))).await;
    }
    for user in &users {
        user.cancel();
    }
    while ended.join_next().await.is_some() {
        world.users.store(ended.len(), Ordering::Relaxed);
    }
}

struct User {
    world: Arc<World>,
    habits: Arc<Habits>,
    rng: Rng,
    stop: CancellationToken,
}

impl User {
    async fn live(mut self) {
        while !self.stop.is_cancelled() {
            match self.habits.mix.draw(&mut self.rng) {
                Task::Create => self.create().await,
                Task::View => self.view().await,
                Task::List => self.list().await,
            }
            let pause = self
                .habits
                .think
                .mul_f64(1.0 / 3.0 + self.rng.f64() * 2.0 / 3.0);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    async fn create(&mut self) {
        let new = self.world.new_assignment(&mut self.rng);
        let begin = Instant::now();
        let id = match self.world.client.create(&new).await {
            Ok((document, took)) => {
                self.world.recorder.succeeded(Timing::Post, took);
                self.world.ledger.accepted(&document.assignment_id);
                document.assignment_id
            }
            Err(error) => return self.failed("create", &error),
        };
        let failed = |error| self.failed("follow", &error);
        let Some(document) = self
            .world
            .client
            .follow(&id, self.habits.follow_until, failed)
            .await
        else {
            return;
        };
        if document.s3_upload_status == Status::Success {
            self.habits.classroom.add(id);
        }
        self.world.finished(document, begin.elapsed());
    }

    async fn view(&mut self) {
        let Some(id) = self.habits.classroom.take_seat(&mut self.rng) else {
            // A school's first hour: nothing to view yet, so somebody has to create.
            if self.habits.mix.create > 0 {
                self.create().await;
            }
            return;
        };
        let mut session = Browser::default();
        self.open(&mut session, &id).await;
        if self.rng.u32(0..RELOAD_EVERY) == 0 {
            self.open(&mut session, &id).await;
        }
    }

    async fn open(&self, session: &mut Browser, id: &str) {
        let client = &self.world.client;
        match session
            .get(client, client.url(&format!("assignments/{id}")))
            .await
        {
            Ok((_, _, took)) => self.world.recorder.succeeded(Timing::Read, took),
            Err(error) => return self.failed("view", &error),
        }
        match self.retrieve(session, id).await {
            Ok(Some(took)) => self.world.recorder.succeeded(Timing::Retrieval, took),
            Ok(None) => self.world.recorder.browser_had_it(),
            Err(error) => self.failed("picture", &error),
        }
    }

    /// Loads the picture as an `<img>` does: asks the API, then follows to the CDN. No time is
    /// returned where the session had it.
    async fn retrieve(
        &self,
        session: &mut Browser,
        id: &str,
    ) -> Result<Option<Duration>, CallError> {
        let client = &self.world.client;
        let address = client.url(&format!("assignments/{id}/image"));
        let (mut resource, mut source, mut took) = session.get(client, address).await?;
        let mut whole = took;
        if let Some(cdn) = resource.location.take() {
            (resource, source, took) = session.get(client, cdn.clone()).await?;
            whole += took;
            self.world.try_unsigned(&cdn).await;
        }
        if let Some(reason) = resource.placeholder {
            return Err(CallError::Placeholder(reason));
        }
        if !resource.content_type.starts_with("image/")
            || resource.content_type.starts_with("image/svg")
        {
            return Err(CallError::Placeholder("unexplained".to_owned()));
        }
        match source {
            Source::Cache => return Ok(None),
            Source::Revalidated => {}
            Source::Network => self
                .world
                .recorder
                .downloaded(resource.cdn, resource.bytes, took),
        }
        Ok(Some(whole))
    }

    async fn list(&mut self) {
        let client = &self.world.client;
        // Most people look at the newest of all, some at their own.
        let path = match self.rng.u8(0..4) {
            0 => format!(
                "assignments?limit=20&teacher_id={}",
                self.world.prompts.teacher(&mut self.rng)
            ),
            _ => "assignments?limit=20".to_owned(),
        };
        let answer = client.get(client.url(&path), Default::default()).await;
        match answer.and_then(|answer| answer.json::<serde_json::Value>().map(|_| answer.took)) {
            Ok(took) => self.world.recorder.succeeded(Timing::List, took),
            Err(error) => self.failed("list", &error),
        }
    }

    fn failed(&self, doing: &str, error: &CallError) {
        self.world.recorder.failed(format!("{doing}: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_come_by_weight() {
        let mix = Mix {
            create: 3,
            view: 5,
            list: 1,
        };
        let rng = &mut Rng::with_seed(7);
        let mut counts = [0u32; 3];
        for _ in 0..9000 {
            counts[mix.draw(rng) as usize] += 1;
        }
        for (count, weight) in counts.into_iter().zip([3, 5, 1]) {
            assert!(
                count.abs_diff(weight * 1000) < 250,
                "{count} for weight {weight}"
            );
        }
    }

    #[test]
    fn a_weight_of_zero_never_comes() {
        let mix = Mix {
            create: 0,
            view: 1,
            list: 0,
        };
        let rng = &mut Rng::with_seed(7);
        assert!((0..1000).all(|_| mix.draw(rng) == Task::View));
    }
}
