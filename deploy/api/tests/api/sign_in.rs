//! Sign-in as a browser does it, with the embedded identity provider; and the sessions it begins.

use atelier_embedded::identity_provider::{self, Client};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::World;

const SESSION: &str = "__Host-atelier-session";

/// The embedded identity provider, until it is dropped.
struct Provider {
    issuer: String,
    task: JoinHandle<std::io::Result<()>>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", socket.local_addr().unwrap());
        let client = Client {
            id: "atelier".to_owned(),
            secret: None,
            redirect_uris: vec!["http://127.0.0.1/auth/callback".to_owned()],
            post_logout_redirect_uris: vec!["http://127.0.0.1/auth/signed-out".to_owned()],
        };
        let router = identity_provider::router(&issuer, vec![client]).unwrap();
        let task = tokio::spawn(async move { axum::serve(socket, router).await });
        Self { issuer, task }
    }

    async fn world(&self, options: &[(&str, &str)]) -> World {
        let trusted = [
            ("AUTH_ISSUER", self.issuer.as_str()),
            ("AUTH_CLIENT_ID", "atelier"),
        ];
        World::with(&[&trusted[..], options].concat()).await
    }
}

/// What a browser keeps of us.
#[derive(Clone, Default)]
struct Browser(Vec<(String, String)>);

impl Browser {
    fn cookie(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        pairs.join("; ")
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(it, _)| it == name)
    }

    /// Keeps what `response` sets, as a browser would: with all that `__Host-` asks for.
    fn keep(&mut self, response: &Response) {
        for header in response.headers().get_all("set-cookie") {
            let header = header.to_str().unwrap();
            assert!(header.starts_with("__Host-"), "{header}");
            for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
                assert!(header.contains(attribute), "{attribute} in {header}");
            }
            let (name, value) = header.split(';').next().unwrap().split_once('=').unwrap();
            assert!(name.len() + value.len() <= 4096);
            self.0.retain(|(it, _)| it != name);
            if !header.contains("Max-Age=0") {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn call(&self, world: &World, method: Method, path: &str) -> RequestBuilder {
        world.call(method, path).header("cookie", self.cookie())
    }

    async fn get(&mut self, world: &World, path: &str) -> Response {
        let response = self.call(world, Method::GET, path).send().await.unwrap();
        self.keep(&response);
        response
    }

    /// Goes to the provider and chooses `account` there; returns the way back to us.
    async fn chosen(&mut self, world: &World, account: &str, return_to: &str) -> String {
        let begun = self
            .get(world, &format!("/auth/sign-in?return_to={return_to}"))
            .await;
        assert_eq!(begun.status(), StatusCode::SEE_OTHER);
        let to = location(&begun);
        let choice = world.client.post(to).body(format!("account={account}"));
        let back = location(&choice.send().await.unwrap());
        back.strip_prefix(&world.base)
            .expect("back to us")
            .to_owned()
    }

    /// Signs in; returns where that leads.
    async fn sign_in(&mut self, world: &World, account: &str, return_to: &str) -> String {
        let back = self.chosen(world, account, return_to).await;
        let done = self.get(world, &back).await;
        assert_eq!(done.status(), StatusCode::SEE_OTHER);
        location(&done)
    }

    async fn me(&mut self, world: &World) -> Value {
        self.get(world, "/auth/me").await.json().await.unwrap()
    }

    async fn post(&self, world: &World, headers: &[(&str, &str)]) -> StatusCode {
        let mut call = self.call(world, Method::POST, "/assignments");
        for (name, value) in headers {
            call = call.header(*name, *value);
        }
        let call = call.json(&json!({"prompt": "A castle"}));
        call.send().await.unwrap().status()
    }
}

fn location(response: &Response) -> String {
    let to = response.headers().get("location");
    to.expect("a way to go").to_str().unwrap().to_owned()
}

const OUR_PAGE: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];

