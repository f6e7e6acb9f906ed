//! Detects that the queue lost its jobs, and makes their assignments due.

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::queue::Depth;
use atelier_domain::timestamp::Timestamp;
use atelier_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Empty samples in a row after which the queue counts as empty: SQS's figures are approximate.
const EMPTY_SAMPLES: u32 = 3;

/// Documents that one query makes due.
const PAGE: u32 = 500;

/// Documents of a recreated queue that are made due in one sample: about what the sweep sends until
/// the next. More would only delay other writes.
const MAX_RECREATED: u64 = 20_000;

/// `CreatedTimestamp` has whole seconds.
const CREATED_PRECISION: Duration = Duration::from_secs(1);

/// Watches the queue of the jobs.
#[derive(Debug)]
pub(crate) struct LostQueue {
    store: Arc<dyn Store>,
    started: Timestamp,
    stop: CancellationToken,
    seen: Seen,
    /// Jobs that were sent before this are no longer in the queue; not all of their assignments may
    /// be due yet.
    emptied_at: Option<Timestamp>,
}

/// What was seen of the queue so far.
#[derive(Debug, Default)]
struct Seen {
    /// When the queue was created, and since when it is known to exist.
    queue: Option<(Timestamp, Timestamp)>,
    empty_since: Option<Timestamp>,
    empty_samples: u32,
}

impl LostQueue {
    pub(crate) fn new(store: Arc<dyn Store>, started: Timestamp, stop: CancellationToken) -> Self {
        Self {
            store,
            started,
            stop,
            seen: Seen::default(),
            emptied_at: None,
        }
    }

    /// Takes a sample of the queue into account.
    pub(crate) async fn sample(&mut self, depth: &Depth) -> Result<(), StoreError> {
        // At each sample, since workers that held some of the jobs when the queue was lost may
        // still have held them at the last one.
        let now = Timestamp::now();
        let sent_before = self.seen.lost_before(depth.created_at, self.started, now);
        self.make_due(sent_before, MAX_RECREATED, "the queue was recreated")
            .await?;
        let emptied_at = self.seen.count_empty(depth.total(), now);
        self.emptied_at = emptied_at.or(self.emptied_at);
        if let Some(sent_before) = self.emptied_at {
            // All at once: later samples are not empty, since the first job sent is in the queue.
            self.make_due(sent_before, u64::MAX, "the queue is empty")
                .await?;
            self.emptied_at = None;
        }
        Ok(())
    }

    /// Makes about `max` documents due at once, if there are as many.
    async fn make_due(
        &self,
        sent_before: Timestamp,
        max: u64,
        why: &str,
    ) -> Result<(), StoreError> {
        let mut total = 0;
        loop {
            let now = Timestamp::now();
            let made = self.store.make_due(sent_before, now, PAGE).await?;
            total += made;
            if made < PAGE.into() || total >= max || self.stop.is_cancelled() {
                break;
            }
        }
        if total > 0 {
            tracing::warn!(assignments = total, why, "the queue lost jobs");
        }
        Ok(())
    }
}

impl Seen {
    /// Jobs that were sent before the returned time went to an older queue, or may have: the queue
    /// may be younger than it says, but a job sent since it is known to exist is in it.
    fn lost_before(
        &mut self,
        created_at: Timestamp,
        started: Timestamp,
        now: Timestamp,
    ) -> Timestamp {
        let there_since = match self.queue {
            None if created_at <= started => started,
            Some((known, since)) if known == created_at => since,
            None | Some(_) => now,
        };
        self.queue = Some((created_at, there_since));
        (created_at + CREATED_PRECISION).min(there_since)
    }

    /// Jobs that were sent before the returned time are no longer in the queue.
    fn count_empty(&mut self, total: u64, now: Timestamp) -> Option<Timestamp> {
        if total > 0 {
            self.empty_since = None;
            self.empty_samples = 0;
            return None;
        }
        let since = *self.empty_since.get_or_insert(now);
        self.empty_samples += 1;
        if self.empty_samples < EMPTY_SAMPLES {
            return None;
        }
        self.empty_since = None;
        self.empty_samples = 0;
        Some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_since_the_queue_is_known_is_not_lost_with_an_older_one() {
        let at = Timestamp::from_seconds;
        let mut queue = Seen::default();
        // Made at 5.3, say; this process started at 5.4 and noted what it sent at 5.5.
        assert_eq!(queue.lost_before(at(5.0), at(5.4), at(5.6)), at(5.4));
        assert_eq!(queue.lost_before(at(5.0), at(5.4), at(10.6)), at(5.4));
        // Made anew, and seen at once, or later.
        assert_eq!(queue.lost_before(at(15.0), at(5.4), at(15.6)), at(15.6));
        assert_eq!(queue.lost_before(at(15.0), at(5.4), at(20.6)), at(15.6));
        assert_eq!(queue.lost_before(at(30.0), at(5.4), at(35.6)), at(31.0));
        let first = |started| Seen::default().lost_before(at(5.0), started, at(99.1));
        assert_eq!(first(at(99.0)), at(6.0), "an old queue");
        assert_eq!(first(at(4.0)), at(6.0), "one that came after this process");
    }

    #[test]
    fn three_empty_samples_in_a_row_tell_what_was_sent_before_the_first() {
        let at = Timestamp::from_seconds;
        let mut queue = Seen::default();
        assert_eq!(queue.count_empty(0, at(1.0)), None);
        assert_eq!(queue.count_empty(0, at(6.0)), None);
        assert_eq!(queue.count_empty(1, at(11.0)), None);
        assert_eq!(queue.count_empty(0, at(16.0)), None);
        assert_eq!(queue.count_empty(0, at(21.0)), None);
        assert_eq!(queue.count_empty(0, at(26.0)), Some(at(16.0)));
        assert_eq!(queue.count_empty(0, at(31.0)), None);
    }
}
