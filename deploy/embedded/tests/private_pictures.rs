//! The embedded CDN with a trusted key group, over a real listener.

use std::time::{SystemTime, UNIX_EPOCH};

use atelier_embedded::cloud::{Cloud, Guards, Options};
use atelier_embedded::counters::Counters;
use atelier_embedded::faults::{Faults, Service};
use atelier_embedded::model::Behavior;
use atelier_embedded::{cdn, listener};
use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::primitives::ByteStream;
use reqwest::{Response, StatusCode};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::pkcs8::EncodePrivateKey as _;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const PICTURE: &str = "/generated_images/a-1.webp";

/// A cloud with private pictures, and what signs for it.
struct Private {
    cloud: Cloud,
    http: reqwest::Client,
    key_id: String,
    key: RsaKeyPair,
    data: TempDir,
}

impl Private {
    async fn start() -> Self {
        Self::over(TempDir::new().unwrap()).await
    }

    async fn over(data: TempDir) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = Options {
            data: data.path().to_owned(),
            behavior: Behavior::default(),
        };
        let guards = Guards {
            private_pictures: true,
            ..Guards::default()
        };
        let cloud = Cloud::start_guarded(options, guards).await.unwrap();
        let pem = base64_simd::STANDARD
            .decode_to_vec(value(&cloud, "CLOUDFRONT_PRIVATE_KEY"))
            .unwrap();
        Self {
            key_id: value(&cloud, "CLOUDFRONT_KEY_ID"),
            key: key(std::str::from_utf8(&pem).unwrap()),
            cloud,
            http: reqwest::Client::new(),
            data,
        }
    }

    async fn put(&self, key: &str, body: &'static [u8]) {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(value(&self.cloud, "AWS_ENDPOINT_URL_S3"))
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        aws_sdk_s3::Client::from_conf(config)
            .put_object()
            .bucket(value(&self.cloud, "S3_BUCKET_NAME"))
            .key(key.trim_start_matches('/'))
            .body(ByteStream::from_static(body))
            .send()
            .await
            .unwrap();
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", value(&self.cloud, "CLOUDFRONT_DOMAIN"))
    }

    /// The signature of `url` until `ends`.
    fn signature(&self, url: &str, ends: u64) -> String {
        let policy = format!(
            r#"{{"Statement":[{{"Resource":"{url}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{ends}}}}}}}]}}"#
        );
        let mut bytes = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, policy.as_bytes(), &mut bytes)
            .unwrap();
        let base64 = base64_simd::STANDARD.encode_to_string(bytes);
        base64.replace('+', "-").replace('=', "_").replace('/', "~")
    }

    fn query(&self, url: &str, ends: u64) -> String {
        let signature = self.signature(url, ends);
        let id = &self.key_id;
        format!("Expires={ends}&Signature={signature}&Key-Pair-Id={id}&Hash-Algorithm=SHA256")
    }

    fn signed(&self, path: &str, ends: u64) -> String {
        let url = self.url(path);
        let query = self.query(&url, ends);
        format!("{url}?{query}")
    }

    async fn get(&self, url: &str) -> Response {
        self.http.get(url).send().await.unwrap()
    }

    /// CloudFront's code of a refusal.
    async fn refusal(&self, url: &str) -> String {
        let answer = self.get(url).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{url}");
        assert_eq!(answer.headers()["content-type"], "text/xml");
        assert_eq!(answer.headers()["x-cache"], "Error from cloudfront");
        let text = answer.text().await.unwrap();
        let code = text.split("<Code>").nth(1).unwrap();
        code.split("</Code>").next().unwrap().to_owned()
    }
}

fn value(cloud: &Cloud, name: &str) -> String {
    let pairs = cloud.environment().iter();
    let mut found = pairs.filter(|(it, _)| it == name);
    found.next().expect(name).1.clone()
}

fn key(pem: &str) -> RsaKeyPair {
    let key = rsa::RsaPrivateKey::from_pkcs8_pem(pem).unwrap();
    RsaKeyPair::from_pkcs8(key.to_pkcs8_der().unwrap().as_bytes()).unwrap()
}

fn in_an_hour() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs() + 3600
}

