//! The embedded CDN before the embedded S3, over real listeners.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atelier_embedded::cdn::{self, Origin};
use atelier_embedded::counters::Counters;
use atelier_embedded::faults::{Faults, Kind, Order, Service};
use atelier_embedded::{listener, s3};
use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use futures_util::future::join_all;
use reqwest::{Method, Response};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

const BUCKET: &str = "pictures";

/// Both services; they end with this value.
struct Cloud {
    http: reqwest::Client,
    cdn: String,
    bucket: aws_sdk_s3::Client,
    counters: Counters,
    faults: Faults,
    passed: Arc<Mutex<Duration>>,
    _data: TempDir,
    _stop: DropGuard,
}

impl Cloud {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let (counters, faults, stop) = (
            Counters::default(),
            Faults::default(),
            CancellationToken::new(),
        );
        let passed = Arc::new(Mutex::new(Duration::ZERO));
        let serve = async |service, router| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            let serving = listener::serve(listener, service, faults.clone(), router, stop.clone());
            tokio::spawn(serving);
            endpoint
        };
        let router = s3::router(data.path(), BUCKET, counters.clone()).unwrap();
        let s3_endpoint = serve(Service::S3, router).await;
        let origin = Origin {
            s3_endpoint: s3_endpoint.clone(),
            bucket: BUCKET.to_owned(),
        };
        let cdn = {
            let (start, passed) = (Instant::now(), passed.clone());
            let now = move || start + *passed.lock().unwrap();
            let router = cdn::router_with_clock(origin, counters.clone(), now);
            serve(Service::Cdn, router).await
        };
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&s3_endpoint)
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self {
            http: reqwest::Client::new(),
            cdn,
            bucket: aws_sdk_s3::Client::from_conf(config),
            counters,
            faults,
            passed,
            _data: data,
            _stop: stop.drop_guard(),
        }
    }

    async fn put(&self, key: &str, body: &str, cache_control: Option<&str>) {
        self.bucket
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .content_type("image/webp")
            .metadata("teacher-id", "secret")
            .set_cache_control(cache_control.map(str::to_owned))
            .body(ByteStream::from(body.as_bytes().to_vec()))
            .send()
            .await
            .unwrap();
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.cdn));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// `x-cache` (its first word) and the body.
    async fn get(&self, path: &str) -> (String, String) {
        let answer = self.ask(Method::GET, path, &[]).await;
        assert_eq!(answer.status(), 200);
        let served = header(&answer, "x-cache")
            .split(' ')
            .next()
            .unwrap()
            .to_owned();
        (served, answer.text().await.unwrap())
    }

    async fn invalidate(&self, paths: &[&str]) -> Response {
        let items: String = paths
            .iter()
            .map(|path| format!("<Path>{path}</Path>"))
            .collect();
        let body = format!(
            "<InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Paths>\
             <Quantity>{}</Quantity><Items>{items}</Items></Paths>\
             <CallerReference>once</CallerReference></InvalidationBatch>",
            paths.len()
        );
        let url = format!("{}/2020-05-31/distribution/E1/invalidation", self.cdn);
        let mut request = self.http.post(&url).body(body.clone());
        for (name, value) in signature(&url, &body) {
            request = request.header(name, value);
        }
        request.send().await.unwrap()
    }

    /// Time goes by without anybody's waiting.
    fn pass(&self, time: Duration) {
        *self.passed.lock().unwrap() += time;
    }

    fn order(&self, service: Service, kind: Kind) {
        self.faults.add(Order {
            delay_ms: 200,
            ..Order::new(service, kind)
        });
    }
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

