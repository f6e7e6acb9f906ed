//! What is kept of a teacher is exported and erased by `atelier teacher`, a process of its own.

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use atelier_cloud::client::Aws;
use atelier_cloud::config::{BucketConfig, CloudConfig, StaticCredentials};
use atelier_cloud::pictures::{Condition, Pictures, assignment_of, avif_key, key};
use atelier_domain::assignment::{Assignment, ImageMetadata, Status, prompt_hash};
use atelier_domain::audit::{Action, Actor, Entry, Outcome, pseudonym};
use atelier_domain::label::Label;
use atelier_domain::share::{NewShare, StudentResult};
use atelier_domain::timestamp::Timestamp;
use atelier_embedded::cloud::{Cloud, Options};
use atelier_embedded::faults::{Kind, Order};
use atelier_embedded::model::{Behavior, Settings};
use atelier_runtime::config::Environment;
use atelier_store::shares::{Keep, Shared};
use atelier_store::{AuditFilter, SqliteStore, Store as _};
use rusqlite::Connection;
use serde_json::{Value, json};
use support::{Atelier, PATIENCE, binary, client, finished};
use tempfile::TempDir;

const TEACHER: &str = "frau.müller-4711";
const OTHER: &str = "herr.schmidt-0815";

/// A cloud in this process, without API and workers, and its store.
struct School {
    cloud: Cloud,
    environment: Vec<(String, String)>,
    pictures: Pictures,
    aws: Aws,
    bucket: String,
    file: PathBuf,
    folder: TempDir,
}

fn value(pairs: &[(String, String)], name: &str) -> String {
    let pair = pairs.iter().find(|(it, _)| it == name);
    pair.unwrap().1.clone()
}

async fn bucket_of(environment: &[(String, String)]) -> (Aws, String, Pictures) {
    let mut of_cloud = Environment::of(environment.to_vec());
    let mut config = CloudConfig::read(&mut of_cloud);
    config.credentials = Some(StaticCredentials {
        access_key_id: value(environment, "AWS_ACCESS_KEY_ID"),
        secret_access_key: value(environment, "AWS_SECRET_ACCESS_KEY"),
    });
    let bucket = BucketConfig::read(&mut of_cloud);
    let aws = Aws::connect(&config).await;
    let pictures = Pictures::new(&aws, &bucket);
    (aws, bucket.name, pictures)
}

