//! The scaling replay from Terraform's own numbers to its files.

use std::process::Command;

use serde_json::Value;

const NUMBERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../terraform/scaling.json");

#[test]
fn terraforms_numbers_hold_through_a_day_of_each_kind() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let output = Command::new(env!("CARGO_BIN_EXE_atelier-loadtest"))
        .args(["scaling", "--scaling", NUMBERS])
        .args(
            [path("replay.json"), path("replay.html"), path("replay.svg")]
                .iter()
                .zip(["--json", "--report", "--svg"])
                .flat_map(|(path, flag)| [flag.into(), path.as_os_str().to_owned()]),
        )
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );

    let replay: Value =
        serde_json::from_str(&std::fs::read_to_string(path("replay.json")).unwrap()).unwrap();
    let outcomes = replay["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 3 * 6, "three days, six policies");
    for day in outcomes.chunks(6) {
        assert!(
            day.iter().all(|outcome| outcome["jobs"] == day[0]["jobs"]),
            "every policy meets the same arrivals"
        );
    }
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome["wait"]["p95"].is_number() && outcome["cost_usd"].is_number())
    );
    assert!(
        std::fs::read_to_string(path("replay.html"))
            .unwrap()
            .contains("<svg")
    );
    assert!(
        std::fs::read_to_string(path("replay.svg"))
            .unwrap()
            .starts_with("<svg")
    );
}

#[test]
fn a_day_of_your_own_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let day = folder.path().join("monday.csv");
    std::fs::write(&day, "seconds,per_minute\n0,1\n3600,60\n7200,1\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_atelier-loadtest"))
        .args([
            "scaling",
            "--scaling",
            NUMBERS,
            "--hours",
            "2",
            "--arrivals-file",
        ])
        .arg(&day)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("monday: peak 60 jobs a minute"));
}
