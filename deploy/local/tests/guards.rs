//! What `atelier --private-pictures --guardrail` guards, on one machine.

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{Atelier, client, finished, post};
use tempfile::TempDir;

#[tokio::test]
async fn one_command_makes_pictures_private_and_has_prompts_checked() {
    let data = TempDir::new().unwrap();
    let flags = [
        "--private-pictures",
        "--guardrail",
        "Dragon,castle",
        "--model-latency",
        "0",
    ];
    let atelier = Atelier::start(data.path(), &flags);
    let client = client();

    post(&client, &atelier.url, "declined", "a dragon at night").await;
    let declined = finished(&client, &atelier.url, "declined").await;
    assert_eq!(declined["failure"]["code"], "declined", "{declined}");
    assert_eq!(declined["model_calls"], 0);

    post(&client, &atelier.url, "painted", "a comet").await;
    let painted = finished(&client, &atelier.url, "painted").await;
    assert_eq!(painted["s3_upload_status"], "success", "{painted}");
    let signed = painted["cloudfront_url"].as_str().unwrap();
    let (plain, _) = signed.split_once('?').expect("a signature");
    assert_eq!(client.get(signed).send().await.unwrap().status(), 200);
    assert_eq!(client.get(plain).send().await.unwrap().status(), 403);
    let image = format!("{}/assignments/painted/image", atelier.url);
    let image = client.get(image).timeout(Duration::from_secs(30)).send();
    let image = image.await.unwrap();
    assert_eq!(
        image.headers()["content-type"],
        "image/webp",
        "as the page does"
    );
}

#[tokio::test]
async fn the_words_of_the_guardrail_can_be_changed_while_it_runs() {
    let data = TempDir::new().unwrap();
    let flags = [
        "cloud",
        "--data",
        data.path().to_str().unwrap(),
        "--guardrail",
    ];
    let process = support::Process::start("atelier", &flags, &[]);
    let name = "ATELIER_CONTROL_URL=";
    let printed = process.read_until(|line| line.starts_with("GUARDRAIL_VERSION="));
    let control = printed
        .iter()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    let url = format!("{control}/guardrail");
    let words = async || -> Value {
        client()
            .get(&url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    assert!(
        !words().await["words"].as_array().unwrap().is_empty(),
        "some of its own"
    );
    let put = async |words: Value| {
        let body = serde_json::json!({ "words": words });
        client().put(&url).json(&body).send().await.unwrap()
    };
    assert_eq!(put(serde_json::json!(["Ghost"])).await.status(), 204);
    assert_eq!(words().await["words"], serde_json::json!(["ghost"]));
    let refused = put(serde_json::json!(["two words"])).await;
    assert_eq!(refused.status(), 400);
    assert!(
        refused
            .text()
            .await
            .unwrap()
            .contains("words: must be 1 to 100")
    );
}
