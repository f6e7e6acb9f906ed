//! One case: an assignment with a store, a queue and a place in the bucket that no other case
//! touches.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use atelier_cloud::config::QueueConfig;
use atelier_cloud::pictures::{Condition, Found, avif_key, key, variant_avif_key, variant_key};
use atelier_cloud::queue::{Context, Queues};
use atelier_domain::assignment::{Assignment, Post, Status, prompt_hash};
use atelier_domain::budget::{Account, Day, Scope};
use atelier_domain::job::Job;
use atelier_domain::label::Label;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{ClaimGuard, Edit, Guard, Transition};
use atelier_mongodb_proxy::Proxy;
use atelier_store::config::StoreConfig;
use atelier_store::{Indexes, Insert, Store};
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::ledger::Ledger;
use crate::store::is_at_rest;
use crate::world::{Home, PROMPT, World};

/// Longer than anything in a case takes that works.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Widths of the variants, where some are made; the picture is wider.
pub const VARIANTS: [u32; 2] = [16, 32];

/// What ends by the clock, such as a message's invisibility, shows at the next look.
const LOOK: Duration = Duration::from_millis(250);

/// Whose assignment a case is about.
pub const TEACHER: &str = "Ms. Frizzle";

/// A case.
#[derive(Debug)]
pub struct Case {
    /// The assignment's id.
    pub id: String,
    /// The documents, without a gate.
    pub store: Arc<dyn Store>,
    /// What the services did.
    pub ledger: Arc<Ledger>,
    pub(crate) world: Arc<World>,
    pub(crate) queue: QueueConfig,
    pub(crate) activity: watch::Sender<u64>,
    /// Whether its workers make variants and AVIFs.
    pub makes_renditions: AtomicBool,
    queues: Queues,
    url: String,
    database: Option<mongodb::Database>,
}

/// All that a late process could change.
#[derive(Debug, PartialEq)]
pub struct Snapshot {
    document: Value,
    versions: Vec<String>,
    messages: u64,
}

impl Case {
    /// With nothing in it.
    ///
    /// # Errors
    /// The store or the cloud is away.
    pub async fn new(world: &Arc<World>, home: &Home) -> anyhow::Result<Self> {
        let id = format!("case-{:016x}", fastrand::u64(..));
        let (url, database) = match home {
            Home::Sqlite => {
                let path = world.folder().join(format!("{id}.db"));
                (format!("sqlite:{}", path.display()), None)
            }
            Home::MongoDb(address) => {
                let url = with_database(address, &id);
                let client = mongodb::Client::with_uri_str(&url).await?;
                (url, client.default_database())
            }
        };
        let dead_letter_url = create_queue(world, &format!("{id}-dead")).await?;
        let queue = QueueConfig {
            url: create_queue(world, &id).await?,
            dead_letter_url,
        };
        Ok(Self {
            queues: Queues::new(&world.aws, &queue),
            store: atelier_store::open(&StoreConfig::at(&url), Indexes::Make).await?,
            url,
            ledger: Arc::default(),
            world: Arc::clone(world),
            activity: watch::Sender::new(0),
            makes_renditions: AtomicBool::new(false),
            id,
            queue,
            database,
        })
    }

    /// A proxy before the server of the store, and the store as it is through that.
    ///
    /// # Errors
    /// The store is not on a MongoDB.
    pub(crate) async fn through_proxy(&self) -> anyhow::Result<(Proxy, Arc<dyn Store>)> {
        let proxy = Proxy::before(&self.url).await?;
        let store = atelier_store::open(&StoreConfig::at(proxy.url()), Indexes::Leave).await?;
        Ok((proxy, store))
    }

    /// Moves the documents to the world's archive, for its audit, and leaves nothing behind in a
    /// server that is not ours.
    ///
    /// # Errors
    /// It is away.
    pub async fn clear(&self) -> anyhow::Result<()> {
        for document in self.store.scan(None, 1000).await? {
            self.world.archive.insert(&document).await?;
        }
        if let Some(database) = &self.database {
            database.drop().await?;
        }
        Ok(())
    }

    /// A pending assignment as the API would store it, not sent yet.
    pub fn assignment(&self, prompt: &str) -> Assignment {
        let now = Timestamp::now();
        let later = now + Duration::from_secs(3600);
        let post = Post {
            assignment_id: self.id.clone(),
            teacher_id: Some(TEACHER.to_owned()),
            prompt: prompt.to_owned(),
            correlation_id: format!("of-{}", self.id),
            ..Post::default()
        };
        Assignment::new(post, now, later, later)
    }

