//! Faults that strike one operation, an ordered number of times, with any answer or half of one.

use std::time::Duration;

use atelier_embedded::cloud::{Cloud, Options};
use atelier_embedded::counters::Counters;
use atelier_embedded::faults::{Kind, Order, Service};
use atelier_embedded::model::{Behavior, Settings};
use aws_sdk_bedrockruntime::Client as Bedrock;
use aws_sdk_s3::Client as S3;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::{Blob, ByteStream};
use aws_sdk_s3::types::{Delete, ObjectIdentifier, Tag, Tagging};
use aws_sdk_sqs::Client as Sqs;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const MODEL: &str = "amazon.titan-image-generator-v2:0";

/// A whole cloud and clients that do not retry.
struct World {
    cloud: Cloud,
    http: reqwest::Client,
    s3: S3,
    sqs: Sqs,
    bedrock: Bedrock,
    _data: TempDir,
}

macro_rules! client {
    ($sdk:ident, $client:ident, $cloud:expr, $endpoint:expr) => {
        $client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .endpoint_url(variable($cloud, $endpoint))
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("test", "test", None, None, "test"))
                .retry_config(RetryConfig::disabled())
                .build(),
        )
    };
}

fn variable<'a>(cloud: &'a Cloud, name: &str) -> &'a str {
    let mut environment = cloud.environment().iter();
    &environment.find(|(known, _)| known == name).unwrap().1
}

impl World {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let at_once = Settings {
            latency: Duration::ZERO,
            ..Settings::default()
        };
        let options = Options {
            data: data.path().to_owned(),
            behavior: Behavior::new(at_once),
        };
        let cloud = Cloud::start(options).await.unwrap();
        let s3 = client!(aws_sdk_s3, S3, &cloud, "AWS_ENDPOINT_URL_S3");
        Self {
            http: reqwest::Client::new(),
            sqs: client!(aws_sdk_sqs, Sqs, &cloud, "AWS_ENDPOINT_URL_SQS"),
            bedrock: client!(
                aws_sdk_bedrockruntime,
                Bedrock,
                &cloud,
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"
            ),
            // Buckets are named by the path here.
            s3: S3::from_conf(s3.config().to_builder().force_path_style(true).build()),
            cloud,
            _data: data,
        }
    }

    fn bucket(&self) -> &str {
        variable(&self.cloud, "S3_BUCKET_NAME")
    }

    fn queue(&self) -> &str {
        variable(&self.cloud, "SQS_QUEUE_URL")
    }

    fn cdn(&self) -> &str {
        variable(&self.cloud, "AWS_ENDPOINT_URL_CLOUDFRONT")
    }

    /// Orders a fault as others do: by JSON over HTTP. Returns the refusal's words, empty if none.
    async fn order(&self, fault: Value) -> String {
        let url = format!("{}/faults", variable(&self.cloud, "ATELIER_CONTROL_URL"));
        let answer = self.http.put(url).body(fault.to_string()).send().await;
        let problem = answer.unwrap().bytes().await.unwrap();
        let problem: Value = serde_json::from_slice(&problem).unwrap_or_default();
        problem["detail"].as_str().unwrap_or_default().to_owned()
    }

    fn order_once(&self, service: Service, operation: &str) {
        self.cloud.faults().add(Order {
            operation: Some(operation.to_owned()),
            count: Some(1),
            ..Order::new(service, Kind::Error)
        });
    }

    /// Whether no ordered fault is left to strike.
    fn struck(&self) -> bool {
        self.cloud.faults().list().is_empty()
    }

    async fn put(&self, key: &str, body: &[u8]) -> Result<(), aws_sdk_s3::Error> {
        let put = self.s3.put_object().bucket(self.bucket()).key(key);
        put.body(ByteStream::from(body.to_vec())).send().await?;
        Ok(())
    }

    async fn paint(&self) -> Result<(), aws_sdk_bedrockruntime::Error> {
        let request = json!({
            "taskType": "TEXT_IMAGE",
            "textToImageParams": {"text": "a lake"},
            "imageGenerationConfig": {"width": 320, "height": 320},
        });
        let call = self.bedrock.invoke_model().model_id(MODEL);
        let call = call.content_type("application/json");
        call.body(Blob::new(request.to_string())).send().await?;
        Ok(())
    }

    fn counters(&self) -> &Counters {
        self.cloud.counters()
    }
}

