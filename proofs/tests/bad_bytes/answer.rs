//! The model's answer, over its wire, in both request families; and the picture in it.

use std::convert::Infallible;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, ensure};
use atelier_cloud::client::Aws;
use atelier_cloud::config::{CloudConfig, StaticCredentials};
use atelier_optimize::{Provenance, Settings, optimize};
use atelier_proofs::bad_bytes::{Target, mutated};
use atelier_runtime::config::Environment;
use atelier_worker::budget::Charge;
use atelier_worker::config::WorkerConfig;
use atelier_worker::generate::{GenerateError, Models};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures_util::future::try_join_all;
use http::{StatusCode, Uri};
use image::{ImageFormat, ImageReader};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const TARGET: Target = Target {
    name: "model's answer",
    short_run: 1_600,
    batch: BATCH as u32,
};

/// Models at a time, each with an answer of its own.
const BATCH: usize = 8;

const FAMILIES: [&str; 2] = ["amazon.nova-canvas", "stability.stable-image-core"];

/// What a model answers.
#[derive(Clone, Debug)]
struct Answer {
    family: &'static str,
    status: u16,
    /// The header `x-amzn-errortype`.
    error_type: Option<String>,
    body: Vec<u8>,
}

fn picture(prompt: &str, side: u32) -> String {
    let picture = atelier_painter::png(prompt, 7, side, side);
    base64_simd::STANDARD.encode_to_string(picture)
}

fn corpus() -> Vec<String> {
    let fox = picture("a fox in the snow", 12);
    let stars = picture("the solar system", 16);
    // No field tells the one from the other: whatever a family answers, the other must stand it.
    [
        json!({"images": [fox]}),
        json!({"images": [fox, stars], "error": null}),
        json!({"images": [], "error": "Generated image was blocked by our content filters."}),
        json!({"seeds": [2130065550], "finish_reasons": [null], "images": [stars]}),
        json!({"seeds": [1], "finish_reasons": ["Filter reason: prompt"], "images": [null]}),
        json!({"seeds": [1], "finish_reasons": ["Inference error"], "images": []}),
        json!({"message": "This request has been blocked by our content filters."}),
        json!({"message": "Too many requests, please wait before trying again."}),
        json!({"images": [base64_simd::STANDARD.encode_to_string("no picture")]}),
    ]
    .iter()
    .map(Value::to_string)
    .collect()
}

