//! What callers may see and do: their own, all, or nothing.

use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::provider::Provider;
use crate::world::{World, problem};

/// Somebody who calls, by a token.
struct Person<'a> {
    world: &'a World,
    token: String,
}

impl Person<'_> {
    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.world.call(method, path).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> Response {
        self.call(Method::GET, path).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        let call = self.call(Method::POST, path).json(body);
        call.send().await.unwrap()
    }

    /// The token of the link of an assignment.
    async fn share(&self, id: &str) -> String {
        let answer = self
            .post(&format!("/assignments/{id}/share"), &json!({}))
            .await;
        let link: Value = answer.json().await.unwrap();
        link["token"].as_str().unwrap().to_owned()
    }

    /// Creates an assignment and returns its id.
    async fn create(&self, body: &Value) -> String {
        let answer = self.post("/assignments", body).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let view: Value = answer.json().await.unwrap();
        view["assignment_id"].as_str().unwrap().to_owned()
    }
}

struct School<'a> {
    ann: Person<'a>,
    bob: Person<'a>,
    portal: Person<'a>,
    operator: Person<'a>,
}

fn school<'a>(world: &'a World, provider: &Provider) -> School<'a> {
    let person = |subject: &str, role: &str| Person {
        world,
        token: provider.token(subject, &[role]),
    };
    School {
        ann: person("ann", "teacher"),
        bob: person("bob", "teacher"),
        portal: person("p", "portal"),
        operator: person("o", "operator"),
    }
}