#[tokio::test]
async fn every_operation_of_s3_is_struck_by_its_name() {
    let world = World::start().await;
    let (s3, bucket) = (&world.s3, world.bucket());
    let mut tried = Vec::new();
    macro_rules! struck {
        ($name:literal, $call:expr) => {
            world.order_once(Service::S3, $name);
            assert!($call.send().await.is_err(), $name);
            assert!(world.struck(), $name);
            tried.push($name);
        };
    }
    struck!("ListBuckets", s3.list_buckets());
    struck!("CreateBucket", s3.create_bucket().bucket("another"));
    struck!("HeadBucket", s3.head_bucket().bucket(bucket));
    struck!(
        "GetBucketEncryption",
        s3.get_bucket_encryption().bucket(bucket)
    );
    struck!("GetBucketLocation", s3.get_bucket_location().bucket(bucket));
    struck!(
        "GetBucketVersioning",
        s3.get_bucket_versioning().bucket(bucket)
    );
    struck!(
        "ListObjectVersions",
        s3.list_object_versions().bucket(bucket)
    );
    struck!("ListObjectsV2", s3.list_objects_v2().bucket(bucket));
    struck!("ListObjects", s3.list_objects().bucket(bucket));
    let key = ObjectIdentifier::builder().key("a").build().unwrap();
    let delete = Delete::builder().objects(key).build().unwrap();
    struck!(
        "DeleteObjects",
        s3.delete_objects().bucket(bucket).delete(delete)
    );
    let tag = Tag::builder().key("a").value("b").build().unwrap();
    let tags = Tagging::builder().tag_set(tag).build().unwrap();
    let (key, source) = ("pictures/a b.webp", format!("{bucket}/a"));
    struck!(
        "PutObjectTagging",
        s3.put_object_tagging()
            .bucket(bucket)
            .key(key)
            .tagging(tags)
    );
    struck!("PutObject", s3.put_object().bucket(bucket).key(key));
    struck!(
        "CopyObject",
        s3.copy_object().bucket(bucket).key(key).copy_source(source)
    );
    struck!("HeadObject", s3.head_object().bucket(bucket).key(key));
    struck!(
        "GetObjectTagging",
        s3.get_object_tagging().bucket(bucket).key(key)
    );
    struck!("GetObject", s3.get_object().bucket(bucket).key(key));
    struck!(
        "DeleteObjectTagging",
        s3.delete_object_tagging().bucket(bucket).key(key)
    );
    struck!("DeleteObject", s3.delete_object().bucket(bucket).key(key));
    tried.sort_unstable();
    let mut known = Service::S3.operations();
    known.sort_unstable();
    assert_eq!(tried, known);
}

#[tokio::test]
async fn other_operations_are_spared() {
    let world = World::start().await;
    world.order_once(Service::S3, "HeadObject");
    world.put("a", b"one").await.unwrap();
    world.order_once(Service::Sqs, "ReceiveMessage");
    let send = world.sqs.send_message().queue_url(world.queue());
    send.message_body("a job").send().await.unwrap();
    world.order_once(Service::Cdn, "CreateInvalidation");
    let read = world.http.get(format!("{}/a", world.cdn())).send().await;
    assert_eq!(read.unwrap().text().await.unwrap(), "one");
    world.order_once(Service::Bedrock, "InvokeModel");
    assert_eq!(world.cloud.faults().list().len(), 4);

    assert!(world.paint().await.is_err());
    let head = world.s3.head_object().bucket(world.bucket()).key("a");
    assert!(head.send().await.is_err());
    let receive = world.sqs.receive_message().queue_url(world.queue());
    assert!(receive.send().await.is_err());
    let url = format!("{}/2020-05-31/distribution/E1/invalidation", world.cdn());
    assert_eq!(world.http.post(url).send().await.unwrap().status(), 500);
    assert!(world.struck());
}

