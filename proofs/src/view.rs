//! A fleet seen from outside: its documents, its bucket, the cloud's counters; and the faults to
//! order.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::ensure;
use atelier_cloud::client::Aws;
use atelier_cloud::config::{BucketConfig, CloudConfig};
use atelier_cloud::pictures::{Page, Pictures, assignment_of, is_probe, key};
use atelier_domain::assignment::Assignment;
use atelier_runtime::config::Environment;
use atelier_store::config::StoreConfig;
use atelier_store::{Indexes, Store};
use serde_json::Value;

use crate::fleet::Fleet;

/// Documents in one query.
const PAGE: u32 = 1000;

/// Looks at one fleet.
#[derive(Debug)]
pub struct View {
    /// The documents.
    pub store: Arc<dyn Store>,
    /// The store's address.
    pub store_url: String,
    /// The bucket.
    pub pictures: Pictures,
    control: String,
    http: reqwest::Client,
}

impl View {
    /// Of `fleet`, with the store that its cloud printed.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub async fn of(fleet: &Fleet) -> anyhow::Result<Self> {
        let mut environment = Environment::of(fleet.environment().iter().cloned());
        let store_url = StoreConfig::read(&mut environment).url;
        Self::with_store(fleet, &store_url).await
    }

    /// Of `fleet`, whose documents are in the store at `store_url`.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub async fn with_store(fleet: &Fleet, store_url: &str) -> anyhow::Result<Self> {
        let mut environment = Environment::of(fleet.environment().iter().cloned());
        let cloud = CloudConfig {
            credentials: Some(fleet.credentials()?),
            ..CloudConfig::read(&mut environment)
        };
        let bucket = BucketConfig::read(&mut environment);
        Ok(Self {
            store: atelier_store::open(&StoreConfig::at(store_url), Indexes::Leave).await?,
            store_url: store_url.to_owned(),
            pictures: Pictures::new(&Aws::connect(&cloud).await, &bucket),
            control: fleet.value("ATELIER_CONTROL_URL")?,
            http: reqwest::Client::new(),
        })
    }

    /// Every document, by id upwards.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn documents(&self) -> anyhow::Result<Vec<Assignment>> {
        let mut all: Vec<Assignment> = Vec::new();
        loop {
            let after = all.last().map(|last| last.assignment_id.clone());
            let page = self.store.scan(after.as_deref(), PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// What the cloud counted.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn stats(&self) -> anyhow::Result<Value> {
        let url = format!("{}/stats", self.control);
        Ok(self.http.get(url).send().await?.json().await?)
    }

    /// Orders a fault. What is ordered last strikes after what was ordered before.
    ///
    /// # Errors
    /// It is none.
    pub async fn order(&self, fault: &Value) -> anyhow::Result<()> {
        self.put("faults", fault).await
    }

    /// Ends all faults that were ordered.
    ///
    /// # Errors
    /// The cloud does not answer.
    pub async fn repair(&self) -> anyhow::Result<()> {
        let url = format!("{}/faults", self.control);
        self.http.delete(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// Changes how long the model takes for calls that begin from now on.
    ///
    /// # Errors
    /// The cloud does not answer.
    pub async fn set_model_latency(&self, milliseconds: u64) -> anyhow::Result<()> {
        let change = serde_json::json!({"latency_ms": milliseconds});
        self.put("temper", &change).await
    }

    async fn put(&self, what: &str, body: &Value) -> anyhow::Result<()> {
        let url = format!("{}/{what}", self.control);
        let answer = self.http.put(url).json(body).send().await?;
        ensure!(
            answer.status().is_success(),
            "{body}: {}",
            answer.text().await?
        );
        Ok(())
    }

    /// Keys in the bucket with more than one version, and keys that are no assignment's.
    ///
    /// # Errors
    /// The bucket does not answer.
    pub async fn doubles(&self) -> anyhow::Result<Vec<String>> {
        let mut versions: BTreeMap<String, u32> = BTreeMap::new();
        let mut page: Option<Page> = None;
        while page.as_ref().is_none_or(|page| !page.is_last()) {
            let next = self.pictures.page(page.as_ref()).await?;
            for version in next.versions.iter().filter(|it| !is_probe(&it.key)) {
                *versions.entry(version.key.clone()).or_default() += 1;
            }
            page = Some(next);
        }
        let doubled = |of: &String| assignment_of(of).is_none_or(|id| *of != key(id));
        Ok(versions
            .into_iter()
            .filter(|(key, count)| *count > 1 || doubled(key))
            .map(|(key, _)| key)
            .collect())
    }
}

/// Messages that lie in the queue, in whatever state.
pub fn messages(stats: &Value) -> u64 {
    let count = |state: &str| stats["sqs"][state].as_u64().unwrap_or_default();
    count("visible") + count("in_flight") + count("delayed")
}
