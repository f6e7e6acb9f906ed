//! What happens when: events by time, those of one moment in the order of their planning.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The events to come.
pub(crate) struct Timetable<E> {
    events: BinaryHeap<Timed<E>>,
    planned: u64,
}

struct Timed<E> {
    at: f64,
    order: u64,
    event: E,
}

impl<E> Default for Timetable<E> {
    fn default() -> Self {
        Self {
            events: BinaryHeap::new(),
            planned: 0,
        }
    }
}

impl<E> Timetable<E> {
    /// Plans an event.
    pub(crate) fn plan(&mut self, at: f64, event: E) {
        self.planned += 1;
        let order = self.planned;
        self.events.push(Timed { at, order, event });
    }

    /// The next event and its time.
    pub(crate) fn next(&mut self) -> Option<(f64, E)> {
        self.events.pop().map(|next| (next.at, next.event))
    }
}

impl<E> PartialEq for Timed<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Timed<E> {}

impl<E> PartialOrd for Timed<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Timed<E> {
    /// The earliest is the greatest, since the heap gives that first.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_time = other.at.total_cmp(&self.at);
        by_time.then(other.order.cmp(&self.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_of_equals_the_first_planned() {
        let mut timetable = Timetable::default();
        for (at, event) in [(2.0, "c"), (1.0, "a"), (1.0, "b")] {
            timetable.plan(at, event);
        }
        let events: Vec<_> = std::iter::from_fn(|| timetable.next()).collect();
        assert_eq!(events, [(1.0, "a"), (1.0, "b"), (2.0, "c")]);
    }
}