#[tokio::test]
async fn a_count_says_how_many_are_left_and_then_it_is_over() {
    let world = World::start().await;
    let fault = json!({"service": "bedrock", "kind": "throttle", "count": 3});
    assert_eq!(world.order(fault).await, "");
    for left in [Some(3), Some(2), Some(1)] {
        assert_eq!(world.cloud.faults().list()[0].count, left);
        assert!(world.paint().await.is_err());
    }
    assert!(world.struck());
    world.paint().await.unwrap();
    assert_eq!(world.counters().get(Service::Bedrock, "throttled"), 3);
}

#[tokio::test]
async fn an_answer_is_given_as_ordered_and_nothing_is_done() {
    let world = World::start().await;
    let fault = json!({"service": "s3", "operation": "HeadBucket", "kind": "answer", "answer":
        {"status": 301, "headers": {"x-amz-bucket-region": "eu-west-1"}}});
    assert_eq!(world.order(fault).await, "");
    let refusal = world.s3.head_bucket().bucket(world.bucket()).send().await;
    let refusal = refusal.unwrap_err();
    let raw = refusal.raw_response().unwrap();
    assert_eq!(raw.status().as_u16(), 301);
    assert_eq!(raw.headers().get("x-amz-bucket-region"), Some("eu-west-1"));

    // More than any buffer holds: the answer comes after the whole request, not instead of it.
    let big = vec![7; 8 << 20];
    let fault = json!({"service": "s3", "operation": "PutObject", "kind": "answer", "answer":
        {"status": 503, "headers": {"content-type": "text/html"}, "body": "<h1>a proxy</h1>"}});
    assert_eq!(world.order(fault).await, "");
    let put = world.s3.put_object().bucket(world.bucket()).key("a");
    let refusal = put.body(ByteStream::from(big)).send().await.unwrap_err();
    let raw = refusal.raw_response().unwrap();
    assert_eq!(raw.status().as_u16(), 503);
    assert_eq!(raw.headers().get("content-type"), Some("text/html"));
    assert_eq!(raw.body().bytes(), Some(&b"<h1>a proxy</h1>"[..]));
    assert_eq!(world.counters().get(Service::S3, "put_object"), 0);
}

#[tokio::test]
async fn a_code_is_answered_in_the_protocol_of_each_service() {
    let world = World::start().await;
    for service in ["s3", "sqs", "bedrock", "cdn"] {
        let fault = json!({"service": service, "kind": "answer", "answer":
            {"status": 409, "code": "NeverHeardOf", "message": "as <ordered>"}});
        assert_eq!(world.order(fault).await, "");
    }
    let error = |code: Option<&str>, message: Option<&str>| {
        assert_eq!(code, Some("NeverHeardOf"));
        assert_eq!(message, Some("as <ordered>"));
    };
    let refusal = world.put("a", b"one").await.unwrap_err();
    error(refusal.code(), refusal.message());
    let refusal = world.sqs.list_queues().send().await.unwrap_err();
    error(refusal.code(), refusal.message());
    let refusal = world.paint().await.unwrap_err();
    error(refusal.code(), refusal.message());
    let answer = world.http.get(world.cdn()).send().await.unwrap();
    assert_eq!(answer.status(), 409);
    let body = answer.text().await.unwrap();
    assert!(body.contains("<Code>NeverHeardOf</Code>"), "{body}");
    assert!(body.contains("as &lt;ordered&gt;"), "{body}");
}