    /// A finished assignment whose picture is stored, `id` being the case's or another.
    ///
    /// # Errors
    /// The store or the cloud is away.
    pub async fn finished(&self, id: &str, prompt: &str) -> anyhow::Result<Assignment> {
        let label = self.put_picture(id, prompt).await?;
        let now = Timestamp::now();
        let finished = Assignment {
            assignment_id: id.to_owned(),
            s3_upload_status: Status::Success,
            s3_image_key: Some(key(id)),
            image_metadata: Some(label.metadata),
            reuse_key: Some(label.reuse_key),
            model: Some(label.model),
            finished_at: Some(now),
            wake_at: None,
            give_up_at: None,
            ..self.assignment(prompt)
        };
        self.insert(&finished).await?;
        Ok(finished)
    }

    /// Stores a picture that says that it is of this id and prompt.
    ///
    /// # Errors
    /// The cloud is away.
    pub async fn put_picture(&self, id: &str, prompt: &str) -> anyhow::Result<Label> {
        let (bytes, label) = stored_picture(&self.world).await?;
        let label = Label {
            assignment_id: id.to_owned(),
            prompt_hash: prompt_hash(prompt),
            ..label.clone()
        };
        let (kind, absent) = ("image/webp", Condition::IfAbsent);
        let pictures = &self.world.pictures;
        let mut tries = 0;
        let put = pictures.put(bytes.clone(), kind, &label, false, &absent, &mut tries);
        put.await?;
        Ok(label)
    }

    /// Stores a document.
    ///
    /// # Errors
    /// The store is away, or the id is taken.
    pub async fn insert(&self, assignment: &Assignment) -> anyhow::Result<()> {
        ensure!(
            self.store.insert(assignment).await? == Insert::Done,
            "the id was taken"
        );
        Ok(())
    }

    /// Sends the job of a document.
    ///
    /// # Errors
    /// The queue is away.
    pub async fn send(&self, round: u32) -> anyhow::Result<()> {
        let job = Job {
            assignment_id: self.id.clone(),
            round,
        };
        let context = Context::default();
        Ok(self.queues.jobs.send(&job, Some(TEACHER), &context).await?)
    }

    /// Stores a document and sends its job.
    ///
    /// # Errors
    /// The store or the queue is away.
    pub async fn post(&self, assignment: Assignment) -> anyhow::Result<()> {
        self.insert(&assignment).await?;
        self.send(assignment.round).await
    }

    /// Changes fields of the document, whatever its state; only if its `wake_at` is this, where one
    /// is given.
    ///
    /// # Errors
    /// The store is away.
    pub async fn edit(&self, wake_at: Option<Timestamp>, edits: Vec<Edit>) -> anyhow::Result<()> {
        let guard = Guard {
            statuses: &[
                Status::Pending,
                Status::Success,
                Status::Failed,
                Status::NoImage,
                Status::Deleted,
            ],
            round: None,
            claim: ClaimGuard::Any,
            wake_at,
            permanent: None,
            counts: Vec::new(),
            shows: None,
        };
        self.store
            .apply(&self.id, &Transition { guard, edits })
            .await?;
        Ok(())
    }

    /// The document.
    ///
    /// # Errors
    /// The store is away.
    pub async fn document(&self) -> anyhow::Result<Option<Assignment>> {
        Ok(self.store.get(&self.id).await?)
    }

    /// What lies under the assignment's key.
    ///
    /// # Errors
    /// The bucket is away.
    pub async fn read(&self) -> anyhow::Result<Option<(Bytes, Found)>> {
        let whose = atelier_cloud::pictures::PictureRef {
            assignment_id: &self.id,
            teacher_id: None,
        };
        Ok(self.world.pictures.read(&key(&self.id), whose).await?)
    }

