//! What fails during a storm: a part of everything all the time, and each service as a whole in
//! turn.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::store::Store;
use crate::view::View;

/// How long a service is away or hangs.
const SPELL: Duration = Duration::from_secs(10);

/// From the start of a spell to that of the next.
const TURN: Duration = Duration::from_secs(14);

/// From the start of the storm to the first spell.
const CALM: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug)]
enum Spell {
    /// A service of the cloud: its name, and the kind of fault.
    Cloud(&'static str, &'static str),
    /// Nobody can write.
    Store,
}

const SPELLS: [Spell; 7] = [
    Spell::Cloud("sqs", "refuse"),
    Spell::Cloud("s3", "hang"),
    Spell::Store,
    Spell::Cloud("bedrock", "refuse"),
    Spell::Cloud("sqs", "hang"),
    Spell::Cloud("s3", "refuse"),
    Spell::Cloud("bedrock", "hang"),
];

/// An answer that no table foresees, between two spells: service, operation, status and code.
#[derive(Clone, Copy, Debug)]
struct Refusal(&'static str, &'static str, u16, &'static str);

const REFUSALS: [Refusal; 4] = [
    Refusal("s3", "PutObject", 409, "OperationAborted"),
    Refusal("s3", "HeadObject", 301, "PermanentRedirect"),
    Refusal("s3", "PutObject", 400, "KMS.DisabledException"),
    Refusal("bedrock", "InvokeModel", 503, "ServiceUnavailableException"),
];

/// The faults of a storm.
#[derive(Debug)]
pub(super) struct Weather {
    view: Arc<View>,
    store: Arc<Store>,
}

impl Weather {
    /// For the fleet that is looked at.
    pub(super) const fn new(view: Arc<View>, store: Arc<Store>) -> Self {
        Self { view, store }
    }

    /// Rages for `length`, then ends all faults.
    pub(super) async fn rage(
        self,
        start: Instant,
        length: Duration,
        tell: fn(&str),
    ) -> anyhow::Result<()> {
        for (service, kind, share) in [
            ("sqs", "duplicate", 0.1),
            ("bedrock", "throttle", 0.2),
            ("sqs", "lost_reply", 0.02),
            ("s3", "lost_reply", 0.02),
            ("bedrock", "lost_reply", 0.02),
        ] {
            let fault = json!({"service": service, "kind": kind, "share": share});
            self.view.order(&fault).await?;
            tell(&format!(
                "0 s: {service}: {kind}, {:.0}% of the calls",
                share * 100.0
            ));
        }
        let mut next = start + CALM;
        for (spell, refusal) in SPELLS.into_iter().cycle().zip(REFUSALS.into_iter().cycle()) {
            if next + SPELL > start + length {
                break;
            }
            sleep_until(next).await;
            let at = start.elapsed().as_secs_f64();
            match spell {
                Spell::Cloud(service, kind) => {
                    tell(&format!(
                        "{at:.0} s: {service}: {kind} for {} s",
                        SPELL.as_secs()
                    ));
                    let seconds = SPELL.as_secs();
                    let fault = json!({"service": service, "kind": kind, "for_seconds": seconds});
                    self.view.order(&fault).await?;
                }
                Spell::Store => {
                    tell(&format!(
                        "{at:.0} s: store: {} for {} s",
                        self.store.spell(),
                        SPELL.as_secs()
                    ));
                    self.store.take_writes(SPELL).await?;
                }
            }
            sleep_until(next + SPELL).await;
            self.store.disturb(tell);
            self.refuse(refusal, start, tell).await?;
            next += TURN;
        }
        sleep_until(start + length).await;
        self.store.repair();
        self.view.repair().await
    }
}

impl Weather {
    async fn refuse(&self, refusal: Refusal, start: Instant, tell: fn(&str)) -> anyhow::Result<()> {
        let Refusal(service, operation, status, code) = refusal;
        let seconds = (TURN - SPELL).as_secs();
        let at = start.elapsed().as_secs_f64();
        tell(&format!(
            "{at:.0} s: {service}: {operation} answers {status} {code} for {seconds} s"
        ));
        let fault = json!({
            "service": service,
            "operation": operation,
            "kind": "answer",
            "answer": {"status": status, "code": code},
            "for_seconds": seconds,
        });
        self.view.order(&fault).await
    }
}
