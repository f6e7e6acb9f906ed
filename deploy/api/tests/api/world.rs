//! One API process with everything that it speaks to.

use std::sync::Arc;
use std::time::Duration;

use atelier_api::{ApiConfig, Services};
use atelier_cloud::config::StaticCredentials;
use atelier_cloud::pictures::{self, Condition, Rendition};
use atelier_domain::assignment::{Assignment, Claim, ImageMetadata, StageSeconds, Token};
use atelier_domain::failure::Failure;
use atelier_domain::label::Label;
use atelier_domain::rendition::{Renditions, Variant};
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Edit, Finished};
use atelier_embedded::cloud::{Cloud, Guards, Options};
use atelier_embedded::faults::{Kind, Order, Service};
use atelier_embedded::model::Behavior;
use atelier_runtime::config::Environment;
use atelier_server::run;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::store::MoodyStore;

/// Lets the sweep send again at once what was not sent.
pub(crate) const SOON_AGAIN: (&str, &str) = ("RESEND_SECONDS", "0.3");

pub(crate) struct World {
    pub cloud: Cloud,
    pub services: Services,
    pub store: Arc<MoodyStore>,
    pub base: String,
    pub client: Client,
    stop: Option<oneshot::Sender<()>>,
    api: JoinHandle<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With other options than the usual ones of these tests.
    pub(crate) async fn with(options: &[(&str, &str)]) -> Self {
        Self::guarded(options, Guards::default()).await
    }

