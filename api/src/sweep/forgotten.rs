//! Tells a queue that forgot its jobs, and makes their assignments due.

use atelier_shared::queue::Depth;
use atelier_shared::store::StoreError;
use atelier_shared::timestamp::Timestamp;
use std::time::Duration;

use crate::app::App;

/// So many samples in a row must be empty: SQS's figures are approximate.
const EMPTY_SAMPLES: u32 = 3;

/// Documents that are made due in one step.
const CHUNK: u32 = 500;

/// Documents of a queue that was made anew that are made due in one sample: about what the sweep
/// sends until the next. More would only stand in the way of other writes.
const MOST_ANEW: u64 = 20_000;

/// `CreatedTimestamp` has whole seconds.
const CREATED_PRECISION: Duration = Duration::from_secs(1);

/// What was seen of the queue so far.
#[derive(Debug, Default)]
pub struct Forgotten {
    /// When the queue was made, and since when it is known to be there.
    queue: Option<(Timestamp, Timestamp)>,
    empty_since: Option<Timestamp>,
    empty_samples: u32,
    /// What was sent before is not in the queue any more; not all of it may be due yet.
    emptied_at: Option<Timestamp>,
}

impl Forgotten {
    /// Takes a sample of the jobs' queue in.
    pub async fn sample(&mut self, app: &App, depth: &Depth) -> Result<(), StoreError> {
        // Each time, since workers that held some of them when the queue was lost may have held
        // them at the last sample still.
        let now = Timestamp::now();
        let sent_before = self.lost_before(depth.created_at, app.started, now);
        make_due(app, sent_before, MOST_ANEW, "the queue was made anew").await?;
        let emptied_at = self.count_empty(depth.total(), now);
        self.emptied_at = emptied_at.or(self.emptied_at);
        if let Some(sent_before) = self.emptied_at {
            // All at once: no later sample tells, since the first that is sent is in the queue.
            make_due(app, sent_before, u64::MAX, "the queue is empty").await?;
            self.emptied_at = None;
        }
        Ok(())
    }

    /// Jobs that were sent before the returned time went with an older queue, or may have: the
    /// queue may be younger than it says, but what was sent since it is known to be there is there.
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

    /// Jobs that were sent before the returned time are not in the queue any more.
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

/// Makes about `most` documents due at once, if there are so many.
async fn make_due(
    app: &App,
    sent_before: Timestamp,
    most: u64,
    why: &str,
) -> Result<(), StoreError> {
    let mut total = 0;
    loop {
        let made = app
            .store()
            .make_due(sent_before, Timestamp::now(), CHUNK)
            .await?;
        total += made;
        if made < CHUNK.into() || total >= most || app.draining.is_cancelled() {
            break;
        }
    }
    if total > 0 {
        tracing::warn!(assignments = total, why, "the queue forgot jobs");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_since_the_queue_is_known_is_not_lost_with_an_older_one() {
        let at = Timestamp::from_seconds;
        let mut queue = Forgotten::default();
        // Made at 5.3, say; this process started at 5.4 and noted what it sent at 5.5.
        assert_eq!(queue.lost_before(at(5.0), at(5.4), at(5.6)), at(5.4));
        assert_eq!(queue.lost_before(at(5.0), at(5.4), at(10.6)), at(5.4));
        // Made anew, and seen at once, or later.
        assert_eq!(queue.lost_before(at(15.0), at(5.4), at(15.6)), at(15.6));
        assert_eq!(queue.lost_before(at(15.0), at(5.4), at(20.6)), at(15.6));
        assert_eq!(queue.lost_before(at(30.0), at(5.4), at(35.6)), at(31.0));
        let first = |started| Forgotten::default().lost_before(at(5.0), started, at(99.1));
        assert_eq!(first(at(99.0)), at(6.0), "an old queue");
        assert_eq!(first(at(4.0)), at(6.0), "one that came after this process");
    }

    #[test]
    fn three_empty_samples_in_a_row_tell_what_was_sent_before_the_first() {
        let at = Timestamp::from_seconds;
        let mut queue = Forgotten::default();
        assert_eq!(queue.count_empty(0, at(1.0)), None);
        assert_eq!(queue.count_empty(0, at(6.0)), None);
        assert_eq!(queue.count_empty(1, at(11.0)), None);
        assert_eq!(queue.count_empty(0, at(16.0)), None);
        assert_eq!(queue.count_empty(0, at(21.0)), None);
        assert_eq!(queue.count_empty(0, at(26.0)), Some(at(16.0)));
        assert_eq!(queue.count_empty(0, at(31.0)), None);
    }
}
