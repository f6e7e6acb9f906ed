//! Eventually final: from every state that can be reached, a final one can be reached.
//!
//! Stateright's own `eventually` may miss a path that joins another, and takes every cycle for an
//! end. This is the exact question under fairness (a step that stays possible is taken at some time):
//! if a final state stays in reach whatever happens, it is reached.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use stateright::Model;

use crate::model::Interleavings;
use crate::state::State;

/// Explores `model`. Returns the number of states, and one from which no final state can be reached,
/// if there is one.
pub fn stuck(model: &Interleavings) -> (usize, Option<State>) {
    let mut states = model.init_states();
    let mut numbers: HashMap<u64, u32> = HashMap::new();
    for (number, state) in states.iter().enumerate() {
        numbers.insert(fingerprint(state), number as u32);
    }
    let mut before: Vec<Vec<u32>> = vec![Vec::new(); states.len()];
    let mut actions = Vec::new();
    let mut current = 0;
    while current < states.len() {
        let state = states[current].clone();
        model.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let Some(next) = model.next_state(&state, action) else {
                continue;
            };
            let number = match numbers.entry(fingerprint(&next)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let number = states.len() as u32;
                    states.push(next);
                    before.push(Vec::new());
                    *new.insert(number)
                }
            };
            before[number as usize].push(current as u32);
        }
        current += 1;
    }
    let mut reaches: Vec<bool> = states.iter().map(State::is_final).collect();
    let mut open: Vec<u32> = (0..states.len() as u32)
        .filter(|number| reaches[*number as usize])
        .collect();
    while let Some(number) = open.pop() {
        for earlier in &before[number as usize] {
            if !std::mem::replace(&mut reaches[*earlier as usize], true) {
                open.push(*earlier);
            }
        }
    }
    let stuck = reaches.iter().position(|reaches| !reaches);
    (states.len(), stuck.map(|number| states.swap_remove(number)))
}

/// A state by its hash, as Stateright tells states apart.
fn fingerprint(state: &State) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(state)
}
