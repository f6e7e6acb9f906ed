//! Who calls: tokens of the identity provider and API keys, and every way in which they are wrong.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use atelier_domain::api_key::{ApiKey, hash};
use atelier_domain::role::Role;
use atelier_domain::timestamp::Timestamp;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::provider::{Provider, Signer, now, random_id, signed_by_public_key, unsigned};
use crate::world::{World, problem};

async fn list(world: &World, token: &str) -> Response {
    let call = world.call(Method::GET, "/assignments");
    call.bearer_auth(token).send().await.unwrap()
}

/// Checks that an answer refuses a token and says nothing of what is inside here.
async fn assert_refused(what: &str, answer: Response) {
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{what}");
    let challenge = answer.headers()["www-authenticate"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(challenge.starts_with("Bearer "), "{what}: {challenge}");
    assert!(
        challenge.contains("error=\"invalid_token\""),
        "{what}: {challenge}"
    );
    let told = format!("{challenge} {}", problem(answer).await);
    for inside in ["Error", "ring", "jsonwebtoken", "base64", "serde", "kid"] {
        assert!(!told.contains(inside), "{what}: {told}");
    }
}

#[tokio::test]
async fn tokens_of_every_kind_of_key_are_taken() {
    let provider = Provider::start().await;
    let signers = [
        Signer::rsa("an-rsa-key"),
        Signer::p256("a-p256-key"),
        Signer::ed25519("an-ed25519-key"),
    ];
    provider.publish(&signers.each_ref());
    let world = World::with(&provider.options()).await;
    for signer in &signers {
        let token = signer.token(&provider.claims("ann", &["teacher"]));
        assert_eq!(list(&world, &token).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_token_with_any_fault_is_refused() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let good = provider.claims("ann", &["teacher"]);
    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        provider.signer.token(&claims)
    };
    let without = |field: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(field);
        provider.signer.token(&claims)
    };
    let token = provider.signer.token(&good);
    assert_eq!(list(&world, &token).await.status(), StatusCode::OK);
    let (head, signature) = token.rsplit_once('.').unwrap();
    let stranger = Signer::p256("first");
    let jwk = provider.signer.jwk();
    let modulus = jwk["n"].as_str().unwrap();
    let bad = [
        (
            "another issuer",
            with("iss", json!("https://id.example.org")),
        ),
        ("no issuer", without("iss")),
        ("another audience", with("aud", json!("another"))),
        ("other audiences", with("aud", json!(["one", "two"]))),
        ("no audience", without("aud")),
        ("a null audience", with("aud", json!(null))),
        ("expired", with("exp", json!(now() - 90))),
        ("no end", without("exp")),
        ("an end that is no time", with("exp", json!("never"))),
        ("not yet valid", with("nbf", json!(now() + 90))),
        ("a beginning that is no time", with("nbf", json!("now"))),
        ("no subject", without("sub")),
        ("an empty subject", with("sub", json!(" "))),
        ("unsigned", unsigned(&good)),
        (
            "signed with the public key",
            signed_by_public_key("first", jwk.to_string().as_bytes(), &good),
        ),
        (
            "signed with the modulus",
            signed_by_public_key("first", modulus.as_bytes(), &good),
        ),
        ("another's signature", stranger.token(&good)),
        (
            "an unknown key",
            provider.signer.token_named("other", &good),
        ),
        ("no signature", format!("{head}.")),
        ("a cut signature", format!("{head}.{}", &signature[..40])),
        ("other claims", {
            let claims = provider.claims("bob", &["operator"]);
            let forged = provider.signer.token(&claims);
            let (forged, _) = forged.rsplit_once('.').unwrap();
            format!("{forged}.{signature}")
        }),
        ("no token", "abc".to_owned()),
        ("dots", "..".to_owned()),
        ("an API key that nobody has", "atl_unknown".to_owned()),
    ];
    for (what, token) in bad {
        assert_refused(what, list(&world, &token).await).await;
    }
}

#[tokio::test]
async fn clocks_may_differ_by_a_minute() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let mut claims = provider.claims("ann", &["teacher"]);
    claims["exp"] = json!(now() - 45);
    claims["nbf"] = json!(now() + 45);
    let token = provider.signer.token(&claims);
    assert_eq!(list(&world, &token).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn credentials_that_are_no_bearer_token_are_refused() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let token = provider.token("ann", &["teacher"]);
    let call = || world.call(Method::GET, "/assignments");
    let basic = call().basic_auth("ann", Some("secret"));
    assert_refused("basic", basic.send().await.unwrap()).await;
    let twice = call().bearer_auth(&token).bearer_auth(&token);
    assert_refused("two of them", twice.send().await.unwrap()).await;
    let small = call().header("authorization", format!("bEaReR {token}"));
    assert_eq!(small.send().await.unwrap().status(), StatusCode::OK);
    let none = call().send().await.unwrap();
    assert_eq!(none.status(), StatusCode::UNAUTHORIZED);
    // Nothing was wrong with what was not sent (RFC 6750, section 3.1).
    assert_eq!(
        none.headers()["www-authenticate"],
        "Bearer realm=\"atelier\""
    );
    problem(none).await;
}

#[tokio::test]
async fn an_access_token_of_cognito_names_its_client_in_place_of_an_audience() {
    let provider = Provider::start().await;
    let mut options = provider.options();
    options.push(("AUTH_ROLES_CLAIM", "cognito:groups"));
    let world = World::with(&options).await;
    let mut claims = json!({
        "iss": provider.issuer, "sub": "ann", "cognito:groups": ["teacher"],
        "token_use": "access", "client_id": "atelier", "exp": now() + 600,
    });
    let token = provider.signer.token(&claims);
    assert_eq!(list(&world, &token).await.status(), StatusCode::OK);
    claims["client_id"] = json!("another");
    assert_refused(
        "another's",
        list(&world, &provider.signer.token(&claims)).await,
    )
    .await;
}

#[tokio::test]
async fn a_new_key_is_found_and_unknown_ids_do_not_make_us_hammer_the_provider() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let old = provider.token("ann", &["teacher"]);
    assert_eq!(list(&world, &old).await.status(), StatusCode::OK);
    let next = Signer::p256("next");
    provider.publish(&[&next]);
    let claims = provider.claims("ann", &["teacher"]);
    let new = next.token(&claims);
    assert_eq!(list(&world, &new).await.status(), StatusCode::OK);
    assert_refused("a key given up", list(&world, &old).await).await;
    let unknown: Vec<_> = (0..64)
        .map(|_| provider.signer.token_named(&random_id(), &claims))
        .collect();
    let answers = unknown.iter().map(|token| list(&world, token));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let served = &provider.served;
    assert_eq!(
        served.key_sets.load(Ordering::SeqCst),
        2,
        "first and one more"
    );
    assert_eq!(served.discoveries.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn keys_go_on_being_used_while_the_provider_is_away() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let token = provider.token("ann", &["teacher"]);
    assert_eq!(list(&world, &token).await.status(), StatusCode::OK);
    provider.served.away.store(true, Ordering::SeqCst);
    let claims = provider.claims("ann", &["teacher"]);
    let unknown = provider.signer.token_named("unknown", &claims);
    assert_refused("unknown", list(&world, &unknown).await).await;
    assert_eq!(list(&world, &token).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_api_starts_without_its_provider_and_works_once_that_is_there() {
    let provider = Provider::start().await;
    provider.served.away.store(true, Ordering::SeqCst);
    let world = World::with(&provider.options()).await;
    let token = provider.token("ann", &["teacher"]);
    let answer = list(&world, &token).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let wait: u64 = answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=6).contains(&wait), "{wait}");
    problem(answer).await;
    let ready = world.get("/health/ready").await;
    assert_eq!(ready.status(), StatusCode::OK);
    for _ in 0..20 {
        list(&world, &token).await;
    }
    assert!(provider.served.discoveries.load(Ordering::SeqCst) <= 2);
    provider.served.away.store(false, Ordering::SeqCst);
    let looks = async {
        loop {
            let answer = list(&world, &token).await;
            if answer.status() == StatusCode::OK {
                return;
            }
            let wait: u64 = answer.headers()["retry-after"]
                .to_str()
                .unwrap()
                .parse()
                .unwrap();
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
    };
    let looks = tokio::time::timeout(Duration::from_secs(30), looks).await;
    looks.expect("it never worked");
}

#[tokio::test]
async fn a_provider_that_speaks_for_another_is_not_believed() {
    let provider = Provider::start().await;
    provider.pretend("https://id.example.org");
    let world = World::with(&provider.options()).await;
    let token = provider.token("ann", &["teacher"]);
    let answer = list(&world, &token).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn whoever_lacks_the_role_is_told_which_is_needed() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let fleet = |token: String| {
        let call = world.call(Method::GET, "/fleet.json");
        call.bearer_auth(token).send()
    };
    let answer = fleet(provider.token("ann", &["teacher"])).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let detail = problem(answer).await["detail"].to_string();
    assert!(detail.contains("`operator`"), "{detail}");
    let answer = fleet(provider.token("bob", &["operator"])).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let answer = list(&world, &provider.token("eve", &["guest"])).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let detail = problem(answer).await["detail"].to_string();
    assert!(detail.contains("`teacher`"), "{detail}");
    let answer = world.get("/fleet/faults").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    // The twin of the page is the same call.
    let call = world.call(Method::GET, "/fleet");
    let twin = call.header("accept", "application/json").send().await;
    assert_eq!(twin.unwrap().status(), StatusCode::UNAUTHORIZED);
}

fn api_key(name: &str, role: Role) -> (String, ApiKey) {
    let key = format!("atl_{}", random_id());
    let stored = ApiKey {
        name: name.to_owned(),
        hash: hash(&key),
        role,
        created_at: Timestamp::now(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    (key, stored)
}

#[tokio::test]
async fn an_api_key_is_taken_until_it_ends_or_is_revoked() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let keys = world.services.store.api_keys();
    let (key, stored) = api_key("portal", Role::Portal);
    assert!(keys.add_key(&stored).await.unwrap());
    let (over, stored) = api_key("over", Role::Portal);
    let stored = ApiKey {
        expires_at: Some(Timestamp::now() - Duration::from_secs(1)),
        ..stored
    };
    assert!(keys.add_key(&stored).await.unwrap());
    assert_refused("over", list(&world, &over).await).await;

    let body = json!({"prompt": "a fox", "teacher_id": "ann"});
    let call = world.call(Method::POST, "/assignments").json(&body);
    let created = call.bearer_auth(&key).send().await.unwrap();
    assert_eq!(created.status(), StatusCode::ACCEPTED);
    let fleet = world.call(Method::GET, "/fleet.json").bearer_auth(&key);
    assert_eq!(fleet.send().await.unwrap().status(), StatusCode::FORBIDDEN);

    let noted = async {
        loop {
            let all = keys.all_keys().await.unwrap();
            let portal = all.into_iter().find(|it| it.name == "portal").unwrap();
            if portal.last_used_at.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let noted = tokio::time::timeout(Duration::from_secs(10), noted).await;
    noted.expect("its use was never noted");

    let revoked = keys.revoke_key("portal", Timestamp::now()).await.unwrap();
    assert!(revoked.is_some());
    let start = Instant::now();
    while list(&world, &key).await.status() == StatusCode::OK {
        assert!(start.elapsed() < Duration::from_secs(1), "still taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_refused("revoked", list(&world, &key).await).await;
}

#[tokio::test]
async fn without_a_provider_everybody_may_do_everything() {
    let world = World::start().await;
    let (_, answer) = tokio::join!(world.create("a fox"), list(&world, "no token"));
    assert_eq!(answer.status(), StatusCode::OK);
    let call = world.call(Method::GET, "/fleet.json");
    assert_eq!(call.send().await.unwrap().status(), StatusCode::OK);
}
