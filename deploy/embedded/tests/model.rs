//! The embedded model as the AWS SDK and plain HTTP see it.

use std::time::{Duration, Instant};

use atelier_embedded::counters::Counters;
use atelier_embedded::faults::{Faults, Kind, Order, Service};
use atelier_embedded::listener;
use atelier_embedded::model::{self, Behavior, GUARDRAIL_ID, GUARDRAIL_VERSION, Settings};
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_bedrockruntime::error::ProvideErrorMetadata;
use aws_sdk_bedrockruntime::operation::invoke_model::InvokeModelError;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_bedrockruntime::types::{
    GuardrailContentBlock, GuardrailContentSource, GuardrailTextBlock,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const CORE: &str = "stability.stable-image-core-v1:1";
const TITAN: &str = "amazon.titan-image-generator-v2:0";

struct Server {
    behavior: Behavior,
    faults: Faults,
    counters: Counters,
    address: String,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let behavior = Behavior::new(at_once());
        let (counters, faults) = (Counters::default(), Faults::default());
        let stop = CancellationToken::new();
        let router = model::router(behavior.clone(), counters.clone());
        tokio::spawn(listener::serve(
            socket,
            Service::Bedrock,
            faults.clone(),
            router,
            stop.clone(),
        ));
        Self {
            behavior,
            faults,
            counters,
            address,
            stop,
        }
    }

    fn client(&self, secret: &str) -> Client {
        let config = aws_sdk_bedrockruntime::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("http://{}", self.address))
            .region(Region::new("us-west-2"))
            .credentials_provider(Credentials::new("test", secret, None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .build();
        Client::from_conf(config)
    }

    async fn ask(&self, model: &str, body: &str) -> Result<Vec<u8>, InvokeModelError> {
        let call = self.client("test").invoke_model().model_id(model);
        let call = call
            .content_type("application/json")
            .body(Blob::new(body.as_bytes()));
        match call.send().await {
            Ok(answer) => Ok(answer.body.into_inner()),
            Err(error) => Err(error.into_service_error()),
        }
    }

    /// Asks and reads the answer.
    async fn paint(&self, model: &str, body: Value) -> Value {
        let answer = self.ask(model, &body.to_string()).await.expect("an answer");
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// Asks and returns the code and message of the error.
    async fn refusal(&self, model: &str, body: Value) -> (String, String) {
        let answer = self.ask(model, &body.to_string()).await;
        let error = answer.expect_err("a refusal");
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        (text(error.code()), text(error.message()))
    }

    fn order(&self, kind: Kind) {
        self.faults.clear();
        self.faults.add(Order::new(Service::Bedrock, kind));
    }

    fn count(&self, operation: &str) -> u64 {
        self.counters.get(Service::Bedrock, operation)
    }
}

impl Server {
    /// The guardrail's action and outputs; or its error's code.
    async fn assess(
        &self,
        id: &str,
        version: &str,
        text: &str,
    ) -> Result<(String, Vec<String>), String> {
        let text = GuardrailTextBlock::builder().text(text).build().unwrap();
        let call = self
            .client("test")
            .apply_guardrail()
            .guardrail_identifier(id)
            .guardrail_version(version)
            .source(GuardrailContentSource::Input)
            .content(GuardrailContentBlock::Text(text));
        match call.send().await {
            Ok(answer) => {
                let outputs = answer.outputs().iter();
                let outputs = outputs
                    .filter_map(|it| it.text().map(str::to_owned))
                    .collect();
                Ok((answer.action().as_str().to_owned(), outputs))
            }
            Err(error) => Err(error
                .into_service_error()
                .code()
                .unwrap_or_default()
                .to_owned()),
        }
    }
}

#[tokio::test]
async fn the_guardrail_blocks_words_masks_addresses_and_lets_the_rest_pass() {
    let server = Server::start().await;
    server.behavior.guard(["Dragon".to_owned()]);
    let assess = async |text| {
        server
            .assess(GUARDRAIL_ID, GUARDRAIL_VERSION, text)
            .await
            .unwrap()
    };
    let (action, outputs) = assess("A DRAGON, sleeping").await;
    assert_eq!(
        (action.as_str(), outputs.len()),
        ("GUARDRAIL_INTERVENED", 1)
    );
    let (action, outputs) = assess("write to ann@example.org today").await;
    assert_eq!(action, "GUARDRAIL_INTERVENED");
    assert_eq!(outputs, ["write to {EMAIL} today"]);
    assert_eq!(assess("a dragonfly").await, ("NONE".to_owned(), Vec::new()));
    assert_eq!(server.count("guardrail_calls"), 3);
    assert_eq!(server.count("guardrail_interventions"), 2);
    assert_eq!(server.count("calls"), 0, "no model was called");
}

#[tokio::test]
async fn what_the_guardrail_cannot_do_is_told_as_bedrock_does() {
    let server = Server::start().await;
    let code = async |id, version, text| server.assess(id, version, text).await.unwrap_err();
    let missing = "ResourceNotFoundException";
    assert_eq!(code("another", GUARDRAIL_VERSION, "a fox").await, missing);
    assert_eq!(code(GUARDRAIL_ID, "7", "a fox").await, missing);
    assert_eq!(code("Not-An-Id", "1", "a fox").await, "ValidationException");
    assert_eq!(code(GUARDRAIL_ID, "1", "").await, "ValidationException");
    assert!(server.assess(GUARDRAIL_ID, "DRAFT", "a fox").await.is_ok());
    for (kind, expected) in [
        (Kind::Throttle, "ThrottlingException"),
        (Kind::Denied, "AccessDeniedException"),
        (Kind::Missing, missing),
    ] {
        server.order(kind);
        assert_eq!(code(GUARDRAIL_ID, "1", "a fox").await, expected);
    }
    server.order(Kind::Filtered);
    let (action, _) = server.assess(GUARDRAIL_ID, "1", "a fox").await.unwrap();
    assert_eq!(action, "GUARDRAIL_INTERVENED");
    server.faults.clear();
    server.faults.add(Order {
        operation: Some("ApplyGuardrail".to_owned()),
        ..Order::new(Service::Bedrock, Kind::Throttle)
    });
    assert!(
        server
            .ask(CORE, &stability("a fox").to_string())
            .await
            .is_ok()
    );
    assert_eq!(
        code(GUARDRAIL_ID, "1", "a fox").await,
        "ThrottlingException"
    );
}

fn at_once() -> Settings {
    Settings {
        latency: Duration::ZERO,
        throttle: 0.0,
        failure: 0.0,
    }
}

fn stability(prompt: &str) -> Value {
    json!({"prompt": prompt, "aspect_ratio": "1:1", "output_format": "png", "seed": 7})
}

fn amazon(prompt: &str) -> Value {
    json!({
        "taskType": "TEXT_IMAGE",
        "textToImageParams": {"text": prompt},
        "imageGenerationConfig": {
            "width": 320, "height": 336, "quality": "standard", "cfgScale": 6.5, "seed": 7,
            "numberOfImages": 1,
        },
    })
}

fn picture(answer: &Value) -> Vec<u8> {
    let text = answer["images"][0].as_str().expect("a picture");
    base64_simd::STANDARD.decode_to_vec(text).expect("base64")
}

/// Width and height in a PNG's header.
fn dimensions(png: &[u8]) -> (u32, u32) {
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (side(16), side(20))
}

#[tokio::test]
async fn stability_s_family_answers_with_seed_reason_and_picture() {
    let server = Server::start().await;
    let answer = server.paint(CORE, stability("a lake")).await;
    assert_eq!(answer["seeds"], json!([7]));
    assert_eq!(answer["finish_reasons"], json!([null]));
    assert_eq!(dimensions(&picture(&answer)), (1024, 1024));
    assert!(answer == server.paint(CORE, stability("a lake")).await);

    let request = json!({"prompt": "a lake", "aspect_ratio": "16:9"});
    let wide = server.paint(CORE, request).await;
    assert_eq!(dimensions(&picture(&wide)), (1344, 768));
    assert_eq!((server.count("calls"), server.count("pictures")), (3, 3));
}

#[tokio::test]
async fn amazon_s_family_answers_with_pictures() {
    let server = Server::start().await;
    let mut request = amazon("a lake");
    request["imageGenerationConfig"]["numberOfImages"] = json!(2);
    let answer = server.paint(TITAN, request).await;
    assert_eq!(answer["images"].as_array().map(Vec::len), Some(2));
    assert!(answer["images"][0] != answer["images"][1]);
    assert_eq!(dimensions(&picture(&answer)), (320, 336));
    assert_eq!((server.count("calls"), server.count("pictures")), (1, 2));
}

#[tokio::test]
async fn what_the_schema_does_not_know_is_refused_by_name() {
    let server = Server::start().await;
    let config = |field: &str| format!("/imageGenerationConfig/{field}");
    let text = "/textToImageParams/text".to_owned();
    for (pointer, value, named) in [
        ("/taskType".to_owned(), json!("INPAINTING"), "taskType"),
        (text.clone(), json!(""), "1 to 1024"),
        (text, json!("x".repeat(1025)), "1 to 1024"),
        (config("width"), json!(100), "width"),
        (config("width"), json!(328), "multiples of 16"),
        (config("width"), json!(2048), "ratio"),
        (config("quality"), json!("best"), "quality"),
        (config("cfgScale"), json!(11), "cfgScale"),
        (config("seed"), json!(858_993_460), "seed"),
        (config("numberOfImages"), json!(6), "numberOfImages"),
    ] {
        let mut request = amazon("a lake");
        *request.pointer_mut(&pointer).expect("a field") = value;
        let (code, message) = server.refusal(TITAN, request).await;
        assert_eq!(code, "ValidationException", "{pointer}");
        assert!(message.contains(named), "{pointer}: {message}");
    }
    for (field, value, named) in [
        ("prompt", json!("x".repeat(10_001)), "1 to 10000"),
        ("prompt", json!(7), "invalid type"),
        ("aspect_ratio", json!("7:5"), "7:5"),
        ("output_format", json!("bmp"), "bmp"),
        ("seed", json!(4_294_967_295_u64), "seed"),
        ("width", json!(512), "width"),
    ] {
        let mut request = stability("a lake");
        request[field] = value;
        let (code, message) = server.refusal(CORE, request).await;
        assert_eq!(code, "ValidationException", "{field}");
        assert!(message.contains(named), "{field}: {message}");
    }
    let (code, _) = server.refusal(CORE, amazon("the other family")).await;
    assert_eq!(code, "ValidationException");
    let broken = server.ask(CORE, "{").await.expect_err("no JSON");
    assert!(broken.is_validation_exception());
    assert_eq!(server.count("pictures"), 0);
}

#[tokio::test]
async fn a_model_that_is_gone_or_unknown_is_not_found() {
    let server = Server::start().await;
    let request = amazon("a lake").to_string();
    let gone = server.ask("amazon.nova-canvas-v1:0", &request).await;
    let error = gone.expect_err("gone");
    assert!(error.is_resource_not_found_exception());
    assert!(error.message().unwrap().contains("end of its life"));
    let unknown = server.ask("nobody.knows-v1:0", &request).await;
    let error = unknown.expect_err("unknown");
    assert!(error.is_resource_not_found_exception());
}

#[tokio::test]
async fn a_call_that_is_not_signed_by_our_key_is_refused() {
    let server = Server::start().await;
    let call = server.client("wrong").invoke_model().model_id(CORE);
    let body = stability("a lake").to_string();
    let answer = call.body(Blob::new(body)).send().await;
    let error = answer.expect_err("a refusal");
    assert_eq!(error.code(), Some("InvalidSignatureException"));

    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = "POST /model/stability.stable-image-core-v1%3A1/invoke HTTP/1.1\r\n\
                   host: model\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let named = "x-amzn-errortype: MissingAuthenticationTokenException";
    assert!(answer.contains(named), "{answer}");
    assert_eq!(server.count("calls"), 0);
}

#[tokio::test]
async fn a_declined_prompt_looks_as_its_family_says() {
    let server = Server::start().await;
    let answer = server.paint(CORE, stability("a scene of Violence.")).await;
    assert_eq!(answer["finish_reasons"], json!(["Filter reason: prompt"]));
    let answer = server.paint(TITAN, amazon("gore")).await;
    let error = answer["error"].as_str().expect("an error");
    assert!(error.contains("content filters"), "{error}");
    let (code, message) = server.refusal(TITAN, amazon("gore")).await;
    assert_eq!(code, "ValidationException");
    assert!(message.contains("content filters"), "{message}");

    server.order(Kind::Filtered);
    let answer = server.paint(CORE, stability("a lake")).await;
    assert_eq!(answer["finish_reasons"], json!(["Filter reason: prompt"]));
    assert_eq!((server.count("declined"), server.count("pictures")), (4, 0));
}

#[tokio::test]
async fn ordered_faults_are_bedrock_s_errors() {
    let server = Server::start().await;
    for (kind, named) in [
        (Kind::Throttle, "ThrottlingException"),
        (Kind::Denied, "AccessDeniedException"),
        (Kind::Missing, "ResourceNotFoundException"),
        (Kind::Retired, "ResourceNotFoundException"),
    ] {
        server.order(kind);
        let (code, _) = server.refusal(CORE, stability("a lake")).await;
        assert_eq!(code, named, "{kind:?}");
    }
    assert_eq!((server.count("throttled"), server.count("calls")), (1, 4));
}

#[tokio::test]
async fn garbage_is_broken_json_or_no_picture() {
    let server = Server::start().await;
    server.order(Kind::Garbage);
    for (model, request) in [(CORE, stability("a lake")), (TITAN, amazon("a lake"))] {
        let broken = server.ask(model, &request.to_string()).await;
        let broken = broken.expect("an answer");
        assert!(serde_json::from_slice::<Value>(&broken).is_err());
        let answer = server.paint(model, request).await;
        assert_eq!(picture(&answer), b"These bytes are no picture.");
    }
}

#[tokio::test]
async fn the_temper_can_be_changed_while_it_serves() {
    let server = Server::start().await;
    server.behavior.set(Settings {
        throttle: 1.0,
        ..at_once()
    });
    let (code, _) = server.refusal(CORE, stability("a lake")).await;
    assert_eq!(code, "ThrottlingException");

    server.behavior.set(Settings {
        failure: 1.0,
        ..at_once()
    });
    for named in [
        "ServiceUnavailableException",
        "InternalServerException",
        "ModelTimeoutException",
    ] {
        let (code, _) = server.refusal(CORE, stability("a lake")).await;
        assert_eq!(code, named);
    }

    let latency = Duration::from_millis(300);
    server.behavior.set(Settings {
        latency,
        ..at_once()
    });
    let start = Instant::now();
    server.paint(TITAN, amazon("a lake")).await;
    assert!(start.elapsed() >= latency);
}

#[tokio::test]
async fn hooks_in_the_prompt_make_odd_pictures() {
    let server = Server::start().await;
    let bomb = picture(&server.paint(CORE, stability("[bomb]")).await);
    assert_eq!(dimensions(&bomb), (60_000, 60_000));
    assert!(bomb.len() < 1000);
    let big = picture(&server.paint(CORE, stability("[big] a lake")).await);
    assert_eq!(dimensions(&big), (2048, 2048));
}
