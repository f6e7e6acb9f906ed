//! Writers under a server that does all the time what a MongoDB does during a failover. Against a real
//! replica set: `cargo run -p atelier-proofs --bin step_down`.

use std::time::Duration;

use atelier_mongodb_proxy::{Fault, Kind, Proxy};
use atelier_proofs::failover;
use atelier_store::config::StoreConfig;
use atelier_store::{Indexes, open};

/// How long the writers write.
const LENGTH: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn what_is_acknowledged_during_failovers_is_there_and_was_done_once() {
    let url = std::env::var("ATELIER_TEST_MONGODB_URI").expect("it is set");
    let (address, options) = url.split_once('?').unwrap_or((&url, ""));
    let name = format!("failover-{:016x}", fastrand::u64(..));
    let url = format!("{}/{name}?{options}", address.trim_end_matches('/'));
    let proxy = Proxy::before(&url).await.unwrap();
    let store = open(&StoreConfig::at(proxy.url()), Indexes::Make).await;
    let store = store.unwrap();
    let mut strikes = proxy.strikes();
    let disturb = async {
        for (_, fault) in Fault::ALL.into_iter().cycle() {
            // Each is for two commands: the driver may repeat a read by itself.
            let kind = match fault {
                // A taken id is an answer to an insert alone, and only a write has a write concern.
                Fault::Interrupted(11000) => Kind::Insert,
                _ => Kind::Any,
            };
            proxy.order(kind, 2, fault);
            let before = *strikes.borrow_and_update();
            let struck = strikes.wait_for(|count| *count >= before + 2);
            struck.await.expect("the proxy is there");
        }
    };
    let report = tokio::select! {
        report = failover::run(&store, 4, LENGTH) => report.unwrap(),
        () = disturb => unreachable!("faults go on"),
    };
    let struck = *proxy.strikes().borrow();
    proxy.clear();
    let client = mongodb::Client::with_uri_str(&url).await.unwrap();
    client.database(&name).drop().await.unwrap();
    assert!(
        report.assignments > 0 && struck > 20,
        "{report:?}, {struck}"
    );
}