/// An answer without what differs between any two: status, headers, body.
async fn whole(answer: Response) -> (u16, BTreeMap<String, String>, Vec<u8>) {
    let id = answer.headers()["x-correlation-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let headers = answer
        .headers()
        .iter()
        .filter(|(name, _)| !["date", "x-correlation-id"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let status = answer.status().as_u16();
    let body = answer.text().await.unwrap().replace(&id, "");
    (status, headers, body.into_bytes())
}

fn ids(page: &Value) -> Vec<&str> {
    let listed = page["assignments"].as_array().unwrap();
    listed
        .iter()
        .map(|it| it["assignment_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn anothers_assignment_is_answered_byte_for_byte_like_one_that_does_not_exist() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let School { ann, bob, .. } = school(&world, &provider);
    let pending = ann.create(&json!({"prompt": "a fox"})).await;
    let failed = ann.create(&json!({"prompt": "an owl"})).await;
    world.fail(&failed).await;
    let done = ann.create(&json!({"prompt": "a cat"})).await;
    world.succeed(&done, Some(b"bytes")).await;
    let kept = |id: &str| {
        let id = id.to_owned();
        let world = &world;
        async move { world.document(&id).await }
    };
    for id in [&pending, &failed, &done] {
        let before = kept(id).await;
        let calls = [
            (Method::GET, "", None),
            (Method::GET, "?wait=1", None),
            (Method::PATCH, "", Some(json!({"permanent": true}))),
            (Method::DELETE, "", None),
            (Method::POST, "/retry", None),
            (Method::POST, "/retry", Some(json!({"prompt": "mine"}))),
            (Method::GET, "/image", None),
            (Method::POST, "/share", None),
            (Method::DELETE, "/share", None),
            (Method::GET, "/results", None),
            (Method::DELETE, "/results", None),
        ];
        for (method, end, body) in calls {
            let ask = async |id: &str| {
                let call = bob.call(method.clone(), &format!("/assignments/{id}{end}"));
                let call = match &body {
                    Some(body) => call.json(body),
                    None => call,
                };
                whole(call.send().await.unwrap()).await
            };
            // Of the same length, for the headers.
            let nobodys = "0".repeat(id.len());
            let (anothers, unknown) = (ask(id).await, ask(&nobodys).await);
            assert_eq!(anothers, unknown, "{method} {end}");
            assert!(end == "/image" || anothers.0 == 404, "{method} {end}");
        }
        assert_eq!(kept(id).await, before);
    }
}

#[tokio::test]
async fn lists_and_batches_show_a_teacher_its_own_alone() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let School {
        ann,
        bob,
        portal,
        operator,
    } = school(&world, &provider);
    let anns = ann.create(&json!({"prompt": "a fox"})).await;
    let bobs = bob.create(&json!({"prompt": "an owl"})).await;
    let nobodys = portal.create(&json!({"prompt": "a cat"})).await;
    assert_eq!(ids(&ann.json("/assignments").await), [&anns]);
    assert_eq!(ids(&ann.json("/assignments?status=pending").await), [&anns]);
    assert_eq!(ids(&ann.json("/assignments?teacher_id=ann").await), [&anns]);
    let other = ann.json("/assignments?teacher_id=bob").await;
    assert_eq!(other, json!({"assignments": [], "next": null}));
    let batch = format!("/assignments?ids={anns},{bobs},{nobodys}");
    assert_eq!(ids(&ann.json(&batch).await), [&anns]);
    assert_eq!(ids(&bob.json(&batch).await), [&bobs]);
    for all in [portal, operator] {
        let mut seen = all.json("/assignments").await;
        assert_eq!(ids(&seen).len(), 3);
        seen = all.json("/assignments?teacher_id=bob").await;
        assert_eq!(ids(&seen), [&bobs]);
        assert_eq!(ids(&all.json(&batch).await).len(), 3);
    }
}

#[tokio::test]
async fn a_teacher_is_told_no_budget_of_another() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let school = school(&world, &provider);
    for (caller, path, expected) in [
        (&school.bob, "/budget", 200),
        (&school.bob, "/budget?teacher_id=bob", 200),
        (&school.bob, "/budget?teacher_id=ann", 403),
        (&school.portal, "/budget?teacher_id=ann", 200),
    ] {
        assert_eq!(caller.get(path).await.status(), expected, "{path}");
    }
}

#[tokio::test]
async fn a_teachers_assignment_is_its_own_whatever_the_body_says() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let School { ann, portal, .. } = school(&world, &provider);
    let id = ann.create(&json!({"prompt": "a fox"})).await;
    assert_eq!(world.document(&id).await.teacher_id.as_deref(), Some("ann"));
    let body = json!({"prompt": "a fox", "teacher_id": "ann"});
    let id = ann.create(&body).await;
    assert_eq!(world.document(&id).await.teacher_id.as_deref(), Some("ann"));
    let body = json!({"prompt": "a fox", "teacher_id": "bob"});
    let answer = ann.post("/assignments", &body).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(problem(answer).await["errors"][0]["field"], "teacher_id");
    let id = portal.create(&body).await;
    assert_eq!(world.document(&id).await.teacher_id.as_deref(), Some("bob"));
}

#[tokio::test]
async fn a_repeated_post_shows_nothing_of_anothers_assignment() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let School { ann, bob, .. } = school(&world, &provider);
    let body = json!({"assignment_id": "one", "prompt": "a secret fox"});
    ann.create(&body).await;
    assert_eq!(ann.create(&body).await, "one");
    for body in [&body, &json!({"assignment_id": "one", "prompt": "an owl"})] {
        let answer = bob.post("/assignments", body).await;
        assert_eq!(answer.status(), StatusCode::CONFLICT);
        let told = problem(answer).await.to_string();
        assert!(!told.contains("fox") && !told.contains("ann"), "{told}");
    }
    assert_eq!(world.document("one").await.prompt, "a secret fox");
}

#[tokio::test]
async fn each_caller_has_a_limit_of_its_own_that_retries_count_against() {
    let provider = Provider::start().await;
    let mut options = provider.options();
    options.push(("CREATE_LIMIT_PER_MINUTE", "2"));
    let world = World::with(&options).await;
    let bob = school(&world, &provider).bob;
    // The window may turn over once meanwhile: then another teacher tries.
    for name in ["ann", "amy"] {
        let ann = Person {
            world: &world,
            token: provider.token(name, &["teacher"]),
        };
        let id = ann.create(&json!({"prompt": "a fox"})).await;
        world.fail(&id).await;
        let retry = format!("/assignments/{id}/retry");
        let retried = ann.post(&retry, &json!({})).await;
        assert_eq!(retried.status(), StatusCode::ACCEPTED);
        let beyond = ann.post("/assignments", &json!({"prompt": "an owl"})).await;
        if beyond.status() == StatusCode::TOO_MANY_REQUESTS {
            world.fail(&id).await;
            let retried = ann.post(&retry, &json!({})).await;
            assert_eq!(retried.status(), StatusCode::TOO_MANY_REQUESTS);
            bob.create(&json!({"prompt": "a cat"})).await;
            return;
        }
    }
    panic!("it was never beyond the limit");
}

#[tokio::test]
async fn without_callers_each_client_of_a_trusted_proxy_has_a_limit_of_its_own() {
    let limit = ("CREATE_LIMIT_PER_MINUTE", "1");
    let post = async |world: &World, from: &str| {
        let call = world.call(Method::POST, "/assignments");
        let call = call.header("x-forwarded-for", from);
        let answer = call.json(&json!({"prompt": "a fox"})).send().await;
        answer.unwrap().status() == StatusCode::ACCEPTED
    };
    let world = World::with(&[limit, ("TRUSTED_PROXIES", "127.0.0.0/8, ::1")]).await;
    // Each of three may post, and whoever writes other addresses before its own is the same.
    for client in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        assert!(post(&world, client).await);
    }
    let mut taken = 0;
    for n in 0..4 {
        let forged = format!("203.0.113.{n}, 198.51.100.3");
        taken += u32::from(post(&world, &forged).await);
    }
    assert!(taken <= 1, "a new minute may have begun once");

    let world = World::with(&[limit]).await;
    let mut taken = 0;
    for n in 0..4 {
        taken += u32::from(post(&world, &format!("198.51.100.{n}")).await);
    }
    assert!(taken <= 2, "a header that nobody trusts counts");
}