#[tokio::test]
async fn whoever_signs_in_comes_back_with_a_session() {
    let provider = Provider::start().await;
    let world = provider.world(&[]).await;
    let mut browser = Browser::default();
    assert_eq!(
        browser.me(&world).await,
        json!({"sign_in": true, "signed_in": false, "roles": []})
    );
    let there = browser
        .sign_in(&world, "teacher", "/show%3Fstatus=failed")
        .await;
    assert_eq!(there, "/show?status=failed");
    assert_eq!(browser.0.len(), 1, "{:?}", browser.0);
    assert!(browser.has(SESSION));
    let me = browser.me(&world).await;
    assert_eq!(me["subject"], "teacher");
    assert_eq!(me["name"], "Tess Teacher");
    assert_eq!(me["teacher_id"], "teacher");
    assert_eq!(me["roles"], json!(["teacher"]));
    let list = browser.get(&world, "/assignments").await;
    assert_eq!(list.status(), StatusCode::OK);
    assert_eq!(browser.post(&world, OUR_PAGE).await, StatusCode::ACCEPTED);
    let fleet = browser.get(&world, "/fleet.json").await;
    assert_eq!(fleet.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn nobody_without_a_session_gets_in() {
    let provider = Provider::start().await;
    let world = provider.world(&[]).await;
    let mut browser = Browser::default();
    let refused = browser.get(&world, "/assignments").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(refused.headers().contains_key("www-authenticate"));
    browser.0.push((SESSION.to_owned(), "forged".to_owned()));
    let refused = browser.get(&world, "/assignments").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn with_a_session_only_pages_of_ours_change_anything() {
    let provider = Provider::start().await;
    let world = provider.world(&[]).await;
    let mut browser = Browser::default();
    browser.sign_in(&world, "teacher", "/").await;
    for foreign in [
        &[][..],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ] {
        let status = browser.post(&world, foreign).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{foreign:?}");
    }
    let ours = [("origin", world.base.as_str())];
    assert_eq!(browser.post(&world, &ours).await, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_bearer_token_counts_before_a_session() {
    let provider = Provider::start().await;
    let world = provider.world(&[]).await;
    let mut browser = Browser::default();
    browser.sign_in(&world, "teacher", "/").await;
    let call = browser.call(&world, Method::GET, "/assignments");
    let refused = call.bearer_auth("no.such.token").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_answer_is_of_use_once_and_in_the_browser_that_asked() {
    let provider = Provider::start().await;
    let world = provider.world(&[]).await;
    let mut browser = Browser::default();
    let back = browser.chosen(&world, "teacher", "/").await;
    let begun = browser.clone();

    let mut other = Browser::default();
    other.chosen(&world, "teacher", "/").await;
    let refused = other.get(&world, &back).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(!other.has(SESSION));
    let words = refused.text().await.unwrap();
    assert!(words.contains("begun in another browser"), "{words}");
    assert!(words.contains("/auth/sign-in"), "{words}");

    let done = browser.get(&world, &back).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    // Its cookie is gone, and the code serves no more even with it.
    let again = browser.get(&world, &back).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    let mut replayed = begun;
    let refused = replayed.get(&world, &back).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(!replayed.has(SESSION));
    let words = refused.text().await.unwrap();
    assert!(words.contains("refused (invalid_grant)"), "{words}");
}

#[tokio::test]
async fn several_tabs_may_sign_in_at_a_time() {
    let provider = Provider::start().await;
    let world = provider.world(&[]).await;
    let mut browser = Browser::default();
    let first = browser.chosen(&world, "teacher", "/show").await;
    let second = browser.chosen(&world, "teacher", "/complete").await;
    for (back, there) in [(second, "/complete"), (first, "/show")] {
        assert_eq!(location(&browser.get(&world, &back).await), there);
    }
    for _ in 0..20 {
        browser.chosen(&world, "teacher", "/").await;
    }
    assert!(browser.0.len() <= 6, "{} cookies", browser.0.len());
}

#[tokio::test]
async fn sign_out_ends_the_session_here_and_leads_to_the_provider() {
    let provider = Provider::start().await;
    let world = provider.world(&[]).await;
    let mut browser = Browser::default();
    browser.sign_in(&world, "operator", "/").await;
    let call = browser.call(&world, Method::POST, "/auth/sign-out");
    let out = call
        .header("sec-fetch-site", "same-origin")
        .send()
        .await
        .unwrap();
    browser.keep(&out);
    assert!(!browser.has(SESSION));
    let to: Value = out.json().await.unwrap();
    let to = to["location"].as_str().unwrap();
    assert!(
        to.starts_with(&format!("{}/end-session?", provider.issuer)),
        "{to}"
    );
    let ended = world.client.get(to).send().await.unwrap();
    let signed_out = location(&ended);
    assert_eq!(signed_out, format!("{}/auth/signed-out", world.base));
    let page = world.get("/auth/signed-out").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("You are signed out"));
}

#[tokio::test]
async fn every_process_with_the_keys_knows_a_session_and_rotated_keys_go_on() {
    let provider = Provider::start().await;
    let (old, new) = ("11".repeat(32), "22".repeat(32));
    let rotating = format!("{new},{old}");
    let first = provider.world(&[("SESSION_KEYS", old.as_str())]).await;
    let mut browser = Browser::default();
    browser.sign_in(&first, "teacher", "/").await;
    let rotated = provider.world(&[("SESSION_KEYS", rotating.as_str())]).await;
    assert_eq!(browser.me(&rotated).await["subject"], "teacher");
    let over = provider.world(&[("SESSION_KEYS", new.as_str())]).await;
    assert_eq!(browser.me(&over).await["signed_in"], false);
    let mut anew = Browser::default();
    anew.sign_in(&rotated, "teacher", "/").await;
    assert_eq!(anew.me(&over).await["subject"], "teacher");
}

#[tokio::test]
async fn a_refusal_of_the_provider_is_told_in_words() {
    let provider = Provider::start().await;
    let world = provider.world(&[]).await;
    let mut browser = Browser::default();
    let back = browser.chosen(&world, "teacher", "/").await;
    let state = back.split("state=").nth(1).unwrap();
    let path = format!("/auth/callback?error=access_denied%3Cscript%3E&state={state}");
    let refused = browser.get(&world, &path).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let words = refused.text().await.unwrap();
    assert!(words.contains("access_denied&lt;script&gt;"), "{words}");
}

#[tokio::test]
async fn without_a_provider_nobody_has_to_sign_in() {
    let world = World::start().await;
    let me: Value = world.get("/auth/me").await.json().await.unwrap();
    let everybody = json!({"sign_in": false, "signed_in": false, "roles": ["portal", "operator"]});
    assert_eq!(me, everybody);
    for path in ["/auth/sign-in", "/auth/callback", "/auth/signed-out"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(location(&answer), "/");
    }
}
