//! A simulated process: our own worker or API on a runtime of its own, behind a gate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use atelier_cloud::cdn::Cdn;
use atelier_cloud::client::Aws;
use atelier_cloud::pictures::Pictures;
use atelier_cloud::queue::Queues;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::case::{Case, VARIANTS};
use crate::gate::{Cut, Gate, Numbered};
use crate::proxy::Proxy;
use crate::store::GatedStore;

/// A claim's length where renditions are made.
const RENDITIONS_CLAIM: Duration = Duration::from_secs(3);

/// Runs until it is killed or dropped.
#[derive(Debug)]
pub struct Process {
    /// What stands between it and the world.
    pub gate: Arc<Gate>,
    /// Where an API listens.
    pub address: Option<SocketAddr>,
    runtime: Option<Runtime>,
    _proxy: Proxy,
}

impl Process {
    /// Ends it in the middle of whatever it does.
    pub fn kill(self) {}
}

impl Drop for Process {
    fn drop(&mut self) {
        self.gate.die();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
}

/// How an API sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweeps {
    /// Once, at its start.
    Once,
    /// All the time.
    Always,
}

impl Case {
    /// Starts a worker that is cut off at that call, if at all.
    ///
    /// # Errors
    /// No port or no thread.
    pub async fn worker(&self, cut: Option<(usize, Cut)>) -> anyhow::Result<Process> {
        self.numbered_worker(Numbered::Worker, cut).await
    }

    /// As [`Case::worker`], with a choice of what is numbered.
    ///
    /// # Errors
    /// No port or no thread.
    pub async fn numbered_worker(
        &self,
        numbered: Numbered,
        cut: Option<(usize, Cut)>,
    ) -> anyhow::Result<Process> {
        let (gate, proxy, store) = self.gate(numbered, cut).await?;
        let mut config = self.world.worker.clone();
        proxy.stand_in(&mut config.cloud);
        config.queue = self.queue.clone();
        if self.makes_renditions.load(SeqCst) {
            config.optimize.variants = VARIANTS.to_vec();
            config.optimize.avif = true;
            // Their threads have a low priority, and sixteen cases at a time: a claim that runs out
            // under a worker that works is another case.
            config.job.claim = RENDITIONS_CLAIM;
        }
        let runtime = runtime()?;
        runtime.spawn(async move {
            let aws = Aws::connect(&config.cloud).await;
            let services = atelier_worker::Services::new(&config, Arc::new(store), &aws);
            let worker = atelier_worker::Worker::new(config, services);
            atelier_worker::run(worker, CancellationToken::new()).await
        });
        Ok(Process {
            gate,
            address: None,
            runtime: Some(runtime),
            _proxy: proxy,
        })
    }

    /// Starts an API that is cut off at that call, if at all.
    ///
    /// # Errors
    /// No port or no thread.
    pub async fn api(&self, sweeps: Sweeps, cut: Option<(usize, Cut)>) -> anyhow::Result<Process> {
        let (gate, proxy, store) = self.gate(Numbered::Api, cut).await?;
        let mut config = self.world.api.clone();
        proxy.stand_in(&mut config.cloud);
        config.queue = self.queue.clone();
        config.control = None;
        config.sample = Duration::from_secs(3600);
        config.job.sweep.interval = match sweeps {
            Sweeps::Once => Duration::from_secs(3600),
            Sweeps::Always => Duration::from_millis(100),
        };
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime()?;
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("on a runtime");
            let aws = Aws::connect(&config.cloud).await;
            let services = atelier_api::Services {
                store: Arc::new(store),
                queues: Queues::new(&aws, &config.queue),
                pictures: Pictures::new(&aws, &config.bucket),
                cdn: Cdn::new(&aws, &config.cloud, &config.cdn),
            };
            let ended =
                atelier_server::run(config, services, listener, std::future::pending()).await;
            ended.expect("an API ends only when it is told to");
        });
        Ok(Process {
            gate,
            address: Some(address),
            runtime: Some(runtime),
            _proxy: proxy,
        })
    }

    async fn gate(
        &self,
        numbered: Numbered,
        cut: Option<(usize, Cut)>,
    ) -> anyhow::Result<(Arc<Gate>, Proxy, GatedStore)> {
        let (between, store) = match cut {
            Some((_, Cut::Fault(_))) => {
                let (between, store) = self.through_proxy().await?;
                (Some(between), store)
            }
            _ => (None, Arc::clone(&self.store)),
        };
        let gate = Gate::new(numbered, cut, between, self.activity.clone());
        let proxy = Proxy::start(
            Arc::clone(&gate),
            Arc::clone(&self.ledger),
            self.world.upstreams.clone(),
        )
        .await?;
        let store = GatedStore::new(Arc::clone(&gate), store);
        Ok((gate, proxy, store))
    }
}
