//! Links for students: what they show, what they do not, and what becomes of the answers.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use atelier_domain::share::MAX_RESULTS;
use futures_util::StreamExt as _;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, problem};

const PICTURE: &[u8] = b"RIFF and so on";

/// What must never leave through a link.
const PROMPT: &str = "seventeen-purple-walruses";
const ANSWER: &str = "Jupiterianischer-Riese";
const ALTERNATIVE: &str = "Gasriese-Nummer-Fuenf";
const TEACHER: &str = "frau-geheimrat";
const ID: &str = "the-inner-id-of-it";

fn question_answers() -> String {
    json!([
        {"question": "Which planet is the largest?", "answer": [ANSWER, ALTERNATIVE]},
        {"question": "How many are there?", "answer": 8},
        {"question": "What do you think?"},
    ])
    .to_string()
}

/// An assignment of a teacher's, with its picture.
async fn assign(world: &World, id: &str) {
    let body = json!({
        "assignment_id": id, "prompt": PROMPT, "teacher_id": TEACHER,
        "title": "The planets", "question_answers": question_answers(),
    });
    let answer = world.post("/assignments", &body).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    world.succeed(id, Some(PICTURE)).await;
}

/// The token of the link of an assignment.
async fn share(world: &World, id: &str) -> String {
    let answer = world
        .post(&format!("/assignments/{id}/share"), &json!({}))
        .await;
    assert!(answer.status().is_success(), "{}", answer.status());
    let link: Value = answer.json().await.unwrap();
    link["token"].as_str().unwrap().to_owned()
}

async fn check(world: &World, token: &str, sheet: &Value) -> Response {
    world.post(&format!("/shared/{token}/answers"), sheet).await
}

