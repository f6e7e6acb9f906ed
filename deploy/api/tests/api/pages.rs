//! The page, the OpenAPI document and its reading page.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::world::World;

#[tokio::test]
async fn every_view_is_served_under_a_strict_policy() {
    let world = World::start().await;
    for path in ["/", "/show", "/complete", "/complete/an-id", "/fleet"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(answer.headers()["cache-control"], "no-cache");
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        let etag = answer.headers()["etag"].clone();
        let call = world.call(Method::GET, path).header("if-none-match", etag);
        let again = call.send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
    let style = world.get("/assets/style.css").await;
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    assert_eq!(world.get("/favicon.ico").await.status(), StatusCode::OK);
    let call = world
        .call(Method::GET, "/")
        .header("accept-encoding", "gzip");
    let answer = call.send().await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let call = world
        .call(Method::GET, "/fleet")
        .header("accept", "application/json");
    let twin = call.send().await.unwrap();
    assert_eq!(twin.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn an_unknown_address_is_a_page_for_people_and_a_problem_for_programs() {
    let world = World::start().await;
    for path in [
        "/no/such/view",
        "/show/extra",
        "/complete/a/b",
        "/S",
        "//x.test/",
    ] {
        let call = world.call(Method::GET, path);
        let browser = call.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let page = browser.send().await.unwrap();
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert!(page.text().await.unwrap().contains("To the start"));
        let program = world.get(path).await;
        assert_eq!(program.status(), StatusCode::NOT_FOUND, "{path}");
        let kind = &program.headers()["content-type"];
        assert_eq!(kind, "application/problem+json");
    }
    let call = world.call(Method::GET, "/s/").header("accept", "text/html");
    let page = call.send().await.unwrap();
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert!(!page.text().await.unwrap().contains("To the start"));
}

#[tokio::test]
async fn a_slash_at_the_end_leads_to_the_same_page_and_nowhere_else() {
    let world = World::start().await;
    for (path, to) in [
        ("/show/?status=failed", "/show?status=failed"),
        ("/complete/", "/complete"),
        ("/complete/an-id/", "/complete/an-id"),
        ("/complete/%5C%5Cx.test/", "/complete/%5C%5Cx.test"),
        ("/fleet/", "/fleet"),
        ("/s/token/", "/s/token"),
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT, "{path}");
        assert_eq!(answer.headers()["location"], to);
    }
}

#[tokio::test]
async fn the_reading_page_loads_nothing_from_other_hosts() {
    let world = World::start().await;
    let answer = world.get("/docs/").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!answer.text().await.unwrap().contains("https://"));
    let script = world.get("/docs/swagger-initializer.js").await;
    assert!(script.text().await.unwrap().contains("/openapi.json"));
}

#[tokio::test]
async fn the_description_names_every_call_and_refuses_unknown_fields() {
    let world = World::start().await;
    let openapi: Value = world.get("/openapi.json").await.json().await.unwrap();
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3.1"));
    for (path, method, statuses) in [
        (
            "/assignments",
            "post",
            "201 202 400 401 403 408 409 410 413 415 429 500 503",
        ),
        ("/assignments", "get", "200 400 401 403 500 503"),
        (
            "/assignments/{id}",
            "get",
            "200 304 400 401 403 404 500 503",
        ),
        (
            "/assignments/{id}",
            "patch",
            "200 400 401 403 404 408 409 413 415 500 503",
        ),
        ("/assignments/{id}", "delete", "204 401 403 404 409 500 503"),
        (
            "/assignments/{id}/retry",
            "post",
            "202 400 401 403 404 408 409 413 415 429 500 503",
        ),
        (
            "/assignments:batch",
            "post",
            "200 400 401 403 408 409 413 415 500 503",
        ),
        (
            "/assignments/{id}/image",
            "get",
            "200 302 304 400 401 403 503",
        ),
        ("/budget", "get", "200 400 401 403 500 503"),
        (
            "/assignments/{id}/share",
            "post",
            "200 201 400 401 403 404 408 409 413 415 500 503",
        ),
        (
            "/assignments/{id}/share",
            "delete",
            "204 401 403 404 500 503",
        ),
        (
            "/assignments/{id}/results",
            "get",
            "200 400 401 403 404 500 503",
        ),
        (
            "/assignments/{id}/results",
            "delete",
            "200 400 401 403 404 500 503",
        ),
        (
            "/assignments/{id}/share/qr.svg",
            "get",
            "200 400 401 403 404 500 503",
        ),
        ("/shared/{token}", "get", "200 404 500 503"),
        ("/shared/{token}/image", "get", "200 304 400 404 500 503"),
        (
            "/shared/{token}/answers",
            "post",
            "200 400 403 404 408 413 415 429 500 503",
        ),
        (
            "/fleet/pause",
            "post",
            "200 400 401 403 408 413 415 500 503",
        ),
        ("/fleet/resume", "post", "204 401 403 500 503"),
        (
            "/fleet/dead-letters:redrive",
            "post",
            "200 400 401 403 408 409 413 415 500 503",
        ),
        ("/health/ready", "get", "200 431 503"),
        ("/auth/me", "get", "200 401 503"),
        ("/auth/sign-out", "post", "200 403"),
    ] {
        let responses = &openapi["paths"][path][method]["responses"];
        let mut told: Vec<_> = responses.as_object().unwrap().keys().cloned().collect();
        told.sort();
        assert_eq!(told.join(" "), statuses, "{method} {path}");
    }
    let calls = openapi["paths"].as_object().unwrap().values();
    let names: Vec<_> = calls
        .clone()
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|call| call["operationId"].as_str().unwrap())
        .collect();
    let unique: std::collections::HashSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    for operation in calls.flat_map(|path| path.as_object().unwrap().values()) {
        let words = |field: &str| operation[field].as_str().is_some_and(|it| !it.is_empty());
        assert!(words("summary") && words("description"), "{operation:#}");
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let told = answer["headers"]["Retry-After"].is_object();
            let sent = ["429", "502", "503"].contains(&status.as_str());
            assert!(told || !sent, "{status}: {operation:#}");
        }
        // A body that need not be sent is left out, not `null`.
        assert!(!operation["requestBody"].to_string().contains("oneOf"));
    }
    let schemas = &openapi["components"]["schemas"];
    let codes = schemas["Failure"]["properties"]["code"]["enum"].as_array();
    assert_eq!(codes.unwrap().len(), 10, "every code and `unreadable`");
    for inside in ["BTreeMap", "View", "Page", "Option"] {
        assert!(schemas.get(inside).is_none(), "{inside}");
    }
    assert_eq!(schemas["NewAssignment"]["additionalProperties"], false);
    let text = openapi.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas[name].is_object(), "{name} is not described");
    }
}
