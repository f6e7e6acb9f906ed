//! Which assignment the next session opens: a class of sessions opens one.

use std::sync::{Mutex, PoisonError};

use fastrand::Rng;

/// The classes that look at assignments.
#[derive(Debug)]
pub(crate) struct Classroom {
    size: u32,
    at_once: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// With pictures, not opened by any class yet.
    unseen: Vec<String>,
    /// With pictures, opened by a class.
    seen: Vec<String>,
    /// Assignment and seats left of each class.
    classes: Vec<(String, u32)>,
}

impl Classroom {
    /// Classes of `size` sessions, as many at once as fit `users`.
    pub(crate) fn new(size: u32, users: usize) -> Self {
        Self {
            size,
            at_once: (users / 25).max(1),
            state: Mutex::default(),
        }
    }

    /// An assignment got its picture.
    pub(crate) fn add(&self, id: String) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .unseen
            .push(id);
    }

    /// The assignment that the next session opens; none while no picture was made.
    ///
    /// The newest one that no class has opened comes next; when there is none, a later class
    /// opens an older one again.
    pub(crate) fn take_seat(&self, rng: &mut Rng) -> Option<String> {
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.classes.len() < self.at_once {
            if let Some(id) = state.unseen.pop() {
                state.seen.push(id.clone());
                state.classes.push((id, self.size));
            } else if state.classes.is_empty() && !state.seen.is_empty() {
                let again = state.seen[rng.usize(0..state.seen.len())].clone();
                state.classes.push((again, self.size));
            }
        }
        if state.classes.is_empty() {
            return None;
        }
        let class = rng.usize(0..state.classes.len());
        let (id, seats) = &mut state.classes[class];
        let id = id.clone();
        *seats -= 1;
        if *seats == 0 {
            state.classes.swap_remove(class);
        }
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_opens_one_assignment() {
        let rng = &mut Rng::with_seed(1);
        let classroom = Classroom::new(30, 10);
        assert_eq!(classroom.take_seat(rng), None);
        classroom.add("a".to_owned());
        classroom.add("b".to_owned());
        let first: Vec<_> = (0..30).filter_map(|_| classroom.take_seat(rng)).collect();
        assert_eq!(first, vec!["b"; 30]);
        let second: Vec<_> = (0..30).filter_map(|_| classroom.take_seat(rng)).collect();
        assert_eq!(second, vec!["a"; 30]);
    }

    #[test]
    fn with_no_new_assignment_an_old_one_is_opened_again() {
        let rng = &mut Rng::with_seed(1);
        let classroom = Classroom::new(2, 10);
        classroom.add("a".to_owned());
        assert_eq!((0..5).filter_map(|_| classroom.take_seat(rng)).count(), 5);
    }
}