fn signature(url: &str, body: &str) -> Vec<(String, String)> {
    let identity = Credentials::new("test", "test", None, None, "test").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("cloudfront")
        .time(std::time::SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let body = SignableBody::Bytes(body.as_bytes());
    let request = SignableRequest::new("POST", url, std::iter::empty(), body).unwrap();
    let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
    let headers = instructions.headers();
    headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn the_first_answer_is_a_miss_and_the_next_a_hit() {
    let cloud = Cloud::start().await;
    cloud
        .put("a b.webp", "picture", Some("max-age=31536000"))
        .await;
    let miss = cloud.ask(Method::GET, "/a%20b.webp", &[]).await;
    assert_eq!(header(&miss, "x-cache"), "Miss from cloudfront");
    assert_eq!(miss.headers().get("age"), None);
    let hit = cloud
        .ask(Method::GET, "/a%20b.webp?v=2", &[("cookie", "a=b")])
        .await;
    assert_eq!(header(&hit, "x-cache"), "Hit from cloudfront");
    assert_eq!(header(&hit, "age"), "0");
    for (name, value) in [
        ("content-type", "image/webp"),
        ("cache-control", "max-age=31536000"),
        ("content-length", "7"),
        ("access-control-allow-origin", "*"),
        ("x-content-type-options", "nosniff"),
        ("x-amz-meta-teacher-id", ""),
    ] {
        assert_eq!(header(&hit, name), value, "{name}");
        assert_eq!(header(&miss, name), value, "{name}");
    }
    let known = header(&hit, "etag").to_owned();
    let head = cloud.ask(Method::HEAD, "/a%20b.webp", &[]).await;
    assert_eq!(
        (header(&head, "content-length"), head.status().as_u16()),
        ("7", 200)
    );
    let same = cloud
        .ask(Method::GET, "/a%20b.webp", &[("if-none-match", &known)])
        .await;
    assert_eq!(same.status(), 304);
    let part = cloud
        .ask(Method::GET, "/a%20b.webp", &[("range", "bytes=1-3")])
        .await;
    assert_eq!(part.status(), 206);
    assert_eq!(header(&part, "content-range"), "bytes 1-3/7");
    assert_eq!(part.text().await.unwrap(), "ict");
    assert_eq!(cloud.counters.get(Service::S3, "get_object"), 1);
    assert_eq!(cloud.counters.get(Service::Cdn, "misses"), 1);
    assert_eq!(cloud.counters.get(Service::Cdn, "hits"), 4);
}

// Feature: s3-image-storage, Property 10: CloudFront cache behavior
// Feature: s3-image-storage, Property 11: CloudFront TTL enforcement
#[tokio::test]
async fn who_accepts_avif_gets_it_where_the_address_says_that_there_is_one() {
    let cloud = Cloud::start().await;
    let year = Some("max-age=31536000");
    cloud.put("a.webp", "webp", year).await;
    cloud.put("a.avif", "avif", year).await;
    cloud.put("b.webp", "webp", year).await;
    let get = async |path: &str, accept: &str| {
        let answer = cloud.ask(Method::GET, path, &[("accept", accept)]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "vary"), "Accept");
        answer.text().await.unwrap()
    };
    let chrome = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
    for _ in 0..2 {
        assert_eq!(get("/a.webp?avif=1", chrome).await, "avif");
        assert_eq!(get("/a.webp?v=2&avif=1", "image/AVIF;q=0.5").await, "avif");
        for other in ["image/webp,*/*", "*/*", "image/avif;q=0"] {
            assert_eq!(get("/a.webp?avif=1", other).await, "webp", "{other}");
        }
        // No address says that there is one.
        assert_eq!(get("/a.webp", chrome).await, "webp");
        assert_eq!(get("/b.webp", chrome).await, "webp");
        cloud.pass(DAY - Duration::from_secs(1));
    }
    // Whatever readers send, one entry a kind, kept for a day at least.
    assert_eq!(cloud.counters.get(Service::Cdn, "misses"), 3);
    assert_eq!(cloud.counters.get(Service::S3, "get_object"), 3);
}

#[tokio::test]
async fn many_who_miss_one_object_ask_the_origin_once() {
    let cloud = Cloud::start().await;
    cloud.put("a", "picture", None).await;
    cloud.order(Service::S3, Kind::Slow);
    let answers = join_all((0..20).map(|_| cloud.get("/a"))).await;
    assert!(answers.iter().all(|(_, body)| body == "picture"));
    assert_eq!(
        answers
            .iter()
            .filter(|(served, _)| served == "Miss")
            .count(),
        1
    );
    assert_eq!(cloud.counters.get(Service::S3, "get_object"), 1);
}

#[tokio::test]
async fn an_object_is_fresh_for_a_day_or_as_long_as_it_says() {
    let cloud = Cloud::start().await;
    cloud.put("silent", "1", None).await;
    cloud.put("short", "1", Some("public, max-age=60")).await;
    let mut served = Vec::new();
    for time in [
        Duration::ZERO,
        Duration::from_secs(59),
        Duration::from_secs(2),
        DAY,
    ] {
        cloud.pass(time);
        served.push((cloud.get("/silent").await.0, cloud.get("/short").await.0));
    }
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        served,
        [
            pair("Miss", "Miss"),
            pair("Hit", "Hit"),
            pair("Hit", "RefreshHit"),
            pair("RefreshHit", "RefreshHit"),
        ]
    );
    cloud.put("short", "2", None).await;
    cloud.pass(Duration::from_secs(61));
    assert_eq!(cloud.get("/short").await, pair("Miss", "2"));
}

