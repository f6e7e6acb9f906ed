//! What is written on a picture's object, read to adopt it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use atelier_cloud::pictures::key;
use atelier_domain::assignment::{
    Assignment, Claim, ImageMetadata, StageSeconds, Status, Token, prompt_hash,
};
use atelier_domain::label::Label;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Finished};
use atelier_proofs::bad_bytes::{Mutations, Target};
use atelier_store::config::StoreConfig;
use atelier_store::{Indexes, Insert, Store};
use futures_util::future::try_join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

const TARGET: Target = Target {
    name: "metadata of a picture",
    short_run: 4_800,
    batch: 32,
};

const PROMPT: &str = "a fox in the snow";

/// Ours, and those that mutations make of others.
const ID: &str = "lesson-7";

/// What numbers, and other values, may turn into.
const VALUES: [&str; 22] = [
    "",
    "0",
    "-1",
    "+5",
    " 5",
    "5 ",
    "1e3",
    "NaN",
    "inf",
    "0x10",
    "\u{ff15}",
    "5368709120",
    "5368709121",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1024",
    "1024x",
    "0x0",
    "4294967296x4294967296",
    "TRUE",
    "%",
];

fn labels() -> [Label; 3] {
    let label = |id: &str, prompt: &str, teacher: Option<&str>, metadata: ImageMetadata| Label {
        assignment_id: id.to_owned(),
        teacher_id: teacher.map(str::to_owned),
        created_at: "2026-01-01T08:00:00Z".to_owned(),
        original_format: "png".to_owned(),
        optimized: metadata.format == "webp",
        prompt_hash: prompt_hash(prompt),
        metadata,
        model: "stability.stable-image-core-v1:1".to_owned(),
        reuse_key: "0123456789abcdef0123456789abcdef".to_owned(),
        thumbhash: Some("1QcSHQRnh493V4dIh4eXh1h4kJUI".to_owned()),
    };
    let made = ImageMetadata::new(1_500_000, 90_000, "webp", "1024x1024".to_owned());
    let as_it_came = ImageMetadata::new(70, 70, "png", String::new());
    [
        label(ID, PROMPT, Some("Frau Müller, 50%"), made.clone()),
        label(ID, "an earlier prompt", None, made),
        label("lesson-8", PROMPT, Some("t"), as_it_came),
    ]
}