impl School {
    async fn new() -> Self {
        atelier_runtime::process::install_tls();
        let folder = TempDir::new().unwrap();
        let options = Options {
            data: folder.path().join("cloud"),
            behavior: Behavior::new(Settings::default()),
        };
        let cloud = Cloud::start(options).await.unwrap();
        let environment = cloud.environment().to_vec();
        let (aws, bucket, pictures) = bucket_of(&environment).await;
        let file: PathBuf = value(&environment, "STORE_URL")
            .replace("sqlite:", "")
            .into();
        drop(SqliteStore::open(&file).unwrap());
        Self {
            cloud,
            environment,
            pictures,
            aws,
            bucket,
            file,
            folder,
        }
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.file).unwrap()
    }

    async fn put(&self, key: &str, bytes: &[u8]) {
        let put = self.aws.s3().put_object().bucket(&self.bucket).key(key);
        put.body(bytes.to_vec().into()).send().await.unwrap();
    }

    async fn delete(&self, key: &str) {
        let delete = self.aws.s3().delete_object().bucket(&self.bucket).key(key);
        delete.send().await.unwrap();
    }

    /// An assignment with a picture, as a worker leaves it.
    async fn picture(&self, id: &str, teacher: &str, created_at: f64, more: Value) -> Assignment {
        let prompt = format!("A fox named {id}");
        let metadata = ImageMetadata::new(100, 50, "webp", "48x32".to_owned());
        let mut document = json!({
            "assignment_id": id, "teacher_id": teacher, "prompt": prompt,
            "prompt_hash": prompt_hash(&prompt), "created_at": created_at, "updated_at": created_at,
            "s3_upload_status": "success", "s3_image_key": key(id), "image_metadata": metadata,
            "finished_at": created_at + 1.5, "correlation_id": "c", "model": "m", "reuse_key": "k",
            "question_answers": "[{\"question\":\"Who?\",\"answer\":\"a fox\"}]",
        });
        document
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let document: Assignment = serde_json::from_value(document).unwrap();
        let label = Label {
            assignment_id: id.to_owned(),
            teacher_id: Some(teacher.to_owned()),
            created_at: document.created_at.rfc3339(),
            original_format: "png".to_owned(),
            optimized: true,
            prompt_hash: document.prompt_hash.clone(),
            metadata,
            model: "m".to_owned(),
            reuse_key: "k".to_owned(),
            thumbhash: None,
        };
        let bytes = format!("the picture of {id}").into_bytes();
        self.pictures
            .put(
                bytes.into(),
                "image/webp",
                &label,
                false,
                &Condition::IfAbsent,
                &mut 0,
            )
            .await
            .unwrap();
        self.store().insert(&document).await.unwrap();
        document
    }

    async fn pictures(&self, teacher: &str, count: u32) {
        for n in 0..count {
            let id = format!("{}-{n:03}", &teacher[..4]);
            let created_at = 1_764_000_000.0 + f64::from(n / 3);
            self.picture(&id, teacher, created_at, json!({})).await;
        }
    }

    /// A link for students with a result under this name, as the API keeps them.
    async fn share(&self, id: &str, name: &str) {
        let store = self.store();
        let at = Timestamp::from_exact_seconds(1_764_000_100.5);
        let wanted = NewShare {
            assignment_id: id.to_owned(),
            token: format!("{id:t<32}"),
            created_at: at,
            expires_at: None,
        };
        let Shared::New(link) = store.shares().share(&wanted).await.unwrap() else {
            panic!("{id} has a link already");
        };
        let result = StudentResult {
            id: format!("result-{id}"),
            name: name.to_owned(),
            answers: vec!["a fox".to_owned()],
            right: vec![Some(true)],
            at,
        };
        let kept = store.shares().keep(&link, &result).await.unwrap();
        assert_eq!(kept, Keep::Kept);
    }

    fn start(&self, flags: &[&str]) -> Child {
        let mut command = Command::new(binary("atelier"));
        command.arg("teacher").args(flags);
        command
            .envs(self.environment.iter().cloned())
            .env("USER", "the-operator");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    async fn run(&self, flags: &[&str]) -> Run {
        Run::of(self.start(flags)).await
    }

    /// The assignments that have a version in the bucket, and other keys.
    async fn kept(&self) -> BTreeSet<String> {
        kept(&self.pictures).await
    }

    fn slow(&self, operation: &str) {
        let order = json!({
            "service": "s3", "kind": Kind::Slow, "operation": operation, "delay_ms": 200,
        });
        let order: Order = serde_json::from_value(order).unwrap();
        self.cloud.faults().add(order);
    }

    async fn log(&self) -> Vec<Entry> {
        let all = AuditFilter::default();
        self.store().audit_log(&all, None, 100).await.unwrap()
    }
}

async fn kept(pictures: &Pictures) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    let mut page = None;
    loop {
        let next = pictures.page(page.as_ref()).await.unwrap();
        let ids = next
            .versions
            .iter()
            .map(|it| assignment_of(&it.key).unwrap_or(&it.key));
        kept.extend(ids.map(str::to_owned));
        if next.is_last() {
            return kept;
        }
        page = Some(next);
    }
}

/// What a run said.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    said: String,
}

