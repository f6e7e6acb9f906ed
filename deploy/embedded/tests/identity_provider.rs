//! The embedded identity provider at the wire, as a client sees it.

use atelier_embedded::identity_provider::{Client, router};
use base64_simd::URL_SAFE_NO_PAD;
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;
use url::Url;

const CALLBACK: &str = "http://127.0.0.1:9999/auth/callback";
const VERIFIER: &str = "a-verifier-that-is-long-enough-for-the-specification";

struct World {
    issuer: String,
    client: reqwest::Client,
}

impl World {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", socket.local_addr().unwrap());
        let client = |id: &str, secret: Option<&str>| Client {
            id: id.to_owned(),
            secret: secret.map(str::to_owned),
            redirect_uris: vec!["http://127.0.0.1/auth/callback".to_owned()],
            post_logout_redirect_uris: vec!["http://127.0.0.1/auth/signed-out".to_owned()],
        };
        let clients = vec![client("public", None), client("secret", Some("s e/cret"))];
        let router = router(&issuer, clients).unwrap();
        tokio::spawn(async move { axum::serve(socket, router).await });
        let client = reqwest::Client::builder().redirect(Policy::none());
        Self {
            issuer,
            client: client.build().unwrap(),
        }
    }

    fn authorize_url(&self, client: &str, change: &[(&str, &str)]) -> Url {
        let challenge = URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, VERIFIER.as_bytes()));
        let mut parameters = vec![
            ("client_id", client),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid profile"),
            ("state", "st&te"),
            ("nonce", "n-1"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in change {
            parameters.retain(|(it, _)| it != name);
            parameters.push((*name, *value));
        }
        let url = format!("{}/authorize", self.issuer);
        Url::parse_with_params(&url, parameters).unwrap()
    }

    async fn choose(&self, url: &Url, account: &str) -> Response {
        let call = self.client.post(url.as_str());
        call.body(format!("account={account}"))
            .send()
            .await
            .unwrap()
    }

    async fn code(&self, client: &str) -> String {
        let url = self.authorize_url(client, &[]);
        answered(&self.choose(&url, "teacher").await, "code").unwrap()
    }

    async fn token(&self, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let body = Url::parse_with_params("http://a", form).unwrap();
        let call = self.client.post(format!("{}/token", self.issuer));
        let call = call.body(body.query().unwrap().to_owned());
        let answer = call.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn redeem(&self, code: &str, change: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("client_id", "public"),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("code", code),
        ];
        for (name, value) in change {
            form.retain(|(it, _)| it != name);
            form.push((*name, *value));
        }
        self.token(&form).await
    }

    async fn claims(&self, token: &str) -> Value {
        let keys = self.client.get(format!("{}/jwks", self.issuer)).send();
        let keys: Value = keys.await.unwrap().json().await.unwrap();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode_to_vec(text).unwrap();
        let mut point = vec![4];
        for coordinate in ["x", "y"] {
            point.extend(decode(keys["keys"][0][coordinate].as_str().unwrap()));
        }
        let (signed, signature) = token.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
        serde_json::from_slice(&decode(signed.split_once('.').unwrap().1)).unwrap()
    }
}

/// A parameter of the address that `response` leads to.
fn answered(response: &Response, name: &str) -> Option<String> {
    let url = Url::parse(response.headers().get("location")?.to_str().unwrap()).unwrap();
    let mut pairs = url.query_pairs().into_owned();
    pairs.find(|(it, _)| it == name).map(|(_, value)| value)
}

#[tokio::test]
async fn a_choice_becomes_a_code_and_the_code_tokens_once() {
    let world = World::start().await;
    let url = world.authorize_url("public", &[]);
    let page = world.client.get(url.as_str()).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.unwrap();
    assert!(page.contains("asks for no password"), "{page}");
    for name in ["Tess Teacher", "Olga Operator", "Sam Student"] {
        assert!(page.contains(name), "{name}");
    }
    let back = world.choose(&url, "teacher").await;
    assert_eq!(answered(&back, "state").as_deref(), Some("st&te"));
    assert_eq!(answered(&back, "iss"), Some(world.issuer.clone()));
    let code = answered(&back, "code").unwrap();

    let (status, tokens) = world.redeem(&code, &[]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    let claims = world.claims(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!(claims["iss"], world.issuer);
    assert_eq!(claims["aud"], "public");
    assert_eq!(claims["nonce"], "n-1");
    assert_eq!(claims["sub"], "teacher");
    assert_eq!(claims["roles"], serde_json::json!(["teacher"]));

    let (status, refused) = world.redeem(&code, &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(refused["error"], "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_a_new_one_once() {
    let world = World::start().await;
    let (_, tokens) = world.redeem(&world.code("public").await, &[]).await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "public"),
        ("refresh_token", first),
    ];
    let (status, tokens) = world.token(&form).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_ne!(tokens["refresh_token"], first);
    let (status, _) = world.token(&form).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn another_verifier_client_secret_or_address_gets_no_tokens() {
    let world = World::start().await;
    for change in [
        ("code_verifier", "another"),
        ("redirect_uri", "http://127.0.0.1:1/auth/callback"),
        ("client_id", "nobody"),
        ("client_secret", "of a public client"),
    ] {
        let code = world.code("public").await;
        let (status, _) = world.redeem(&code, &[change]).await;
        assert!(status.is_client_error(), "{change:?}");
    }
    let code = world.code("secret").await;
    let (status, _) = world.redeem(&code, &[("client_id", "secret")]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let shown = [("client_id", "secret"), ("client_secret", "s e/cret")];
    let (status, tokens) = world.redeem(&code, &shown).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered() {
    let world = World::start().await;
    let evil = world.authorize_url("public", &[("redirect_uri", "https://evil.example/")]);
    let answer = world.client.get(evil.as_str()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let end = format!(
        "{}/end-session?client_id=public&post_logout_redirect_uri=https://evil.example/",
        world.issuer
    );
    let answer = world.client.get(end).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_request_without_pkce_is_refused_to_the_client() {
    let world = World::start().await;
    let plain = world.authorize_url("public", &[("code_challenge_method", "plain")]);
    let answer = world.client.get(plain.as_str()).send().await.unwrap();
    assert_eq!(
        answered(&answer, "error").as_deref(),
        Some("invalid_request")
    );
}

#[tokio::test]
async fn who_is_signed_in_is_not_asked_again_until_the_session_ends() {
    let world = World::start().await;
    let url = world.authorize_url("public", &[]);
    let chosen = world.choose(&url, "operator").await;
    let cookie = chosen.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let again = |url: Url| {
        world
            .client
            .get(url.as_str())
            .header("cookie", cookie)
            .send()
    };
    let back = again(url).await.unwrap();
    assert!(answered(&back, "code").is_some());
    let asked = again(world.authorize_url("public", &[("prompt", "select_account")]));
    assert_eq!(asked.await.unwrap().status(), StatusCode::OK);

    let end = format!(
        "{}/end-session?client_id=public&post_logout_redirect_uri=http://127.0.0.1:7/auth/signed-out&state=s",
        world.issuer
    );
    let ended = again(Url::parse(&end).unwrap()).await.unwrap();
    let to = ended.headers()["location"].to_str().unwrap();
    assert_eq!(to, "http://127.0.0.1:7/auth/signed-out?state=s");
    let cookie = ended.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("Max-Age=0"), "{cookie}");
}