/// One change to the fields.
#[derive(Clone, Debug)]
enum Change {
    Remove(Index),
    Set(Index, &'static str),
    Mutate(Index, Mutations),
    Rename(Index),
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let which = any::<Index>;
    prop_oneof![
        1 => which().prop_map(Change::Remove),
        4 => (which(), select(&VALUES[..])).prop_map(|(at, value)| Change::Set(at, value)),
        3 => (which(), Mutations::up_to(2)).prop_map(|(at, how)| Change::Mutate(at, how)),
        1 => which().prop_map(Change::Rename),
        1 => (which(), which()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

type Fields = HashMap<String, String>;

fn changed(mut fields: Fields, changes: &[Change]) -> Fields {
    let mut names: Vec<String> = fields.keys().cloned().collect();
    names.sort();
    let values: Vec<Vec<u8>> = fields.values().map(|value| value.clone().into()).collect();
    for change in changes {
        match change {
            Change::Remove(at) => drop(fields.remove(at.get(&names))),
            Change::Set(at, value) => {
                fields.insert(at.get(&names).clone(), (*value).to_owned());
            }
            Change::Mutate(at, how) => {
                if let Some(value) = fields.get_mut(at.get(&names)) {
                    let mutated = how.applied(value.as_bytes(), &values);
                    *value = String::from_utf8_lossy(&mutated).into_owned();
                }
            }
            Change::Rename(at) => {
                if let Some(value) = fields.remove(at.get(&names)) {
                    fields.insert(at.get(&names).to_uppercase(), value);
                }
            }
            Change::Swap(one, other) => {
                let (one, other) = (one.get(&names), other.get(&names));
                let (at_one, at_other) = (fields.remove(one), fields.remove(other));
                fields.extend(at_one.map(|value| (other.clone(), value)));
                fields.extend(at_other.map(|value| (one.clone(), value)));
            }
        }
    }
    fields
}

fn fields() -> impl Strategy<Value = Fields> {
    (select(labels().to_vec()), vec(change(), 0..3))
        .prop_map(|(label, changes)| changed(label.to_metadata(), &changes))
}

/// A document that waits for its picture; documents of other ids play the same assignment, so that
/// cases do not meet.
fn waiting(id: &str) -> Assignment {
    let now = Timestamp::now();
    serde_json::from_value(json!({
        "assignment_id": id, "prompt": PROMPT, "prompt_hash": prompt_hash(PROMPT),
        "created_at": now, "updated_at": now, "s3_upload_status": "pending",
    }))
    .expect("a document")
}

/// Finishes an assignment from a label, as a worker does that adopts its picture.
async fn adopt(store: &dyn Store, label: &Label) -> anyhow::Result<()> {
    let (token, now) = (Token::random(), Timestamp::now());
    let document = waiting(token.as_str());
    let id = &document.assignment_id;
    ensure!(store.insert(&document).await? == Insert::Done);
    let claim = Claim {
        token: token.clone(),
        worker: "a worker".to_owned(),
        until: now + Duration::from_secs(60),
    };
    let claimed = transition::claim(&document, &claim, claim.until);
    let held = store.apply(id, &claimed).await?.context("not claimed")?;
    let finished = Finished {
        url: None,
        key: key(id),
        metadata: label.metadata.clone(),
        model: label.model.clone(),
        reuse_key: label.reuse_key.clone(),
        stage_seconds: StageSeconds::default(),
        uploads: 0,
        cost_usd: 0.0,
        thumbhash: label.thumbhash.clone(),
    };
    let succeed = transition::succeed(&token, &held, &finished, now);
    let after = store.apply(id, &succeed).await?.context("not finished")?;
    let read = store.get(id).await?.context("it is gone")?;
    ensure!(read == after, "it is read back as {read:?}");
    ensure!(read.s3_upload_status == Status::Success);
    ensure!(read.image_metadata.as_ref() == Some(&label.metadata));
    ensure!(read.model.as_ref() == Some(&label.model));
    Ok(())
}

/// Whether a picture may have this number of bytes: what one put takes.
fn is_sane(size: u64) -> bool {
    (1..=5 << 30).contains(&size)
}

async fn check(store: &dyn Store, fields: &Fields) -> anyhow::Result<&'static str> {
    let Some(label) = Label::from_metadata(fields) else {
        return Ok("no label");
    };
    let metadata = &label.metadata;
    ensure!(is_sane(metadata.original_size_bytes), "{metadata:?}");
    ensure!(is_sane(metadata.optimized_size_bytes), "{metadata:?}");
    ensure!(metadata.compression_ratio.is_finite(), "{metadata:?}");
    let again = Label::from_metadata(&label.to_metadata());
    ensure!(
        again.as_ref() == Some(&label),
        "written again it is {again:?}"
    );
    let says = |field: &str, value: &str| fields.get(field).is_some_and(|it| it == value);
    let ours = says("assignment-id", ID) && says("prompt-hash", &prompt_hash(PROMPT));
    ensure!(label.is_of(&waiting(ID)) == ours, "ours: {ours}");
    if ours {
        adopt(store, &label).await?;
        Ok("adopted")
    } else {
        Ok("another's")
    }
}

#[test]
fn a_picture_is_adopted_only_by_a_label_that_makes_sense() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("atelier.db").display());
    let store: Arc<dyn Store> = runtime
        .block_on(atelier_store::open(&StoreConfig::at(&url), Indexes::Leave))
        .unwrap();
    TARGET.hold(&vec(fields(), TARGET.batch as usize), |all| {
        let checks = all.iter().map(async |fields| {
            check(store.as_ref(), fields)
                .await
                .with_context(|| format!("{fields:?}"))
        });
        let outcomes = runtime.block_on(try_join_all(checks));
        outcomes.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
}