#[tokio::test]
async fn a_cut_answer_ends_in_mid_body_and_the_work_is_done() {
    let world = World::start().await;
    let body: Vec<u8> = (0..1 << 20).map(|n: u32| n as u8).collect();
    world.put("a", &body).await.unwrap();
    let cut = |service: &str, operation: &str| {
        world.order(json!({"service": service, "operation": operation, "kind": "cut", "count": 1}))
    };
    assert_eq!(cut("cdn", "GET").await, "");
    let url = format!("{}/a", world.cdn());
    let mut answer = world.http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.content_length(), Some(1 << 20));
    let mut read = Vec::new();
    let error = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => read.extend(chunk),
            Ok(None) => panic!("the whole body came"),
            Err(error) => break error,
        }
    };
    assert!(
        !read.is_empty() && body[..1 << 19].starts_with(&read),
        "{error}"
    );

    assert_eq!(cut("s3", "GetObject").await, "");
    let get = || world.s3.get_object().bucket(world.bucket()).key("a").send();
    assert!(get().await.unwrap().body.collect().await.is_err());
    assert_eq!(
        get().await.unwrap().body.collect().await.unwrap().to_vec(),
        body
    );
    assert_eq!(cut("s3", "PutObject").await, "");
    assert!(world.put("b", b"two").await.is_err());
    assert_eq!(world.counters().get(Service::S3, "put_object"), 2);
    assert!(world.struck());
}

#[tokio::test]
async fn one_call_hangs_until_the_faults_are_ended_and_the_next_is_served() {
    let world = World::start().await;
    let fault =
        json!({"service": "sqs", "operation": "ReceiveMessage", "kind": "hang", "count": 1});
    assert_eq!(world.order(fault).await, "");
    let receive = world.sqs.receive_message().queue_url(world.queue());
    let hangs = tokio::spawn(receive.send());
    let struck = async {
        while !world.struck() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, struck)
        .await
        .expect("it strikes");

    let receive = world.sqs.receive_message().queue_url(world.queue());
    receive.send().await.unwrap();
    // Another fault does not end the one whose count is used up.
    let fault = json!({"service": "s3", "kind": "error"});
    assert_eq!(world.order(fault).await, "");
    assert!(!hangs.is_finished());
    world.cloud.faults().clear();
    let ended = tokio::time::timeout(patience, hangs).await;
    assert!(ended.expect("it ends").unwrap().is_err());
}

#[tokio::test]
async fn a_bad_order_is_refused_with_the_field_and_its_limit() {
    let world = World::start().await;
    let answer = |answer: Value| json!({"service": "s3", "kind": "answer", "answer": answer});
    for (fault, words) in [
        (
            json!({"service": "s3", "kind": "error", "operation": "PutObjekt"}),
            "operation: s3 has no \"PutObjekt\"; it has ListBuckets",
        ),
        (
            json!({"service": "s3", "kind": "error", "count": 0}),
            "count: must be at least 1",
        ),
        (
            json!({"service": "s3", "kind": "answer"}),
            "answer: is missing",
        ),
        (
            json!({"service": "s3", "kind": "error", "answer": {"status": 500}}),
            "for the kind answer only",
        ),
        (
            answer(json!({"status": 100})),
            "answer.status: must be from 200 to 599",
        ),
        (answer(json!({"code": "A"})), "missing field `status`"),
        (
            answer(json!({"status": 500, "headers": {"Content-Length": "1"}})),
            "answer.headers: Content-Length must be",
        ),
        (
            answer(json!({"status": 500, "headers": {"a": "b\nc"}})),
            "answer.headers: a must be",
        ),
        (answer(json!({"status": 500, "code": "a b"})), "answer.code"),
        (
            answer(json!({"status": 500, "code": "A", "body": "b"})),
            "answer.body",
        ),
        (
            answer(json!({"status": 500, "message": "a"})),
            "answer.message",
        ),
    ] {
        let refusal = world.order(fault.clone()).await;
        assert!(refusal.contains(words), "{fault}: {refusal:?}");
    }
    assert!(world.struck());
}

#[tokio::test]
async fn what_is_listed_can_be_ordered_again() {
    let world = World::start().await;
    let fault = json!({"service": "cdn", "operation": "GET", "kind": "answer", "share": 0.5,
        "count": 2, "answer": {"status": 404, "headers": {"a": "b"}, "body": "none"}});
    assert_eq!(world.order(fault.clone()).await, "");
    let url = format!("{}/faults", variable(&world.cloud, "ATELIER_CONTROL_URL"));
    let listed = world.http.request(Method::GET, url).send().await.unwrap();
    let listed: Value = serde_json::from_slice(&listed.bytes().await.unwrap()).unwrap();
    assert_eq!(listed, json!({"faults": [fault]}));
}