#[tokio::test]
async fn what_the_origin_does_not_show_is_a_placeholder_for_seconds() {
    let cloud = Cloud::start().await;
    for path in ["/none.webp", "/"] {
        let (served, body) = cloud.get(path).await;
        assert_eq!(served, "Error");
        assert!(body.contains("No picture yet"));
    }
    cloud.put("none.webp", "picture", None).await;
    assert_eq!(cloud.get("/none.webp").await.0, "Error");
    cloud.pass(cdn::ERROR_TTL);
    assert_eq!(cloud.get("/none.webp").await.0, "Miss");
    for kind in [Kind::Denied, Kind::Error, Kind::Refuse] {
        cloud.order(Service::S3, kind);
        let answer = cloud.ask(Method::GET, &format!("/{kind:?}"), &[]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "content-type"), "image/svg+xml");
        assert_eq!(header(&answer, "cache-control"), "no-store");
        cloud.faults.clear();
    }
}

#[tokio::test]
async fn an_origin_that_is_away_does_not_take_a_stale_object_away() {
    let cloud = Cloud::start().await;
    cloud.put("a", "picture", None).await;
    cloud.get("/a").await;
    cloud.pass(DAY);
    cloud.order(Service::S3, Kind::Refuse);
    assert_eq!(cloud.get("/a").await.1, "picture");
    cloud.faults.clear();
    cloud.pass(cdn::ERROR_TTL);
    assert_eq!(cloud.get("/a").await.0, "RefreshHit");
}

#[tokio::test]
async fn an_invalidation_makes_the_cdn_forget_its_paths_only() {
    let cloud = Cloud::start().await;
    let keys = ["a/1", "a/2", "b/1", "b/2"];
    for key in keys {
        cloud.put(key, "old", None).await;
        cloud.get(&format!("/{key}")).await;
        cloud.put(key, "new", None).await;
    }
    let answer = cloud.invalidate(&["/a/*", "/b/1"]).await;
    assert_eq!(answer.status(), 201);
    assert!(header(&answer, "location").contains("/distribution/E1/invalidation/I"));
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("<Status>Completed</Status>")
    );
    let mut bodies = Vec::new();
    for key in keys {
        bodies.push(cloud.get(&format!("/{key}")).await.1);
    }
    assert_eq!(bodies, ["new", "new", "new", "old"]);
}

#[tokio::test]
async fn an_invalidation_reaches_an_answer_that_is_under_way() {
    let cloud = Cloud::start().await;
    cloud.put("a", "old", None).await;
    cloud.order(Service::S3, Kind::Slow);
    let under_way = cloud.get("/a");
    let invalidated = async {
        // The origin's answer is under way when this comes, as it is slow.
        let answer = cloud.invalidate(&["/a"]).await;
        cloud.pass(Duration::from_secs(1));
        answer
    };
    let ((_, body), answer) = tokio::join!(under_way, invalidated);
    assert_eq!((body.as_str(), answer.status().as_u16()), ("old", 201));
    cloud.faults.clear();
    assert_ne!(cloud.get("/a").await.0, "Hit");
}

#[tokio::test]
async fn an_invalidation_must_be_signed_and_well_formed() {
    let cloud = Cloud::start().await;
    let path = "/2020-05-31/distribution/E1/invalidation";
    assert_eq!(cloud.ask(Method::POST, path, &[]).await.status(), 403);
    let answer = cloud.invalidate(&["no-slash"]).await;
    assert_eq!(answer.status(), 400);
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("<Code>InvalidArgument</Code>")
    );
    assert_eq!(cloud.invalidate(&[]).await.status(), 400);
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let cloud = Cloud::start().await;
    for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
        assert_eq!(cloud.ask(method, "/a", &[]).await.status(), 403);
    }
    let preflight = cloud
        .ask(Method::OPTIONS, "/a", &[("origin", "http://x")])
        .await;
    assert_eq!(preflight.status(), 200);
    assert_eq!(header(&preflight, "access-control-allow-origin"), "*");
    for (kind, status) in [(Kind::Denied, 403), (Kind::Missing, 404)] {
        cloud.order(Service::Cdn, kind);
        assert_eq!(cloud.ask(Method::GET, "/a", &[]).await.status(), status);
        cloud.faults.clear();
    }
}