async fn verdict(world: &World, token: &str, sheet: &Value) -> Value {
    let answer = check(world, token, sheet).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

async fn results(world: &World, id: &str) -> Value {
    let answer = world.get(&format!("/assignments/{id}/results")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

/// Head and body of an answer as one text.
async fn everything(answer: Response) -> String {
    let head = format!("{:?} {:?}", answer.status(), answer.headers());
    let body = answer.bytes().await.unwrap();
    head + &String::from_utf8_lossy(&body)
}

#[tokio::test]
async fn a_link_shows_picture_title_and_questions_and_gives_nothing_else_away() {
    let world = World::start().await;
    assign(&world, ID).await;
    let token = share(&world, ID).await;
    let view: Value = world
        .get(&format!("/shared/{token}"))
        .await
        .json()
        .await
        .unwrap();
    let image = format!("/shared/{token}/image");
    let wanted = json!({
        "title": "The planets", "status": "success", "image_url": image,
        "width": 1024, "height": 1024,
        "questions": ["Which planet is the largest?", "How many are there?", "What do you think?"],
    });
    assert_eq!(view, wanted);
    let picture = world.get(&image).await;
    assert_eq!(picture.headers()["content-type"], "image/webp");
    assert_eq!(picture.headers()["cache-control"], "private, no-cache");
    let etag = picture.headers()["etag"].clone();
    assert_eq!(picture.bytes().await.unwrap(), PICTURE);
    let call = world
        .call(Method::GET, &image)
        .header("if-none-match", etag);
    let again = call.send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let page = world.get(&format!("/s/{token}")).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.headers()["cache-control"], "no-store");
    assert_eq!(page.headers()["x-robots-tag"], "noindex, nofollow");
    let html = page.text().await.unwrap();
    assert!(html.contains("The planets") && html.contains("How many are there?"));
    for away in ["<a ", "<nav", "/show", "/complete", "/fleet"] {
        assert!(!html.contains(away), "{away} leads somewhere else");
    }
    let sheet = json!({"name": "Ada", "answers": ["Saturn", "nine", "nothing"]});
    let right = json!({"name": "Ada", "answers": [ANSWER.to_lowercase(), "8", ""]});
    let bad = json!({"name": "Ada", "answers": 7, "more": ANSWER.len()});
    let path = format!("/shared/{token}");
    let answers = vec![
        world.get(&path).await,
        world.get(&image).await,
        world.get(&format!("/s/{token}")).await,
        check(&world, &token, &sheet).await,
        check(&world, &token, &right).await,
        check(&world, &token, &bad).await,
        world.call(Method::HEAD, &path).send().await.unwrap(),
        world.delete(&path).await,
        world.get(&format!("{path}?prompt=1")).await,
        world.get(&format!("{path}/results")).await,
    ];
    for answer in answers {
        let url = answer.url().clone();
        let text = everything(answer).await;
        for secret in [
            PROMPT,
            ANSWER,
            ALTERNATIVE,
            TEACHER,
            ID,
            "cost",
            "0.04",
            "a model",
        ] {
            let leaks = text.to_lowercase().contains(&secret.to_lowercase());
            assert!(!leaks, "{url} tells {secret}: {text}");
        }
    }
}

#[tokio::test]
async fn a_picture_that_others_made_is_shown_without_what_is_written_in_it() {
    let world = World::start().await;
    assign(&world, ID).await;
    let chunk = |name: &[u8], payload: &[u8]| {
        let size = (payload.len() as u32).to_be_bytes();
        [&size, name, payload, &[0; 4]].concat()
    };
    let png = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", b"head"),
        chunk(b"tEXt", PROMPT.as_bytes()),
        chunk(b"IDAT", b"pixels"),
        chunk(b"IEND", b""),
    ]
    .concat();
    world.replace_picture(ID, png, "image/png").await;
    let token = share(&world, ID).await;
    let answer = world.get(&format!("/shared/{token}/image")).await;
    assert_eq!(answer.headers()["content-type"], "image/png");
    let text = everything(answer).await;
    assert!(text.contains("pixels") && !text.contains(PROMPT), "{text}");
}

#[tokio::test]
async fn the_link_is_the_same_until_it_is_revoked() {
    let world = World::with(&[("PUBLIC_URL", "https://atelier.example.org/")]).await;
    assign(&world, ID).await;
    let path = format!("/assignments/{ID}/share");
    let made = world.call(Method::POST, &path).send().await.unwrap();
    assert_eq!(made.status(), StatusCode::CREATED);
    let made: Value = made.json().await.unwrap();
    let token = made["token"].as_str().unwrap();
    assert_eq!(
        made["url"],
        format!("https://atelier.example.org/s/{token}")
    );
    let again = world.post(&path, &json!({"expires_in_days": 3})).await;
    assert_eq!(again.status(), StatusCode::OK);
    let again: Value = again.json().await.unwrap();
    assert_eq!(again, made);
    for _ in 0..2 {
        let revoked = world.delete(&path).await;
        assert_eq!(revoked.status(), StatusCode::NO_CONTENT);
    }
    let other = share(&world, ID).await;
    assert_ne!(other, token);
    for bad in [
        json!({"expires_in_days": 0}),
        json!({"expires_in_days": "3"}),
        json!({"days": 1}),
    ] {
        let answer = world.post(&path, &bad).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn the_link_that_lives_has_a_qr_code() {
    let world = World::start().await;
    assign(&world, ID).await;
    let path = format!("/assignments/{ID}/share/qr.svg");
    assert_eq!(world.get(&path).await.status(), StatusCode::NOT_FOUND);
    share(&world, ID).await;
    let first = world.get(&path).await;
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.headers()["content-type"], "image/svg+xml");
    assert_eq!(first.headers()["cache-control"], "no-store");
    let first = first.text().await.unwrap();
    assert!(first.contains("<svg"), "{first}");
    world.delete(&format!("/assignments/{ID}/share")).await;
    assert_eq!(world.get(&path).await.status(), StatusCode::NOT_FOUND);
    share(&world, ID).await;
    let second = world.get(&path).await;
    assert_eq!(second.status(), StatusCode::OK);
    assert_ne!(second.text().await.unwrap(), first);
    for (query, status) in [
        ("?link=7", StatusCode::NOT_FOUND),
        ("?link=0", StatusCode::BAD_REQUEST),
        ("?links=1", StatusCode::BAD_REQUEST),
    ] {
        let answer = world.get(&format!("{path}{query}")).await;
        assert_eq!(answer.status(), status, "{query}");
    }
    let unknown = world.get("/assignments/unknown/share/qr.svg").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_link_that_does_not_live_is_as_an_assignment_that_does_not_exist() {
    let world = World::start().await;
    let unknown = problem(world.get("/assignments/unknown").await).await;
    let unknown = (unknown["status"].clone(), unknown["detail"].clone());
    assign(&world, "revoked").await;
    let revoked = share(&world, "revoked").await;
    let sheet = json!({"name": "Ada", "answers": ["8"]});
    verdict(&world, &revoked, &sheet).await;
    world.delete("/assignments/revoked/share").await;
    let start = Instant::now();
    assign(&world, "deleted").await;
    let deleted = share(&world, "deleted").await;
    world.delete("/assignments/deleted").await;
    let tokens = [&revoked, &deleted, &"A".repeat(32), "short", "%00", "a%2Fb"];
    for token in tokens {
        for path in [format!("/shared/{token}"), format!("/shared/{token}/image")] {
            let told = problem(world.get(&path).await).await;
            assert_eq!(
                (told["status"].clone(), told["detail"].clone()),
                unknown,
                "{path}"
            );
        }
        let told = problem(check(&world, token, &sheet).await).await;
        assert_eq!(
            (told["status"].clone(), told["detail"].clone()),
            unknown,
            "{token}"
        );
        let page = world.get(&format!("/s/{token}")).await;
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{token}");
        assert!(page.text().await.unwrap().contains("opens nothing"));
    }
    assert!(start.elapsed() < Duration::from_secs(30));
    for path in ["/assignments/deleted/share", "/assignments/unknown/share"] {
        let told = problem(world.post(path, &json!({})).await).await;
        assert_eq!(
            (told["status"].clone(), told["detail"].clone()),
            unknown,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_link_ends_by_itself_when_its_time_is_over() {
    let world = World::start().await;
    assign(&world, ID).await;
    let path = format!("/assignments/{ID}/share");
    let made = world.post(&path, &json!({"expires_in_days": 2})).await;
    let made: Value = made.json().await.unwrap();
    let days =
        (made["expires_at"].as_f64().unwrap() - made["created_at"].as_f64().unwrap()) / 86_400.0;
    assert!((days - 2.0).abs() < 1e-6, "{days}");
    let expired = atelier_domain::share::NewShare {
        assignment_id: "other".to_owned(),
        token: "e".repeat(32),
        created_at: atelier_domain::timestamp::Timestamp::from_seconds(1.0),
        expires_at: Some(atelier_domain::timestamp::Timestamp::from_seconds(2.0)),
    };
    assign(&world, "other").await;
    world.services.store.shares().share(&expired).await.unwrap();
    let answer = world.get(&format!("/shared/{}", "e".repeat(32))).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn answers_are_checked_and_kept_under_the_students_name() {
    let world = World::start().await;
    assign(&world, ID).await;
    let token = share(&world, ID).await;
    let sheet = json!({"name": " Ada Żółć ", "answers": [format!(" {}! ", ALTERNATIVE.to_uppercase()), "8."]});
    let told = verdict(&world, &token, &sheet).await;
    let wanted = json!({"right": [true, true, null], "right_count": 2, "kept": true});
    assert_eq!(told, wanted);
    let practice = json!({"answers": ["Saturn", null, "a lot"]});
    let told = verdict(&world, &token, &practice).await;
    let wanted = json!({"right": [false, false, null], "right_count": 0, "kept": false});
    assert_eq!(told, wanted);
    let seen = results(&world, ID).await;
    assert_eq!(seen["link"], 1);
    assert_eq!(seen["links"][0]["results"], 1);
    assert_eq!(seen["questions"][1], "How many are there?");
    let kept = seen["results"].as_array().unwrap();
    assert_eq!(kept.len(), 1, "{seen:#}");
    assert_eq!(kept[0]["name"], "Ada Żółć");
    assert_eq!(kept[0]["answers"][1], "8.");
    assert_eq!(kept[0]["right_count"], 2);
    assert_eq!(kept[0]["right"], json!([true, true, null]));
}

#[tokio::test]
async fn a_sheet_beyond_its_limits_is_refused_with_the_limit() {
    let world = World::start().await;
    assign(&world, ID).await;
    let token = share(&world, ID).await;
    for (sheet, field, limit) in [
        (
            json!({"name": "x".repeat(81), "answers": []}),
            "name",
            json!(80),
        ),
        (json!({"answers": ["x".repeat(501)]}), "answers", json!(500)),
        (json!({"answers": vec![""; 101]}), "answers", json!(100)),
        (
            json!({"answers": vec!["x".repeat(500); 20]}),
            "answers",
            json!(8192),
        ),
        (
            json!({"answers": ["a", "b", "c", "d"]}),
            "answers",
            json!(3),
        ),
        (json!({"answers": "a"}), "answers", Value::Null),
        (json!({"answers": [1]}), "answers", Value::Null),
        (json!({"name": "Ada"}), "answers", Value::Null),
        (
            json!({"answers": [], "teacher_id": "t"}),
            "teacher_id",
            Value::Null,
        ),
    ] {
        let answer = check(&world, &token, &sheet).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{sheet}");
        let fault = problem(answer).await["errors"][0].clone();
        assert_eq!(
            (&fault["field"], &fault["limit"]),
            (&json!(field), &limit),
            "{sheet}"
        );
    }
    assert_eq!(results(&world, ID).await["results"], json!([]));
}

#[tokio::test]
async fn a_full_link_still_checks_but_keeps_no_more() {
    let world = World::with(&[("ANSWER_LIMIT_PER_MINUTE", "0")]).await;
    assign(&world, ID).await;
    let token = share(&world, ID).await;
    let sheet = json!({"name": "Ada", "answers": ["", "8"]});
    let all = (0..MAX_RESULTS + 4).map(|_| verdict(&world, &token, &sheet));
    let mut all = futures_util::stream::iter(all).buffer_unordered(32);
    let mut kept = 0;
    while let Some(told) = all.next().await {
        assert_eq!(told["right_count"], 1);
        kept += usize::from(told["kept"] == true);
    }
    assert_eq!(kept, MAX_RESULTS);
}

#[tokio::test]
async fn answers_are_limited_for_each_address() {
    let world = World::with(&[("ANSWER_LIMIT_PER_MINUTE", "3")]).await;
    assign(&world, ID).await;
    let token = share(&world, ID).await;
    let sheet = json!({"answers": ["Saturn"]});
    let mut refused = None;
    // A minute may begin in between.
    for _ in 0..8 {
        let answer = check(&world, &token, &sheet).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("it is limited");
    assert!(refused.headers().contains_key("retry-after"));
    let told = problem(refused).await["detail"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(told.contains("3 times a minute"), "{told}");
    assert_eq!(
        world.get(&format!("/shared/{token}")).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn results_are_erased_one_by_name_or_all_of_a_link() {
    let world = World::start().await;
    assign(&world, ID).await;
    let token = share(&world, ID).await;
    for name in ["Ada", "Ben", "Ben", "Cleo & Dan"] {
        verdict(&world, &token, &json!({"name": name, "answers": []})).await;
    }
    let erase = async |query: &str| {
        let answer = world
            .delete(&format!("/assignments/{ID}/results?{query}"))
            .await;
        assert_eq!(answer.status(), StatusCode::OK, "{query}");
        let told: Value = answer.json().await.unwrap();
        told["erased"].as_u64().unwrap()
    };
    let first = results(&world, ID).await["results"][0]["result_id"].clone();
    assert_eq!(
        erase(&format!("result_id={}", first.as_str().unwrap())).await,
        1
    );
    assert_eq!(erase("name=Ben&link=2").await, 0);
    assert_eq!(erase("name=Ben").await, 2);
    assert_eq!(erase("name=Cleo+%26+Dan").await, 1);
    verdict(&world, &token, &json!({"name": "Eve", "answers": []})).await;
    world.delete(&format!("/assignments/{ID}/share")).await;
    assert_eq!(erase("link=1").await, 1);
    assert_eq!(results(&world, ID).await["links"], json!([]));
    let bad = world
        .delete(&format!("/assignments/{ID}/results?student=Ben"))
        .await;
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn deleting_an_assignment_erases_its_links_and_results() {
    let world = World::start().await;
    assign(&world, ID).await;
    let token = share(&world, ID).await;
    verdict(&world, &token, &json!({"name": "Ada", "answers": []})).await;
    world.delete(&format!("/assignments/{ID}")).await;
    let shares = world.services.store.shares();
    assert_eq!(shares.by_token(&token).await.unwrap(), None);
    assert_eq!(shares.links(ID).await.unwrap(), []);
    assert_eq!(shares.results(ID, 1).await.unwrap(), []);
    let answer = world.get(&format!("/assignments/{ID}/results")).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(world.document(ID).await.title, None);
}

#[tokio::test]
async fn every_teacher_of_a_class_has_a_link_of_another_token() {
    let world = World::start().await;
    let mut tokens = std::collections::HashSet::new();
    for n in 0..20 {
        let id = format!("a{n}");
        world
            .post("/assignments", &json!({"assignment_id": id, "prompt": ""}))
            .await;
        tokens.insert(share(&world, &id).await);
    }
    assert_eq!(tokens.len(), 20);
    for token in tokens {
        assert!(atelier_domain::share::is_token(&token), "{token}");
        let view: Value = world
            .get(&format!("/shared/{token}"))
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(
            (&view["title"], &view["questions"]),
            (&Value::Null, &json!([]))
        );
        assert_eq!(view["status"], "no_image");
    }
}

/// Sends the form of a student's page, as a browser without JavaScript does.
async fn submit(world: &World, token: &str, form: &str) -> Response {
    let call = world
        .call(Method::POST, &format!("/s/{token}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned());
    call.send().await.unwrap()
}

#[tokio::test]
async fn the_form_of_the_page_is_checked_without_javascript() {
    let world = World::start().await;
    assign(&world, ID).await;
    let token = share(&world, ID).await;
    let answer = submit(
        &world,
        &token,
        "answer=Saturn&answer=+8.&answer=a%26b&name=Ada",
    )
    .await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["x-robots-tag"], "noindex, nofollow");
    let html = everything(answer).await;
    assert!(html.contains("1 of 3 right. Your teacher can see it."));
    assert!(html.contains("value=\"a&amp;b\""));
    for secret in [PROMPT, ANSWER, ALTERNATIVE, TEACHER, ID] {
        assert!(!html.contains(secret), "{secret}");
    }
    let seen = results(&world, ID).await;
    assert_eq!(
        seen["results"][0]["answers"],
        json!(["Saturn", " 8.", "a&b"])
    );
    let practice = submit(&world, &token, "answer=Saturn").await;
    assert!(everything(practice).await.contains("0 of 3 right.<"));
    assert_eq!(results(&world, ID).await["links"][0]["results"], 1);
}

#[tokio::test]
async fn a_form_that_is_not_taken_comes_back_with_what_was_typed() {
    let world = World::with(&[("ANSWER_LIMIT_PER_MINUTE", "2")]).await;
    assign(&world, ID).await;
    let token = share(&world, ID).await;
    let long = "x".repeat(501);
    for (form, words) in [
        (
            format!("answer={long}"),
            "answers of at most 500 characters",
        ),
        (
            "answer=Saturn&teacher=me".to_owned(),
            "`teacher` is not known here.",
        ),
    ] {
        let answer = submit(&world, &token, &format!("{form}&name=Ada")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let html = answer.text().await.unwrap();
        assert!(
            html.contains(words) && html.contains("value=\"Ada\""),
            "{html}"
        );
    }
    // The minute may end meanwhile, but not twice.
    let mut limited = None;
    for _ in 0..5 {
        let answer = submit(&world, &token, "answer=Saturn").await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            limited = Some(answer);
        }
    }
    let answer = limited.unwrap();
    assert!(answer.headers().contains_key("retry-after"));
    let html = answer.text().await.unwrap();
    assert!(html.contains("2 times a minute") && html.contains("value=\"Saturn\""));
    assert_eq!(results(&world, ID).await["results"], json!([]));
}

#[tokio::test]
async fn a_student_gets_a_page_whatever_is_the_matter() {
    let world = World::start().await;
    assign(&world, ID).await;
    let token = share(&world, ID).await;
    let unknown = "u".repeat(32);
    for answer in [
        world.get(&format!("/s/{unknown}")).await,
        world.get("/s/half-a-link").await,
        submit(&world, &unknown, "answer=Saturn").await,
        submit(&world, "half-a-link", "answer=Saturn").await,
    ] {
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        let html = everything(answer).await;
        assert!(html.contains("<h1>This link opens nothing</h1>"), "{html}");
    }
    let json = world
        .post(&format!("/s/{token}"), &json!({"answers": []}))
        .await;
    assert_eq!(json.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    world.store.away.store(true, Ordering::Relaxed);
    for answer in [
        world.get(&format!("/s/{token}")).await,
        submit(&world, &token, "answer=Saturn").await,
    ] {
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
        let html = everything(answer).await;
        assert!(html.contains("<h1>This link cannot be opened now</h1>"));
        assert!(
            html.contains("Please try again in a moment. Reference: "),
            "{html}"
        );
    }
}
