//! The library can be linked beside libwebp as it is: no global name of it is libwebp's.
#![cfg(all(unix, not(feature = "stock")))]

use std::process::Command;

#[test]
fn no_global_name_is_libwebps() {
    let library = concat!(env!("OUT_DIR"), "/libatelier_webp.a");
    let output = Command::new("nm")
        .args(["--extern-only", "--defined-only", library])
        .output();
    let output = output.expect("nm comes with the compiler that built the library");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("names");
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').nth(2))
        .collect();
    assert!(names.contains(&"atelier_WebPEncode"), "{names:?}");
    let others: Vec<_> = names
        .iter()
        .filter(|name| !name.trim_start_matches('_').starts_with("atelier_"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}
