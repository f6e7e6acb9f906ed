//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use atelier_embedded::cloud;
use atelier_embedded::model::{Behavior, Settings};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Makes the pictures of an education portal: API, workers and the cloud they use, all in this
/// process.
#[derive(Debug, Parser)]
#[command(name = "atelier", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) here: Here,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

/// The other commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts the cloud alone and prints the environment that `atelier-api` and `atelier-worker`
    /// need to use it, a NAME=value a line.
    Cloud(Here),
    /// Reads the store and the bucket and lists what does not fit together. Exit code 0: nothing,
    /// 1: something, 2: it could not be found out.
    Audit(Audit),
    /// Tries what workers and API need of store, queues, bucket, models and clock, with the role
    /// that it runs under. Exit code 0: nothing is missing, 1: something is.
    Doctor(Doctor),
    /// Copies the documents of a SQLite store into one file, while it is in use. The pictures are
    /// not in it.
    Backup(Backup),
    /// Makes the indexes of the store that `STORE_URL` names, and returns when they are made. An API
    /// makes them as well when it starts, and a worker none.
    Indexes,
    /// Brings an existing portal over: stores each old picture like one of ours, and writes that into
    /// its document. What is there stays, and the same command goes on where a run ended. Exit code
    /// 0: all were imported, 1: some could not be, or the run ended early, 64: bad usage.
    Import(Import),
}

/// Options of the embedded cloud.
#[derive(Debug, Args)]
pub(crate) struct Here {
    /// Where pictures, documents and ports are kept.
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub(crate) data: PathBuf,
    /// Seconds that the model takes for a picture, 0 to 3600.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    model_latency: Duration,
    /// Share of the model's calls that are throttled, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    model_throttle: f64,
    /// Share of the model's calls that fail, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    model_failure: f64,
}

impl Here {
    pub(crate) fn options(&self) -> cloud::Options {
        cloud::Options {
            data: self.data.clone(),
            behavior: Behavior::new(Settings {
                latency: self.model_latency,
                throttle: self.model_throttle,
                failure: self.model_failure,
            }),
        }
    }
}

/// Options of the API and the workers.
#[derive(Debug, Args)]
pub(crate) struct Fleet {
    /// Port of the page and the API on 127.0.0.1; 0 takes a free one. [default: 8080, or
    /// LISTEN_ADDR]
    #[arg(long)]
    port: Option<u16>,
    /// Workers in this process, 1 to 64.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) workers: u16,
}

impl Fleet {
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.port.map(|port| ([127, 0, 0, 1], port).into())
    }
}

/// Options of `audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The data directory of a running `atelier` or `atelier cloud`; without it the environment
    /// says where store and bucket are.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// One JSON object on stdout instead of lines for people.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The data directory of a running `atelier` or `atelier cloud`; without it the environment
    /// says where the services are.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Tries only what this one needs; without it what either does.
    #[arg(long, value_name = "ROLE")]
    pub(crate) of: Option<Role>,
    /// One JSON object on stdout instead of lines for people.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// It sends jobs and deletes pictures.
    Api,
    /// It does jobs.
    Worker,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The data directory of a running `atelier` or `atelier cloud`; without it the environment
    /// says where store and bucket are.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Imports what this file lists, and nothing else: lines of `assignment_id,name`. Without it, all
    /// documents of the store that have an `s3_image_name` and no picture of ours.
    #[arg(long, value_name = "FILE")]
    pub(crate) list: Option<PathBuf>,
    /// The bucket of the old pictures. [default: S3_BUCKET_NAME]
    #[arg(long, value_name = "BUCKET", conflicts_with = "from_dir")]
    pub(crate) from_bucket: Option<String>,
    /// The folder of the old pictures, in place of a bucket.
    #[arg(long, value_name = "DIR")]
    pub(crate) from_dir: Option<PathBuf>,
    /// What stands before each name in the bucket or the folder, such as `images/`.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) from_prefix: String,
    /// The model that made the old pictures, for documents that name none.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Reads and optimizes, but stores and writes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Documents that are begun in a second at most, 1 to 10000. [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) per_second: Option<u32>,
    /// Documents at a time, 1 to 256.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// The largest old picture that is taken, in MiB, 1 to 4096.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) max_mib: u32,
    /// Writes a report as JSON, with every skipped document and why.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// Options of `backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Where the backup is to be.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The data directory of an `atelier` or `atelier cloud`, whether it runs or not. [default:
    /// data, or the store of STORE_URL]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Replaces a FILE that is there already.
    #[arg(long)]
    pub(crate) force: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("must be a number from 0 to 3600".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}
