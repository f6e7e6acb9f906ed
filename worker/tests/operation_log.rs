//! The log of S3 operations; alone in its process, since it reads all of the log.

mod support;

use std::sync::{Arc, Mutex};

use atelier_cloud::pictures::key;
use atelier_embedded::faults::{Kind, Service};
use proptest::prelude::*;
use support::properties::{Site, label, put, whose};

/// Keeps the log lines of this process.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// Feature: s3-image-storage, Property 23: S3 operation logging
#[test]
fn every_operation_is_logged_once_with_who_what_and_how_it_ended() {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(move || writer.clone())
        .with_env_filter("atelier=info")
        .init();
    let site = Site::new();
    let results = prop::sample::select(vec!["ok", "failed", "conflict"]);
    let operations = (prop::bool::ANY, results, "[a-zé☃ ]{1,12}");
    site.check(&operations, async |bench, id, (upload, result, teacher)| {
        lines.0.lock().unwrap().clear();
        // A download meets no conflict.
        let result = if upload || result != "conflict" {
            result
        } else {
            "ok"
        };
        match result {
            "failed" => bench.fault(Service::S3, Kind::Denied, 1.0),
            "conflict" => bench.refuse(Service::S3, "PutObject", 409, "OperationAborted"),
            _ => {}
        }
        let label = label(&id, &teacher, "p", 3);
        if upload {
            let _ = put(&bench.pictures, b"abc", &label).await;
        } else {
            let _ = bench.pictures.read(&key(&id), whose(&label)).await;
        }
        bench.repair();
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let told: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &serde_json::Value| line["message"] == "s3 operation")
            .collect();
        prop_assert_eq!(told.len(), 1, "{}", text);
        let line = &told[0];
        prop_assert_eq!(
            &line["operation"],
            if upload { "upload" } else { "download" }
        );
        prop_assert_eq!(line["teacher"].as_str(), Some(teacher.as_str()));
        prop_assert_eq!(line["assignment"].as_str(), Some(id.as_str()));
        prop_assert_eq!(&line["result"], result);
        prop_assert!(line["timestamp"].is_string() && line["duration_ms"].is_u64());
        let attempts = if result == "conflict" { 4 } else { 1 };
        prop_assert_eq!(line["attempts"].as_u64(), Some(attempts));
        Ok(())
    });
}