#[tokio::test]
async fn who_has_a_signed_address_gets_the_picture_and_nobody_else() {
    let private = Private::start().await;
    private.put(PICTURE, b"picture").await;
    private.put("/generated_images/a-2.webp", b"other").await;
    let ends = in_an_hour();
    let url = private.url(PICTURE);
    let signed = private.signed(PICTURE, ends);
    let signature = private.signature(&url, ends);
    let id = &private.key_id;

    for (code, url) in [
        ("MissingKey", url.clone()),
        (
            "MissingKey",
            format!("{url}?Expires={ends}&Signature={signature}"),
        ),
        (
            "MissingSignature",
            format!("{url}?Expires={ends}&Key-Pair-Id={id}"),
        ),
        ("InvalidKey", signed.replace(id.as_str(), "KUNKNOWN")),
        ("AccessDenied", signed.replace("a-1", "a-2")),
        (
            "AccessDenied",
            signed.replace(&ends.to_string(), &(ends + 1).to_string()),
        ),
        (
            "AccessDenied",
            signed.replace(&format!("Expires={ends}&"), ""),
        ),
        ("AccessDenied", signed.replace("Signature=", "Signature=A")),
        ("AccessDenied", signed.replace("SHA256", "SHA1")),
        ("AccessDenied", signed.replace("SHA256", "MD5")),
        ("AccessDenied", format!("{signed}&more=1")),
        ("AccessDenied", private.signed(PICTURE, in_an_hour() - 3601)),
    ] {
        assert_eq!(private.refusal(&url).await, code, "{url}");
    }
    let misses = private.cloud.counters().get(Service::Cdn, "misses");
    assert_eq!(misses, 0, "what is refused is not fetched");

    let answer = private.get(&signed).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.text().await.unwrap(), "picture");
}

#[tokio::test]
async fn a_query_of_the_address_itself_is_signed_with_it() {
    let private = Private::start().await;
    private.put(PICTURE, b"picture").await;
    let ends = in_an_hour();
    let url = format!("{}?try=1", private.url(PICTURE));
    let query = private.query(&url, ends);
    assert_eq!(private.get(&format!("{url}&{query}")).await.status(), 200);
    let plain = private.url(PICTURE);
    assert_eq!(
        private.refusal(&format!("{plain}?{query}")).await,
        "AccessDenied"
    );
}

#[tokio::test]
async fn the_signature_is_no_part_of_the_cache_key() {
    let private = Private::start().await;
    private.put(PICTURE, b"picture").await;
    for expected in ["Miss from cloudfront", "Hit from cloudfront"] {
        let ends = in_an_hour() + u64::from(expected.starts_with("Hit"));
        let answer = private.get(&private.signed(PICTURE, ends)).await;
        assert_eq!(answer.headers()["x-cache"], expected);
    }
    let refused = private.refusal(&private.url(PICTURE)).await;
    assert_eq!(refused, "MissingKey", "cached, and still private");
}

#[tokio::test]
async fn the_key_outlives_a_restart() {
    let before = Private::start().await;
    before.put(PICTURE, b"picture").await;
    let signed = before.signed(PICTURE, in_an_hour());
    let Private { cloud, data, .. } = before;
    cloud.stop().await;
    let after = Private::over(data).await;
    assert_eq!(
        after.get(&signed).await.status(),
        200,
        "the ports are the same"
    );
}

/// Signed by `openssl dgst -sha1`, which is what `Hash-Algorithm` means where it is not there.
#[tokio::test]
async fn sha_1_is_the_default_hash() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pem = include_str!("../../../shared/cloud/tests/keys/pkcs8.pem");
    let trusted = cdn::TrustedKey {
        id: "K1".to_owned(),
        der: key(pem).public().as_ref().to_vec(),
    };
    let origin = cdn::Origin {
        s3_endpoint: "http://127.0.0.1:1".to_owned(),
        bucket: "pictures".to_owned(),
    };
    let router = cdn::private_router(origin, Counters::default(), vec![trusted]);
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = listener::serve(
        socket,
        Service::Cdn,
        Faults::default(),
        router,
        stop.clone(),
    );
    tokio::spawn(serving);
    let _stop = stop.drop_guard();

    let get = async |signature: &str| {
        let query = format!("Expires=4102444800&Signature={signature}&Key-Pair-Id=K1");
        reqwest::Client::new()
            .get(format!("http://{address}{PICTURE}?{query}"))
            .header("host", "d111111abcdef8.cloudfront.net")
            .send()
            .await
            .unwrap()
            .status()
    };
    // The origin is away: the placeholder.
    assert_eq!(get(BY_OPENSSL).await, StatusCode::OK);
    assert_eq!(
        get(&BY_OPENSSL.replace('a', "b")).await,
        StatusCode::FORBIDDEN
    );
}

const BY_OPENSSL: &str = "HNfKJZLGWxCKK~QL5fePAz8hoU~JcmV5kjVfhQqDyKPgKHPYq1lhwhcJCV7rQbX04Rk0gMv2Zq4R9wYbLxHrFvikFy5hrcW55SVN-9CzCMOT9d3DfSEcTleW5cPvSsO5tEtcGVAg8KLk4XptxDj-bo6~jlMg4HDTKyksEhWUdcJnNv3pil4sI2BCvJkd67YO8xkAHIS20SBPNf8UbKFAlJOqMhQx2G0iRGSMBEZ9lNTv7ylx9P8kGVU8lIAa3wB-8aSD035u1rlq3JmgJYYddfv6zW4XETWrodnADmfZK7GO5nIOnS0REYNp~Hl~7ajvmX1TxhDGfxMOelGmZN1byg__";