impl Run {
    async fn of(child: Child) -> Self {
        let out: Output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
            .await
            .unwrap();
        Self {
            code: out.status.code(),
            said: String::from_utf8([out.stdout, out.stderr].concat()).unwrap(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.said).unwrap_or_else(|_| panic!("{}", self.said))
    }
}

async fn until(condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Whether one of `words` stands in a file below `folder`, its name included.
fn find(folder: &Path, words: &[&str]) -> Option<String> {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = find(&path, words) {
                return Some(found);
            }
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(text(&path).bytes());
        let has = |it: &&&str| {
            bytes
                .windows(it.len())
                .any(|window| window == it.as_bytes())
        };
        if let Some(word) = words.iter().find(has) {
            return Some(format!("`{word}` is in {}", path.display()));
        }
    }
    None
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Everything in a folder but times.
fn exported(folder: &Path) -> Value {
    let mut summary: Value =
        serde_json::from_slice(&std::fs::read(folder.join("export.json")).unwrap()).unwrap();
    for field in ["started_at", "finished_at"] {
        summary
            .as_object_mut()
            .unwrap()
            .shift_remove(field)
            .unwrap();
    }
    let mut pictures: Vec<_> = std::fs::read_dir(folder.join("pictures"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_owned(),
                std::fs::read(path).unwrap(),
            )
        })
        .map(|(name, bytes)| json!([name.to_str(), String::from_utf8(bytes).unwrap()]))
        .collect();
    pictures.sort_by_key(Value::to_string);
    json!({
        "summary": summary,
        "assignments": lines(&folder.join("assignments.jsonl")),
        "audit_log": lines(&folder.join("audit_log.jsonl")),
        "pictures": pictures,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_all_of_a_teacher_and_nothing_of_others() {
    let school = School::new().await;
    let fox = school
        .picture("fox", TEACHER, 1_764_000_001.5, json!({}))
        .await;
    school.put(&avif_key("fox"), b"an avif").await;
    school.put("old/cat.png", b"an old cat").await;
    let old = json!({"s3_image_name": "old/cat.png", "permanent": true});
    let cat = school.picture("cat", TEACHER, 1_764_000_002.5, old).await;
    school
        .picture("dog", OTHER, 1_764_000_003.5, json!({}))
        .await;
    let actor = Actor::Person(TEACHER.to_owned());
    let entry = Entry::begun(&actor, Action::AssignmentDeleted, "gone");
    school.store().append_audit(&entry).await.unwrap();
    school.share("fox", "Ada Lovelace").await;
    school.share("dog", "Grace Hopper").await;
    let to = school.folder.path().join("export");
    let run = school.run(&["export", TEACHER, "--to", text(&to)]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let exported = exported(&to);
    assert_eq!(exported["summary"]["teacher_id"], TEACHER);
    let read = exported["assignments"].as_array().unwrap();
    for (line, document) in read.iter().zip([&cat, &fox]) {
        let assignment: Assignment = serde_json::from_value(line.clone()).unwrap();
        assert_eq!(&assignment, document);
        for file in line["pictures"].as_array().unwrap() {
            let bytes = std::fs::read(to.join(file["file"].as_str().unwrap())).unwrap();
            assert_eq!(file["bytes"], bytes.len());
        }
    }
    assert_eq!(read.len(), 2);
    assert_eq!(read[1]["links"][0]["results"][0]["name"], "Ada Lovelace");
    assert_eq!(exported["summary"]["results"], 1);
    assert_eq!(find(&to, &["Grace Hopper"]), None);
    assert_eq!(exported["audit_log"][0]["what"], "gone");
    let mut pictures: Vec<_> = exported["pictures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it[1])
        .collect();
    pictures.sort_by_key(|it| it.to_string());
    assert_eq!(
        pictures,
        [
            "an avif",
            "an old cat",
            "the picture of cat",
            "the picture of fox"
        ]
    );
    let log = school.log().await;
    let [done, begun, ..] = log.as_slice() else {
        panic!("{log:?}")
    };
    assert_eq!(
        (done.action, done.outcome),
        (Action::TeacherExported, Outcome::Done)
    );
    assert_eq!(
        (begun.action, begun.outcome),
        (Action::TeacherExported, Outcome::Begun)
    );
    assert_eq!(
        (done.actor.as_str(), &done.what),
        ("cli:the-operator", &pseudonym(TEACHER))
    );
    assert_eq!(done.counts["assignments"], 2);
    // It is whole: no run writes over it.
    let again = school.run(&["export", TEACHER, "--to", text(&to)]).await;
    assert_eq!(again.code, Some(64), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_killed_is_taken_up_and_is_the_same_in_the_end() {
    let school = School::new().await;
    school.pictures(TEACHER, 250).await;
    let (whole, cut) = (
        school.folder.path().join("whole"),
        school.folder.path().join("cut"),
    );
    let run = school.run(&["export", TEACHER, "--to", text(&whole)]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    school.slow("GetObject");
    let flags = ["export", TEACHER, "--to", text(&cut), "--jobs", "64"];
    let mut child = school.start(&flags);
    let page = cut.join("assignments.jsonl");
    until(async || std::fs::metadata(&page).is_ok_and(|it| it.len() > 0)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!cut.join("export.json").exists());
    // What a kill between two writes leaves.
    let mut torn = std::fs::OpenOptions::new()
        .append(true)
        .open(&page)
        .unwrap();
    torn.write_all(b"{\"assignment_id\":\"half a li").unwrap();
    school.cloud.faults().clear();
    let other = school.run(&["export", OTHER, "--to", text(&cut)]).await;
    assert_eq!(other.code, Some(64), "of another teacher: {other:?}");
    let run = school.run(&flags).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(exported(&cut), exported(&whole));
    assert_eq!(exported(&cut)["assignments"].as_array().unwrap().len(), 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_leaves_nothing_of_the_teacher_and_all_of_others() {
    let school = School::new().await;
    school
        .picture("fox", TEACHER, 1_764_000_001.5, json!({}))
        .await;
    school
        .picture(
            "cat",
            TEACHER,
            1_764_000_002.5,
            json!({"s3_image_name": "old/cat.png"}),
        )
        .await;
    school
        .picture(
            "bee",
            TEACHER,
            1_764_000_003.5,
            json!({"s3_image_name": "old/shared.png"}),
        )
        .await;
    // One that names the picture of another's assignment as its own.
    school
        .picture(
            "eve",
            TEACHER,
            1_764_000_003.7,
            json!({"s3_image_name": key("foxtrot")}),
        )
        .await;
    let others = school
        .picture(
            "foxtrot",
            OTHER,
            1_764_000_004.5,
            json!({"s3_image_name": "old/shared.png"}),
        )
        .await;
    for other in [
        "old/cat.png",
        "old/cat.png",
        "old/cat.png.txt",
        "old/shared.png",
    ] {
        school.put(other, b"old").await;
    }
    // Versions, delete markers, an AVIF, variants, and a document that cannot be read.
    school.put(&key("fox"), b"a later round").await;
    school.delete(&key("fox")).await;
    school.put(&key("fox"), b"the last round").await;
    school.put(&avif_key("fox"), b"an avif").await;
    school.delete(&avif_key("cat")).await;
    for variant in [
        "generated_images/fox/320.webp",
        "generated_images/fox/640.avif",
    ] {
        school.put(variant, b"small").await;
    }
    let unreadable = json!({
        "assignment_id": "odd", "teacher_id": TEACHER, "prompt": 7, "s3_upload_status": "success",
        "created_at": 1_764_000_005.5, "of_others": {"name": TEACHER},
    });
    let file = Connection::open(&school.file).unwrap();
    file.pragma_update(None, "secure_delete", "ON").unwrap();
    let insert = "INSERT INTO assignments (id, document) VALUES ('odd', ?1)";
    file.execute(insert, [unreadable.to_string()]).unwrap();
    drop(file);
    let actor = Actor::Person(TEACHER.to_owned());
    let entry = Entry::begun(&actor, Action::AssignmentDeleted, "gone");
    school.store().append_audit(&entry).await.unwrap();
    school.share("fox", "Ada Lovelace").await;
    school.share("foxtrot", "Grace Hopper").await;
    let before = school.kept().await;

    let dry = school.run(&["erase", TEACHER, "--dry-run"]).await;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(
        dry.said.contains("5 assignments would be erased"),
        "{dry:?}"
    );
    let refused = school.run(&["erase", TEACHER]).await;
    assert_eq!(refused.code, Some(1), "nobody confirms: {refused:?}");
    assert_eq!(school.kept().await, before);

    let mut asked = school.start(&["erase", TEACHER]);
    let mut stdin = asked.stdin.take().unwrap();
    stdin.write_all(format!("{TEACHER}\n").as_bytes()).unwrap();
    drop(stdin);
    let run = Run::of(asked).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.said.contains("nothing is left"), "{run:?}");

    assert_eq!(school.kept().await, BTreeSet::from(["foxtrot".to_owned()]));
    for (key, is_left) in [
        ("old/cat.png", false),
        ("old/cat.png.txt", true),
        ("old/shared.png", true),
    ] {
        let versions = school.pictures.versions(key).await.unwrap();
        assert_eq!(!versions.is_empty(), is_left, "{key}");
    }
    let store = school.store();
    assert_eq!(store.get("foxtrot").await.unwrap(), Some(others));
    assert_eq!(store.shares().links("fox").await.unwrap(), []);
    let left = store.shares().results("foxtrot", 1).await.unwrap();
    assert_eq!(left[0].name, "Grace Hopper");
    for id in ["fox", "cat", "bee", "eve", "odd"] {
        let tombstone = store.get(id).await.unwrap().unwrap();
        assert_eq!(tombstone.s3_upload_status, Status::Deleted);
        assert_eq!((tombstone.erasures, tombstone.erasing_for), (1, None));
    }
    assert_eq!(
        store
            .reusable(&["k".to_owned()], Some(TEACHER))
            .await
            .unwrap(),
        None
    );
    drop(store);
    let audit = Command::new(binary("atelier"))
        .arg("audit")
        .envs(school.environment.iter().cloned())
        .output()
        .unwrap();
    assert!(audit.status.success(), "{audit:?}");

    // The entries stay, without the name.
    let log = school.log().await;
    let [done, begun, before] = log.as_slice() else {
        panic!("{log:?}")
    };
    assert_eq!(
        (done.action, done.outcome),
        (Action::TeacherErased, Outcome::Done)
    );
    assert_eq!(
        (begun.action, begun.outcome),
        (Action::TeacherErased, Outcome::Begun)
    );
    assert_eq!(done.counts["assignments"], 5);
    assert_eq!((done.counts["links"], done.counts["results"]), (1, 1));
    assert_eq!((&before.actor, &before.person), (&actor.recorded(), &None));
    let encoded = "frau.m%C3%BCller";
    let found = find(
        school.folder.path(),
        &[
            TEACHER,
            encoded,
            "A fox named fox\"",
            "A fox named cat",
            "Ada Lovelace",
        ],
    );
    assert_eq!(found, None);
    // Again, and nothing is to be done.
    let again = school.run(&["erase", TEACHER, "--yes", "--json"]).await;
    assert_eq!(
        (again.code, &again.json()["assignments"]),
        (Some(0), &json!(0)),
        "{again:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_is_killed_is_taken_up_by_the_next() {
    let school = School::new().await;
    school.pictures(TEACHER, 150).await;
    school.pictures(OTHER, 3).await;
    let others: BTreeSet<String> = (0..3).map(|n| format!("herr-{n:03}")).collect();
    school.slow("DeleteObject");
    let mut child = school.start(&["erase", TEACHER, "--yes"]);
    // Some are tombstones whose pictures are there: nothing but the store knows whose they were.
    until(async || !school.store().erasing(TEACHER, 9).await.unwrap().is_empty()).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!school.store().erasing(TEACHER, 9).await.unwrap().is_empty());
    assert!(school.kept().await.len() > others.len());
    school.cloud.faults().clear();
    let run = school.run(&["erase", TEACHER, "--yes", "--json"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.json()["left"], 0);
    assert_eq!(school.kept().await, others);
    assert_eq!(
        find(school.folder.path(), &[TEACHER, "A fox named frau"]),
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_without_a_permission_ends_at_once_and_says_which() {
    let school = School::new().await;
    school.pictures(TEACHER, 3).await;
    let order = json!({"service": "s3", "kind": "denied", "operation": "DeleteObject"});
    let order = serde_json::from_value(order).or_else(|_| {
        serde_json::from_value::<Order>(json!({
            "service": "s3", "kind": "answer", "operation": "DeleteObject",
            "answer": {"status": 403, "code": "AccessDenied"},
        }))
    });
    school.cloud.faults().add(order.unwrap());
    let run = school.run(&["erase", TEACHER, "--yes"]).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.said.contains("s3:DeleteObjectVersion"), "{run:?}");
    assert_eq!(school.log().await[0].outcome, Outcome::Failed);
    school.cloud.faults().clear();
    let run = school.run(&["erase", TEACHER, "--yes"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(school.kept().await, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_flight_brings_no_picture_back() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let running = Atelier::start(&data, &["--model-latency", "15"]);
    let client = client();
    let post = async |id: &str, teacher: &str| {
        let body = json!({"assignment_id": id, "prompt": format!("A boat named {id}"),
            "teacher_id": teacher, "fresh": true});
        let posted = client
            .post(format!("{}/assignments", running.url))
            .json(&body)
            .send();
        assert_eq!(posted.await.unwrap().status(), 202);
    };
    post("done", TEACHER).await;
    let done = finished(&client, &running.url, "done").await;
    assert_eq!(done["s3_upload_status"], "success");
    let cdn = done["cloudfront_url"].as_str().unwrap().to_owned();
    assert_eq!(
        client.get(&cdn).send().await.unwrap().status(),
        200,
        "it is cached now"
    );
    for n in 0..4 {
        post(&format!("flying-{n}"), TEACHER).await;
        post(&format!("other-{n}"), OTHER).await;
    }
    let store = SqliteStore::open(&data.join("atelier.db")).unwrap();
    until(async || {
        let document = store.get("flying-0").await.unwrap().unwrap();
        document.is_claimed(Timestamp::now()) && document.model_calls > 0
    })
    .await;
    let start = Instant::now();
    let erase = Command::new(binary("atelier"))
        .args([
            "teacher",
            "erase",
            TEACHER,
            "--yes",
            "--json",
            "--data",
            text(&data),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let run = Run::of(erase).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.json()["assignments"], 5);
    assert!(run.json()["in_flight"].as_u64() > Some(0), "{run:?}");
    assert!(start.elapsed() < PATIENCE);
    let from_cdn = client.get(&cdn).send().await.unwrap();
    assert_eq!(
        from_cdn.headers()["content-type"],
        "image/svg+xml",
        "the placeholder"
    );
    for n in 0..4 {
        let other = finished(&client, &running.url, &format!("other-{n}")).await;
        assert_eq!(other["s3_upload_status"], "success");
        let gone = client.get(format!("{}/assignments/flying-{n}", running.url));
        assert_eq!(gone.send().await.unwrap().status(), 404);
    }
    // Jobs that find a tombstone are deleted, and leave no dead letter.
    let queue_is_empty = async || {
        let fleet = client.get(format!("{}/fleet.json", running.url)).send();
        let fleet: Value = fleet.await.unwrap().json().await.unwrap();
        let queue = &fleet["queue"];
        queue["visible"] == 0 && queue["in_flight"] == 0 && queue["dead_letters"] == 0
    };
    until(queue_is_empty).await;
    let environment = std::fs::read_to_string(data.join("environment")).unwrap();
    let environment: Vec<_> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (_, _, pictures) = bucket_of(&environment).await;
    let others: BTreeSet<String> = (0..4).map(|n| format!("other-{n}")).collect();
    assert_eq!(kept(&pictures).await, others);
    let log = client
        .get(format!("{}/audit-log?action=teacher.erased", running.url))
        .send();
    let log: Value = log.await.unwrap().json().await.unwrap();
    assert_eq!(log["entries"][0]["outcome"], "done");
    assert_eq!(log["entries"][0]["counts"]["assignments"], 5);
    let audit = Command::new(binary("atelier"))
        .args(["audit", "--data", text(&data)])
        .output()
        .unwrap();
    assert!(audit.status.success(), "{audit:?}");
}