    /// The versions under the assignment's key.
    ///
    /// # Errors
    /// The bucket is away.
    pub async fn versions(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.world.pictures.versions(&key(&self.id)).await?)
    }

    /// The versions of what was made of the picture.
    ///
    /// # Errors
    /// The bucket is away.
    pub async fn rendition_versions(&self) -> anyhow::Result<Vec<String>> {
        let mut keys = vec![avif_key(&self.id)];
        for width in VARIANTS {
            keys.extend([
                variant_key(&self.id, width),
                variant_avif_key(&self.id, width),
            ]);
        }
        let mut all = Vec::new();
        for key in keys {
            let versions = self.world.pictures.versions(&key).await?;
            all.extend(
                versions
                    .into_iter()
                    .map(|version| format!("{key} {version}")),
            );
        }
        Ok(all)
    }

    /// What the tag of the object under `key` says of its retention.
    ///
    /// # Errors
    /// There is none, or the bucket is away.
    pub async fn retention(&self, key: &str) -> anyhow::Result<Option<String>> {
        let tags = self.world.aws.s3().get_object_tagging();
        let tags = tags.bucket(&self.world.worker.bucket.name).key(key);
        let tags = tags.send().await?.tag_set.into_iter();
        Ok(tags
            .filter(|tag| tag.key == "retention")
            .map(|tag| tag.value)
            .next())
    }

    /// Messages in the queue, in whatever state.
    ///
    /// # Errors
    /// The queue is away.
    pub async fn messages(&self) -> anyhow::Result<u64> {
        Ok(self.queues.jobs.depth().await?.total())
    }

    /// Dead letters.
    ///
    /// # Errors
    /// The queue is away.
    pub async fn dead_letters(&self) -> anyhow::Result<u64> {
        Ok(self.queues.dead_letters.depth().await?.total())
    }

    /// All that a late process could change.
    ///
    /// # Errors
    /// A service is away.
    pub async fn snapshot(&self) -> anyhow::Result<Snapshot> {
        Ok(Snapshot {
            document: serde_json::to_value(self.document().await?)?,
            versions: [self.versions().await?, self.rendition_versions().await?].concat(),
            messages: self.messages().await?,
        })
    }

    /// Lets time run on until nothing is due. The clock itself runs only where a message is
    /// hidden; what a document waits for is due at once when no message is left.
    ///
    /// # Errors
    /// It never comes to rest.
    pub async fn settled(&self) -> anyhow::Result<()> {
        let waited_for = Cell::new(None);
        self.eventually("at rest", async || {
            let document = self.document().await?;
            let now = Timestamp::now();
            let resting = document.as_ref().is_none_or(is_at_rest);
            let claimed = document.as_ref().is_some_and(|it| it.is_claimed(now));
            if claimed || self.messages().await? > 0 {
                return Ok(false);
            }
            let counts = document.as_ref().is_some_and(|it| it.renditions_due);
            let waits_until = document.and_then(|it| it.wake_at).filter(|at| *at > now);
            // The keeper counts how often it sends for renditions: time runs on only when nobody is
            // at it, else one send would count twice.
            if counts && !has_lasted(&waited_for, waits_until) {
                return Ok(false);
            }
            if waits_until.is_some() {
                self.edit(waits_until, vec![Edit::Set("wake_at", json!(now))])
                    .await?;
            }
            Ok(resting)
        })
        .await
    }

    /// Returns when `holds`, looking again whenever a call of the case has ended.
    ///
    /// # Errors
    /// It never does, or a look fails.
    pub async fn eventually(
        &self,
        what: &str,
        holds: impl AsyncFn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut activity = self.activity.subscribe();
        loop {
            activity.mark_unchanged();
            if holds().await? {
                return Ok(());
            }
            if Instant::now() >= end {
                let document = self.document().await?;
                let messages = self.messages().await?;
                bail!("never {what}: {messages} messages, {document:?}");
            }
            let _ = timeout(LOOK, activity.changed()).await;
        }
    }

    /// Checks a finished assignment: one picture of the right prompt, the document says what the
    /// object says, and no call to the model is uncounted.
    ///
    /// # Errors
    /// What does not fit.
    pub async fn check_success(&self, prompt: &str, versions: usize) -> anyhow::Result<Assignment> {
        let document = self.document().await?.context("the document is there")?;
        ensure!(
            document.s3_upload_status == Status::Success,
            "it is {}: {:?}",
            document.s3_upload_status,
            document.failure
        );
        ensure!(document.prompt == prompt, "it is of another prompt");
        ensure!(
            document.claim.is_none() && document.give_up_at.is_none(),
            "not at rest"
        );
        ensure!(
            document.s3_image_key == Some(key(&self.id)),
            "it does not name its picture"
        );
        let (_, found) = self.read().await?.context("the picture is there")?;
        let label = found.label.context("the picture has a label")?;
        ensure!(label.is_of(&document), "the picture is of another prompt");
        ensure!(
            document.image_metadata.as_ref() == Some(&label.metadata),
            "the document says other sizes than the picture"
        );
        let found = self.versions().await?.len();
        ensure!(found == versions, "{found} versions instead of {versions}");
        self.check_ends(&document).await?;
        Ok(document)
    }

    /// Checks what was made of a finished assignment's picture: every variant once, and what the
    /// document says of it.
    ///
    /// # Errors
    /// What does not fit.
    pub async fn check_renditions(&self) -> anyhow::Result<()> {
        let document = self.document().await?.context("the document is there")?;
        ensure!(!document.renditions_due, "renditions are due");
        ensure!(document.thumbhash.is_some(), "there is no preview");
        let widths: Vec<_> = document.variants.iter().map(|it| it.width).collect();
        ensure!(widths == VARIANTS, "variants of {widths:?}");
        let avifs = document.variants.iter().map(|it| it.avif_size_bytes);
        let avifs = avifs.chain([document.avif_size_bytes]).flatten().count();
        let versions = self.rendition_versions().await?;
        ensure!(
            versions.len() == VARIANTS.len() + avifs,
            "{versions:?} with {avifs} AVIFs"
        );
        let expected = if document.permanent {
            "permanent"
        } else {
            "standard"
        };
        for version in versions {
            let key = version.split(' ').next().unwrap_or_default();
            let tag = self.retention(key).await?;
            ensure!(tag.as_deref() == Some(expected), "{key} is tagged {tag:?}");
        }
        Ok(())
    }

    /// Checks a deleted assignment: its tombstone is at rest, and no version is left.
    ///
    /// # Errors
    /// What does not fit.
    pub async fn check_deleted(&self) -> anyhow::Result<()> {
        let document = self.document().await?.context("the tombstone is there")?;
        let status = document.s3_upload_status;
        ensure!(status == Status::Deleted, "it is {status}");
        ensure!(document.prompt.is_empty(), "the tombstone tells the prompt");
        ensure!(document.erasures > 1, "erased {} times", document.erasures);
        let versions = self.versions().await?;
        ensure!(versions.is_empty(), "{} versions are left", versions.len());
        let renditions = self.rendition_versions().await?;
        ensure!(renditions.is_empty(), "{renditions:?} are left");
        self.check_ends(&document).await
    }

    /// Checks what holds at the end of every case.
    ///
    /// # Errors
    /// What does not fit.
    pub async fn check_ends(&self, document: &Assignment) -> anyhow::Result<()> {
        let (called, counted) = (self.ledger.model_calls(), document.model_calls);
        ensure!(
            called <= counted.into(),
            "{called} calls to the model, {counted} counted"
        );
        let wasted = self.ledger.wasted();
        ensure!(wasted == 0, "{wasted} calls for a picture that was stored");
        self.check_money(1).await?;
        let (jobs, letters) = (self.messages().await?, self.dead_letters().await?);
        ensure!(jobs == 0, "{jobs} messages are left");
        ensure!(letters == 0, "{letters} dead letters");
        Ok(())
    }
}