/// Whole answers whose picture is bad.
fn bad_picture() -> impl Strategy<Value = Vec<u8>> {
    let pictures = [
        atelier_painter::png("a fox", 1, 12, 12),
        atelier_painter::png("an atom", 2, 6, 9),
        atelier_painter::bomb(),
        b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(),
        b"\xff\xd8\xff\xe0\0\x10JFIF\0".to_vec(),
    ];
    mutated(pictures).prop_map(|picture| {
        let picture = base64_simd::STANDARD.encode_to_string(picture);
        json!({"images": [picture]}).to_string().into()
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let other = vec![
        201_u16, 400, 403, 404, 408, 409, 413, 424, 429, 500, 502, 503,
    ];
    let error_type = prop_oneof![
        4 => select(vec![
            "ValidationException",
            "ThrottlingException",
            "AccessDeniedException",
            "ResourceNotFoundException",
            "ModelErrorException",
            "ModelTimeoutException",
            "UnrecognizedClientException",
        ])
        .prop_map(str::to_owned),
        1 => "[ -~]{0,40}",
    ];
    (
        select(&FAMILIES[..]),
        prop_oneof![5 => Just(200_u16), 1 => select(other)],
        weighted(0.5, error_type),
        prop_oneof![2 => mutated(corpus()), 1 => bad_picture()],
    )
        .prop_map(|(family, status, error_type, body)| Answer {
            family,
            status,
            error_type: error_type.filter(|_| status != 200),
            body,
        })
}

type Answers = Arc<[Mutex<Option<Answer>>]>;

/// The model whose place the path names.
async fn invoke(State(answers): State<Answers>, uri: Uri) -> Response {
    let place = uri.path().trim_end_matches("/invoke").rsplit('-').next();
    let place: usize = place.and_then(|place| place.parse().ok()).expect("a place");
    let answer = answers[place].lock().unwrap().clone().expect("an answer");
    let status = StatusCode::from_u16(answer.status).expect("a status");
    let mut response = (status, answer.body).into_response();
    if let Some(error_type) = answer.error_type {
        let value = error_type.parse().expect("a header's value");
        response.headers_mut().insert("x-amzn-errortype", value);
    }
    response
}

struct World {
    answers: Answers,
    aws: Aws,
}

impl World {
    async fn start() -> anyhow::Result<Self> {
        atelier_runtime::process::install_tls();
        let answers: Answers = (0..BATCH).map(|_| Mutex::new(None)).collect();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let router = Router::new()
            .fallback(invoke)
            .with_state(Arc::clone(&answers));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let aws = Aws::connect(&CloudConfig {
            region: "us-east-1".to_owned(),
            model_region: "us-east-1".to_owned(),
            sqs_endpoint: None,
            s3_endpoint: None,
            model_endpoint: Some(endpoint),
            cdn_endpoint: None,
            credentials: Some(StaticCredentials {
                access_key_id: "test".to_owned(),
                secret_access_key: "test".to_owned(),
            }),
        })
        .await;
        Ok(Self { answers, aws })
    }

    /// A list of one model, which remembers nothing of earlier answers.
    fn models(&self, family: &str, place: usize) -> anyhow::Result<Models> {
        let id = format!("{family}-{place}");
        let mut environment = Environment::of([("BEDROCK_MODELS", id.as_str())]);
        let config = WorkerConfig::read(&mut environment);
        Ok(Models::new(&self.aws, &environment.finish(config)?))
    }

    async fn check(&self, place: usize, answer: &Answer) -> anyhow::Result<&'static str> {
        *self.answers[place].lock().unwrap() = Some(answer.clone());
        let models = self.models(answer.family, place)?;
        let free = |_| async { Ok::<_, Infallible>(Some(Charge::none())) };
        let Ok(outcome) = models.generate("a fox", free).await;
        let error = match outcome {
            Ok(original) => {
                ensure!((200..300).contains(&answer.status), "a picture of an error");
                check_is_stated(&answer.body, &original.bytes)?;
                return check_picture(&original.bytes);
            }
            Err(error) => error,
        };
        let text = String::from_utf8_lossy(&answer.body);
        let lower = text.to_lowercase();
        let succeeded = (200..300).contains(&answer.status);
        Ok(match error {
            GenerateError::Declined(words) => {
                ensure!(!words.is_empty() || succeeded, "declined without words");
                let names = ["content", "blocked", "filter"];
                ensure!(
                    succeeded || names.iter().any(|name| lower.contains(name)),
                    "a fault of ours is taken for the filter's"
                );
                "declined"
            }
            GenerateError::Garbage(_) => "garbage",
            other if succeeded => anyhow::bail!("a bad answer is taken for {other:?}"),
            GenerateError::Throttled(_) => "throttled",
            GenerateError::UsedUp(_) => "not paid for",
            GenerateError::Away(_) => "away",
            GenerateError::NoLiveModel(_) => "gone",
            GenerateError::PromptTooLong(_) => "too long",
            GenerateError::Refused(_) => "refused",
            GenerateError::Credentials(_) => "without credentials",
            GenerateError::Intervened(_) | GenerateError::NoGuardrail(_) => {
                anyhow::bail!("no guardrail is applied here")
            }
        })
    }
}

/// A picture is the one that the answer states first, byte for byte.
fn check_is_stated(body: &[u8], picture: &[u8]) -> anyhow::Result<()> {
    // Another reader may stumble over fields that are none of our business.
    if let Ok(body) = serde_json::from_slice::<Value>(body) {
        let stated = base64_simd::STANDARD.encode_to_string(picture);
        ensure!(
            body["images"][0] == stated,
            "another picture than the answer's"
        );
    }
    Ok(())
}

/// What a worker does with the bytes: a smaller picture, the original, or another try.
fn check_picture(bytes: &[u8]) -> anyhow::Result<&'static str> {
    let settings = Settings {
        max_dimension: 8,
        method: 0,
        decode_budget_bytes: 1 << 20,
        ..Settings::default()
    };
    let starts: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF"];
    let is_image = starts.iter().any(|start| bytes.starts_with(start));
    match optimize(bytes, &settings, &Provenance { model: "a model" }) {
        Ok(picture) => {
            let file = Cursor::new(&picture.bytes);
            let seen = ImageReader::with_format(file, ImageFormat::WebP).decode()?;
            ensure!(seen.width() <= 8 && seen.height() <= 8, "it is too large");
            Ok("a picture")
        }
        Err(error) if error.is_still_an_image() => {
            ensure!(is_image, "no image would be stored: {error}");
            Ok("stored as it came")
        }
        Err(_) => {
            ensure!(!is_image || bytes.starts_with(b"RIFF") || bytes.starts_with(b"GIF8"));
            Ok("no image")
        }
    }
}

#[test]
fn an_answer_is_a_picture_or_a_failure_that_says_which() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::start()).unwrap();
    TARGET.hold(&vec(answer(), BATCH), |all| {
        let checks = all.iter().enumerate().map(async |(place, answer)| {
            let outcome = world.check(place, answer).await;
            outcome.with_context(|| format!("{answer:?}"))
        });
        let outcomes = runtime.block_on(try_join_all(checks));
        outcomes.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
}
