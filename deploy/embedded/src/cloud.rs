//! The whole cloud: every service on its own listener, on loopback, over one data directory.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cdn::key_pair::KeyPair;
use crate::control::{self, Control};
use crate::counters::Counters;
use crate::faults::{Faults, Service};
use crate::model::{self, Behavior, GUARDRAIL_ID, GUARDRAIL_VERSION};
use crate::signature::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use crate::sqs::{self, Sqs};
use crate::{cdn, listener, s3};

/// The store of the documents, in the data directory.
pub const DATABASE: &str = "atelier.db";
/// The pictures, in the data directory.
pub const OBJECTS: &str = "s3";

/// The private key that signs the addresses of private pictures, in the data directory.
const SIGNING_KEY: &str = "cdn-key.pem";

/// The bucket of the pictures.
const BUCKET: &str = "atelier-pictures";
/// The queue of the jobs.
const JOBS: &str = "atelier-jobs";
/// The queue of the dead letters.
const DEAD_LETTERS: &str = "atelier-dead-letters";
/// The CDN's id for the calls that invalidate.
const DISTRIBUTION_ID: &str = "EATELIER";
/// The region of every service.
const REGION: &str = "us-east-1";

/// What a cloud starts with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of objects and ports; created if it is missing.
    pub data: PathBuf,
    /// How the model behaves; it may be changed while the cloud runs.
    pub behavior: Behavior,
}

/// What a cloud can guard beside what it always does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guards {
    /// The CDN serves only addresses that were signed with its key, which is in the environment.
    pub private_pictures: bool,
    /// The environment names the guardrail, so that workers have prompts checked by it.
    pub guardrail: bool,
}

/// A cloud that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Cloud {
    environment: Vec<(String, String)>,
    faults: Faults,
    counters: Counters,
    sqs: Sqs,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Held for the life of the cloud; the system gives it back even after a kill.
    _lock: File,
}

impl Cloud {
    /// Starts every service; requests are answered when this returns.
    ///
    /// # Errors
    /// Another process uses the data directory, or it cannot be written, or no port is free.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        Self::start_guarded(options, Guards::default()).await
    }

    /// As [`Cloud::start`], with `guards`.
    ///
    /// # Errors
    /// As [`Cloud::start`], or the key of the CDN cannot be read or written.
    pub async fn start_guarded(options: Options, guards: Guards) -> anyhow::Result<Self> {
        let data = open(&options.data)?;
        let lock = lock(&data)?;
        let mut ports = Ports::read(&data);
        let sqs_socket = ports.bind("sqs").await?;
        let s3_socket = ports.bind("s3").await?;
        let model_socket = ports.bind("bedrock").await?;
        let cdn_socket = ports.bind("cdn").await?;
        let control_socket = ports.bind("control").await?;
        ports.write(&data)?;

        let (faults, counters) = (Faults::default(), Counters::default());
        let sqs = Sqs::new(&address(&sqs_socket)?, counters.clone());
        let (jobs, dead_letters) = create_queues(&sqs)?;
        let s3_address = address(&s3_socket)?;
        let cdn_address = address(&cdn_socket)?;
        let store = format!("sqlite:{}", data.join(DATABASE).display());
        let mut environment = [
            ("S3_BUCKET_NAME", BUCKET.to_owned()),
            ("CLOUDFRONT_DOMAIN", cdn_address.clone()),
            ("CLOUDFRONT_DISTRIBUTION_ID", DISTRIBUTION_ID.to_owned()),
            ("SQS_QUEUE_URL", jobs),
            ("SQS_DEAD_LETTER_QUEUE_URL", dead_letters),
            ("STORE_URL", store),
            ("AWS_ENDPOINT_URL_SQS", address(&sqs_socket)?),
            ("AWS_ENDPOINT_URL_S3", s3_address.clone()),
            ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", address(&model_socket)?),
            ("AWS_ENDPOINT_URL_CLOUDFRONT", cdn_address),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            // The name that boto3 and the AWS CLI know.
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("ATELIER_CONTROL_URL", address(&control_socket)?),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();

        let s3 = s3::router(&data.join(OBJECTS), BUCKET, counters.clone())?;
        let model = model::router(options.behavior.clone(), counters.clone());
        let origin = cdn::Origin {
            s3_endpoint: s3_address,
            bucket: BUCKET.to_owned(),
        };
        let cdn = if guards.private_pictures {
            let path = data.join(SIGNING_KEY);
            let key = tokio::task::spawn_blocking(move || KeyPair::open(&path)).await??;
            // On one line and without blanks, as files of environments need it.
            let pem = base64_simd::STANDARD.encode_to_string(&key.pem);
            let pairs = [
                ("CLOUDFRONT_KEY_ID", key.trusted.id.clone()),
                ("CLOUDFRONT_PRIVATE_KEY", pem),
            ];
            environment.extend(pairs.map(|(name, value)| (name.to_owned(), value)));
            cdn::private_router(origin, counters.clone(), vec![key.trusted])
        } else {
            cdn::router(origin, counters.clone())
        };
        if guards.guardrail {
            let pairs = [
                ("GUARDRAIL_ID", GUARDRAIL_ID),
                ("GUARDRAIL_VERSION", GUARDRAIL_VERSION),
            ];
            environment.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        for (socket, service, router) in [
            (sqs_socket, Service::Sqs, sqs::router(sqs.clone())),
            (s3_socket, Service::S3, s3),
            (model_socket, Service::Bedrock, model),
            (cdn_socket, Service::Cdn, cdn),
        ] {
            let (faults, stop) = (faults.clone(), stop.clone());
            tasks.spawn(listener::serve(socket, service, faults, router, stop));
        }
        let control = control::router(Control {
            faults: faults.clone(),
            counters: counters.clone(),
            sqs: sqs.clone(),
            behavior: options.behavior,
        });
        let stopped = stop.clone().cancelled_owned();
        tasks.spawn(async move {
            let served = axum::serve(control_socket, control).with_graceful_shutdown(stopped);
            if let Err(error) = served.await {
                tracing::error!(%error, "the control address ended");
            }
        });
        tasks.close();
        Ok(Self {
            environment,
            faults,
            counters,
            sqs,
            stop,
            tasks,
            _lock: lock,
        })
    }

    /// The environment of a process that is to use this cloud, in the order to print it.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// The environment as a shell and [`shlex::split`] read it: `NAME=value` a line, quoted where the
    /// value needs it.
    pub fn environment_lines(&self) -> String {
        let quoter = shlex::Quoter::new().allow_nul(true);
        let pairs = self.environment.iter();
        let lines = pairs.filter_map(|(name, value)| {
            // Nothing that can be in an environment is refused.
            let value = quoter.quote(value).ok()?;
            Some(format!("{name}={value}\n"))
        });
        lines.collect()
    }

    /// The faults in force; clones share them.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What the services have done; clones share it.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// From now on long polls of the queue end at once, since no more messages are sent.
    pub fn end_long_polls(&self) {
        self.sqs.end_long_polls();
    }

    /// Stops every service; requests in progress get 500 ms.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn open(data: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(data)
        .and_then(|()| data.canonicalize())
        .with_context(|| format!("cannot use the data directory {}", data.display()))
}

/// Locks the data directory. The file has the id of the process that holds the lock.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!(
            "another process{} uses the data directory {}: stop it, or take another directory",
            holder(&mut file),
            data.display()
        ),
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file)
}

