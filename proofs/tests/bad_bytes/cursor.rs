//! The cursor of the list: `after`.

use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use atelier_domain::assignment::Assignment;
use atelier_proofs::bad_bytes::{Target, mutated};
use axum::body::Body;
use http::{Request, StatusCode};
use proptest::prelude::*;
use serde_json::json;

use super::service::{Answer, Api};

const TARGET: Target = Target {
    name: "cursor",
    short_run: 2_000,
    batch: 1,
};

/// Assignments on a page.
const LIMIT: usize = 3;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The position that a cursor of ours stands for, by other code than the API's. `None`: no page can
/// have given it out.
fn position(cursor: &[u8]) -> Option<(f64, String)> {
    let mut bits = Vec::new();
    for character in cursor {
        let value = DIGITS.iter().position(|digit| digit == character)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1 == 1));
    }
    let spare = bits.split_off(bits.len() / 8 * 8);
    if spare.len() >= 6 || spare.contains(&true) {
        return None;
    }
    let byte = |bits: &[bool]| {
        bits.iter()
            .fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit))
    };
    let text = String::from_utf8(bits.chunks(8).map(byte).collect()).ok()?;
    let (digits, id) = (text.get(..16)?, text.get(16..)?);
    let lower = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let good = digits.chars().all(lower) && (1..=64).contains(&id.len()) && id.chars().all(known);
    let seconds = f64::from_bits(u64::from_str_radix(digits, 16).ok()?);
    (good && seconds.is_finite()).then(|| (seconds, id.to_owned()))
}

/// Some of one moment, some of moments that another program wrote down more finely than we do.
fn documents() -> Vec<Assignment> {
    (0..24_u32)
        .map(|n| {
            let created_at = 1_764_030_483.0 + f64::from(n / 3) + f64::from(n % 2) / 4_194_304.0;
            let document = json!({
                "assignment_id": format!("lesson-{n}_{}", "x".repeat(n as usize % 5)),
                "created_at": created_at, "updated_at": created_at,
                "s3_upload_status": "no_image",
            });
            serde_json::from_value(document).expect("a document")
        })
        .collect()
}

fn order(document: &Assignment) -> (f64, &str) {
    (document.created_at.seconds(), &document.assignment_id)
}

/// The ids on the page after `position`.
fn page<'a>(sorted: &'a [Assignment], position: Option<&(f64, String)>) -> Vec<&'a str> {
    sorted
        .iter()
        .filter(|document| position.is_none_or(|(at, id)| order(document) < (*at, id.as_str())))
        .take(LIMIT)
        .map(|document| document.assignment_id.as_str())
        .collect()
}

async fn ask(api: &Api, cursor: Option<&[u8]>) -> anyhow::Result<Answer> {
    let mut uri = format!("/assignments?limit={LIMIT}");
    if let Some(cursor) = cursor {
        uri += "&after=";
        for byte in cursor {
            write!(uri, "%{byte:02X}")?;
        }
    }
    api.ask(Request::get(uri).body(Body::empty())?).await
}

/// The ids on a page, and what begins the next.
fn shown(answer: &Answer) -> anyhow::Result<(Vec<&str>, Option<&str>)> {
    let assignments = answer.body["assignments"].as_array().context("no list")?;
    let ids = assignments
        .iter()
        .map(|view| view["assignment_id"].as_str());
    Ok((
        ids.collect::<Option<_>>().context("no id")?,
        answer.body["next"].as_str(),
    ))
}

/// The cursors of a walk over the whole list, which must show all of it.
async fn walk(api: &Api, sorted: &[Assignment]) -> anyhow::Result<Vec<Vec<u8>>> {
    let (mut cursors, mut seen) = (Vec::<Vec<u8>>::new(), Vec::new());
    loop {
        let answer = ask(api, cursors.last().map(Vec::as_slice)).await?;
        let (ids, next) = shown(&answer)?;
        seen.extend(ids.into_iter().map(str::to_owned));
        match next {
            Some(next) => cursors.push(next.into()),
            None => break,
        }
    }
    let all: Vec<_> = sorted
        .iter()
        .map(|document| &document.assignment_id)
        .collect();
    ensure!(seen.iter().eq(all), "the pages are not the list: {seen:?}");
    Ok(cursors)
}

async fn check(api: &Api, sorted: &[Assignment], cursor: &[u8]) -> anyhow::Result<&'static str> {
    let answer = ask(api, Some(cursor)).await?;
    let Some(position) = position(cursor) else {
        ensure!(
            answer.status == StatusCode::BAD_REQUEST,
            "taken: {answer:?}"
        );
        ensure!(answer.faults()? == ["after"], "{answer:?}");
        return Ok("refused");
    };
    ensure!(answer.status == StatusCode::OK, "refused: {answer:?}");
    let (ids, next) = shown(&answer)?;
    ensure!(
        ids == page(sorted, Some(&position)),
        "another page: {ids:?}"
    );
    if let Some(next) = next {
        let after = sorted
            .iter()
            .find(|it| Some(&it.assignment_id.as_str()) == ids.last());
        let after = after.map(|it| (it.created_at.seconds(), it.assignment_id.clone()));
        ensure!(
            crate::cursor::position(next.as_bytes()) == after,
            "next is {next}"
        );
    }
    Ok("a page")
}

/// A cursor's text, as if it were a page's.
fn encoded(text: Vec<u8>) -> Vec<u8> {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(text).into()
}

#[test]
fn a_cursor_is_a_page_s_or_refused() {
    let api = Api::start().unwrap();
    let mut sorted = documents();
    let cursors = api.runtime.block_on(async {
        for document in &sorted {
            api.store.insert(document).await.unwrap();
        }
        sorted.sort_by(|one, other| order(other).partial_cmp(&order(one)).unwrap());
        walk(&api, &sorted).await.unwrap()
    });
    let texts: Vec<Vec<u8>> = cursors
        .iter()
        .map(|cursor| base64_simd::URL_SAFE_NO_PAD.decode_to_vec(cursor).unwrap())
        .collect();
    let moments = (any::<u64>(), "[a-z-]{1,8}").prop_map(|(at, id)| format!("{at:016x}{id}"));
    let inputs = prop_oneof![
        2 => mutated(cursors),
        2 => mutated(texts).prop_map(encoded),
        1 => moments.prop_map(|text| encoded(text.into())),
    ];
    TARGET.hold(&inputs, |cursor| {
        let outcome = api.runtime.block_on(check(&api, &sorted, &cursor));
        outcome
            .map(|outcome| vec![outcome])
            .map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
}
