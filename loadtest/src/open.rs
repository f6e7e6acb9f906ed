//! The open model: POSTs come at their planned times, whatever the answers take.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::measure::Timing;
use crate::users::World;

/// Requests without an answer beyond which none is sent, but counted as an error.
const MOST_IN_FLIGHT: usize = 20_000;

/// Posts `rate` times a second for `length`; each is timed from its planned start, so that a
/// server that stalls also pays for those who had to wait behind the stall.
pub(crate) async fn post(world: &Arc<World>, rate: f64, length: Duration) {
    let begin = Instant::now();
    let count = (rate * length.as_secs_f64()).round() as u64;
    let mut in_flight = JoinSet::new();
    let mut rng = world.rng();
    for number in 0..count {
        let planned = begin + Duration::from_secs_f64(number as f64 / rate);
        if planned > Instant::now() {
            tokio::time::sleep_until(planned).await;
        }
        while in_flight.try_join_next().is_some() {}
        if in_flight.len() >= MOST_IN_FLIGHT {
            world
                .recorder
                .failed("create: not sent, too many unanswered".to_owned());
            continue;
        }
        let new = world.new_assignment(&mut rng);
        let world = Arc::clone(world);
        in_flight.spawn(async move {
            match world.client.create(&new).await {
                Ok((document, _)) => {
                    world.recorder.succeeded(Timing::Post, planned.elapsed());
                    world.ledger.accepted(&document.assignment_id);
                }
                Err(error) => world.recorder.failed(format!("create: {error}")),
            }
        });
    }
    while in_flight.join_next().await.is_some() {}
}