    /// With a guarded cloud.
    pub(crate) async fn guarded(options: &[(&str, &str)], guards: Guards) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let cloud_options = Options {
            data: folder.path().to_owned(),
            behavior: Behavior::default(),
        };
        let cloud = Cloud::start_guarded(cloud_options, guards).await.unwrap();
        let environment = Environment::of(cloud.environment().iter().cloned())
            .with([
                ("LISTEN_ADDR", "127.0.0.1:0"),
                ("SWEEP_SECONDS", "0.05"),
                ("CREATE_LIMIT_PER_MINUTE", "0"),
                ("CLAIM_SECONDS", "1"),
            ])
            .with(options.iter().copied());
        let mut config = ApiConfig::read(environment).unwrap();
        config.sample = Duration::from_millis(100);
        config.cloud.credentials = Some(StaticCredentials {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
        });
        let mut services = Services::connect(&config).await.unwrap();
        let store = MoodyStore::over(services.store.clone());
        services.store = store.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let api = tokio::spawn(run(config, services.clone(), listener, async move {
            let _ = stopped.await;
        }));
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            cloud,
            services,
            store,
            base,
            client,
            stop: Some(stop),
            api,
            _folder: folder,
        }
    }

    /// Tells the API to stop and waits until it has.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.tell_to_stop();
        self.api.await.unwrap()
    }

    pub(crate) fn tell_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.call(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        let call = self.call(Method::POST, path).json(body);
        call.send().await.unwrap()
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Response {
        let call = self.call(Method::PATCH, path).json(body);
        call.send().await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.call(Method::DELETE, path).send().await.unwrap()
    }

    /// Creates an assignment with a prompt and returns its id.
    pub(crate) async fn create(&self, prompt: &str) -> String {
        let answer = self.post("/assignments", &json!({"prompt": prompt})).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let view: Value = answer.json().await.unwrap();
        view["assignment_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn document(&self, id: &str) -> Assignment {
        self.services.store.get(id).await.unwrap().unwrap()
    }

    /// Waits until the document is as wanted.
    pub(crate) async fn until(&self, id: &str, wanted: impl Fn(&Assignment) -> bool) -> Assignment {
        let looks = async {
            loop {
                let document = self.document(id).await;
                if wanted(&document) {
                    return document;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looks)
            .await
            .expect("the document never came to be as wanted")
    }

    pub(crate) fn fault(&self, service: Service, kind: Kind) {
        self.cloud.faults().add(Order::new(service, kind));
    }

    pub(crate) fn sent(&self) -> u64 {
        self.cloud.counters().get(Service::Sqs, "sent")
    }

    /// Sets a field of a pending assignment.
    pub(crate) async fn set(&self, id: &str, field: &'static str, to: Value) {
        let seen = self.document(id).await;
        let mut set = transition::set_permanent(&seen, false, Timestamp::now(), Timestamp::now());
        set.edits = vec![Edit::Set(field, to)];
        let set = self.services.store.apply(id, &set).await;
        assert!(set.unwrap().is_some());
    }

    /// Makes a document one that cannot be read.
    pub(crate) async fn spoil(&self, id: &str) {
        let mut spoil = transition::delete(Timestamp::now(), Timestamp::now());
        spoil.edits = vec![Edit::Set("prompt", json!(7))];
        let spoilt = self.services.store.apply(id, &spoil).await;
        assert!(spoilt.is_err());
    }

    pub(crate) async fn claim(&self, id: &str, seconds: u64) -> Token {
        let now = Timestamp::now();
        let claim = Claim {
            token: Token::random(),
            worker: "a test".to_owned(),
            until: now + Duration::from_secs(seconds),
        };
        let seen = self.document(id).await;
        let wake_at = now + Duration::from_secs(60);
        let claimed = transition::claim(&seen, &claim, wake_at);
        assert!(
            self.services
                .store
                .apply(id, &claimed)
                .await
                .unwrap()
                .is_some()
        );
        claim.token
    }

    /// As a worker does.
    pub(crate) async fn fail(&self, id: &str) {
        let token = self.claim(id, 60).await;
        let note = Failure::Declined.note("the-reference");
        let held = self.document(id).await;
        let fail = transition::fail(&token, &held, &note, 0, Timestamp::now());
        assert!(
            self.services
                .store
                .apply(id, &fail)
                .await
                .unwrap()
                .is_some()
        );
    }

    /// As a worker does that took `seconds` for the picture.
    pub(crate) async fn succeed_after(&self, id: &str, seconds: f64) {
        let stages = StageSeconds {
            generate: Some(seconds),
            ..StageSeconds::default()
        };
        self.finish(id, None, stages).await;
    }

    /// As a worker does, with or without a picture in the bucket.
    pub(crate) async fn succeed(&self, id: &str, bytes: Option<&'static [u8]>) {
        self.finish(id, bytes, StageSeconds::default()).await;
    }

    /// Puts a picture that was not optimized in the place of the one that is stored.
    pub(crate) async fn replace_picture(&self, id: &str, bytes: Vec<u8>, content_type: &str) {
        let document = self.document(id).await;
        let pictures = &self.services.pictures;
        let key = pictures::key(id);
        let found = pictures.find(&key, (&document).into()).await;
        let found = found.unwrap().unwrap();
        let label = Label {
            optimized: false,
            ..found.label.unwrap()
        };
        let here = Condition::IfMatch(found.etag);
        pictures
            .put(bytes.into(), content_type, &label, false, &here, &mut 0)
            .await
            .unwrap();
    }

    /// Stores variants of these widths, each with an AVIF, and one beside the picture itself. A file's
    /// bytes are its key.
    pub(crate) async fn add_renditions(&self, id: &str, widths: &[u32]) {
        let variants: Vec<_> = widths
            .iter()
            .map(|&width| Variant {
                width,
                height: width,
                key: pictures::variant_key(id, width),
                size_bytes: 10,
                avif_size_bytes: Some(5),
            })
            .collect();
        let document = Assignment {
            variants: variants.clone(),
            ..self.document(id).await
        };
        for key in pictures::keys(&document).into_iter().skip(1) {
            let content_type = match key.ends_with(".avif") {
                true => "image/avif",
                false => "image/webp",
            };
            let rendition = Rendition {
                bytes: key.clone().into(),
                key,
                content_type,
                made_from: "a file".to_owned(),
            };
            let picture = (&document).into();
            let put = self.services.pictures.put_rendition(
                &rendition,
                picture,
                document.permanent,
                &Condition::IfAbsent,
            );
            put.await.unwrap();
        }
        let made = Renditions {
            variants,
            avif_size_bytes: Some(5),
            thumbhash: Some("1QcSHQRnh493V4dIh4eXh1h4kJUI".to_owned()),
        };
        let claim = Claim {
            token: Token::random(),
            worker: "a worker".to_owned(),
            until: Timestamp::now() + Duration::from_secs(60),
        };
        let take = transition::claim_renditions(&document, &claim, claim.until, claim.until);
        let held = self.services.store.apply(id, &take).await.unwrap().unwrap();
        let now = Timestamp::now();
        let note = transition::note_renditions(&claim.token, &held, &made, true, now);
        let noted = self.services.store.apply(id, &note).await.unwrap();
        assert!(noted.is_some());
    }

    async fn finish(&self, id: &str, bytes: Option<&'static [u8]>, stage_seconds: StageSeconds) {
        let token = self.claim(id, 60).await;
        let document = self.document(id).await;
        let metadata = ImageMetadata::new(100, 50, "webp", "1024x1024".to_owned());
        if let Some(bytes) = bytes {
            let label = Label {
                assignment_id: id.to_owned(),
                teacher_id: document.teacher_id.clone(),
                created_at: document.created_at.rfc3339(),
                original_format: "png".to_owned(),
                optimized: true,
                prompt_hash: document.prompt_hash.clone(),
                metadata: metadata.clone(),
                model: "a model".to_owned(),
                reuse_key: "key".to_owned(),
                thumbhash: None,
            };
            self.services
                .pictures
                .put(
                    bytes.into(),
                    "image/webp",
                    &label,
                    document.permanent,
                    &Condition::IfAbsent,
                    &mut 0,
                )
                .await
                .unwrap();
        }
        let key = pictures::key(id);
        let finished = Finished {
            url: None,
            key,
            metadata,
            model: "a model".to_owned(),
            reuse_key: "key".to_owned(),
            stage_seconds,
            uploads: 1,
            cost_usd: 0.04,
            thumbhash: None,
        };
        let succeed = transition::succeed(&token, &document, &finished, Timestamp::now());
        assert!(
            self.services
                .store
                .apply(id, &succeed)
                .await
                .unwrap()
                .is_some()
        );
    }
}

/// The problem document of an answer; its media type and correlation id are checked.
pub(crate) async fn problem(answer: Response) -> Value {
    let status = answer.status().as_u16();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/problem+json");
    let id = header("x-correlation-id");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["correlation_id"], id);
    assert!(problem["type"].is_string() && problem["title"].is_string());
    problem
}
