//! Jobs that would take their workers with them.

use std::time::Duration;

use atelier_cloud::pictures::key;
use atelier_domain::assignment::{Assignment, Status};
use atelier_proofs::fleet::{Fleet, Plan};
use atelier_proofs::people;

use crate::{Bench, eventually};

/// `MAX_ATTEMPTS`.
const ATTEMPTS: u32 = 5;

/// From that on a job works alone.
const ALONE_AFTER: u32 = 2;

fn two_workers<'a>(options: &'a [(&'a str, &'a str)]) -> Plan<'a> {
    Plan {
        apis: 1,
        workers: 2,
        model_latency: Duration::from_secs(1),
        options,
    }
}

/// The worker process that holds the claim of `assignment`: its number is in the claim.
fn holder(fleet: &Fleet, assignment: &Assignment) -> Option<usize> {
    let claim = assignment.claim.as_ref()?;
    let mut workers = fleet.workers.iter();
    workers.position(|it| claim.worker.starts_with(&format!("worker-{}-", it.pid())))
}

/// The model holds the answer back for as long as the worker lives, and the worker is killed: so
/// each try of this job ends its process in the middle of it, as an abort would.
#[tokio::test]
async fn a_job_that_kills_its_workers_fails_and_takes_nobody_with_it() {
    const NEIGHBORS: u32 = 150;
    let options = [
        ("CLAIM_SECONDS", "5"),
        ("WORKER_SLOTS", "4"),
        ("CREATE_LIMIT_PER_MINUTE", "0"),
    ];
    let mut bench = Bench::start(two_workers(&options)).await;
    let apis = bench.fleet.addresses();
    // Nearly as many as two workers can do, so that other jobs run beside the poison wherever it comes.
    let neighbors = people::post(0..NEIGHBORS, Duration::from_secs(25), apis.clone());
    let neighbors = tokio::spawn(neighbors);
    people::post_one("poison", "[hang] it kills", &apis)
        .await
        .unwrap();
    let (mut asked, mut beside) = (0, Vec::new());
    loop {
        eventually(
            "the poison has failed, or the model is asked for it",
            async || {
                let poison = bench.get("poison").await;
                poison.s3_upload_status == Status::Failed
                    || poison.model_calls > asked && holder(&bench.fleet, &poison).is_some()
            },
        )
        .await;
        let documents = bench.view.documents().await.unwrap();
        let poison = documents.iter().find(|it| it.assignment_id == "poison");
        let poison = poison.unwrap();
        if poison.s3_upload_status == Status::Failed {
            break;
        }
        asked = poison.model_calls;
        let victim = holder(&bench.fleet, poison).unwrap();
        let beside_it: Vec<_> = documents
            .iter()
            .filter(|it| holder(&bench.fleet, it) == Some(victim))
            .map(|it| it.assignment_id.as_str())
            .filter(|id| *id != "poison")
            .collect();
        if poison.takeovers >= ALONE_AFTER {
            assert!(
                beside_it.is_empty(),
                "it runs isolated, but for {beside_it:?}"
            );
        }
        beside.push(beside_it.len());
        bench.fleet.kill_worker(victim).await.unwrap();
    }
    let kills = beside.len() as u32;
    assert!((ALONE_AFTER + 1..=ATTEMPTS).contains(&kills), "{kills}");

    neighbors.await.unwrap().unwrap();
    let documents = bench.rests().await;
    assert_eq!(documents.len(), 1 + NEIGHBORS as usize);
    let mut most = 0;
    for document in documents {
        if document.assignment_id == "poison" {
            assert_eq!(document.s3_upload_status, Status::Failed);
            assert!(document.model_calls <= ATTEMPTS, "{document:#?}");
        } else {
            assert_eq!(document.s3_upload_status, Status::Success, "{document:#?}");
            most = most.max(document.attempts);
        }
    }
    assert!(most <= ATTEMPTS, "{most}");
    println!(
        "poison: failed after {kills} killed workers; {NEIGHBORS} neighbors succeeded, with {most} attempts at most; jobs beside it at each kill: {beside:?}"
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_decompression_bomb_kills_nobody() {
    const NEIGHBORS: u32 = 40;
    let mut bench = Bench::start(two_workers(&[("CREATE_LIMIT_PER_MINUTE", "0")])).await;
    let apis = bench.fleet.addresses();
    for bomb in ["bomb-1", "bomb-2"] {
        let prompt = format!("[bomb] {bomb}");
        people::post_one(bomb, &prompt, &apis).await.unwrap();
    }
    people::post(0..NEIGHBORS, Duration::ZERO, apis)
        .await
        .unwrap();
    let documents = bench.rests().await;
    for worker in &mut bench.fleet.workers {
        worker.still_runs().unwrap();
    }
    assert_eq!(documents.len(), 2 + NEIGHBORS as usize);
    for document in &documents {
        assert_eq!(
            (document.s3_upload_status, document.attempts),
            (Status::Success, 1),
            "{document:#?}"
        );
        if document.assignment_id.starts_with("bomb") {
            let metadata = document.image_metadata.as_ref().unwrap();
            assert_eq!(metadata.format, "png", "the original is stored");
            let key = key(&document.assignment_id);
            let found = bench.view.pictures.find(&key, document.into()).await;
            let found = found.unwrap().unwrap();
            assert_eq!(found.content_type, "image/png");
            assert!(!found.label.unwrap().optimized);
        }
    }
    println!("bomb: 2 stored as they came, {NEIGHBORS} neighbors succeeded, no worker died");
    bench.stop().await;
}