#[tokio::test]
async fn answers_with_personal_data_are_kept_by_nobody_in_between() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let School { ann, .. } = school(&world, &provider);
    let id = ann.create(&json!({"prompt": "a fox"})).await;
    world.succeed(&id, Some(b"bytes")).await;
    for path in [
        "/assignments".to_owned(),
        format!("/assignments/{id}"),
        format!("/assignments/{id}/image"),
    ] {
        let answer = ann.get(&path).await;
        assert_eq!(
            answer.headers()["cache-control"],
            "private, no-cache",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_link_works_without_an_account_and_only_its_teacher_ends_it() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let School { ann, bob, .. } = school(&world, &provider);
    let id = ann
        .create(&json!({"prompt": "a fox", "question_answers": r#"[["2 + 2?", 4]]"#}))
        .await;
    let token = ann.share(&id).await;
    let sheet = json!({"name": "Ada", "answers": ["4"]});
    let told = world
        .post(&format!("/shared/{token}/answers"), &sheet)
        .await;
    assert_eq!(told.status(), StatusCode::OK);
    let page = world.get(&format!("/s/{token}")).await;
    assert_eq!(page.status(), StatusCode::OK);
    let ended = bob.call(Method::DELETE, &format!("/assignments/{id}/share"));
    assert_eq!(ended.send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let results = ann.json(&format!("/assignments/{id}/results")).await;
    assert_eq!(results["results"][0]["name"], "Ada");
    assert_eq!(results["links"][0]["token"], token);
    let ended = ann.call(Method::DELETE, &format!("/assignments/{id}/share"));
    assert_eq!(ended.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let gone = world.get(&format!("/shared/{token}")).await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
}

/// Who makes each call of the walk, and by which role of the declaration.
const CALLERS: [(&str, Option<&str>); 5] = [
    ("nobody", None),
    ("ann", Some("teacher")),
    ("bob", Some("teacher")),
    ("portal", Some("portal")),
    ("operator", Some("operator")),
];

#[tokio::test]
async fn every_operation_answers_every_caller_as_it_declares() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let ann = school(&world, &provider).ann;
    let description: Value = world.get("/openapi.json").await.json().await.unwrap();
    let mut walked = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let declared = operation["x-roles"].as_array();
            let roles: Vec<&str> = declared
                .unwrap_or_else(|| panic!("{method} {path} declares nobody"))
                .iter()
                .map(|role| role.as_str().unwrap())
                .collect();
            assert!(!roles.is_empty(), "{method} {path}");
            let is_open = ["nobody", "student_link"]
                .iter()
                .any(|it| roles.contains(it));
            let needs_credentials = operation["security"] != json!([]);
            assert_eq!(needs_credentials, !is_open, "{method} {path}");
            for (name, role) in CALLERS {
                // Each call gets an assignment of ann's that the call before did not change.
                let id = ann.create(&json!({"prompt": "a fox"})).await;
                let at = path.replace("{id}", &id).replace("{message_id}", "m");
                let at = at.replace("{token}", &ann.share(&id).await);
                let method: Method = method.to_uppercase().parse().unwrap();
                let mut call = world.call(method.clone(), &at);
                if let Some(role) = role {
                    call = call.bearer_auth(provider.token(name, &[role]));
                }
                if operation.get("requestBody").is_some() {
                    call = call.json(&body_of(path, &method));
                }
                let answer = call.send().await.unwrap();
                let what = format!("{name}: {method} {path}");
                let may = is_open || role.is_some_and(|role| roles.contains(&role));
                let status = answer.status().as_u16();
                if may && !is_open && name == "bob" && path.contains("{id}") {
                    assert_anothers(&what, answer);
                } else if may {
                    let missing = status == 404 && !path.contains("{message_id}");
                    assert!(
                        ![401, 403].contains(&status) && !missing,
                        "{what}: {status}"
                    );
                } else if role.is_none() {
                    assert_eq!(status, 401, "{what}");
                    assert!(answer.headers().contains_key("www-authenticate"), "{what}");
                } else {
                    assert_eq!(status, 403, "{what}");
                    let detail = problem(answer).await["detail"].to_string();
                    assert!(
                        detail.contains(&format!("`{}`", roles[0])),
                        "{what}: {detail}"
                    );
                }
                walked += 1;
            }
        }
    }
    assert!(walked >= 5 * 13, "{walked}");
}

fn body_of(path: &str, method: &Method) -> Value {
    match (path, method.as_str()) {
        ("/assignments/{id}", "PATCH") => json!({"permanent": true}),
        ("/assignments", _) => json!({"prompt": "an owl"}),
        ("/assignments:batch", _) => json!({"operation": "delete", "ids": ["nothing"]}),
        ("/shared/{token}/answers", _) => json!({"answers": []}),
        _ => json!({}),
    }
}

fn assert_anothers(what: &str, answer: Response) {
    match answer.headers().get("x-atelier-placeholder") {
        Some(reason) => assert_eq!(reason, "unknown", "{what}"),
        None => assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{what}"),
    }
}
