//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use atelier_domain::api_key::{MAX_NAME, is_valid_name};
use atelier_embedded::cloud;
use atelier_embedded::model::{Behavior, Settings};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::sign_in;

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
    /// Makes, lists and revokes the API keys by which programs call an API with sign-in.
    Key(Key),
    /// Brings an existing portal over: stores each old picture like one of ours, and writes that into
    /// its document. What is there stays, and the same command goes on where a run ended. Exit code
    /// 0: all were imported, 1: some could not be, or the run ended early, 64: bad usage.
    Import(Import),
    /// Exports or erases all that is kept of a teacher. Exit code 0: all is done and nothing is left,
    /// 1: it ended early, or something is left, 64: bad usage.
    Teacher(Teacher),
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
    /// Makes pictures private: the CDN serves signed addresses only, which the API hands out. The
    /// key pair is made at the first start and kept in the data directory.
    #[arg(long)]
    private_pictures: bool,
    /// Has prompts checked by the embedded guardrail, which blocks these words, separated by
    /// commas; `--guardrail` alone blocks a few of its own.
    #[arg(long, value_name = "WORDS", num_args = 0..=1, default_missing_value = "", value_delimiter = ',')]
    guardrail: Option<Vec<String>>,
}

impl Here {
    pub(crate) fn options(&self) -> cloud::Options {
        let behavior = Behavior::new(Settings {
            latency: self.model_latency,
            throttle: self.model_throttle,
            failure: self.model_failure,
        });
        let words = self.guardrail.iter().flatten().map(|word| word.trim());
        let mut words = words.filter(|word| !word.is_empty()).peekable();
        if words.peek().is_some() {
            behavior.guard(words.map(str::to_owned));
        }
        cloud::Options {
            data: self.data.clone(),
            behavior,
        }
    }

    pub(crate) fn guards(&self) -> cloud::Guards {
        cloud::Guards {
            private_pictures: self.private_pictures,
            guardrail: self.guardrail.is_some(),
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
    /// People sign in: starts an identity provider for trying it out, with a teacher, an operator
    /// and a student, and no passwords. It listens on loopback only.
    #[arg(long)]
    pub(crate) sign_in: bool,
}

impl Fleet {
    /// What of the process's environment does not count with these flags.
    pub(crate) fn overrides(&self) -> Vec<(String, String)> {
        let others = sign_in::OF_ANOTHER_PROVIDER.iter().filter(|_| self.sign_in);
        others
            .map(|name| ((*name).to_owned(), String::new()))
            .collect()
    }

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

/// Options of `teacher`.
#[derive(Debug, Args)]
pub(crate) struct Teacher {
    #[command(subcommand)]
    pub(crate) command: TeacherCommand,
}

/// What is done with what is kept of a teacher.
#[derive(Debug, Subcommand)]
pub(crate) enum TeacherCommand {
    /// Writes all that is kept of a teacher into a folder: a file of JSON lines for each kind, and the
    /// pictures. The same command goes on where a run ended.
    Export(Export),
    /// Erases all that is kept of a teacher, for good: documents, pictures with all their versions,
    /// copies at the CDN. The same command goes on where a run ended.
    Erase(Erase),
}

/// Whose data, and where they are.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// The teacher's id, as in `teacher_id`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// The data directory of a running `atelier` or `atelier cloud`; without it the environment
    /// says where store and bucket are.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The bucket of the pictures that another program named (`s3_image_name`). [default:
    /// S3_BUCKET_NAME]
    #[arg(long, value_name = "BUCKET")]
    pub(crate) from_bucket: Option<String>,
    /// What stands before each such name in that bucket, such as `images/`.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) from_prefix: String,
    /// Documents at a time, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) jobs: u16,
}

/// Options of `teacher export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) whose: Whose,
    /// The folder to write to: a new or empty one, or that of a run that ended early.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
}

/// Options of `teacher erase`.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    pub(crate) whose: Whose,
    /// Says how much there is, and erases nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Erases without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// One JSON object on stdout instead of lines for people.
    #[arg(long)]
    pub(crate) json: bool,
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

/// Options of `key`.
#[derive(Debug, Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
    /// The data directory of an `atelier` or `atelier cloud`, whether it runs or not. [default:
    /// data, or the store of STORE_URL]
    #[arg(id = "data_of_keys", long = "data", value_name = "DIR", global = true)]
    pub(crate) data: Option<PathBuf>,
}

/// What is done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Makes a key and prints it. It is stored hashed, so that it cannot be shown again.
    Create {
        /// Whose it is, 1 to 64 characters of A-Z a-z 0-9 . _ -; no name is used twice.
        #[arg(value_name = "NAME", value_parser = key_name)]
        name: String,
        /// What its program may do.
        #[arg(long, value_name = "ROLE")]
        role: KeyRole,
        /// Days until it is refused, 1 to 3650. [default: no end]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
        expires_days: Option<u32>,
    },
    /// Lists all keys: name, role, state, when each was made and last used.
    List {
        /// One JSON array on stdout instead of lines for people.
        #[arg(long)]
        json: bool,
    },
    /// Revokes a key: within a second it is refused.
    Revoke {
        /// Whose it is.
        #[arg(value_name = "NAME", value_parser = key_name)]
        name: String,
    },
}

/// What the program of a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyRole {
    /// Everything with the assignments of every teacher.
    Portal,
    /// Everything.
    Operator,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("must be a number from 0 to 3600".to_owned()),
    }
}

fn key_name(text: &str) -> Result<String, String> {
    match is_valid_name(text) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "must have 1 to {MAX_NAME} characters of A-Z a-z 0-9 . _ -"
        )),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}
