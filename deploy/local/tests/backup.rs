//! Backups of a running `atelier`, the drill that restores one, and what runs beside another.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::{Atelier, Process, client, finished, post};
use tempfile::TempDir;

fn atelier(flags: &[&str]) -> Command {
    let mut command = Command::new(support::binary("atelier"));
    command.args(flags).env_remove("STORE_URL");
    command
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8(said).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn database(data: &Path, suffix: &str) -> PathBuf {
    data.join(format!("atelier.db{suffix}"))
}

/// A value of the environment that a running cloud left in its data directory.
fn option(data: &Path, name: &str) -> String {
    let all = std::fs::read_to_string(data.join("environment")).unwrap();
    let line = all
        .lines()
        .find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
    line.unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_has_what_was_acknowledged_and_its_audit_is_clean() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let running = Atelier::start(&data, &["--model-latency", "0"]);
    let client = client();
    let done: Vec<_> = (0..5).map(|n| format!("done-{n}")).collect();
    for id in &done {
        post(&client, &running.url, id, &format!("A boat named {id}")).await;
        finished(&client, &running.url, id).await;
    }
    // No picture is made after the backup, so none will lack its document.
    let control = option(&data, "ATELIER_CONTROL_URL");
    let slow = serde_json::json!({"latency_ms": 3_600_000});
    let answer = client.put(format!("{control}/temper")).json(&slow).send();
    assert!(answer.await.unwrap().status().is_success());
    let waiting: Vec<_> = (0..20).map(|n| format!("waiting-{n}")).collect();
    for id in &waiting {
        post(&client, &running.url, id, "A castle").await;
    }

    let over = Arc::new(AtomicBool::new(false));
    let posts = tokio::spawn({
        let (client, url, over) = (client.clone(), running.url.clone(), Arc::clone(&over));
        async move {
            let mut posted = 0;
            while !over.load(Ordering::Relaxed) {
                post(&client, &url, &format!("meanwhile-{posted}"), "A kite").await;
                posted += 1;
            }
            posted
        }
    });
    let file = home.path().join("backup.db");
    let flags = ["backup", text(&file), "--data", text(&data)];
    let (code, said) = run(&mut atelier(&flags));
    over.store(true, Ordering::Relaxed);
    assert!(posts.await.unwrap() > 0, "it was written to meanwhile");
    assert_eq!(code, Some(0), "{said}");
    let objects = data.join("s3");
    for words in [
        "To restore it",
        text(&objects),
        text(&file),
        "OPERATIONS.md",
    ] {
        assert!(said.contains(words), "{words} in: {said}");
    }

    running.process.kill();
    std::fs::write(database(&data, ""), "not what it was").unwrap();
    let (code, said) = run(&mut atelier(&["--port", "0", "--data", text(&data)]));
    assert_eq!(code, Some(1));
    assert!(said.contains("restore a backup"), "{said}");

    // As docs/OPERATIONS.md says.
    let aside = home.path().join("aside");
    std::fs::create_dir(&aside).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let old = database(&data, suffix);
        if old.exists() {
            std::fs::rename(&old, aside.join(old.file_name().unwrap())).unwrap();
        }
    }
    std::fs::copy(&file, database(&data, "")).unwrap();
    let restored = Atelier::start(&data, &["--model-latency", "0"]);
    for id in done.iter().chain(&waiting) {
        let document = finished(&client, &restored.url, id).await;
        assert_eq!(document["s3_upload_status"], "success", "{document}");
    }
    let (code, said) = run(&mut atelier(&["audit", "--data", text(&data)]));
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_backup_that_cannot_be_made_says_why() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let running = Atelier::start(&data, &[]);
    let file = home.path().join("backup.db");
    std::fs::write(&file, "precious").unwrap();
    let nowhere = home.path().join("nowhere");
    let missing = nowhere.join("backup.db");
    for (data, target, words) in [
        (&nowhere, &file, "no store at"),
        (&data, &missing, "does not exist"),
        (&data, &file, "--force"),
    ] {
        let (code, said) = run(&mut atelier(&[
            "backup",
            text(target),
            "--data",
            text(data),
        ]));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    // As on a file system that takes no more than a few KiB a file.
    let small = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", small, text(&support::binary("atelier"))])
        .args([
            "backup",
            text(&home.path().join("new.db")),
            "--data",
            text(&data),
        ]);
    let (code, said) = run(&mut command);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot be written"), "{said}");
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");

    let mut by_url = atelier(&["backup", text(&file), "--force"]);
    by_url.env("STORE_URL", option(&data, "STORE_URL"));
    let (code, said) = run(&mut by_url);
    assert_eq!(code, Some(0), "{said}");
    let mut by_url = atelier(&["backup", text(&file), "--force"]);
    let (code, said) = run(by_url.env("STORE_URL", "mongodb://host/documents"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("mongodump"), "{said}");
    drop(running);
}

#[test]
fn a_second_process_on_the_same_data_is_refused_by_name_until_the_first_is_gone() {
    let data = TempDir::new().unwrap();
    let data = data.path();
    let first = Atelier::start(data, &[]);
    for flags in [
        &["--port", "0", "--data", text(data)][..],
        &["cloud", "--data", text(data)],
    ] {
        for _ in 0..2 {
            let (code, said) = run(&mut atelier(flags));
            assert_eq!(code, Some(1), "{said}");
            let pid = format!("(pid {})", first.process.pid());
            assert!(said.contains(&pid) && said.contains(text(data)), "{said}");
        }
    }
    let (code, said) = run(&mut atelier(&["audit", "--data", text(data)]));
    assert_eq!(code, Some(0), "{said}");
    let url = option(data, "STORE_URL");
    let (code, said) = run(atelier(&["indexes"]).env("STORE_URL", &url));
    assert_eq!(code, Some(0), "{said}");
    first.process.kill();
    let cloud = Process::start("atelier", &["cloud", "--data", text(data)], &[]);
    cloud.read_until(|line| line.starts_with("ATELIER_CONTROL_URL="));
}
