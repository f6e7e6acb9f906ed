//! An existing portal is brought over: its documents in the store, its pictures in a bucket or a
//! folder, and `atelier import` as a process of its own.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use atelier_cloud::client::Aws;
use atelier_cloud::config::{BucketConfig, CloudConfig, StaticCredentials};
use atelier_cloud::pictures::{Pictures, assignment_of, key};
use atelier_embedded::cloud::{Cloud, Options};
use atelier_embedded::faults::{Kind, Order, Service};
use atelier_embedded::model::{Behavior, Settings};
use atelier_runtime::config::Environment;
use atelier_store::SqliteStore;
use futures_util::TryStreamExt as _;
use mongodb::bson::{DateTime, Document, doc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;
use serde_json::{Value, json};
use support::{PATIENCE, binary};
use tempfile::TempDir;

/// A portal before the import: a cloud in this process, and a store with no document.
struct Portal {
    cloud: Cloud,
    environment: Vec<(String, String)>,
    s3: S3,
    file: PathBuf,
    folder: TempDir,
}

/// The bucket, as a test reads and fills it.
struct S3 {
    pictures: Pictures,
    aws: Aws,
    bucket: String,
}

impl S3 {
    async fn put(&self, key: &str, bytes: Vec<u8>) {
        let put = self.aws.s3().put_object().bucket(&self.bucket).key(key);
        put.body(bytes.into()).send().await.unwrap();
    }

    /// All that readers, workers and the audit see of the picture of an assignment.
    async fn state(&self, id: &str) -> Value {
        let key = key(id);
        let get = self.aws.s3().get_object().bucket(&self.bucket).key(&key);
        let Ok(object) = get.send().await else {
            return Value::Null;
        };
        let tags = self.aws.s3().get_object_tagging().bucket(&self.bucket);
        let tags = tags.key(&key).send().await.unwrap();
        let tags: Vec<_> = tags
            .tag_set
            .iter()
            .map(|it| [it.key(), it.value()])
            .collect();
        let mut metadata: Vec<_> = object.metadata.unwrap().into_iter().collect();
        metadata.sort();
        json!({
            "etag": object.e_tag,
            "type": object.content_type,
            "cache": object.cache_control,
            "encryption": object.server_side_encryption.map(|it| it.to_string()),
            "tags": tags,
            "metadata": metadata,
        })
    }
}

impl Portal {
    async fn new() -> Self {
        atelier_runtime::process::install_tls();
        let folder = TempDir::new().unwrap();
        let options = Options {
            data: folder.path().join("cloud"),
            behavior: Behavior::new(Settings::default()),
        };
        let cloud = Cloud::start(options).await.unwrap();
        let environment = cloud.environment().to_vec();
        let mut of_cloud = Environment::of(environment.clone());
        let mut config = CloudConfig::read(&mut of_cloud);
        config.credentials = Some(StaticCredentials {
            access_key_id: value(&environment, "AWS_ACCESS_KEY_ID"),
            secret_access_key: value(&environment, "AWS_SECRET_ACCESS_KEY"),
        });
        let bucket = BucketConfig::read(&mut of_cloud);
        let aws = Aws::connect(&config).await;
        let s3 = S3 {
            pictures: Pictures::new(&aws, &bucket),
            bucket: bucket.name,
            aws,
        };
        let file = value(&environment, "STORE_URL")
            .replace("sqlite:", "")
            .into();
        let portal = Self {
            cloud,
            environment,
            s3,
            file,
            folder,
        };
        portal.empty_store("atelier.db")
    }

    /// With an empty store in place of the one before.
    fn empty_store(mut self, name: &str) -> Self {
        self.use_store(name);
        self
    }

    fn use_store(&mut self, name: &str) {
        self.file = self.folder.path().join(name);
        drop(SqliteStore::open(&self.file).unwrap());
        let url = format!("sqlite:{}", self.file.display());
        self.environment.retain(|(name, _)| name != "STORE_URL");
        self.environment.push(("STORE_URL".to_owned(), url));
    }

    fn store(&self) -> Connection {
        let store = Connection::open(&self.file).unwrap();
        store.busy_timeout(PATIENCE).unwrap();
        store
    }

    /// Stores a document as another program would.
    fn document(&self, id: &str, mut fields: Value) {
        fields["assignment_id"] = id.into();
        let insert = "INSERT OR REPLACE INTO assignments (id, document) VALUES (?1, ?2)";
        self.store()
            .execute(insert, [id, &fields.to_string()])
            .unwrap();
    }

    /// A document of the portal and its old picture in the bucket.
    async fn old(&self, id: &str) {
        let name = format!("old/{id}.png");
        self.s3.put(&name, png(id)).await;
        self.document(
            id,
            json!({"prompt": format!("A fox named {id}"), "s3_image_name": name,
                "teacher_id": "Frau Müller", "created_at": 1_700_000_000.5}),
        );
    }

    async fn olds(&self, count: u32) {
        for n in 0..count {
            self.old(&format!("a-{n:03}")).await;
        }
    }

    fn get(&self, id: &str) -> Value {
        let select = "SELECT document FROM assignments WHERE id = ?1";
        let text: String = self
            .store()
            .query_row(select, [id], |row| row.get(0))
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn documents(&self) -> Vec<Value> {
        let store = self.store();
        let mut select = store
            .prepare("SELECT document FROM assignments ORDER BY id")
            .unwrap();
        let texts = select.query_map([], |row| row.get(0)).unwrap();
        texts
            .map(|text: rusqlite::Result<String>| serde_json::from_str(&text.unwrap()).unwrap())
            .collect()
    }

    fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(binary("atelier"));
        command.arg("import").args(flags);
        command.envs(self.environment.iter().cloned());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self, flags: &[&str]) -> Child {
        self.command(flags).spawn().unwrap()
    }

    /// A run from start to end, and its report.
    async fn import(&self, flags: &[&str]) -> Run {
        self.end(self.start(&self.with_report(flags))).await
    }

    fn report(&self) -> PathBuf {
        self.folder.path().join("report.json")
    }

    fn with_report<'a>(&'a self, flags: &[&'a str]) -> Vec<&'a str> {
        // It is read once, by `end`.
        let path: &'static str = self.report().to_str().unwrap().to_owned().leak();
        [flags, &["--report", path]].concat()
    }

    /// The end of a run that was started with a report.
    async fn end(&self, child: Child) -> Run {
        let out = wait(child).await;
        let report = std::fs::read(self.report()).unwrap_or_default();
        let _ = std::fs::remove_file(self.report());
        Run {
            code: out.status.code(),
            out: String::from_utf8(out.stdout).unwrap(),
            err: String::from_utf8(out.stderr).unwrap(),
            report: serde_json::from_slice(&report).unwrap_or_default(),
        }
    }

    fn fault(&self, kind: Kind, operation: &str, count: Option<u64>) {
        let order = json!({
            "service": "s3", "kind": kind, "operation": operation, "count": count,
        });
        let order: Order = serde_json::from_value(order).unwrap();
        self.cloud.faults().add(order);
    }

    /// How often the bucket has done `PutObject` or `GetObject`.
    fn count(&self, operation: &str) -> u64 {
        let counted = match operation {
            "PutObject" => "put_object",
            _ => "get_object",
        };
        self.cloud.counters().get(Service::S3, counted)
    }

    /// Waits until the bucket was asked for an operation so often.
    async fn until(&self, operation: &str, count: u64) {
        until(async || self.count(operation) >= count).await;
    }

    /// Waits until `count` pictures are stored whose documents stay unwritten.
    async fn until_unwritten(&self, count: usize) {
        until(async || {
            let before = self.unwritten().await;
            // Every picture is so for a moment.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let after = self.unwritten().await;
            before.intersection(&after).count() >= count
        })
        .await;
    }

    /// The assignments whose pictures are stored and whose documents are not written.
    async fn unwritten(&self) -> BTreeSet<String> {
        let stored = self.s3.pictures.page(None).await.unwrap().versions;
        let ids = stored.iter().filter_map(|it| assignment_of(&it.key));
        let mut ids: BTreeSet<_> = ids.map(str::to_owned).collect();
        for document in self.documents().iter().filter(|it| is_written(it)) {
            ids.remove(document["assignment_id"].as_str().unwrap());
        }
        ids
    }

    /// What readers see of all documents: without the time of the write.
    async fn state(&self) -> Vec<(Value, Value)> {
        let mut state = Vec::new();
        for mut document in self.documents() {
            document.as_object_mut().unwrap().shift_remove("updated_at");
            let id = document["assignment_id"].as_str().unwrap().to_owned();
            state.push((document, self.s3.state(&id).await));
        }
        state
    }
}

fn is_written(document: &Value) -> bool {
    document["image_metadata"].is_object()
}

async fn until(condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.unwrap();
}

/// What a run said.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
    report: Value,
}

impl Run {
    fn summary(&self, field: &str) -> &Value {
        &self.report["summary"][field]
    }

    /// The reason why a document was skipped.
    fn reason(&self, id: &str) -> &str {
        let skipped = self.report["skipped"].as_array().unwrap();
        let skipped = skipped.iter().find(|it| it["assignment_id"] == id);
        skipped.map_or("", |it| it["reason"].as_str().unwrap())
    }
}

/// Its whole output, on a thread that may block.
async fn wait(child: Child) -> Output {
    tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
        .await
        .unwrap()
}

fn value(pairs: &[(String, String)], name: &str) -> String {
    let pair = pairs.iter().find(|(it, _)| it == name);
    pair.unwrap().1.clone()
}

fn png(prompt: &str) -> Vec<u8> {
    atelier_painter::png(prompt, 1, 48, 32)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_is_brought_over_and_what_was_there_stays() {
    let portal = Portal::new().await;
    portal.s3.put("old/fox.png", png("fox")).await;
    let before = json!({
        "assignment_id": "a-1", "teacher_id": "Frau Müller", "prompt": "A fox", "created_at": 900.5,
        "s3_image_name": "old/fox.png", "of_others": {"kept": true}, "permanent": true,
    });
    portal.document("a-1", before.clone());
    let run = portal
        .import(&["--model", "amazon.titan-image-generator-v1"])
        .await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let after = portal.get("a-1");
    for (field, value) in before.as_object().unwrap() {
        assert_eq!(&after[field], value);
    }
    assert_eq!(after["s3_image_key"], "generated_images/a-1.webp");
    assert_eq!(after["s3_upload_status"], "success");
    assert_eq!(after["model"], "amazon.titan-image-generator-v1");
    assert_eq!(after["image_metadata"]["format"], "webp");
    assert_eq!(after["image_metadata"]["dimensions"], "48x32");
    assert_eq!(
        after["image_metadata"]["original_size_bytes"],
        png("fox").len()
    );
    assert!(after["updated_at"].as_f64() > Some(1e9));
    assert_eq!(after["prompt_hash"].as_str().unwrap().len(), 64);
    let url = after["cloudfront_url"].as_str().unwrap();
    assert!(url.ends_with("/generated_images/a-1.webp"), "{url}");
    let picture = portal.s3.state("a-1").await;
    assert_eq!(picture["type"], "image/webp");
    assert_eq!(picture["cache"], "max-age=31536000");
    assert_eq!(picture["encryption"], "AES256");
    assert_eq!(picture["tags"], json!([["retention", "permanent"]]));
    let metadata = picture["metadata"].to_string();
    for expected in ["Frau%20M%C3%BCller", "\"a-1\"", "1970-01-01T00:15:00Z"] {
        assert!(metadata.contains(expected), "{metadata}");
    }
    let old = portal
        .s3
        .pictures
        .read("old/fox.png", picture_of("a-1"))
        .await;
    assert_eq!(old.unwrap().unwrap().0, png("fox"));
    let audit = Command::new(binary("atelier"))
        .args(["audit", "--json"])
        .envs(portal.environment.iter().cloned())
        .output();
    let audit: Value = serde_json::from_slice(&audit.unwrap().stdout).unwrap();
    assert_eq!(audit["ok"], true, "{audit:#}");
}

fn picture_of(id: &str) -> atelier_cloud::pictures::PictureRef<'_> {
    atelier_cloud::pictures::PictureRef {
        assignment_id: id,
        teacher_id: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_does_nothing_and_says_so() {
    let portal = Portal::new().await;
    portal.olds(5).await;
    let first = portal.import(&[]).await;
    assert_eq!(first.summary("imported"), 5, "{first:?}");
    assert!(first.out.contains("all is done"), "{}", first.out);
    let (documents, puts, gets) = (
        portal.documents(),
        portal.count("PutObject"),
        portal.count("GetObject"),
    );
    let second = portal.import(&[]).await;
    assert_eq!(
        (second.code, second.summary("already")),
        (Some(0), &json!(5))
    );
    assert!(second.out.contains("nothing to do"), "{}", second.out);
    assert_eq!(portal.documents(), documents);
    assert_eq!(portal.count("PutObject"), puts);
    assert_eq!(portal.count("GetObject"), gets);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_imported_is_skipped_with_its_reason() {
    let portal = Portal::new().await;
    portal.olds(2).await;
    let gif = b"GIF89a\x10\x00\x08\x00 cannot be decoded".to_vec();
    portal.s3.put("old/a.gif", gif.clone()).await;
    portal
        .s3
        .put("old/letter.txt", b"Dear reader".to_vec())
        .await;
    portal.s3.put("old/large.png", vec![0; (1 << 20) + 1]).await;
    portal
        .s3
        .put("generated_images/taken.webp", png("taken"))
        .await;
    let named = |name: &str| json!({"prompt": "A fox", "s3_image_name": name});
    let with = |name: &str, field: &str, value: Value| {
        let mut document = named(name);
        document[field] = value;
        document
    };
    portal.document("copied", named("old/a.gif"));
    portal.document("letter", named("old/letter.txt"));
    portal.document("large", named("old/large.png"));
    portal.document("absent", named("old/nothing.png"));
    portal.document("nameless", named(""));
    portal.document("taken", named("old/a-000.png"));
    portal.document("an id", named("old/a-000.png"));
    portal.document("unreadable", with("old/a-000.png", "prompt", json!(7)));
    portal.document(
        "pending",
        with("old/a-000.png", "s3_upload_status", json!("pending")),
    );
    portal.document(
        "failed",
        with("old/a-000.png", "s3_upload_status", json!("failed")),
    );
    portal.document("no-name", json!({"prompt": "A fox", "s3_image_name": null}));
    let before = portal.documents();
    let run = portal.import(&["--max-mib", "1"]).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(
        (run.summary("imported"), run.summary("copied")),
        (&json!(4), &json!(1))
    );
    let skipped = [
        ("letter", "no_image"),
        ("large", "too_large"),
        ("absent", "no_picture"),
        ("nameless", "bad_name"),
        ("taken", "key_taken"),
        ("an id", "bad_id"),
        ("unreadable", "unreadable"),
        ("pending", "pending"),
    ];
    for (id, reason) in skipped {
        assert_eq!(run.reason(id), reason, "{id}: {run:?}");
        assert!(run.out.contains(&format!("{id}: ")), "{}", run.out);
        assert!(before.contains(&portal.get(id)), "{id} was changed");
    }
    assert_eq!(run.summary("skipped"), skipped.len());
    assert_eq!(portal.s3.state("copied").await["type"], "image/gif");
    assert_eq!(portal.get("copied")["image_metadata"]["dimensions"], "16x8");
    let failed = portal.get("failed");
    assert_eq!(failed["s3_upload_status"], "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_a_run_would_do_and_does_nothing() {
    let portal = Portal::new().await;
    portal.olds(4).await;
    portal.document("lost", json!({"s3_image_name": "old/lost.png"}));
    let before = portal.state().await;
    let puts = portal.count("PutObject");
    let dry = portal.import(&["--dry-run"]).await;
    assert_eq!((dry.code, dry.summary("dry_run")), (Some(1), &json!(true)));
    assert!(dry.out.contains("nothing was written"), "{}", dry.out);
    assert_eq!(portal.state().await, before);
    assert_eq!(portal.count("PutObject"), puts);
    let run = portal.import(&[]).await;
    for field in [
        "imported",
        "optimized",
        "skipped",
        "bytes_saved",
        "documents",
    ] {
        assert_eq!(dry.summary(field), run.summary(field), "{field}");
    }
    assert_eq!(run.summary("imported"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_anywhere_is_taken_up_by_the_next() {
    let mut portal = Portal::new().await;
    portal.olds(60).await;
    let whole = portal.import(&[]).await;
    assert_eq!(whole.summary("imported"), 60, "{whole:?}");
    let expected = portal.state().await;

    for n in 0..60 {
        let id = format!("a-{n:03}");
        let erased = portal.s3.pictures.erase(picture_of(&id));
        erased.await.unwrap();
    }
    portal.use_store("again.db");
    portal.olds(60).await;
    let done = portal.count("PutObject");
    let mut child = portal.start(&["--jobs", "4"]);
    portal.until("PutObject", done + 10).await;
    child.kill().unwrap();
    wait(child).await;
    // Three pictures are stored whose documents are not written: the answers to their puts are lost,
    // and whoever asks again hears nothing.
    let done = portal.count("PutObject");
    let mut child = portal.start(&["--jobs", "4"]);
    portal.until("PutObject", done + 10).await;
    portal.fault(Kind::LostReply, "PutObject", Some(3));
    portal.fault(Kind::Hang, "PutObject", None);
    portal.until_unwritten(3).await;
    child.kill().unwrap();
    wait(child).await;
    portal.cloud.faults().clear();
    let begun = portal.documents();
    let written = begun.iter().filter(|it| is_written(it)).count() as u64;
    assert!((1..60).contains(&written), "{written} of 60 at the kill");

    let rest = portal.import(&[]).await;
    assert_eq!(rest.code, Some(0), "{rest:?}");
    assert_eq!(rest.summary("already"), written);
    assert!(rest.summary("found").as_u64() >= Some(3), "{rest:?}");
    assert_eq!(portal.state().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_lies_under_its_new_key_already_is_replaced_once() {
    let portal = Portal::new().await;
    portal.s3.put("generated_images/a.webp", png("a")).await;
    portal.document(
        "a",
        json!({"prompt": "A fox", "s3_image_name": "generated_images/a.webp"}),
    );
    portal.fault(Kind::LostReply, "PutObject", Some(1));
    portal.fault(Kind::Hang, "PutObject", None);
    let mut child = portal.start(&[]);
    let replaced = async || portal.s3.state("a").await["type"] == "image/webp";
    until(replaced).await;
    child.kill().unwrap();
    wait(child).await;
    portal.cloud.faults().clear();
    assert_eq!(portal.get("a")["image_metadata"], Value::Null);
    let stored = portal.s3.state("a").await;
    let run = portal.import(&[]).await;
    assert_eq!(
        (run.code, run.summary("found")),
        (Some(0), &json!(1)),
        "{run:?}"
    );
    assert_eq!(portal.s3.state("a").await, stored);
    let metadata = &portal.get("a")["image_metadata"];
    assert_eq!(metadata["original_size_bytes"], png("a").len());
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_lost_answers_are_tried_again() {
    let portal = Portal::new().await;
    portal.olds(6).await;
    portal.fault(Kind::Throttle, "GetObject", Some(5));
    portal.fault(Kind::Throttle, "PutObject", Some(4));
    portal.fault(Kind::LostReply, "PutObject", Some(2));
    let run = portal.import(&[]).await;
    assert_eq!(
        (run.code, run.summary("imported")),
        (Some(0), &json!(6)),
        "{run:?}"
    );
    let lost = run.summary("found").as_u64().unwrap();
    assert_eq!(lost, 2, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lacking_permission_or_bucket_ends_a_run_at_once_with_words() {
    let portal = Portal::new().await;
    portal.olds(40).await;
    for (kind, operation, words) in [
        (Kind::Denied, "PutObject", "s3:PutObject"),
        (Kind::Denied, "GetObject", "s3:GetObject"),
        (Kind::Missing, "PutObject", "atelier-pictures"),
    ] {
        portal.fault(kind, operation, None);
        let run = portal.import(&["--jobs", "4"]).await;
        portal.cloud.faults().clear();
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.err.contains(words), "{}", run.err);
        assert!(run.err.contains("ended early"), "{}", run.err);
        assert_eq!(run.summary("documents"), 0, "{run:?}");
    }
    let run = portal.import(&["--from-bucket", "of-nobody"]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("`of-nobody`"), "{}", run.err);
    assert_eq!(portal.import(&[]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_changed_meanwhile_is_not_overwritten() {
    let portal = Portal::new().await;
    portal.olds(1).await;
    portal.fault(Kind::Hang, "PutObject", None);
    let gets = portal.count("GetObject");
    let child = portal.start(&portal.with_report(&[]));
    portal.until("GetObject", gets + 1).await;
    let mut changed = portal.get("a-000");
    changed["prompt"] = json!("A cat");
    portal.document("a-000", changed.clone());
    portal.cloud.faults().clear();
    let run = portal.end(child).await;
    assert_eq!(
        (run.code, run.reason("a-000")),
        (Some(1), "changed"),
        "{run:?}"
    );
    assert_eq!(portal.get("a-000"), changed);
    // Its picture is stored for the prompt that it had; the next run replaces it.
    assert_eq!(portal.import(&[]).await.code, Some(0));
    let hash = portal.get("a-000")["prompt_hash"].to_string();
    let metadata = portal.s3.state("a-000").await["metadata"].to_string();
    assert!(metadata.contains(&hash), "{metadata}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_that_was_deleted_meanwhile_leaves_no_picture() {
    let portal = Portal::new().await;
    portal.olds(1).await;
    portal.fault(Kind::Hang, "PutObject", None);
    let gets = portal.count("GetObject");
    let child = portal.start(&portal.with_report(&[]));
    portal.until("GetObject", gets + 1).await;
    portal.document("a-000", json!({"s3_upload_status": "deleted"}));
    portal.cloud.faults().clear();
    let run = portal.end(child).await;
    assert_eq!(run.reason("a-000"), "deleted", "{run:?}");
    assert_eq!(portal.s3.state("a-000").await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_names_documents_and_files_of_a_folder() {
    let portal = Portal::new().await;
    let pictures = portal.folder.path().join("pictures");
    std::fs::create_dir_all(pictures.join("2024")).unwrap();
    std::fs::write(pictures.join("2024/a fox, red.png"), png("fox")).unwrap();
    std::fs::write(portal.folder.path().join("outside.png"), png("outside")).unwrap();
    portal.document(
        "plain",
        json!({"prompt": "A fox", "s3_upload_status": "no_image"}),
    );
    portal.document("escapes", json!({"prompt": "A fox"}));
    portal.document("absent", json!({"prompt": "A fox"}));
    let list = portal.folder.path().join("list.csv");
    let lines = "# assignment_id,name\nplain,a fox, red.png\n\nescapes,../../outside.png\n\
        absent,nothing.png\nnobody,a fox, red.png\nplain,a fox, red.png\n";
    std::fs::write(&list, lines).unwrap();
    let flags = [
        "--list",
        path(&list),
        "--from-dir",
        path(&pictures),
        "--from-prefix",
        "2024/",
    ];
    let run = portal.import(&flags).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(portal.get("plain")["s3_upload_status"], "success");
    assert_eq!(run.reason("escapes"), "bad_name");
    assert_eq!(run.reason("absent"), "no_picture");
    assert_eq!(run.reason("nobody"), "no_assignment");
    let once = [run.summary("imported"), run.summary("already")];
    assert_eq!(once, [1, 1], "{run:?}");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_usage_ends_with_64_and_names_every_fault() {
    let portal = Portal::new().await;
    let list = portal.folder.path().join("list.csv");
    std::fs::write(&list, "a,b\nfaulty\n,\n").unwrap();
    for (flags, words) in [
        (&["--list", path(&list)][..], &["line 2", "line 3"][..]),
        (&["--list", "/no/such/list"], &["/no/such/list"]),
        (&["--from-dir", "/no/such/folder"], &["/no/such/folder"]),
        (
            &["--from-dir", "/", "--from-bucket", "b"],
            &["--from-bucket"],
        ),
        (&["--jobs", "0"], &["--jobs"]),
        (&["--per-second", "0"], &["--per-second"]),
        (&["--model", "two words"], &["--model"]),
        (&["--data", "/no/such/data"], &["--data"]),
        (&["--no-such-flag"], &["--no-such-flag"]),
    ] {
        let run = portal.end(portal.start(flags)).await;
        assert_eq!(run.code, Some(64), "{flags:?}: {run:?}");
        for word in words {
            assert!(run.err.contains(word), "{}", run.err);
        }
    }
    let help = portal.end(portal.start(&["--help"])).await;
    assert_eq!(help.code, Some(0));
    for word in [
        "--per-second",
        "STORE_URL",
        "MAX_DIMENSION",
        "CLOUDFRONT_DOMAIN",
    ] {
        assert!(help.out.contains(word), "{word} is not in: {}", help.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_holds() {
    let portal = Portal::new().await;
    portal.olds(12).await;
    let run = portal.import(&["--per-second", "10"]).await;
    assert_eq!(run.summary("imported"), 12);
    assert!(run.summary("seconds").as_f64() >= Some(1.0), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_told_to_stop_finishes_what_it_began_and_goes_on_later() {
    let portal = Portal::new().await;
    portal.olds(30).await;
    let done = portal.count("PutObject");
    let child = portal.start(&portal.with_report(&["--jobs", "2", "--per-second", "20"]));
    portal.until("PutObject", done + 3).await;
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let run = portal.end(child).await;
    assert_eq!(
        (run.code, run.summary("skipped")),
        (Some(1), &json!(0)),
        "{run:?}"
    );
    assert_eq!(run.summary("ended_early"), "told to stop");
    let imported = run.summary("imported").as_u64().unwrap();
    assert!((3..30).contains(&imported), "{imported}");
    assert_eq!(portal.count("PutObject") - done, imported);
    let rest = portal.import(&[]).await;
    assert_eq!(rest.summary("already"), imported);
    assert_eq!(rest.summary("imported"), 30 - imported);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn a_portal_in_a_mongodb_is_brought_over() {
    let uri = std::env::var("ATELIER_TEST_MONGODB_URI").expect("it is set");
    let (server, options) = uri.split_once("/?").unwrap_or((&uri, ""));
    let url = format!("{server}/import_{}?{options}", std::process::id());
    let mut portal = Portal::new().await;
    portal.environment.retain(|(name, _)| name != "STORE_URL");
    portal
        .environment
        .push(("STORE_URL".to_owned(), url.clone()));
    let client = mongodb::Client::with_uri_str(&url).await.unwrap();
    let database = client.default_database().unwrap();
    let assignments = database.collection::<Document>("assignments");
    for n in 0..120 {
        let name = format!("old/{n}.png");
        portal.s3.put(&name, png(&name)).await;
        let document = doc! {
            "assignment_id": format!("m-{n}"), "prompt": "A fox", "s3_image_name": name,
            "created_at": DateTime::from_millis(900_500), "of_others": { "kept": true },
        };
        assignments.insert_one(document).await.unwrap();
    }
    let read = async || -> Vec<Document> {
        let all = assignments.find(doc! {}).sort(doc! { "_id": 1 });
        all.await.unwrap().try_collect().await.unwrap()
    };
    let first = portal.import(&[]).await;
    let imported = (first.code, first.summary("imported"));
    assert_eq!(imported, (Some(0), &json!(120)), "{first:?}");
    let once = read().await;
    for document in &once {
        let id = document.get_str("assignment_id").unwrap();
        assert_eq!(document.get_str("s3_image_key").unwrap(), key(id));
        assert!(
            document
                .get_str("s3_image_name")
                .unwrap()
                .starts_with("old/")
        );
        assert!(document.get_datetime("created_at").is_ok());
        assert!(document.get_object_id("_id").is_ok());
        assert!(document.get_document("of_others").is_ok());
    }
    let second = portal.import(&[]).await;
    assert_eq!(second.summary("already"), 120, "{second:?}");
    assert_eq!(read().await, once);
    database.drop().await.unwrap();
}

/// A document of another program and its old picture.
fn foreign() -> impl Strategy<Value = (Value, Option<Vec<u8>>)> {
    let picture = prop_oneof![
        4 => (0..9_u8).prop_map(|n| Some(png(&n.to_string()))),
        1 => Just(Some(b"GIF89a\x10\x00\x08\x00".to_vec())),
        1 => any::<Vec<u8>>().prop_map(Some),
        1 => Just(None),
    ];
    let status = prop_oneof![
        4 => Just(Value::Null),
        1 => Just(json!("success")),
        1 => Just(json!("failed")),
        1 => Just(json!("no_image")),
        1 => Just(json!("pending")),
        1 => Just(json!("archived")),
    ];
    let created_at = prop_oneof![Just(Value::Null), Just(json!(900)), Just(json!(900.25))];
    let fields = (
        picture,
        status,
        created_at,
        any::<String>(),
        any::<bool>(),
        any::<bool>(),
    );
    fields.prop_map(
        |(picture, status, created_at, prompt, permanent, in_place)| {
            let document = json!({
                "s3_upload_status": status, "created_at": created_at, "prompt": prompt,
                "permanent": permanent, "in_place": in_place,
            });
            (document, picture)
        },
    )
}

/// All that is there, with the times of the writes and every version in the bucket.
async fn everything(portal: &Portal) -> (Vec<Value>, Vec<(Value, Vec<String>)>) {
    let documents = portal.documents();
    let mut objects = Vec::new();
    for document in &documents {
        let id = document["assignment_id"].as_str().unwrap();
        let versions = portal.s3.pictures.versions(&key(id)).await.unwrap();
        objects.push((portal.s3.state(id).await, versions));
    }
    (documents, objects)
}

#[test]
fn an_import_after_an_import_is_the_identity() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let portal = std::cell::RefCell::new(runtime.block_on(Portal::new()));
    let case = std::cell::Cell::new(0);
    let documents = proptest::collection::vec(foreign(), 1..6);
    TestRunner::new(Config {
        cases: 100,
        failure_persistence: None,
        max_shrink_iters: 20,
        ..Config::default()
    })
    .run(&documents, |documents| {
        case.set(case.get() + 1);
        let mut portal = portal.borrow_mut();
        portal.use_store(&format!("case-{}.db", case.get()));
        runtime.block_on(async {
            for (n, (mut document, picture)) in documents.into_iter().enumerate() {
                let id = format!("p-{}-{n}", case.get());
                let name = match document["in_place"] == true {
                    true => key(&id),
                    false => format!("old/{id}"),
                };
                document["s3_image_name"] = name.clone().into();
                portal.document(&id, document);
                if let Some(picture) = picture {
                    portal.s3.put(&name, picture).await;
                }
            }
            let first = portal.import(&[]).await;
            let once = everything(&portal).await;
            let second = portal.import(&[]).await;
            assert_eq!(everything(&portal).await, once);
            assert_eq!(second.summary("imported"), 0, "{second:?}");
            assert_eq!(second.summary("skipped"), first.summary("skipped"));
            assert_eq!(second.code, first.code);
        });
        Ok(())
    })
    .unwrap();
}