/// The process that `lock` names. It may be about to write its id, so none is no error.
fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => format!(" (pid {})", text.trim()),
        _ => String::new(),
    }
}

/// Four days for jobs, and fourteen, the longest that SQS knows, for dead letters. The 1000
/// receives are SQS's most: throttles, drains and outages count there too.
fn create_queues(sqs: &Sqs) -> anyhow::Result<(String, String)> {
    let dead_letters = sqs.create_queue(DEAD_LETTERS, &[("MessageRetentionPeriod", "1209600")])?;
    let redrive = serde_json::json!({
        "deadLetterTargetArn": sqs::arn(DEAD_LETTERS),
        "maxReceiveCount": 1000,
    });
    let jobs = sqs.create_queue(
        JOBS,
        &[
            ("VisibilityTimeout", "60"),
            ("MessageRetentionPeriod", "345600"),
            ("RedrivePolicy", &redrive.to_string()),
        ],
    )?;
    Ok((jobs, dead_letters))
}

fn address(socket: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("http://{}", socket.local_addr()?))
}

/// The port of each service, kept so that a restart has the same addresses where it can.
#[derive(Debug, Default)]
struct Ports(BTreeMap<String, u16>);

impl Ports {
    /// Empty where the file is missing or cannot be read: new ports are chosen then.
    fn read(data: &Path) -> Self {
        let text = std::fs::read(data.join("ports.json")).unwrap_or_default();
        Self(serde_json::from_slice(&text).unwrap_or_default())
    }

    fn write(&self, data: &Path) -> anyhow::Result<()> {
        let path = data.join("ports.json");
        let aside = data.join("ports.json.new");
        std::fs::write(&aside, serde_json::to_vec_pretty(&self.0)?)
            .and_then(|()| std::fs::rename(&aside, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    async fn bind(&mut self, service: &str) -> anyhow::Result<TcpListener> {
        let kept = self.0.get(service).copied().unwrap_or_default();
        let socket = match TcpListener::bind(("127.0.0.1", kept)).await {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(service, kept, %error, "the port is in use, another is chosen");
                let any = TcpListener::bind(("127.0.0.1", 0)).await;
                any.with_context(|| format!("no port is free for {service}"))?
            }
        };
        self.0
            .insert(service.to_owned(), socket.local_addr()?.port());
        Ok(socket)
    }
}
