//! Prompts that no one asked for before, and the teachers who ask.

use fastrand::Rng;

const LOOKS: [&str; 8] = [
    "A serene",
    "A bustling",
    "A misty",
    "A colorful",
    "An ancient",
    "A snowy",
    "A sunlit",
    "A stormy",
];
const PLACES: [&str; 12] = [
    "mountain lake",
    "market square",
    "rain forest",
    "coral reef",
    "desert village",
    "river delta",
    "castle garden",
    "space station",
    "harbor town",
    "wheat field",
    "volcano island",
    "library hall",
];
const TIMES: [&str; 6] = [
    "at sunset",
    "at dawn",
    "in winter",
    "at noon",
    "under the stars",
    "after the rain",
];

/// What teachers ask for, different in every call and every run.
#[derive(Debug)]
pub(crate) struct Prompts {
    run: String,
    teachers: u32,
}

impl Prompts {
    /// For a run with `teachers` teachers, told from other runs by `seed`.
    pub(crate) fn new(seed: u64, teachers: u32) -> Self {
        Self {
            run: format!("{:08x}", seed as u32 ^ (seed >> 32) as u32),
            teachers,
        }
    }

    /// One prompt; `number` makes it unique within the run.
    pub(crate) fn prompt(&self, number: u64, rng: &mut Rng) -> String {
        let [look, place, time] = [draw(&LOOKS, rng), draw(&PLACES, rng), draw(&TIMES, rng)];
        format!("{look} {place} {time}, for lesson {}-{number}", self.run)
    }

    /// One of the teachers.
    pub(crate) fn teacher(&self, rng: &mut Rng) -> String {
        format!("load-{}-{}", self.run, rng.u32(0..self.teachers))
    }
}

fn draw(words: &[&'static str], rng: &mut Rng) -> &'static str {
    words[rng.usize(0..words.len())]
}