impl Case {
    /// Checks that the accounts of teacher and fleet say what the model billed; at most `more` calls
    /// are charged beside those, which a crash kept from being made or returned.
    ///
    /// # Errors
    /// They do not, however long one waits for what is returned in the background.
    pub async fn check_money(&self, more: u64) -> anyhow::Result<()> {
        let billed = self.ledger.billed();
        let price = self.world.worker.worker.models[0].price().micros();
        let expected = billed * price..=(billed + more) * price;
        let what = format!("charged for {billed} to {} calls", billed + more);
        self.eventually(&what, async || {
            let charged = self.charged().await?;
            Ok(charged.iter().all(|it| expected.contains(it)))
        })
        .await
    }

    /// What is charged to the teacher and the fleet, in millionths of a US dollar. The case may have
    /// begun yesterday.
    async fn charged(&self) -> anyhow::Result<[u64; 2]> {
        let now = Timestamp::now();
        let mut charged = [0; 2];
        for day in [Day::of(now - Duration::from_secs(24 * 3600)), Day::of(now)] {
            let scopes = [Scope::Teacher(TEACHER.to_owned()), Scope::Fleet];
            let accounts = scopes.map(|scope| Account { day, scope });
            let of_day = self.store.charged(&accounts).await?;
            for (sum, more) in charged.iter_mut().zip(of_day) {
                *sum += more.micros();
            }
        }
        Ok(charged)
    }
}

async fn create_queue(world: &World, name: &str) -> anyhow::Result<String> {
    let made = world
        .aws
        .sqs()
        .create_queue()
        .queue_name(name)
        .attributes(QueueAttributeName::VisibilityTimeout, "1")
        .send()
        .await?;
    made.queue_url.context("a new queue has an address")
}

/// `url` with this database in place of its own.
fn with_database(url: &str, database: &str) -> String {
    let (address, options) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").unwrap_or(("mongodb", address));
    let hosts = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{hosts}/{database}?{options}")
}

/// A picture of [`PROMPT`] that a worker made, with its label; made once a world.
async fn stored_picture(world: &Arc<World>) -> anyhow::Result<&(Bytes, Label)> {
    let make = || async {
        let case = Case::new(world, &Home::Sqlite).await?;
        case.post(case.assignment(PROMPT)).await?;
        let worker = case.worker(None).await?;
        case.settled().await?;
        worker.kill();
        let (bytes, found) = case.read().await?.context("the picture is stored")?;
        case.clear().await?;
        Ok((bytes, found.label.context("its label")?))
    };
    // Boxed, since a case may need the picture itself.
    world.picture.get_or_try_init(|| Box::pin(make())).await
}

/// Whether `seen` has been the same for a look's time.
fn has_lasted(first: &Cell<Option<(Option<Timestamp>, Instant)>>, seen: Option<Timestamp>) -> bool {
    match first.get() {
        Some((before, since)) if before == seen => since.elapsed() >= LOOK,
        _ => {
            first.set(Some((seen, Instant::now())));
            false
        }
    }
}
